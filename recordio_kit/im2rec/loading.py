"""Rows of a list to framed records, in this process or in workers, always in the rows' order.

Strategy: a row's frame depends on the row and the options alone. Work that is worth it goes to the supervised workers in
chunks, and comes back as frames or words; what a row is dropped for travels with it, so that all is said in list order.
Reading files as they are is never worth a process.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from recordio_kit._core.framing import MAX_PAYLOAD, encode_record
from recordio_kit._core.header import IRHeader, pack_record
from recordio_kit._pipeline.executors import SupervisedExecutor, run_ordered, usable_cpus
from recordio_kit._pipeline.policy import REENCODE_COST, WORTH_A_POOL_SECONDS
from recordio_kit._storage.base import read_all
from recordio_kit.errors import RecordTooLargeError, StorageError, WorkerDiedError


if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from recordio_kit._storage.local import LocalStore
    from recordio_kit.im2rec.encoding import Encoding

_CHUNK_ROWS: Final = 64
_CHUNK_BYTES: Final = 8 << 20


class Row(NamedTuple):
    """Hold one row of a list.

    Args:
        line: its number in the file, from 1.
        key: the id.
        labels: at least one.
        path: as the row gives it.
        problem: why the row is dropped unread; empty where it is not.
    """

    line: int
    key: int = 0
    labels: tuple[float, ...] = ()
    path: str = ""
    problem: str = ""


class Loaded(NamedTuple):
    """Say what came of a row.

    Args:
        frame: the framed record; empty where the row is dropped.
        problem: why it is.
        cut: whether 16-bit samples were cut at 255.
    """

    frame: bytes
    problem: str = ""
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Loader:
    """Make frames of rows.

    Args:
        store: where paths start from.
        pack_label: pack all labels of a row that has several.
        encoding: None passes the files through.
    """

    store: LocalStore
    pack_label: bool
    encoding: Encoding | None

    def load(self, rows: list[Row]) -> list[Loaded]:
        """Return what comes of each row."""
        return [Loaded(b"", row.problem) if row.problem else self._load(row) for row in rows]

    def size(self, row: Row) -> int:
        """Return the size of a row's file in bytes; 0 where there is none to be read."""
        with contextlib.suppress(StorageError, ValueError):
            stat = None if row.problem else self.store.stat(row.path)
            return 0 if stat is None else stat.size
        return 0

    def _load(self, row: Row) -> Loaded:
        try:
            stat = self.store.stat(row.path)
            if stat is not None and stat.size > MAX_PAYLOAD:
                msg = f"the file has {stat.size} bytes, a record holds at most {MAX_PAYLOAD}"
                raise RecordTooLargeError(msg)
            data, cut = read_all(self.store, row.path), False
            if self.encoding is not None:
                data, cut = self.encoding.apply(data)
            label = row.labels if len(row.labels) > 1 and self.pack_label else row.labels[0]
            return Loaded(encode_record(pack_record(IRHeader(0, label, row.key, 0), data)), cut=cut)
        except (StorageError, ValueError) as error:  # all our data errors about one image are ValueErrors
            return Loaded(b"", str(error))


def load_in_order(loader: Loader, rows: Iterable[Row], workers: int) -> Generator[tuple[Row, Loaded]]:
    """Yield each row with what came of it.

    Args:
        loader: makes the frames.
        rows: in list order; taken as they are needed.
        workers: at most this many processes, and no more than there are processors; few rows are loaded here.

    Raises:
        WorkerDiedError: a worker was killed or hung, twice; the message names the rows it had.
    """
    workers = min(workers, usable_cpus())
    if workers <= 1 or loader.encoding is None:
        yield from ((row, loader.load([row])[0]) for row in rows)
        return
    sized = ((row, loader.size(row)) for row in rows)
    a_byte, an_image = REENCODE_COST
    few: list[tuple[Row, int]] = []
    seconds = 0.0
    for row, size in sized:
        few.append((row, size))
        seconds += an_image + size * a_byte
        if seconds > WORTH_A_POOL_SECONDS:
            yield from _load_in_workers(loader, itertools.chain(few, sized), workers)
            return
    yield from ((row, loader.load([row])[0]) for row, _ in few)


def _load_in_workers(loader: Loader, sized: Iterable[tuple[Row, int]], workers: int) -> Iterator[tuple[Row, Loaded]]:
    under_way: deque[list[Row]] = deque()

    def calls() -> Iterator[tuple[Callable[[Loader, list[Row]], list[Loaded]], tuple[Loader, list[Row]]]]:
        for chunk in _chunks(sized):
            under_way.append(chunk)
            yield Loader.load, (loader, chunk)

    with SupervisedExecutor(workers) as executor:
        try:
            for loaded in run_ordered(executor, calls(), 2 * workers + 1):
                yield from zip(under_way.popleft(), loaded, strict=True)
        except WorkerDiedError as error:
            first, last = under_way[0][0], under_way[0][-1]
            place = f"lines {first.line} to {last.line} of the list ({first.path} to {last.path})"
            msg = f"{error}: {place}; both files are as they were before. Run again with --num-thread 1 to see the image"
            raise WorkerDiedError(msg) from error


def _chunks(sized: Iterable[tuple[Row, int]]) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    total = 0
    for row, size in sized:
        chunk.append(row)
        total += size
        if len(chunk) >= _CHUNK_ROWS or total >= _CHUNK_BYTES:
            yield chunk
            chunk, total = [], 0
    if chunk:
        yield chunk
