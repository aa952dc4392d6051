"""Find and read records in a source: one at an offset, or the heads of all.

Strategy: frame heads are read through a window, so that small records cost one read for many and large payloads are
skipped. Rules of the format stay in ``framing``; this module only fetches.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

import numpy as np

from recordio_kit._core.framing import HEAD_SIZE, MAX_PAYLOAD, FrameDecoder, decode_at, parse_head
from recordio_kit.errors import FormatError, TruncatedRecordError


if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from recordio_kit._storage.base import Source

_WINDOW_BYTES: Final = 1 << 16
_FIRST_READ_BYTES: Final = 1 << 20
_READ_AHEAD_BYTES: Final = 4 << 20
#: A payload of nothing but magics: a head of 8 bytes for each 4, and one more.
_MAX_EXTENT: Final = 2 * (MAX_PAYLOAD + 1) + HEAD_SIZE


def iter_records(source: Source, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, payload) of each record, in file order.

    Args:
        source: a ``.rec``.
        start: the offset of a record head.

    Raises:
        FormatError: the file is damaged there; what came before was yielded.
        StorageError: the file cannot be read.
    """
    decoder = FrameDecoder(start)
    position = start
    try:
        while True:
            offset = decoder.offset
            while (payload := decoder.next_record()) is None:
                if decoder.ended:
                    if position < source.size:
                        msg = f"the file ends here, it had {source.size} bytes when it was opened; something is writing to it"
                        raise TruncatedRecordError(msg, offset=position)
                    return
                data = source.read_at(position, min(_READ_AHEAD_BYTES, source.size - position))
                decoder.feed(data)
                position += len(data)
            yield offset, payload
    except FormatError as error:
        raise named(error, source) from None


def read_record(source: Source, offset: int, limit: int) -> bytes:
    """Return the payload of the record at an offset.

    Args:
        source: a ``.rec``.
        offset: where its first frame starts.
        limit: no record reaches past this offset as far as is known; the first read stops there.

    Raises:
        FormatError: no sound record stands there.
        StorageError: the file cannot be read.
    """
    length = min(limit - offset, _FIRST_READ_BYTES) if limit > offset else _FIRST_READ_BYTES
    while True:
        data = source.read_at(offset, max(length, HEAD_SIZE))
        try:
            return decode_at(data, 0, base=offset).payload
        except TruncatedRecordError as error:
            if len(data) < length or offset + len(data) >= source.size or length >= _MAX_EXTENT:
                raise named(error, source) from None
            length = min(length * 8, _MAX_EXTENT)
        except FormatError as error:
            raise named(error, source) from None


def scan_heads(source: Source) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the offset and the length on disk of every record, from the heads alone.

    Args:
        source: a ``.rec``.

    Returns:
        [n] offsets and [n] lengths, both uint64.

    Raises:
        FormatError: the file is damaged; the error names the offset.
        StorageError: the file cannot be read.
    """
    offsets = array("Q")
    position, window, base, first = 0, b"", 0, True
    try:
        while position < source.size:
            if not base <= position <= base + len(window) - HEAD_SIZE:
                base, window = position, source.read_at(position, _WINDOW_BYTES)
            if first:
                offsets.append(position)
            if source.size - position < HEAD_SIZE:
                break
            flag, length = parse_head(window, position - base, first=first, base=base)
            position += HEAD_SIZE + length + (-length & 3)
            first = flag in (0, 3)
        if position != source.size or not first:
            msg = "the data ends inside this record; copy the file again or 'salvage' what is whole"
            raise TruncatedRecordError(msg, offset=offsets[-1])
    except FormatError as error:
        raise named(error, source) from None
    starts = np.frombuffer(offsets, np.uint64) if len(offsets) else np.empty(0, np.uint64)
    return starts, np.diff(starts, append=np.uint64(source.size))


def named(error: FormatError, source: Source) -> FormatError:
    """Return the same error with the file's name in it."""
    return type(error)(error.message, source=source.uri, offset=error.offset)
