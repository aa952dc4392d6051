"""The im2rec mode against lists and record files that MXNet 1.9.1's im2rec.py wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recordio_kit.im2rec import main


DATA = Path(__file__).parent / "data" / "im2rec"
VECTORS = json.loads((DATA / "lists.json").read_bytes())


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("im2rec") / "tree"
    for name, content in VECTORS["tree"].items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(bytes.fromhex(content))
    return root


@pytest.mark.parametrize("case", VECTORS["cases"], ids=[" ".join(case["args"]) for case in VECTORS["cases"]])
def test_lists_and_stdout_are_mxnets_byte_for_byte(case, tree, tmp_path, capsys):
    code = main(["--list", str(tmp_path / "data"), str(tree), *case["args"]])
    files = {path.name: path.read_bytes().decode("utf-8") for path in tmp_path.iterdir()}
    assert files == case["files"]
    assert capsys.readouterr().out == case["stdout"]
    # 53 images: int(53 * 0.7) + int(53 * 0.3) is 52
    assert code == (1 if case["args"] == ["--recursive", "--train-ratio", "0.7", "--test-ratio", "0.3"] else 0)


@pytest.mark.parametrize(("stem", "args"), [("data", []), ("multi", ["--pack-label"]), ("data", ["--num-thread", "3"])])
def test_pass_through_packs_mxnets_files_byte_for_byte(stem, args, tree, tmp_path):
    (tmp_path / f"{stem}.lst").write_bytes((DATA / f"{stem}.lst").read_bytes())
    assert main([str(tmp_path / stem), str(tree), "--pass-through", *args]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{stem}.idx", f"{stem}.lst", f"{stem}.rec"]
    assert (tmp_path / f"{stem}.rec").read_bytes() == (DATA / f"{stem}.rec").read_bytes()
    assert (tmp_path / f"{stem}.idx").read_bytes() == (DATA / f"{stem}.idx").read_bytes()
