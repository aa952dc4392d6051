"""Without ``--list``: each ``PREFIX*.lst`` to a ``.rec`` and an ``.idx`` file as MXNet 1.9.1 writes them.

Strategy: rows are read as leniently, and dropped as readily, as MXNet's reader does; each record is one row's image in
list order under the row's id. Frames are made elsewhere (``loading``); one loop here writes them and says what was lost, so
neither bytes nor words depend on ``--num-thread``. Both files appear together at the end, or not.
"""

from __future__ import annotations

import contextlib
import os
import time
from array import array
from typing import TYPE_CHECKING, Final

import numpy as np

from recordio_kit._storage.local import LocalStore
from recordio_kit.im2rec.loading import Loader, Row, load_in_order


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from recordio_kit._storage.base import Sink
    from recordio_kit.im2rec.console import Console
    from recordio_kit.im2rec.loading import Loaded
    from recordio_kit.im2rec.options import Options

_BOM: Final = "\ufeff"
_PROGRESS_EVERY: Final = 1000
_SHOWN: Final = 80


def pack_lists(options: Options, console: Console) -> None:
    """Pack every list that PREFIX names.

    Args:
        options: the run's options.
        console: told what is packed, and what is dropped.

    Raises:
        ValueError: there is no list, or no image in any; nothing was written.
        StorageError, WorkerDiedError: the environment failed; outputs that were published are whole.
    """
    folder, names = _find_lists(options)
    loader = _make_loader(options, console)
    packed = 0
    for name in names:
        if len(names) > 1:
            console.wart("PREFIX names more than one list, and all are packed", name)
        console.say(f"Creating .rec file from {os.path.join(folder, name)} in {folder}")
        packed += _pack_list(name, LocalStore(folder), loader, options, console)
    if not packed:
        msg = f"no image of {', '.join(names)} could be packed; nothing was written"
        raise ValueError(msg)


def _make_loader(options: Options, console: Console) -> Loader:
    store = LocalStore(options.root)
    if options.pass_through:
        return Loader(store=store, pack_label=options.pack_label, encoding=None)
    from recordio_kit._images.png_write import png_is_exact
    from recordio_kit.im2rec.encoding import Encoding

    if options.encoding == ".png" and not png_is_exact():
        console.report("warning: this Python's zlib compresses otherwise than the original: the same pixels, in other bytes")
    encoding = Encoding(
        color=options.color,
        center_crop=options.center_crop,
        resize=options.resize,
        encoding=options.encoding,
        quality=options.quality,
    )
    return Loader(store=store, pack_label=options.pack_label, encoding=encoding)


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


def _pack_list(name: str, store: LocalStore, loader: Loader, options: Options, console: Console) -> int:
    """Return the number of records written; for none there is no file."""
    stem = os.path.splitext(name)[0]
    rows = _read_rows(store, name, options, console)
    records = store.create(f"{stem}.rec", overwrite=True)
    index: Sink | None = None
    try:
        index = store.create(f"{stem}.idx", overwrite=True)
        with contextlib.closing(load_in_order(loader, rows, options.num_thread)) as results:
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


def _write_records(results: Iterable[tuple[Row, Loaded]], name: str, records: Sink, index: Sink, console: Console) -> array[int]:
    """Return the keys of the records written."""
    keys = array("Q")
    offset = 0
    started = time.monotonic()
    count = 0
    for row, loaded in results:
        if row.problem:  # MXNet's reader drops it before anything is counted
            console.lose(f"{name} line {row.line}: dropped: {row.problem}")
            continue
        if loaded.problem:
            console.lose(f"{name} line {row.line}: dropped {row.path}: {loaded.problem}")
        else:
            records.write(loaded.frame)
            index.write(f"{row.key}\t{offset}\n".encode("ascii"))
            keys.append(row.key)
            offset += len(loaded.frame)
        if loaded.cut:
            console.wart(
                "16-bit PNGs are cut at 255 under --color -1, as by MXNet's tool, and turn out white; --color 1 keeps them",
                row.path,
            )
        if count % _PROGRESS_EVERY == 0:
            now = time.monotonic()
            console.say(f"time: {now - started}  count: {count}")
            started = now
        count += 1
    return keys


def _warn_duplicates(keys: array[int], name: str, console: Console) -> None:
    values, counts = np.unique(np.frombuffer(keys, np.uint64), return_counts=True)
    for value in values[counts > 1].tolist():
        console.wart("ids stand in more than one row, and a read by key finds only the last", f"{name}: {value}")


def _read_rows(store: LocalStore, name: str, options: Options, console: Console) -> Iterator[Row]:
    """Yield the rows of a list; those that MXNet's reader does not understand carry the reason."""
    with open(store.uri(name), encoding="utf-8", errors="surrogateescape") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            row = _parse_row(number, line)
            if not row.problem:
                _warn_row(row, name, options, console)
            yield row


def _parse_row(number: int, line: str) -> Row:
    fields = [field.strip() for field in line.strip().split("\t")]
    if line.startswith(_BOM):
        return Row(number, problem="a byte order mark hides its id; save the list as UTF-8 without one")
    if len(fields) < 3:
        return Row(number, problem=f"a row is 'id TAB label TAB path', found {line[:_SHOWN]!r}")
    try:
        return Row(number, int(fields[0]), tuple(float(field) for field in fields[1:-1]), fields[-1])
    except ValueError as error:
        return Row(number, problem=f"{error}, found {line[:_SHOWN]!r}")


def _warn_row(row: Row, name: str, options: Options, console: Console) -> None:
    if os.path.isabs(row.path) or ".." in row.path.replace("\\", "/").split("/"):
        console.wart("rows lead out of ROOT (absolute path or '..') and are read, as MXNet's tool does", f"{name}: {row.path}")
    if len(row.labels) > 1 and not options.pack_label:
        console.wart("rows have several labels, and without --pack-label only the first is packed", f"{name} line {row.line}")
