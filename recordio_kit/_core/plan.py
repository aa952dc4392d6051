"""Segments: how a list is cut into runs of work, and what comes back from each.

Strategy: a worker turns a run of entries into one relocatable ``Segment``: a small, picklable ``Receipt`` (which entries,
how many bytes, their CRC-32, a row a record with offsets relative to the segment, failures) and a body of framed bytes.
Cuts are a function of the list alone, so checksums, journals, upload parts and resumed runs agree; where they fall never
alters the bytes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np


if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from recordio_kit._core.imagelist import ImageList

#: Goes up whenever the same list and options would give other bytes.
FORMAT_VERSION: Final = 1
#: A segment ends when its sources reach this many bytes or this many entries, whichever comes first.
SEGMENT_BYTES: Final = 8 << 20
SEGMENT_ENTRIES: Final = 512

#: One row a packed record: the entry's position in the list, offset and length on disk within the segment's body, CRC-32
#: of that extent, the stored image's size in pixels (0 where nobody looked), and its EXIF orientation (1 where upright).
ROW_DTYPE: Final = np.dtype(
    [
        ("position", "<u8"), ("offset", "<u8"), ("length", "<u4"), ("crc32", "<u4"), ("height", "<u4"), ("width", "<u4"),
        ("orientation", "u1"),
    ]
)  # fmt: skip


class Failure(NamedTuple):
    """Say that one image was left out: its list index, its path, one word of a closed set, and words for people."""

    index: int  # type: ignore[assignment]  # shadows tuple.index
    path: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """Describe one segment without its bytes.

    Args:
        start: the first entry's position in the list.
        stop: the position behind the last entry.
        length: bytes in the body.
        crc32: CRC-32 of the body.
        rows: [records] of ``ROW_DTYPE``.
        failures: the entries of this run that hold no packable image.
        stamps: [entries, 2] size in bytes and modification time in ns of each source when it was read; -1 where none was.
    """

    start: int
    stop: int
    length: int
    crc32: int
    rows: NDArray[Any]
    failures: tuple[Failure, ...]
    stamps: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Segment:
    """Hold a receipt and its body of framed records, or say where the body stands already.

    Args:
        receipt: what the body holds.
        body: the frames, end to end, in as many pieces as saves copying them.
        placed: where in the destination's unfinished file the worker has written them; None where they are in ``body``.
    """

    receipt: Receipt
    body: Sequence[bytes]
    placed: int | None = None


def fingerprint(images: ImageList, options: Mapping[str, Any]) -> str:
    """Return the hex digest of what decides a packed file: its entries and the options that alter bytes.

    Worker counts, engines, progress, hosts and roots must not be among the options.

    Args:
        images: the list, in order.
        options: plain JSON values.
    """
    head = [FORMAT_VERSION, dict(options), images.label_width, len(images)]
    digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode("ascii"))
    for column in images.columns():
        digest.update(column)
    return digest.hexdigest()


def plan_segments(sizes: ArrayLike) -> list[range]:
    """Cut a list into runs of at most 512 entries that end when their sources reach 8 MiB.

    Args:
        sizes: [n] source sizes in bytes.

    Returns:
        Consecutive ranges of positions that cover the list.
    """
    values = np.asarray(sizes, np.int64)
    runs, start = [], 0
    while start < len(values):
        stop = start + cut_segment(values[start : start + SEGMENT_ENTRIES])
        runs.append(range(start, stop))
        start = stop
    return runs


def cut_segment(sizes: NDArray[np.int64]) -> int:
    """Return how many of the next entries make a segment: all of them, or those until 8 MiB are reached.

    Args:
        sizes: [n] source sizes in bytes of the next 512 entries, or of all that are left.
    """
    return min(int(np.searchsorted(np.cumsum(sizes), SEGMENT_BYTES)) + 1, len(sizes), SEGMENT_ENTRIES)
