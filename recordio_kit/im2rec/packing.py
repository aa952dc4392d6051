"""Without ``--list``: each ``PREFIX*.lst`` to a ``.rec`` and an ``.idx`` file as MXNet 1.9.1 writes them.

Strategy: rows are read as leniently, and dropped as readily, as MXNet's reader does; each record is one row's image in
list order under the row's id. Threads only load and encode; one loop frames their results in order, so the bytes never
depend on their number. A row or image that fails is said and left out. Both files appear together at the end, or not.
"""

from __future__ import annotations

import os
import time
from array import array
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from recordio_kit._core.framing import MAX_PAYLOAD, encode_record
from recordio_kit._core.header import IRHeader, pack_record
from recordio_kit._storage.base import read_all
from recordio_kit._storage.local import LocalStore
from recordio_kit.errors import RecordTooLargeError, StorageError


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from recordio_kit._storage.base import Sink
    from recordio_kit.im2rec.console import Console
    from recordio_kit.im2rec.options import Options

_BOM: Final = "\ufeff"
_COLORS: Final = {1: "rgb", 0: "grey", -1: "unchanged"}
_FORMATS: Final = {".jpg": "jpeg", ".png": "png"}
_PROGRESS_EVERY: Final = 1000
_SHOWN: Final = 80


class _Row(NamedTuple):
    line: int
    key: int
    labels: list[float]
    path: str


def pack_lists(options: Options, console: Console) -> None:
    """Pack every list that PREFIX names.

    Args:
        options: the run's options.
        console: told what is packed, and what is dropped.

    Raises:
        ValueError: there is no list, or no image in any; nothing was written.
        StorageError: an output could not be written; those that were published are whole.
    """
    folder, names = _find_lists(options)
    load = _Loader(options)
    packed = 0
    for name in names:
        if len(names) > 1:
            console.wart("PREFIX names more than one list, and all are packed", name)
        console.say(f"Creating .rec file from {os.path.join(folder, name)} in {folder}")
        packed += _pack_list(name, LocalStore(folder), load, options, console)
    if not packed:
        msg = f"no image of {', '.join(names)} could be packed; nothing was written"
        raise ValueError(msg)


def _find_lists(options: Options) -> tuple[str, list[str]]:
    folder = options.prefix if os.path.isdir(options.prefix) else os.path.dirname(options.prefix)
    names = []
    if os.path.isdir(folder):
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            if path.startswith(options.prefix) and name.endswith(".lst") and os.path.isfile(path):
                names.append(name)
    if not names:
        hint = "since PREFIX is a folder, only lists inside it count" if folder == options.prefix else "make one with --list"
        msg = f"no {options.prefix}*.lst found; {hint}"
        raise ValueError(msg)
    return folder, names


def _pack_list(name: str, store: LocalStore, load: _Loader, options: Options, console: Console) -> int:
    """Return the number of records written; for none there is no file."""
    stem = os.path.splitext(name)[0]
    rows = _read_rows(store, name, options, console)
    records = store.create(f"{stem}.rec", overwrite=True)
    index: Sink | None = None
    try:
        index = store.create(f"{stem}.idx", overwrite=True)
        results = _in_order(load, rows, 1 if options.pass_through else options.num_thread)
        keys = _write_records(results, name, records, index, console)
        if not keys:
            console.report(f"{name} holds no image that can be packed; {stem}.rec was not written")
            records.abort()
            index.abort()
            return 0
        records.seal()
        index.seal()
        for sidecar in (f"{stem}.idx", f"{stem}.rkm"):  # they belong to the old file
            store.delete(sidecar)
        records.commit()
        index.commit()
    except BaseException:
        records.abort()
        if index is not None:
            index.abort()
        raise
    _warn_duplicates(keys, name, console)
    return len(keys)


def _write_records(
    results: Iterable[tuple[_Row, bytes | Exception]], name: str, records: Sink, index: Sink, console: Console
) -> array[int]:
    """Return the keys of the records written."""
    keys = array("Q")
    offset = 0
    started = time.monotonic()
    for count, (row, frame) in enumerate(results):
        if isinstance(frame, Exception):
            console.lose(f"{name} line {row.line}: dropped {row.path}: {frame}")
        else:
            records.write(frame)
            index.write(f"{row.key}\t{offset}\n".encode("ascii"))
            keys.append(row.key)
            offset += len(frame)
        if count % _PROGRESS_EVERY == 0:
            now = time.monotonic()
            console.say(f"time: {now - started}  count: {count}")
            started = now
    return keys


