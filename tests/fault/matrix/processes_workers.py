"""Rows A3, A4, A8 and A9: workers that are killed, that die of an image, that are slow, or that run out of memory.

Strategy: the library's own executor, with the work of one segment made ill (``tests.calls``), or one of its processes
killed from outside. Bytes are held against those of a run in one process.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np

import recordio_kit as rk
from recordio_kit._pipeline.executors import SupervisedExecutor, usable_cpus
from tests.calls import make_segment_in, make_segment_of_poison
from tests.fault.matrix.measured import measure
from tests.fault.matrix.registry import Outcome, Scale, Trials, expect, expect_error, linux, posix, row
from tests.samples import jpeg


class IllExecutor(SupervisedExecutor):
    """Run another function in the place of the one that is submitted, with arguments of its own in front."""

    def __init__(self, ill: Callable[..., Any], *arguments: object, workers: int = 2, deadline: float = 30.0) -> None:
        super().__init__(workers, deadline=deadline)
        self._ill = (ill, arguments)
        self.submitted = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        ill, arguments = self._ill
        self.submitted += 1
        return super().submit(ill, *arguments, *args, **kwargs)


def many_entries(root: Path, count: int, *, data: bytes = b"") -> rk.ImageList:
    """Return a list that names a few images again and again."""
    root.mkdir(exist_ok=True)
    for number in range(4):
        (root / f"{number}.jpg").write_bytes(data or jpeg(number))
    numbers = range(count)
    return rk.ImageList(numbers, [number % 2 for number in numbers], [f"{number % 4}.jpg" for number in numbers], root=str(root))


def sidecars_and_all(path: Path) -> list[bytes]:
    return [path.with_suffix(suffix).read_bytes() for suffix in (".rec", ".idx", ".rkm")]


@row("A3", "SIGKILL of a random worker in mid-run", "seen in <= 1 s, its task done again, the same bytes, 0 hangs", posix)
def killed_workers(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("A3", seed, limit=30)
    images = many_entries(workdir / "photos", 3000)
    how = rk.Reencode(short_edge=10)
    rk.pack_list(images, workdir / "clean.rec", transform=how, workers=0)
    clean = sidecars_and_all(workdir / "clean.rec")
    kills, slowest = 0, 0.0
    for number in range(scale.of(2, 100)):
        out = workdir / f"x{number}.rec"
        with trials.trial(str(number)), SupervisedExecutor(2) as executor:
            killer = _Killer(executor, trials.random(number).uniform(0.1, 1.2), trials.random(number).randrange(2))
            killer.start()
            try:
                rk.pack_list(images, out, transform=how, executor=executor)
            finally:
                killer.join()
                kills += killer.killed
            slowest = max(slowest, killer.seen)
            expect(killer.seen <= scale.of(5, 1), f"the death was seen after {killer.seen:.1f} s")
            expect(sidecars_and_all(out) == clean, "other bytes")
            out.unlink()
    trials.figure("kills that hit a run", f"{kills}")
    trials.figure("replaced after at most", f"{slowest:.2f} s")
    with trials.trial("there were kills"):
        expect(kills, "none hit a run")
    return trials.outcome()


class _Killer(threading.Thread):
    """Kill one worker after a while, and measure until another one is in its place."""

    def __init__(self, executor: SupervisedExecutor, delay: float, which: int) -> None:
        super().__init__(daemon=True)
        self._keeper = executor._keepers[which]
        self._delay = delay
        self.killed, self.seen = 0, 0.0

    def run(self) -> None:
        time.sleep(self._delay)
        victim = self._keeper._process
        if victim is None:
            return
        os.kill(victim.pid, signal.SIGKILL)
        self.killed, started = 1, time.monotonic()
        while self._keeper._process is victim and time.monotonic() - started < 10:
            if not self._keeper._tasks.qsize():  # nothing left for it to do, so nobody asks how it is
                return
            time.sleep(0.005)
        self.seen = time.monotonic() - started


@row("A4", "an image that crashes, stops or spins its worker", "named after 2 tries, at the deadline; nothing published", posix)
def poison(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("A4", seed, limit=30)
    images = many_entries(workdir / "photos", 2000)
    deadline = scale.of(4.0, 5.0)  # a worker's start is part of it, on a busy machine too
    for number in range(scale.of(2, 30)):
        ill = ("crashes", "stops", "spins")[number % 3]
        position = trials.random(number).randrange(len(images))
        out, log = workdir / f"x{number}.rec", workdir / f"{number}.log"
        with trials.trial(f"{ill}, entry {position}"):
            started = time.monotonic()
            with IllExecutor(make_segment_of_poison, (ill, position, str(log)), deadline=deadline) as executor:
                try:
                    rk.pack_list(images, out, executor=executor)
                except rk.errors.WorkerDiedError as error:
                    first, last = (int(word) for word in str(error).split("entries ")[1].split(" of ")[0].split(" to "))
                    expect(first <= position + 1 <= last <= first + 511, f"entry {position + 1} is not named: {error}")
                    expect(("hung" in str(error)) == (ill != "crashes"), f"not said how: {error}")
                else:
                    expect(condition=False, promise="the pack went well")
            expect(log.read_text() == "xx", f"{len(log.read_text())} tries")
            expect(time.monotonic() - started < 2 * deadline + 10, "not at the deadline")
            expect(sorted(place.name for place in workdir.glob(f"x{number}*")) == [], "something was published")
    with trials.trial("the same list without it"):
        rk.pack_list(images, workdir / "well.rec", workers=2)
        rk.pack_list(images, workdir / "clean.rec", workers=0)
        expect(sidecars_and_all(workdir / "well.rec") == sidecars_and_all(workdir / "clean.rec"), "other bytes")
    return trials.outcome()


_SLOW = """
from tests.calls import make_segment_late
from tests.fault.matrix.processes_workers import IllExecutor
from tests.fault.matrix.disk_sizes import CountingStore
import os

