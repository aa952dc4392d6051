"""Rows A5 to A7: what a parent process leaves behind, and what it may be when it packs.

Strategy: real scripts in processes of their own; their children are counted in /proc, which needs Linux.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import recordio_kit as rk
from tests.fault.matrix.disk import REPOSITORY
from tests.fault.matrix.processes_workers import many_entries, sidecars_and_all
from tests.fault.matrix.registry import Outcome, Scale, Trials, expect, linux, row


def children_of(parent: int) -> set[int]:
    """Return the processes below one, at any depth."""
    above = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                stat = Path("/proc", name, "stat").read_text()
            except OSError:
                continue
            state, ppid = stat.rpartition(")")[2].split()[:2]
            if state != "Z":
                above[int(name)] = int(ppid)
    found, last = {parent}, set()
    while found != last:
        last = found
        found = found | {pid for pid, ppid in above.items() if ppid in found}
    return found - {parent}


def alive(pids: set[int]) -> set[int]:
    """Return those of these processes that still run."""
    states = {}
    for pid in pids:
        try:
            states[pid] = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
    return {pid for pid, state in states.items() if state not in "ZX"}


def wait_for(condition: Callable[[], object], seconds: float) -> float:
    """Return how long it took until a condition held; it must in this time."""
    started = time.monotonic()
    while not condition():
        expect(time.monotonic() - started < seconds, f"not within {seconds:g} s")
        time.sleep(0.01)
    return time.monotonic() - started


_PACK = """
import recordio_kit as rk
from pathlib import Path
images = rk.read_list({list!r})
rk.pack_list(images, {out!r}, root={root!r}, transform=rk.Reencode(short_edge=10), workers=2)
"""


def _script(workdir: Path, images: rk.ImageList, out: Path) -> str:
    if not (workdir / "x.lst").exists():
        rk.write_list(images, workdir / "x.lst")
    return _PACK.format(list=str(workdir / "x.lst"), out=str(out), root=images.root)


@row("A5", "SIGKILL of the parent while its workers work", "0 workers left after 1 s, nothing published", linux)
def killed_parents(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("A5", seed, limit=30)
    images = many_entries(workdir / "photos", 20_000)
    slowest = 0.0
    for number in range(scale.of(2, 60)):
        out = workdir / f"x{number}.rec"
        code = _script(workdir, images, out)
        with trials.trial(str(number)), subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY) as parent:
            try:
                wait_for(lambda parent=parent: len(children_of(parent.pid)) == 2, 30)
                time.sleep(trials.random(number).uniform(0, 0.6))
                workers = children_of(parent.pid)
            finally:
                parent.send_signal(signal.SIGKILL)
                parent.wait()
            expect(len(workers) == 2, f"{len(workers)} workers")
            slowest = max(slowest, wait_for(lambda workers=workers: not alive(workers), scale.of(5, 1)))
            expect(not out.exists(), "a pack that was killed is published")
    trials.figure("gone after at most", f"{slowest:.2f} s")
    return trials.outcome()


_BUSY = """
import logging, sys, threading, time
import boto3
import recordio_kit as rk

logging.basicConfig(level=logging.DEBUG, stream=open({log!r}, "w"))
ending = threading.Event()

def busy(number):
    while not ending.is_set():
        logging.getLogger("busy").warning("thread %d", number)
        if number < 2:
            boto3.session.Session().client("s3", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b").close()
        time.sleep(0.001)

threads = [threading.Thread(target=busy, args=(number,)) for number in range(8)]
for thread in threads:
    thread.start()
try:
    images = rk.read_list({list!r})
    for turn in range({turns}):
        rk.pack_list(images, {out!r}, root={root!r}, transform=rk.Reencode(short_edge=10), workers=2, overwrite=True)
        print(turn, flush=True)
finally:
    ending.set()
"""


@row(
    "A6",
    "a pack from a process with 8 busy threads that hold locks of logging and boto3",
    "done, no warning, the same bytes",
    linux,
)
def busy_threads(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("A6", seed, limit=600)
    images = many_entries(workdir / "photos", 1100)
    rk.write_list(images, workdir / "x.lst")
    rk.pack_list(images, workdir / "clean.rec", transform=rk.Reencode(short_edge=10), workers=0)
    turns, out = scale.of(1, 50), workdir / "x.rec"
    names = {"log": str(workdir / "log"), "list": str(workdir / "x.lst"), "out": str(out), "root": images.root}
    code = _BUSY.format(turns=turns, **names)
    options = ["-W", "error", "-W", "ignore::DeprecationWarning:botocore", "-W", "ignore::UserWarning:boto3"]
    done = subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, timeout=600, cwd=REPOSITORY)
    finished = len(done.stdout.split())
    for turn in range(turns):
        with trials.trial(str(turn)):
            expect(turn < finished, f"not done: {done.stderr[-600:]}")
    with trials.trial("no warning, the same bytes"):
        expect(done.returncode == 0 and not done.stderr, done.stderr[-600:])
        expect(sidecars_and_all(out) == sidecars_and_all(workdir / "clean.rec"), "other bytes")
    return trials.outcome()


@row("A7", "a script without a __main__ guard, that packs with workers", "done, with as many workers as asked for", linux)
def no_main_guard(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("A7", seed, limit=60)
    images = many_entries(workdir / "photos", 3000)
    for number in range(scale.of(1, 10)):
        out, script = workdir / f"x{number}.rec", workdir / "script.py"
        script.write_text("import sys\nsys.path.insert(0, sys.argv[1])\n" + _script(workdir, images, out))
        with (
            trials.trial(str(number)),
            subprocess.Popen([sys.executable, "-W", "error", str(script), str(REPOSITORY)], stderr=subprocess.PIPE) as parent,
        ):
            most = 0
            while parent.poll() is None:
                most = max(most, len(children_of(parent.pid)))
                time.sleep(0.02)
            said = parent.stderr.read().decode()
            expect(parent.returncode == 0 and not said, said[-600:])
            expect(most == 2, f"{most} processes for 2 workers")
            expect(rk.verify(out).ok, "not whole")
    return trials.outcome()
