"""Rows B1 to B4: a disk that is full, or fails, at any call; and the second run, when there is room again.

Strategy: file systems that are really full where the machine allows it (a small tmpfs), limits of the process elsewhere, and
system calls that strace makes fail one by one. The run is refused in one line, exit 3; final names are absent or whole.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.fault.matrix.disk import mounted
from tests.fault.matrix.registry import Outcome, Scale, Trials, expect, posix, row, strace, superuser

from tests.fault.matrix.resume import Interruptible, expect_one_line


_PAGE = 4096
_LIMIT = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
"""


@row(
    "B1",
    "a file system that is full after a random number of bytes",
    "one clear line, exit 3, 0 half files; with room, the clean run's bytes",
    superuser,
)
def full_disks(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("B1", seed, limit=60)
    pack = Interruptible(workdir, 100, "--workers", "2")
    total, full = sum(map(len, pack.whole.values())), 0
    for number in range(scale.of(2, 50)):
        size = trials.random(number).randrange(_PAGE, total + 8 * _PAGE)
        with trials.trial(f"{size} bytes"), mounted(workdir / f"disk{number}", f"size={size}") as disk:
            done = pack.run(disk)
            if done.returncode:
                full += 1
                expect_one_line(done, 3)
                expect("No space left" in done.stderr, done.stderr[-300:])
                pack.expect_absent_or_whole(disk)
                subprocess.run(["mount", "-o", f"remount,size={4 * total}", str(disk)], check=True)
            pack.expect_resumed(disk)
    trials.figure("were full", str(full))
    return trials.outcome()


@row("B2", "a limit on the size of files, reached after a random number of bytes", "as B1", posix)
def limited_files(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("B2", seed, limit=60)
    pack = Interruptible(workdir, 100, "--workers", "0")
    largest, reached = max(map(len, pack.whole.values())), 0
    for number in range(scale.of(2, 50)):
        size, dest = trials.random(number).randrange(1, largest + _PAGE), workdir / f"out{number}"
        with trials.trial(f"{size} bytes"):
            done = pack.run(dest, prelude=_LIMIT.format(size=size))
            if done.returncode:
                reached += 1
                expect_one_line(done, 3)
                pack.expect_absent_or_whole(dest)
            pack.expect_resumed(dest)
        shutil.rmtree(dest, ignore_errors=True)
    trials.figure("reached the limit", str(reached))
    return trials.outcome()


#: Each call with the errors that it may give, and how often a run of the small pack makes it at most.
_FAULTS = (
    ("pwritev", "ENOSPC", 12),
    ("pwritev", "EIO", 12),
    ("pwritev", "EDQUOT", 3),
    ("write", "ENOSPC", 14),
    ("write", "EIO", 14),
    ("ftruncate", "EIO", 4),
    ("fsync", "EIO", 14),
    ("rename,renameat,renameat2", "EIO", 4),
    ("rename,renameat,renameat2", "EACCES", 4),
    ("mkdir", "ENOSPC", 2),
)


@row(
    "B3",
    "each call that writes, syncs, renames or makes a folder fails, one by one",
    "as B1; after a failed fsync nothing is kept",
    strace,
)
def failing_calls(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("B3", seed, limit=60)
    pack = Interruptible(workdir, 20, "--workers", "0")
    places = [(calls, error, number) for calls, error, most in _FAULTS for number in range(1, most + 1)]
    if scale is Scale.SHORT:
        places = trials.random().sample(places, 6)
    failed = 0
    for calls, error, number in places:
        dest = workdir / f"out-{calls[:6]}-{error}-{number}"
        with trials.trial(f"{calls} {error} {number}"):
            trace = ["-e", f"trace={calls}", "-e", f"inject={calls}:error={error}:when={number}"]
            done = pack.run(dest, "--quiet", under=["strace", "-f", "-qq", "-o", os.devnull, *trace])
            if done.returncode:
                failed += 1
                expect_one_line(done, 2, 3)
                pack.expect_absent_or_whole(dest)
                expect(
                    calls != "fsync" or "x.rec" in pack.files(dest) or not (dest / ".recordio_kit").exists(),
                    "kept after a failed fsync",
                )
            pack.expect_resumed(dest)
        shutil.rmtree(dest, ignore_errors=True)
    trials.figure("runs that failed", str(failed))
    return trials.outcome()


@row("B4", "a disk so nearly full that only the last, buffered bytes do not fit", "reported as B1", superuser)
def last_bytes(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("B4", seed, limit=60)
    pack = Interruptible(workdir, 30, "--workers", "0", "--no-checksums")
    record, index = (-(-len(pack.whole[name]) // _PAGE) * _PAGE for name in ("x.rec", "x.idx"))
    journal = 2 * _PAGE
    for number, short in enumerate(range(_PAGE, scale.of(3, 8) * _PAGE, _PAGE)):
        size = record + index + journal - short
        with trials.trial(f"{short} bytes short"), mounted(workdir / f"disk{number}", f"size={size}") as disk:
            done = pack.run(disk)
            expect_one_line(done, 3)
            pack.expect_absent_or_whole(disk)
            subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)
            pack.expect_resumed(disk)
    return trials.outcome()
