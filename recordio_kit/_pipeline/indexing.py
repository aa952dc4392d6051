"""Build the ``.idx`` of a ``.rec`` that lost its own.

Strategy: offsets come from the frame heads. Keys are the ids in the image headers where they are unique, since packers make
the two equal; insightface files get the keys of their layout; all else is counted, as MXNet's ``rec2idx`` does.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Literal

import numpy as np

from recordio_kit._core.header import HEADER_SIZE
from recordio_kit._core.index import format_idx
from recordio_kit._pipeline.insightface import find_faces_by_order
from recordio_kit._storage.base import write_all
from recordio_kit._storage.open import open_file
from recordio_kit._storage.reader import RecordReader
from recordio_kit.errors import OutputExistsError


if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from recordio_kit._storage.base import Store


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
        index: the file to write, as the path is given; None means ``x.idx`` beside ``x.rec``.
        keys: ``"id"`` takes the ids in the image headers, ``"position"`` counts, ``"auto"`` takes ids where every record has
            its own, and insightface's keys where the file has that layout.
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
    target, name = open_file(path, store)
    name = name.removesuffix(".rec") + ".idx"
    if index is not None:
        target, name = open_file(index, store)
    if not overwrite and target.stat(name) is not None:
        msg = f"{target.uri(name)} exists already; overwrite it (overwrite=True, --overwrite) or name another file"
        raise OutputExistsError(msg)
    with RecordReader(path, index=False, store=store) as reader:
        data = format_idx(_choose_keys(reader, keys), reader.offsets)
    write_all(target, name, data, overwrite=overwrite)
    return target.uri(name)


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
