"""The layout of insightface's ``.rec`` files, recognised.

Strategy: N images with the keys 1..N come first, then one directory record with key 0 and the labels ``[N + 1, N + 1 + m]``,
then m identity records with the keys N + 1 and up, whose labels are a half-open range of image keys. Directory and
identity records have flag 2 and no body. The end of the images is found by bisection, never from the labels alone: float32
rounds them above 2**24. Recognising is all that is done here.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from recordio_kit._core.header import HEADER_SIZE


if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recordio_kit._storage.reader import RecordReader

_RANGE: Final = struct.Struct("<ff")


class Faces(NamedTuple):
    """Say where the records of the layout are.

    Args:
        images: [n] positions of the images in the file's reader, in key order, int64.
        keys: [n] their keys, uint64.
        identities: [m] positions of the identity records, in key order, int64.
    """

    images: NDArray[np.int64]
    keys: NDArray[np.uint64]
    identities: NDArray[np.int64]


def find_faces(reader: RecordReader) -> Faces | None:
    """Return the layout of a file, by its keys or, where they are positions, by the order of its records; None if another.

    Args:
        reader: of the whole file.

    Raises:
        FormatError, StorageError: the file cannot be read.
    """
    if not len(reader):
        return None
    keys = reader.keys
    order = np.argsort(keys, kind="stable").astype(np.int64)
    if keys[order[0]] == 0:
        directory = read_range(reader, int(order[0]))
        images, identities = _cut(reader, order[1:])
        if directory is not None:
            named = len(identities) > 0 and np.float32(keys[identities[0]]) == directory[0]
            return Faces(images, keys[images], identities) if named else None
    return find_faces_by_order(reader)


def find_faces_by_order(reader: RecordReader) -> Faces | None:
    """Return the layout of a file whose keys are not known; None if it has another.

    Args:
        reader: of the whole file, by position.

    Raises:
        FormatError, StorageError: the file cannot be read.
    """
    images, rest = _cut(reader, np.arange(len(reader), dtype=np.int64))
    stored = (float(np.float32(len(images) + 1)), float(np.float32(len(reader))))
    if not len(rest) or read_range(reader, int(rest[0])) != stored:
        return None
    return Faces(images, np.arange(1, len(images) + 1, dtype=np.uint64), rest[1:])


def read_range(reader: RecordReader, position: int) -> tuple[float, float] | None:
    """Return the two labels of a record without body, or None where the record is another.

    Args:
        reader: of the whole file.
        position: the record's, in the reader.
    """
    payload = reader.view(position)
    if len(payload) != HEADER_SIZE + _RANGE.size or int.from_bytes(payload[:4], "little") != 2:
        return None
    first, last = _RANGE.unpack_from(payload, HEADER_SIZE)
    return first, last


def _cut(reader: RecordReader, order: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut positions where the images end and the records without body begin."""
    if not len(order) or read_range(reader, int(order[-1])) is None:
        return order, order[:0]
    end = bisect_left(range(len(order)), True, key=lambda place: read_range(reader, int(order[place])) is not None)
    return order[:end], order[end:]
