"""Rows A1, A2, A10 and B1 to B4: faults after which the same command, run again, must go on.

Strategy: the injections of ``injection``, each followed by its one check, ``expect_resumed``. They stand in the table as
pending until ``pack_list`` can resume; from then on they run like the rest. Nothing else has to be changed for that.
"""

from __future__ import annotations

import inspect
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import recordio_kit as rk
from tests.fault.matrix.injection import (
    CALLS,
    Pack,
    end,
    expect_finals,
    expect_resumed,
    find_calls,
    inject,
    kill_after,
    make_pack,
    make_room,
    run_time,
    small_disk,
    with_file_limit,
)
from tests.fault.matrix.registry import ROWS, Outcome, Row, RowFunction, Scale, Trials, expect, posix, row, strace, superuser


READY = "resume" in inspect.signature(rk.pack_list).parameters
_REASON = "pending: a pack cannot resume yet"
_WORK = ("--resize", "16", "--workers", "2")


def resumable(name: str, fault: str, mark: str, *needs: Callable[[], str]) -> Callable[[RowFunction], RowFunction]:
    """Register a row as ``row`` does; as pending as long as a pack cannot resume."""
    if READY:
        return row(name, fault, mark, *needs)

    def register(function: RowFunction) -> RowFunction:
        ROWS[name] = Row(name, fault, mark, function, needs, pending=_REASON)
        return function

    return register


