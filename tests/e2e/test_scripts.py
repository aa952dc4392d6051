"""Worker processes must work from every kind of ``__main__``."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.samples import write_tree


SCRIPT = """
import recordio_kit as rk
report = rk.pack_list(rk.make_list({photos!r}), {out!r}, transform=rk.Reencode(short_edge=10), workers=2)
print(report.records)
"""
# A notebook's cells run in a __main__ without a file.
NOTEBOOK = "import sys, types; m = types.ModuleType('__main__'); sys.modules['__main__'] = m; exec(compile({code!r}, '<cell 1>', 'exec'), m.__dict__)"


@pytest.fixture
def run(tmp_path):
    photos = write_tree(tmp_path / "photos", {"ant": 3, "bee": 3})
    code = SCRIPT.format(photos=str(photos), out=str(tmp_path / "x.rec"))

    def start(*arguments, **options):
        return subprocess.run(
            [sys.executable, "-W", "error", *arguments], capture_output=True, text=True, timeout=100, cwd=tmp_path, **options
        )

    return tmp_path, code, start


def check(done, tmp_path):
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "6", "")
    assert sorted(os.listdir(tmp_path)) == sorted(
        ["photos", "x.idx", "x.rec", "x.rkm", *({"script.py"} & set(os.listdir(tmp_path)))]
    )


def test_a_script_without_a_main_guard(run):
    tmp_path, code, start = run
    (tmp_path / "script.py").write_text(code)
    check(start("script.py"), tmp_path)


def test_a_script_on_standard_input(run):
    tmp_path, code, start = run
    check(start("-", input=code), tmp_path)


def test_a_cell_of_a_notebook(run):
    tmp_path, code, start = run
    check(start("-c", NOTEBOOK.format(code=code)), tmp_path)


def test_a_folder_with_modules_of_standard_names(run):
    tmp_path, code, start = run
    (tmp_path / "queue.py").write_text("raise SystemExit('shadowed')")
    done = start("-P", "-c", code)
    assert (done.returncode, done.stdout.strip()) == (0, "6"), done.stderr
