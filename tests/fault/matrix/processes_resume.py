"""Rows A1, A2 and A10: runs that are killed or interrupted anywhere, and two at once.

Strategy: real processes and real signals, at moments drawn by chance from the whole length of a run, and (with strace) at every
single system call that touches the disk. A second run must give the bytes of one that nobody disturbed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.fault.matrix.processes import alive, children_of
from tests.fault.matrix.registry import Outcome, Scale, Trials, expect, posix, row, strace

from tests.fault.matrix.resume import Interruptible, expect_one_line


_IMAGES = 150


def _length(pack: Interruptible, dest: Path) -> float:
    started = time.monotonic()
    pack.run(dest)
    shutil.rmtree(dest)
    return time.monotonic() - started


def _kill(pack: Interruptible, dest: Path, after: float) -> bool:
    """Kill a run some time after its start; tell whether it had not ended before."""
    with pack.start(dest) as process:
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            workers = children_of(process.pid)
            process.kill()
            process.wait()
            gone = time.monotonic() + 5
            while alive(workers) and time.monotonic() < gone:
                time.sleep(0.01)
            expect(not alive(workers), "workers outlive their parent")
            return True
        return False


@row(
    "A1",
    "SIGKILL of the run at random moments, and again during the run that goes on",
    "100 % the clean run's bytes, 0 leftovers",
    posix,
)
def killed_runs(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("A1", seed, limit=60)
    pack = Interruptible(workdir, _IMAGES, "--resize", "48", "--workers", "2")
    length = _length(pack, workdir / "timed")
    killed = went_on = 0
    for number in range(scale.of(3, 200)):
        chance, dest = trials.random(number), workdir / f"out{number}"
        with trials.trial(f"kill {number}"):
            for _ in range(2 if number % 4 == 0 else 1):  # every fourth is killed again while it goes on
                killed += _kill(pack, dest, chance.uniform(0.1, 1.1) * length)
                pack.expect_absent_or_whole(dest)
            went_on += (dest / ".recordio_kit" / "x.rec.part").exists()
            pack.expect_resumed(dest)
        shutil.rmtree(dest, ignore_errors=True)
    trials.figure("kills", str(killed))
    trials.figure("runs that went on", str(went_on))
    return trials.outcome()


#: What touches the disk, each with how often a run of the small pack calls it at most; the rest is reached by the random kills.
_CALLS = {"pwritev": 12, "write": 16, "ftruncate": 6, "fsync": 14, "rename": 4, "unlink": 4, "flock": 20, "mkdir": 3, "rmdir": 4}


@row("A11", "SIGKILL of the run at every system call that touches the disk", "100 % the clean run's bytes, 0 leftovers", strace)
def killed_at_calls(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("A11", seed, limit=60)
    pack = Interruptible(workdir, 20, "--workers", "0")
    places = [(name, number) for name, most in _CALLS.items() for number in range(1, most + 1)]
    if scale is Scale.SHORT:
        places = trials.random().sample(places, 6)
    killed = 0
    for name, number in places:
        dest = workdir / f"out-{name}-{number}"
        with trials.trial(f"{name} {number}"):
            calls = "rename,renameat,renameat2" if name == "rename" else "unlink,unlinkat" if name == "unlink" else name
            under = [
                "strace",
                "-f",
                "-qq",
                "-o",
                os.devnull,
                "-e",
                f"trace={calls}",
                "-e",
                f"inject={calls}:signal=KILL:when={number}",
            ]
            done = pack.run(dest, under=under)
            killed += done.returncode != 0
            pack.expect_resumed(dest)
        shutil.rmtree(dest, ignore_errors=True)
    trials.figure("kills", str(killed))
    return trials.outcome()


@row(
    "A2",
    "SIGINT and SIGTERM at random moments",
    "exit 130 or 143 in <= 2 s, one line, 0 orphans, then the clean run's bytes",
    posix,
)
def interrupted_runs(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("A2", seed, limit=60)
    pack = Interruptible(workdir, _IMAGES, "--resize", "48", "--workers", "2")
    length = _length(pack, workdir / "timed")
    slowest, interrupted = 0.0, 0
    for number in range(scale.of(2, 50)):
        chance, dest = trials.random(number), workdir / f"out{number}"
        which, code = ((signal.SIGINT, 130), (signal.SIGTERM, 143))[number % 2]
        with trials.trial(f"{which.name} {number}"), pack.start(dest) as process:
            # Before the command line is there, a signal is Python's own affair.
            time.sleep(chance.uniform(0.4, 1.0) * length)
            workers = children_of(process.pid)
            started = time.monotonic()
            process.send_signal(which)
            _, said = process.communicate(timeout=60)
            if process.returncode != 0 and said:
                interrupted += 1
                slowest = max(slowest, time.monotonic() - started)
                expect_one_line((process.returncode, said), code)
            time.sleep(0.05)
            expect(not alive(workers), "workers outlive the run")
            pack.expect_resumed(dest)
        shutil.rmtree(dest, ignore_errors=True)
    trials.figure("interrupted", str(interrupted))
    trials.figure("ended after at most", f"{slowest:.2f} s")
    trials.share("ended in 2 s", int(slowest <= scale.of(20.0, 2.0)), 1)
    return trials.outcome()


@row(
    "A10",
    "two runs of one destination at once",
    "one winner, the other refused naming it or finding all done; a dead one's lock counts for nothing",
    posix,
)
def two_at_once(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("A10", seed, limit=60)
    pack = Interruptible(workdir, 40, "--workers", "0")
    refused = found_done = 0
    for number in range(scale.of(2, 100)):
        chance, dest = trials.random(number), workdir / f"out{number}"
        with trials.trial(str(number)), pack.start(dest) as first:
            time.sleep(chance.uniform(0, 0.3))
            with pack.start(dest) as second:
                ends = [(process.communicate(timeout=60)[1], process) for process in (first, second)]
            codes = sorted(process.returncode for _, process in ends)
            expect(codes in ([0, 0], [0, 2]), f"exit codes {codes}: {[said[-300:] for said, _ in ends]}")
            if codes == [0, 2]:
                said, loser = next(end for end in ends if end[1].returncode == 2)
                winner = first if loser is second else second
                expect_one_line((2, said), 2)
                expect(f"process {winner.pid} on" in said or "exists already" in said, f"names nobody: {said}")
                refused += 1
            else:
                found_done += 1
            expect(pack.files(dest) == pack.whole, "other bytes than a clean run's")
            expect(not (dest / ".recordio_kit").exists(), "left over")
        shutil.rmtree(dest, ignore_errors=True)
    trials.figure("refused", str(refused))
    trials.figure("found all done", str(found_done))
    return trials.outcome()
