"""Make the golden vectors again, from the inputs that they hold, with MXNet itself: ``python make_golden.py OUT``.

The interpreter must have MXNet 1.9.1 (and NumPy 1.23, OpenCV); nothing of recordio_kit is used. Every file under OUT is
then equal, byte for byte, to the one under ``data/``.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import sys
import tempfile
from pathlib import Path

import numpy as np


np.bool = bool  # MXNet 1.9.1 asks for it

import mxnet as mx  # noqa: E402


DATA = Path(__file__).parent / "data"
TOOL = Path(mx.__file__).parent / "tools" / "im2rec.py"


def write_json(path: Path, value: object, *, ensure_ascii: bool = True) -> None:
    path.write_bytes(json.dumps(value, indent=0, ensure_ascii=ensure_ascii).encode())


def write_indexed(stem: Path, payloads: list[bytes]) -> None:
    record = mx.recordio.MXIndexedRecordIO(f"{stem}.idx", f"{stem}.rec", "w")
    for key, payload in enumerate(payloads):
        record.write_idx(key, payload)
    record.close()


def im2rec(*args: str) -> str:
    stdout, argv = io.StringIO(), sys.argv
    sys.argv = [str(TOOL), *args]
    try:
        with contextlib.redirect_stdout(stdout):
            runpy.run_path(str(TOOL), run_name="__main__")
    finally:
        sys.argv = argv
    return stdout.getvalue()


def make_raw(out: Path) -> None:
    inputs = json.loads((DATA / "raw/payloads.json").read_bytes())
    write_indexed(out / "payloads", [bytes.fromhex(payload) for payload in inputs["payloads_hex"]])
    write_json(out / "payloads.json", inputs)


def make_headers(out: Path) -> None:
    cases = json.loads((DATA / "irheader/headers.json").read_bytes())
    made = []
    for case in cases:
        packed = mx.recordio.pack(mx.recordio.IRHeader(**case["in"]), bytes.fromhex(case["body_hex"]))
        header, body = mx.recordio.unpack(packed)
        label = header.label.tolist() if header.flag else header.label
        result = {"flag": header.flag, "label": label, "id": header.id, "id2": header.id2}
        made.append(
            {
                "in": case["in"],
                "body_hex": case["body_hex"],
                "packed_hex": packed.hex(),
                "out": result,
                "out_body_hex": body.hex(),
            }
        )
    write_json(out / "headers.json", made)
    write_indexed(out / "headers", [bytes.fromhex(case["packed_hex"]) for case in made])


def make_im2rec(out: Path) -> None:
    vectors = json.loads((DATA / "im2rec/lists.json").read_bytes())
    with tempfile.TemporaryDirectory() as folder:
        tree, lists = Path(folder, "tree"), Path(folder, "lists")
        for name, content in vectors["tree"].items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes(bytes.fromhex(content))
        cases = []
        for case in vectors["cases"]:
            lists.mkdir()
            stdout = im2rec("--list", str(lists / "data"), str(tree), *case["args"])
            files = {path.name: path.read_bytes().decode() for path in sorted(lists.iterdir())}
            cases.append({"args": case["args"], "files": files, "stdout": stdout})
            for path in lists.iterdir():
                path.unlink()
            lists.rmdir()
        write_json(out / "lists.json", {"tree": vectors["tree"], "cases": cases}, ensure_ascii=False)
        (out / "data.lst").write_bytes(cases[0]["files"]["data.lst"].encode())
        (out / "multi.lst").write_bytes((DATA / "im2rec/multi.lst").read_bytes())
        im2rec(str(out / "data"), str(tree), "--pass-through")
        im2rec(str(out / "multi"), str(tree), "--pass-through", "--pack-label")


def main(out: Path) -> None:
    for name, make in (("raw", make_raw), ("irheader", make_headers), ("im2rec", make_im2rec)):
        (out / name).mkdir(parents=True)
        make(out / name)


if __name__ == "__main__":
    main(Path(os.path.abspath(sys.argv[1])))