def _warn_duplicates(keys: array[int], name: str, console: Console) -> None:
    values, counts = np.unique(np.frombuffer(keys, np.uint64), return_counts=True)
    for value in values[counts > 1].tolist():
        console.wart("ids stand in more than one row, and a read by key finds only the last", f"{name}: {value}")


def _read_rows(store: LocalStore, name: str, options: Options, console: Console) -> Iterator[_Row]:
    """Yield the rows that MXNet's reader understands; say which it drops."""
    with open(store.uri(name), encoding="utf-8", errors="surrogateescape") as file:
        for number, line in enumerate(file, 1):
            fields = [field.strip() for field in line.strip().split("\t")]
            if fields == [""]:
                continue
            place = f"{name} line {number}: dropped"
            if line.startswith(_BOM):
                console.lose(f"{place}: a byte order mark hides its id; save the list as UTF-8 without one")
                continue
            if len(fields) < 3:
                console.lose(f"{place}: a row is 'id TAB label TAB path', found {line[:_SHOWN]!r}")
                continue
            try:
                row = _Row(number, int(fields[0]), [float(field) for field in fields[1:-1]], fields[-1])
            except ValueError as error:
                console.lose(f"{place}: {error}, found {line[:_SHOWN]!r}")
                continue
            _warn_row(row, name, options, console)
            yield row


def _warn_row(row: _Row, name: str, options: Options, console: Console) -> None:
    if os.path.isabs(row.path) or ".." in row.path.replace("\\", "/").split("/"):
        console.wart("rows lead out of ROOT (absolute path or '..') and are read, as MXNet's tool does", f"{name}: {row.path}")
    if len(row.labels) > 1 and not options.pack_label:
        console.wart("rows have several labels, and without --pack-label only the first is packed", f"{name} line {row.line}")


class _Loader:
    """Make one row's framed record; safe to call from several threads."""

    def __init__(self, options: Options) -> None:
        self._store = LocalStore(options.root)
        self._pack_label = options.pack_label
        self._encode = None if options.pass_through else _encoder(options)

    def __call__(self, row: _Row) -> tuple[_Row, bytes | Exception]:
        """Return the row with its frame, or with why there is none."""
        try:
            return row, self._frame(row)
        except (StorageError, ValueError) as error:  # all our data errors about one image are ValueErrors
            return row, error

    def _frame(self, row: _Row) -> bytes:
        stat = self._store.stat(row.path)
        if stat is not None and stat.size > MAX_PAYLOAD:
            msg = f"the file has {stat.size} bytes, a record holds at most {MAX_PAYLOAD}"
            raise RecordTooLargeError(msg)
        data = read_all(self._store, row.path)
        if self._encode is not None:
            data = self._encode(data)
        label = row.labels if len(row.labels) > 1 and self._pack_label else row.labels[0]
        return encode_record(pack_record(IRHeader(0, label, row.key, 0), data))


def _encoder(options: Options) -> Callable[[bytes], bytes]:
    from recordio_kit._images.transform import Reencode

    transform = Reencode(
        short_edge=options.resize or None,
        center_crop=options.center_crop,
        quality=options.quality if options.encoding == ".jpg" else 95,  # PNG compression is no JPEG quality
        format=_FORMATS[options.encoding],
        color=_COLORS[options.color],
    )
    return lambda data: transform.apply(data)[0]


def _in_order(load: _Loader, rows: Iterable[_Row], threads: int) -> Iterator[tuple[_Row, bytes | Exception]]:
    """Yield what ``load`` makes of each row, in the rows' order, holding a few results a thread."""
    if threads <= 1:
        yield from map(load, rows)
        return
    window: deque[Future[tuple[_Row, bytes | Exception]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for row in rows:
                window.append(pool.submit(load, row))
                if len(window) > 2 * threads:
                    yield window.popleft().result()
            while window:
                yield window.popleft().result()
        finally:
            for future in window:
                future.cancel()
