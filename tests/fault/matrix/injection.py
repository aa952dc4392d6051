"""Break a whole run of ``recordio-kit`` from outside, and hold what it leaves against what it promised.

Strategy: a ``Pack`` is a command with a known good result. Each injection runs it once in a process of its own, into a
folder of its own, and breaks it: a signal at some moment, a system call that fails or kills (strace), a file size limit, a
file system that is full. After each, ``expect_finals`` looks at the final names, and ``expect_resumed`` runs the same
command again, unbroken: that must end well, with the clean run's bytes, and leave nothing else behind.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import recordio_kit as rk
from tests.fault.matrix.disk import REPOSITORY, command, files_below, mounted
from tests.fault.matrix.registry import expect
from tests.samples import write_tree


#: Temporary files and the journal stand here, as long as a run is not finished.
STATE_FOLDER = ".recordio_kit"
NAMES = ("x.rec", "x.idx", "x.rkm")
#: The calls by which a run touches the disk, as strace's patterns.
CALLS = ("write", "fsync", "close", "/^rename", "/^unlink", "/^mkdir")


class Pack(NamedTuple):
    """A command, but for its output, and what it makes."""

    words: list[str]
    clean: dict[str, bytes]
    #: What stands in the output from the start, if anything.
    old: dict[str, bytes]

    def start(self, out: Path, *prefix: str, prelude: str = "") -> subprocess.Popen[str]:
        """Start the command, into a folder; ``prefix`` is a program that runs it."""
        code = f"import sys\n{prelude}\nfrom recordio_kit.cli import main\nsys.exit(main(sys.argv[1:]))"
        call = [*prefix, sys.executable, "-c", code, *self.words, str(out / "x.rec")]
        return subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY, process_group=0)

    def put_old(self, out: Path) -> None:
        """Make the output folder, with what stands in it from the start."""
        out.mkdir(parents=True, exist_ok=True)
        for name, data in self.old.items():
            (out / name).write_bytes(data)


def make_pack(workdir: Path, count: int, *, overwrite: bool = False, options: tuple[str, ...] = ()) -> Pack:
    """Return a pack of so many images into one file."""
    photos = write_tree(workdir / "photos", {"ant": count // 2, "bee": count - count // 2})
    rk.write_list(rk.make_list(photos), workdir / "x.lst")
    words = ["pack", *options, *(["--overwrite"] if overwrite else []), str(workdir / "x.lst"), str(photos)]
    done = command(*words, workdir / "clean" / "x.rec")
    expect(done.returncode == 0, done.stderr[-600:])
    old = {}
    if overwrite:
        with rk.RecordWriter(workdir / "old" / "x.rec", checksums=True) as writer:
            writer.write(b"old")
        old = {name: (workdir / "old" / name).read_bytes() for name in NAMES}
    return Pack(words, {name: (workdir / "clean" / name).read_bytes() for name in NAMES}, old)


def expect_finals(pack: Pack, out: Path) -> None:
    """Expect each final name to be absent, old or whole, and nothing else beside them but what a resumed run needs."""
    for name in NAMES:
        if (out / name).exists():
            expect((out / name).read_bytes() in (pack.clean[name], pack.old.get(name)), f"{name} is neither old nor whole")
    others = [name for name in files_below(out) if name not in NAMES and not name.startswith(STATE_FOLDER + os.sep)]
    expect(not others, f"left behind: {others}")


def expect_resumed(pack: Pack, out: Path) -> None:
    """Run the command again, unbroken: the one check of every row that resumes."""
    expect_finals(pack, out)
    done = command(*pack.words, out / "x.rec")
    expect(done.returncode == 0, f"again: exit {done.returncode}: {done.stderr[-600:]}")
    found = {name: (out / name).read_bytes() for name in files_below(out)}
    expect(found == pack.clean, f"again: other bytes, or other files: {sorted(found)}")


def end(process: subprocess.Popen[str], *signals: int) -> tuple[int, str, float]:
    """Send signals to the whole group, as a terminal does, and return exit code, words, and the seconds until the end."""
    started = time.monotonic()
    for number in signals:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
    _, said = process.communicate(timeout=60)
    return process.returncode, said, time.monotonic() - started


def kill_after(pack: Pack, out: Path, seconds: float, number: int = signal.SIGKILL) -> tuple[int, str, float]:
    """Start the command and send it a signal after so many seconds."""
    pack.put_old(out)
    process = pack.start(out)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    return end(process, number)


def run_time(pack: Pack, out: Path) -> float:
    """Return how long the command takes here, so that random moments fall into it."""
    pack.put_old(out)
    started = time.monotonic()
    expect(end(pack.start(out))[0] == 0, "a clean run fails")
    return time.monotonic() - started


def find_calls(pack: Pack, out: Path) -> dict[str, range]:
    """Return, of each of ``CALLS``, those that a clean run makes once it has begun to write: the k of the k-th such call."""
    pack.put_old(out)
    log = out.with_suffix(".calls")
    code, said, _ = end(pack.start(out, "strace", "-f", "-qq", "-o", str(log), "-e", f"trace={','.join(CALLS)}"))
    expect(code == 0, said[-600:])
    lines = log.read_text("utf-8", "replace").splitlines()
    # what comes before is Python's start: its modules, not our files
    begin = next(place for place, line in enumerate(lines) if "mkdir" in line and STATE_FOLDER in line)
    found = {}
    for call in CALLS:
        places = [place for place, line in enumerate(lines) if re.match(rf"\d+ +{call.strip('/^')}\w*\(", line)]
        found[call] = range(1 + sum(place < begin for place in places), 1 + len(places))
    return found


def inject(pack: Pack, out: Path, call: str, fault: str, when: str) -> tuple[int, str, float]:
    """Run the command with a fault (``error=ENOSPC``, ``signal=KILL``) in the k-th such system call."""
    pack.put_old(out)
    return end(pack.start(out, "strace", "-f", "-qq", "-o", os.devnull, "-e", f"inject={call}:{fault}:when={when}"))


def with_file_limit(pack: Pack, out: Path, size: int) -> tuple[int, str, float]:
    """Run the command where no file may have more bytes than this (EFBIG)."""
    pack.put_old(out)
    prelude = (
        "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))"
    )
    return end(pack.start(out, prelude=prelude))


@contextlib.contextmanager
def small_disk(place: Path, size: int) -> Iterator[Path]:
    """Mount a file system of so many bytes; it can be made larger with ``make_room``."""
    with mounted(place, f"size={size}"):
        yield place


def make_room(place: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=64m", str(place)], check=True)
