"""Build the ``.idx`` of a ``.rec`` that lost its own.

Strategy: offsets come from the frame heads, never from an ``.idx`` that stands there. Keys come from the ``.rkm`` where that
is this file's; else they are the ids in the image headers where those are unique, since packers make the two equal;
insightface files get the keys of their layout; all else is counted, as MXNet's ``rec2idx`` does. One pass over all bytes
looks for record heads inside records: a damaged length would else leave the records behind it out without a word.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from recordio_kit._core.framing import MAGIC
from recordio_kit._core.header import HEADER_SIZE
from recordio_kit._core.index import format_idx, parse_idx
from recordio_kit._core.sidecar import parse_sidecar
from recordio_kit._pipeline.insightface import find_faces_by_order
from recordio_kit._storage.base import read_all, write_all
from recordio_kit._storage.open import open_file
from recordio_kit._storage.reader import RecordReader
from recordio_kit._storage.sidecars import find_sidecar, find_split
from recordio_kit.errors import CorruptRecordError, IndexMismatchError, OutputExistsError


if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from recordio_kit._storage.base import Source, Store

_CHUNK_BYTES: Final = 4 << 20


def build_index(
    path: str | os.PathLike[str],
    *,
    index: str | os.PathLike[str] | None = None,
    keys: Literal["auto", "id", "position"] = "auto",
    overwrite: bool = False,
    store: Store | None = None,
) -> str:
    """Write the ``.idx`` of a ``.rec``.

    Args:
        path: the ``.rec``: a path or ``s3://`` URL; with ``store``, a name in it.
        index: the file to write, as the path is given; None means where its manifest has it, or ``x.idx`` beside ``x.rec``.
        keys: ``"id"`` takes the ids in the image headers, ``"position"`` counts, ``"auto"`` takes the keys of the file's
            ``.rkm`` if there is one, else ids where every record has its own, and insightface's keys where the file has
            that layout.
        overwrite: replace an ``.idx`` that stands there.
        store: where the names stand, if that is not to be told from the path.

    Returns:
        The path or URL of what was written.

    Raises:
        OutputExistsError: an ``.idx`` stands there; it is as it was.
        FormatError: the ``.rec`` is damaged; nothing was written.
        ValueError: ``keys`` is unknown, or is ``"id"`` and two records share an id or have none.
        StorageError: a file cannot be read or written.
    """
    if keys not in ("auto", "id", "position"):
        msg = f"keys is 'auto', 'id' or 'position', not {keys!r}"
        raise ValueError(msg)
    found, record = open_file(path, store)
    tree = find_split(found, record)
    target, name = found, record.removesuffix(".rec") + ".idx"
    if index is not None:
        target, name = open_file(index, store)
    elif tree is not None and tree[2].index is not None:  # never into a channel's folder
        target, name = tree[0], tree[2].index.path
    with RecordReader(record, index=False, store=found) as reader:
        if not overwrite and target.stat(name) is not None:
            fault = _fault(read_all(target, name), reader.size)
            how = f"exists already, but {fault}" if fault else "exists already"
            msg = f"{target.uri(name)} {how}; overwrite it (overwrite=True, --overwrite) or name another file"
            raise OutputExistsError(msg)
        _refuse_swallowed(found, record, reader.offsets)
        known = _known_keys(found, record, reader) if keys == "auto" else None
        if known is None and keys == "auto" and tree is not None and not tree[2].keys_are_ids:
            keys = "position"
        data = format_idx(_choose_keys(reader, keys) if known is None else known, reader.offsets)
    write_all(target, name, data, overwrite=overwrite)
    return target.uri(name)


def _fault(data: bytes, size: int) -> str:
    """Return what is wrong with the ``.idx`` of a file of this size, as far as it shows by itself; empty if nothing does."""
    try:
        index = parse_idx(data)
    except IndexMismatchError as error:
        return f"is damaged: {error.message}"
    beyond = np.flatnonzero((index.offsets >= np.uint64(size)) | (index.offsets & np.uint64(3) != 0))
    if len(beyond):
        row = int(beyond[0])
        return f"is damaged: row {row + 1} points to byte {index.offsets[row]}, where the .rec has no record"
    for column, what in ((index.offsets, "offset"), (index.keys, "key")):
        values, counts = np.unique(column, return_counts=True)
        if (counts > 1).any():
            return f"is damaged: {counts.max()} rows have the {what} {values[counts.argmax()]}"
    return ""


def _refuse_swallowed(store: Store, name: str, offsets: NDArray[np.uint64]) -> None:
    """Refuse a file in which a record head stands where no record starts: the length before it is damaged."""
    source = store.open(name)
    try:
        for begin in range(0, source.size, _CHUNK_BYTES):
            heads = _heads(source, begin)
            first, behind = np.searchsorted(offsets, np.array([begin, begin + _CHUNK_BYTES], np.uint64))
            stray = heads[~np.isin(heads, offsets[first:behind])]
            if len(stray):
                start = int(offsets[np.searchsorted(offsets, stray[0]) - 1])
                what = f"another record starts inside this one, at byte {stray[0]}"
                msg = f"{what}: its length is damaged; 'salvage' recovers what is whole"
                raise CorruptRecordError(msg, source=source.uri, offset=start)
    finally:
        source.close()


def _heads(source: Source, begin: int) -> NDArray[np.uint64]:
    """Return where record heads stand in a chunk, whatever the lengths before them say."""
    length = min(_CHUNK_BYTES + 4, source.size - begin)
    words = np.frombuffer(source.read_at(begin, length), "<u4", length // 4)
    places = np.flatnonzero(words[:-1] == MAGIC)
    return (begin + 4 * places[words[places + 1] >> 29 < 2]).astype(np.uint64)


def _known_keys(store: Store, name: str, reader: RecordReader) -> NDArray[np.uint64] | None:
    """Return the keys that the file's ``.rkm`` has, or None where there is none, or one of another file."""
    place = find_sidecar(store, name, (".rkm",))
    if place is None:
        return None
    try:
        sidecar = parse_sidecar(read_all(*place))
    except IndexMismatchError:
        return None
    same = sidecar.size == reader.size and np.array_equal(sidecar.entries["offset"], reader.offsets)
    return sidecar.entries["key"].astype(np.uint64) if same else None


