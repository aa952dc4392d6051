"""What the rows of interrupted runs share: a pack in a process of its own, ended somewhere, and its second run.

Strategy: a pack of many small segments, its clean files made once; whatever ended it, final names are absent or whole, the second
run ends well with the clean run's bytes, and nothing is left over. The command line is started as users start it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.fault.matrix.disk import REPOSITORY
from tests.fault.matrix.registry import expect

import recordio_kit as rk
from tests.samples import write_tree


_SMALL_SEGMENTS = "from recordio_kit._core import plan\nplan.SEGMENT_ENTRIES = 8\n"
_CODE = "import sys\n{prelude}\nfrom recordio_kit.cli import main\nsys.exit(main(sys.argv[1:]))"
_STATE = ".recordio_kit"


class Interruptible:
    """A pack that can be run, ended and run again.

    Args:
        workdir: holds the images, the list and the clean files.
        count: images of each of two classes.
        words: further words of the command.
    """

    def __init__(self, workdir: Path, count: int, *words: str) -> None:
        self._root = write_tree(workdir / "photos", {"ant": count, "bee": count}, height=60, width=60)
        self._list = workdir / "x.lst"
        self._words = words
        rk.write_list(rk.make_list(self._root), self._list)
        done = self.run(workdir / "clean")
        expect(done.returncode == 0, done.stderr[-600:])
        self.whole = self.files(workdir / "clean")

    def call(self, dest: Path, *words: str, prelude: str = "") -> list[str]:
        """Return the command that packs into a folder."""
        code = _CODE.format(prelude=_SMALL_SEGMENTS + prelude)
        command = ["pack", str(self._list), str(self._root), str(dest / "x.rec"), *self._words, *words]
        return [sys.executable, "-c", code, *command]

    def run(self, dest: Path, *words: str, under: Sequence[str] = (), prelude: str = "") -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        call = [*under, *self.call(dest, *words, prelude=prelude)]
        return subprocess.run(call, capture_output=True, text=True, timeout=120, cwd=REPOSITORY)

    def start(self, dest: Path) -> subprocess.Popen[str]:
        """Start it."""
        return subprocess.Popen(self.call(dest), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY)

    def files(self, dest: Path) -> dict[str, bytes]:
        """Return what stands under final names."""
        names = sorted(os.listdir(dest)) if dest.exists() else []
        return {name: (dest / name).read_bytes() for name in names if name != _STATE}

    def expect_absent_or_whole(self, dest: Path) -> None:
        """Expect no final name that holds anything but the clean run's bytes."""
        for name, data in self.files(dest).items():
            expect(self.whole.get(name) == data, f"{name} is neither absent nor whole")

    def expect_resumed(self, dest: Path) -> None:
        """Expect that a second run gives the clean run's bytes and leaves nothing over."""
        self.expect_absent_or_whole(dest)
        done = self.run(dest)
        expect(done.returncode == 0, f"the second run ended with {done.returncode}: {done.stderr[-600:]}")
        expect(self.files(dest) == self.whole, "other bytes than a clean run's")
        expect(not (dest / _STATE).exists(), f"left over: {os.listdir(dest / _STATE) if (dest / _STATE).exists() else ''}")


def expect_one_line(done: subprocess.CompletedProcess[str] | tuple[int, str], *codes: int) -> None:
    """Expect an exit code, one line of error, and no traceback."""
    code, said = done if isinstance(done, tuple) else (done.returncode, done.stderr)
    lines = [line for line in said.splitlines() if line.startswith("error:")]
    expect(code in codes, f"exit {code}, not {codes}: {said[-600:]}")
    expect(len(lines) == 1 and "Traceback" not in said, f"not one clear line: {said[-600:]}")
