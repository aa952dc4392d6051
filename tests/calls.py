"""Functions for worker processes to run in tests: workers import modules, never a test's closures."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np

from recordio_kit._core.imagelist import ImageList
from recordio_kit._core.plan import Segment
from recordio_kit._images.codec import decode_image, encode_image
from recordio_kit._pipeline.work import Job, make_segment
from recordio_kit._storage.base import Store
from recordio_kit._storage.reader import RecordReader
from recordio_kit._storage.writer import RecordWriter
from recordio_kit.errors import ImageError


class UnpicklableError(Exception):
    def __init__(self, words: str, *, needed: int) -> None:
        super().__init__(words)
        self.needed = needed


def refuse_image(path: str) -> None:
    raise ImageError("ends early", path=path, reason="truncated")


def raise_unpicklable() -> None:
    raise UnpicklableError("the words", needed=1)


def print_and_return(value: int) -> int:
    print("something that a codec says", flush=True)
    os.write(1, b"and something from C\n")
    return value


def die_once(flag: str) -> str:
    if not Path(flag).exists():
        Path(flag).touch()
        os._exit(9)
    return "second try"


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def write_records(store: Store, name: str, payloads: list[bytes]) -> None:
    with RecordWriter(name, store=store) as writer:
        writer.write_many(payloads)


def read_positions(reader: RecordReader | None, positions: list[int], store: Store | None = None, name: str = "") -> list[bytes]:
    records = RecordReader(name, store=store) if reader is None else reader
    return records.read_many(positions)


def make_segment_of_poison(
    poison: tuple[str, int, str], job: Job, start: int, entries: ImageList, *rest: Any, **options: Any
) -> Segment:
    """Make a segment, unless the entry at a position is in it: its image crashes, stops or spins the worker."""
    ill, position, log = poison
    if start <= position < start + len(entries):
        with open(log, "a", encoding="ascii") as file:
            file.write("x")
        if ill == "crashes":
            ctypes.string_at(0)
        elif ill == "stops":
            os.kill(os.getpid(), signal.SIGSTOP)
        while True:
            pass
    return make_segment(job, start, entries, *rest, **options)


def make_segment_late(
    position: int, seconds: float, job: Job, start: int, entries: ImageList, *rest: Any, **options: Any
) -> Segment:
    """Make a segment; the one with the entry at a position takes its time."""
    if start <= position < start + len(entries):
        time.sleep(seconds)
    return make_segment(job, start, entries, *rest, **options)


def make_segment_in(megabytes: int, job: Job, start: int, entries: ImageList, *rest: Any, **options: Any) -> Segment:
    """Make a segment in a process that may take so much more memory than it has."""
    import resource

    decode_image(encode_image(np.zeros((8, 8, 3), np.uint8)))  # or the codecs' own libraries would be what does not fit
    with open("/proc/self/statm", encoding="ascii") as file:
        have = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (have + (megabytes << 20), resource.RLIM_INFINITY))
    try:
        return make_segment(job, start, entries, *rest, **options)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
