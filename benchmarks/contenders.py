"""What is timed: for each kind of work, the command of ours and those of the peers that are present."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path


# im2rec.py of MXNet 1.9.1 does not import on a NumPy without np.bool.
_IM2REC = (
    "import sys, runpy, importlib.util, pathlib, numpy; numpy.bool = bool; "
    "sys.argv = ['im2rec.py', *sys.argv[1:]]; "
    "tools = pathlib.Path(importlib.util.find_spec('mxnet').origin).parent / 'tools'; "
    "runpy.run_path(str(tools / 'im2rec.py'), run_name='__main__')"
)


@dataclass(frozen=True)
class Contender:
    """One command that does the work of a row, in a folder of its own."""

    name: str
    command: list[str]


def rows(root: Path) -> dict[str, list[Contender]]:
    """Return the contenders of each row, ours first.

    Args:
        root: the images; each command runs in a folder with ``all.lst``, im2rec's own list of them.
    """
    ours = [sys.executable, "-m", "recordio_kit"]
    mxnet = os.environ.get("MXNET_PYTHON")

    def im2rec(threads: int, *flags: str) -> list[Contender]:
        if mxnet is None:
            return []
        return [
            Contender(
                f"im2rec.py {threads} threads", [mxnet, "-c", _IM2REC, "all", str(root), "--num-thread", str(threads), *flags]
            )
        ]

    resize = ["--resize", "256", "--quality", "95"]
    tar = shutil.which("tar")
    return {
        "resize 256": [
            Contender("recordio_kit", [*ours, "pack", "all.lst", str(root), "x.rec", *resize]),
            Contender("recordio_kit in one process", [*ours, "pack", "all.lst", str(root), "x.rec", *resize, "--workers", "0"]),
            Contender("recordio_kit one worker", [*ours, "pack", "all.lst", str(root), "x.rec", *resize, "--workers", "1"]),
            *im2rec(1, *resize),
            *im2rec(2, *resize),
        ],
        "pass-through": [
            Contender("recordio_kit", [*ours, "pack", "all.lst", str(root), "x.rec"]),
            Contender("recordio_kit im2rec mode", [*ours, "im2rec", "all", str(root), "--pass-through"]),
            *im2rec(1, "--pass-through"),
            *im2rec(2, "--pass-through"),
            *([Contender("tar", [tar, "--hard-dereference", "-chf", "x.tar", "-C", str(root.parent), root.name])] if tar else []),
        ],
        "list": [
            Contender("recordio_kit", [*ours, "list", str(root), "y.lst"]),
            *([Contender("im2rec.py", [mxnet, "-c", _IM2REC, "y", str(root), "--list", "--recursive"])] if mxnet else []),
            Contender("find", ["find", str(root), "-type", "f", "-name", "*.jpg", "-fprint", "y.txt"]),
        ],
    }
