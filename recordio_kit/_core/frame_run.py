"""Many image records framed at once: headers as columns, bodies as they were read.

Strategy: what ``pack_record`` and ``encode_record`` make one by one is made for a run of images in few steps. Heads of all
records are one table; a large body is handed on without copying it; small records are put together first, so that one look
finds the rare body with a magic in it, which is then framed by ``framing`` as any other. Framing rules live there, and both
ways are held to the same bytes by a property.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from recordio_kit._core.checksum import crc32_of
from recordio_kit._core.framing import HEAD_SIZE, MAGIC, MAX_PAYLOAD, PADDING, encode_record
from recordio_kit.errors import RecordTooLargeError


if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_HEADER_SIZE: Final = 24
#: From this size on, a body is cheaper to look through where it is than to copy.
_LARGE: Final = 4096


class FramedRun(NamedTuple):
    """Hold framed records.

    Args:
        pieces: their bytes, end to end, in as many pieces as saves copying them.
        lengths: [n] bytes on disk of each record.
        crcs: [n] CRC-32 of each record's bytes.
    """

    pieces: list[bytes]
    lengths: NDArray[np.uint32]
    crcs: NDArray[np.uint32]


def frame_images(indexes: NDArray[np.int64], labels: NDArray[np.float32], bodies: Sequence[bytes]) -> FramedRun:
    """Return image records: header, labels and body, framed.

    Args:
        indexes: [n] header ids.
        labels: [n, k] labels; one a record is written as scalar, more behind the header.
        bodies: n images.

    Raises:
        RecordTooLargeError: one does not fit a record.
    """
    heads = _heads(indexes, labels, bodies)
    odd = (heads[:, 1:] == MAGIC).any(axis=1).tolist()
    width = 4 * heads.shape[1]
    table = heads.tobytes()
    run = FramedRun([], np.empty(len(bodies), np.uint32), np.empty(len(bodies), np.uint32))
    pending: list[bytes] = []  # the pieces of small records
    for position, body in enumerate(bodies):
        head = table[position * width : (position + 1) * width]
        size = width - HEAD_SIZE + len(body)
        if size < _LARGE and not odd[position]:
            pending += (head, body, PADDING[size & 3])
            continue
        _flush(pending, run, position)
        if odd[position] or _has_magic(body):
            pieces = [encode_record(head[HEAD_SIZE:] + body)]
        else:
            pieces = [head, body, PADDING[size & 3]]
        _add(run, position, pieces)
    _flush(pending, run, len(bodies))
    return run


def framed_size(sizes: NDArray[np.int64], label_width: int) -> int:
    """Return how long image records will be on disk where no body holds an aligned magic.

    Args:
        sizes: [n] bytes of each body.
        label_width: labels a record.
    """
    fixed = HEAD_SIZE + _HEADER_SIZE + (4 * label_width if label_width > 1 else 0)
    return int((sizes + fixed + 3 & ~3).sum())


def _heads(indexes: NDArray[np.int64], labels: NDArray[np.float32], bodies: Sequence[bytes]) -> NDArray[Any]:
    """Return [n, words] little-endian words: frame head, image header, labels."""
    count, width = labels.shape
    many = width if width > 1 else 0
    sizes = np.fromiter(map(len, bodies), np.int64, count) + (_HEADER_SIZE + 4 * many)
    if count and sizes.max() > MAX_PAYLOAD:
        msg = f"a record holds at most {MAX_PAYLOAD} bytes, an image and its labels have {sizes.max()}"
        raise RecordTooLargeError(msg)
    heads = np.zeros((count, 8 + many), "<u4")
    heads[:, 0] = MAGIC
    heads[:, 1] = sizes
    heads[:, 2] = many
    words = np.ascontiguousarray(labels, "<f4").view("<u4")
    if many:
        heads[:, 8:] = words
    else:
        heads[:, 3] = words[:, 0]
    heads[:, 4:6] = np.ascontiguousarray(indexes, "<i8").view("<u4").reshape(count, 2)
    return heads


def _has_magic(body: bytes) -> bool:
    return bool((np.frombuffer(body, "<u4", len(body) // 4) == MAGIC).any())


def _flush(pending: list[bytes], run: FramedRun, stop: int) -> None:
    """Add the small records that end before a position."""
    count = len(pending) // 3
    if not count:
        return
    joined = b"".join(pending)
    if np.count_nonzero(np.frombuffer(joined, "<u4") == MAGIC) == count:
        run.pieces.append(joined)
        view, begin = memoryview(joined), 0
        for position in range(stop - count, stop):
            at = 3 * (position - stop + count)
            end = begin + len(pending[at]) + len(pending[at + 1]) + len(pending[at + 2])
            run.lengths[position] = end - begin
            run.crcs[position] = crc32_of(view[begin:end])
            begin = end
    else:
        for position in range(stop - count, stop):
            at = 3 * (position - stop + count)
            _add(run, position, [encode_record(pending[at][HEAD_SIZE:] + pending[at + 1])])
    pending.clear()


def _add(run: FramedRun, position: int, pieces: list[bytes]) -> None:
    length = crc = 0
    for piece in pieces:
        length += len(piece)
        crc = crc32_of(piece, crc)
    run.pieces.extend(pieces)
    run.lengths[position] = length
    run.crcs[position] = crc
