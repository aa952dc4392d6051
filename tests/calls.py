"""Functions for worker processes to run in tests: workers import modules, never a test's closures."""

from __future__ import annotations

import os
import signal
from pathlib import Path

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