def _choose_keys(reader: RecordReader, keys: str) -> NDArray[np.uint64]:
    positions = np.arange(len(reader), dtype=np.uint64)
    if keys == "position":
        return positions
    faces = find_faces_by_order(reader) if keys == "auto" else None
    if faces is not None:
        # images 1..N, then the directory 0, then the identities N + 1 and up: only the directory is not its position
        first = len(faces.images)
        return np.concatenate([faces.keys, np.zeros(1, np.uint64), positions[first + 1 :]])
    ids = header_ids(reader)
    if ids is not None and len(np.unique(ids)) == len(ids):
        return ids
    if keys == "id":
        why = "a record has no image header" if ids is None else "two records share an id"
        msg = f"{reader.uri}: {why}, so ids cannot be keys; use keys='position'"
        raise ValueError(msg)
    return positions


def header_ids(reader: RecordReader) -> NDArray[np.uint64] | None:
    """Return the id in each record's image header, or None where a record has none.

    Args:
        reader: by position.

    Raises:
        FormatError, StorageError: the file cannot be read.
    """
    ids = array("Q")
    views = map(reader.view, range(len(reader))) if reader.mapped else (memoryview(payload) for payload in reader)
    for payload in views:
        flag, second = int.from_bytes(payload[:4], "little"), int.from_bytes(payload[16:24], "little")
        if len(payload) < HEADER_SIZE + 4 * flag or second:
            return None
        ids.append(int.from_bytes(payload[8:16], "little"))
    return np.array(ids, np.uint64)