@resumable(
    "A1", "SIGKILL at every file system call, at random moments, and again during the resumed run", "100 %: same bytes", strace
)
def killed_runs(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("A1", seed, limit=60)
    small = make_pack(workdir / "small", 40, overwrite=bool(seed % 2))
    for call, every in find_calls(small, workdir / "count").items():
        for when in every if scale is Scale.FULL else trials.random(call).sample(every, min(2, len(every))):
            out = workdir / f"{call.strip('/^')}{when}"
            with trials.trial(f"{call} {when}"):
                inject(small, out, call, "signal=KILL", str(when))
                expect_resumed(small, out)
    large = make_pack(workdir / "large", scale.of(200, 2000), options=_WORK)
    longest = run_time(large, workdir / "timed")
    for number in range(scale.of(3, 200)):
        chance, out = trials.random(number), workdir / f"random{number}"
        with trials.trial(f"random {number}"):
            for _ in range(1 + number % 4 // 3):  # every fourth is killed again when it goes on
                kill_after(large, out, chance.uniform(0, longest))
                expect_finals(large, out)
            expect_resumed(large, out)
    return trials.outcome()


@resumable("A2", "Ctrl-C, SIGTERM, a second Ctrl-C", "exit 130 or 143 in <= 2 s (second: <= 0.5 s), one line; then as A1", posix)
def interrupted_runs(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("A2", seed, limit=60)
    pack = make_pack(workdir / "large", scale.of(400, 2000), options=_WORK)
    longest = run_time(pack, workdir / "timed")
    hits = 0
    for number in range(scale.of(4, 100)):
        out, name = workdir / f"x{number}", ("SIGINT", "SIGTERM")[number % 2]
        with trials.trial(f"{name} {number}"):
            # Python itself answers a signal in its first moments
            moment = trials.random(number).uniform(min(0.4, longest / 2), longest)
            code, said, took = kill_after(pack, out, moment, getattr(signal, name))
            if code:
                hits += 1
                expect(took <= scale.of(6, 2), f"ended after {took:.1f} s")
                expect(code == {"SIGINT": 130, "SIGTERM": 143}[name], f"exit {code}: {said[-300:]}")
                expect("Traceback" not in said and said.count("error:") == 1, f"not one line: {said[-600:]}")
            expect_resumed(pack, out)
    for number in range(scale.of(1, 20)):
        out = workdir / f"twice{number}"
        with trials.trial(f"twice {number}"):
            pack.put_old(out)
            process = pack.start(out)
            try:
                process.wait(trials.random(f"twice {number}").uniform(0.4, longest))
            except subprocess.TimeoutExpired:
                _, _, took = end(process, signal.SIGINT, signal.SIGINT)
                expect(took <= scale.of(3, 2.5), f"ended after {took:.1f} s")
            else:
                end(process)
            expect_resumed(pack, out)
    trials.figure("signals that hit a run", f"{hits}")
    return trials.outcome()


@resumable("A10", "two packers with one output", "one does the work; in the end the same bytes, nothing else", posix)
def two_packers(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("A10", seed, limit=60)
    pack = make_pack(workdir / "large", 200, options=_WORK)
    for number in range(scale.of(2, 100)):
        out = workdir / f"x{number}"
        with trials.trial(str(number)):
            pack.put_old(out)
            codes = [end(process)[0] for process in [pack.start(out), pack.start(out)]]
            expect(0 in codes and set(codes) <= {0, 2}, f"exits {codes}")
            expect_resumed(pack, out)
    return trials.outcome()


def _judge_error(pack: Pack, out: Path, result: tuple[int, str, float], words: str = "") -> int:
    """Expect a broken run to end as a failure of the environment, or not to have noticed; return whether it failed."""
    code, said, _ = result
    expect(code in (0, 3), f"exit {code}: {said[-600:]}")
    if code:
        expect("Traceback" not in said, said[-600:])
        expect(words in said, f"{words!r} is not said: {said[-600:]}")
    else:
        expect(all((out / name).read_bytes() == data for name, data in pack.clean.items()), "exit 0, and not the whole pack")
    return int(code != 0)


def _inject_errors(row_id: str, scale: Scale, seed: int, workdir: Path, faults: dict[str, tuple[str, ...]]) -> Trials:
    trials = Trials(row_id, seed, limit=60)
    pack = make_pack(workdir / "small", 40, overwrite=True)
    found, failed = find_calls(pack, workdir / "count"), 0
    for error, calls in faults.items():
        for call in calls:
            every = found[call]
            for when in every if scale is Scale.FULL else trials.random(f"{error} {call}").sample(every, min(2, len(every))):
                out = workdir / f"{error}{call.strip('/^')}{when}"
                with trials.trial(f"{error} in {call} {when}"):
                    failed += _judge_error(pack, out, inject(pack, out, call, f"error={error}", str(when)))
                    expect_resumed(pack, out)
    trials.figure("runs that failed", f"{failed}")
    return trials


@resumable(
    "B1",
    "ENOSPC in every write, and on a small disk",
    "exit 3, names absent or old; with room again, the same bytes",
    strace,
    superuser,
)
def full_disks(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = _inject_errors("B1", scale, seed, workdir, {"ENOSPC": ("write",)})
    pack = make_pack(workdir / "large", 3000)
    whole = sum(map(len, pack.clean.values()))
    for number in range(scale.of(2, 40)):
        size = trials.random(number).randrange(1 << 16, whole)
        with trials.trial(f"{size} bytes"), small_disk(workdir / f"disk{number}", size) as place:
            out = place / "out"
            process = pack.start(out)
            expect(_judge_error(pack, out, end(process), "No space left") == 1, "it all fits")
            make_room(place)
            expect_resumed(pack, out)
    return trials.outcome()


@resumable("B2", "EFBIG by a file size limit; EDQUOT in every write", "as B1", strace)
def limits(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = _inject_errors("B2", scale, seed, workdir, {"EDQUOT": ("write",)})
    pack = make_pack(workdir / "large", 300)
    for number in range(scale.of(2, 60)):
        size, out = trials.random(number).randrange(1, len(pack.clean["x.rec"])), workdir / f"limit{number}"
        with trials.trial(f"{size} bytes"):
            expect(_judge_error(pack, out, with_file_limit(pack, out, size), "File too large") == 1, "it all fits")
            expect_resumed(pack, out)
    return trials.outcome()


@resumable("B3", "EIO in every write, fsync, close, rename, unlink and mkdir", "as B1", strace)
def failing_disks(scale: Scale, seed: int, workdir: Path) -> Outcome:
    return _inject_errors("B3", scale, seed, workdir, {"EIO": CALLS}).outcome()


@resumable(
    "B4", "a disk too small for what is still in the buffer when the file is closed", "exit 3, one line; then as B1", superuser
)
def late_errors(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("B4", seed, limit=60)
    pack = make_pack(workdir / "small", 300)  # less than the writer's buffer: nothing is written before the end
    for number in range(scale.of(1, 10)):
        with trials.trial(str(number)), small_disk(workdir / f"disk{number}", 16 << 10 << number % 4) as place:
            failed = _judge_error(pack, place / "out", end(pack.start(place / "out")), "No space left")
            expect(failed, "it all fits")
            make_room(place)
            expect_resumed(pack, place / "out")
    return trials.outcome()