def work(root, count, late, pause):
    names = sorted(os.listdir(root))
    images = rk.ImageList(range(count), [0] * count, [names[n % len(names)] for n in range(count)], root=root)
    store = CountingStore(root)
    under_way = []
    with IllExecutor(make_segment_late, 0, late) as executor:
        def progress(report):
            under_way.append(executor.submitted - len(under_way))
            time.sleep(pause)
        rk.pack_list(images, "x.rec", store=store, executor=executor, check="none", progress=progress)
    return f"{store.sinks['x.rec'].size} {max(under_way)}"
"""


@row(
    "A8",
    "the first of 10,000 images takes 5 s; a consumer slower than the workers",
    "at most 2 segments a worker + 2 under way; 8 MiB each + 64 MiB more",
    linux,
)
def slow_sides(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("A8", seed, limit=60)
    root = workdir / "photos"
    many_entries(root, 4, data=b"\xff\xd8" + bytes(48_000))
    count = scale.of(3000, 10_000)
    window = 2 * usable_cpus() + 2  # of an executor that is given
    jobs = [(str(root), count, scale.of(1.5, 5.0), 0.0), (str(root), count, 0.0, 0.05)]
    found = measure(_SLOW, [(str(root), 4, 0.0, 0.0)], jobs)
    for name, took in zip(("slow first image", "slow consumer"), found, strict=True):
        with trials.trial(name):
            size, under_way = map(int, took.said.split())
            expect(size > count * 48_000, f"only {size} bytes were written")
            expect(under_way <= window, f"{under_way} segments under way")
            expect(took.mib <= 8 * window + 64, f"{took.mib:.0f} MiB of {count * 48_000 >> 20}")
            trials.figure(f"{name},", f"{took.mib:.0f} of {count * 48_000 >> 20} MiB")
    return trials.outcome()


@row(
    "A9",
    "workers that may take only some more memory, and an image that needs more",
    "the image is not blamed, nothing published, no hang",
    linux,
)
def little_memory(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("A9", seed, limit=60)
    from tests.image_samples import jpeg as jpeg_of

    root = workdir / "photos"
    many_entries(root, 4)
    (root / "large.jpg").write_bytes(jpeg_of(np.zeros((6000, 8000, 3), np.uint8)))
    images = rk.ImageList(range(3), [0, 1, 0], ["0.jpg", "large.jpg", "1.jpg"], root=str(root))
    for number in range(scale.of(2, 20)):
        megabytes = trials.random(number).randint(8, 100)
        out = workdir / f"x{number}.rec"
        with trials.trial(f"{megabytes} MiB"):
            with (
                IllExecutor(make_segment_in, megabytes) as executor,
                expect_error(MemoryError, ImportError),
            ):  # or a library that does not fit
                rk.pack_list(images, out, transform=rk.Reencode(short_edge=32), executor=executor)
            expect(not list(workdir.glob(f"x{number}*")), "something was published")
    with trials.trial("enough"), IllExecutor(make_segment_in, 2000) as executor:
        report = rk.pack_list(images, workdir / "x.rec", transform=rk.Reencode(short_edge=32), executor=executor)
        expect(report.records == 3, f"{report}")
    return trials.outcome()
