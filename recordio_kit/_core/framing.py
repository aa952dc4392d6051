"""dmlc RecordIO frames: bytes of payloads to bytes of a ``.rec`` file, and back.

Strategy: a frame is ``u32 magic | u32 cflag << 29 | length | payload | zero pad to 4``, little-endian, as in dmlc-core's
``recordio.h``. Each magic at a 4-byte-aligned payload position is cut out and ends a part (cflag 1 first, 2 middle,
3 last; 0 whole), so an aligned magic in a sound file is a frame head and nothing else. Three readers share one parser of
heads: ``decode_at`` (a buffer and an offset), ``FrameDecoder`` (bytes in any chunking, as from a pipe) and
``find_record_head`` (resynchronise after damage). Frames are position-independent: framed batches may be concatenated.

Payloads are opaque here: nothing in this module knows about image headers, files or indexes.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np

from recordio_kit.errors import CorruptRecordError, RecordTooLargeError, TruncatedRecordError


if TYPE_CHECKING:
    from collections.abc import Iterable

Buffer: TypeAlias = bytes | bytearray | memoryview

#: dmlc-core ``RecordIOWriter::kMagic``.
MAGIC: Final = 0xCED7230A
MAGIC_BYTES: Final = struct.pack("<I", MAGIC)
HEAD_SIZE: Final = 8
#: dmlc-core: ``CHECK(size < (1 << 29U))``.
MAX_PAYLOAD: Final = (1 << 29) - 1

_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_HEAD: Final = struct.Struct("<II")
#: What fills a record up to four bytes, by its length modulo 4.
PADDING: Final = (b"", b"\0\0\0", b"\0\0", b"\0")
#: From here on, comparing whole words is faster than looking for the bytes.
_LARGE: Final = 4096
_MAGIC_PATTERN: Final = re.compile(re.escape(MAGIC_BYTES))


class Extent(NamedTuple):
    """One decoded record: its payload and the byte just behind its last part's padding."""

    payload: bytes
    end: int


def aligned_magics(payload: Buffer) -> list[int]:
    """Return the positions of every magic word that stands at a multiple of four.

    Args:
        payload: the bytes to look through.
    """
    return _cuts(memoryview(payload).cast("B"))


def _cuts(payload: Buffer) -> list[int]:
    if len(payload) >= _LARGE:
        words = np.frombuffer(payload, "<u4", len(payload) // 4)
        found: list[int] = (np.flatnonzero(words == MAGIC) * 4).tolist()
        return found
    # A match can overlap an aligned one by no byte (the magic has no border), so finditer misses none.
    return [match.start() for match in _MAGIC_PATTERN.finditer(payload) if not match.start() & 3]


def frame_record(payload: Buffer) -> list[Buffer]:
    """Return the pieces whose concatenation is the framed record; only what stands before an aligned magic is copied.

    Args:
        payload: at most 2**29 - 1 bytes.

    Raises:
        RecordTooLargeError: the payload has 2**29 bytes or more.
    """
    view = memoryview(payload).cast("B")  # whatever the caller's items are, the frame counts bytes
    size = len(view)
    if size > MAX_PAYLOAD:
        msg = f"a record holds at most {MAX_PAYLOAD} bytes (the frame's length has 29 bits), this payload has {size}; split it"
        raise RecordTooLargeError(msg)
    # One buffer for all parts but the last: a payload full of magics would make millions of pieces.
    parts = bytearray()
    start = 0
    for cut in _cuts(view):
        parts += _HEAD.pack(MAGIC, (_MIDDLE if start else _FIRST) << 29 | (cut - start))
        parts += view[start:cut]
        start = cut + 4
    parts += _HEAD.pack(MAGIC, (_LAST if start else _WHOLE) << 29 | (size - start))
    return [parts, view[start:], PADDING[(size - start) & 3]]


def encode_record(payload: Buffer) -> bytes:
    """Return the payload as one framed record, a multiple of four bytes long.

    Args:
        payload: at most 2**29 - 1 bytes.

    Raises:
        RecordTooLargeError: the payload has 2**29 bytes or more.
    """
    return b"".join(frame_record(payload))


def encode_records(payloads: Iterable[Buffer]) -> tuple[bytes, list[int]]:
    """Return the framed records, concatenated, and the offset of each in them.

    Args:
        payloads: each at most 2**29 - 1 bytes.

    Raises:
        RecordTooLargeError: a payload has 2**29 bytes or more.
    """
    out = bytearray()
    offsets = []
    for payload in payloads:
        offsets.append(len(out))
        for piece in frame_record(payload):
            out += piece
    return bytes(out), offsets


def parse_head(buffer: Buffer, offset: int, *, first: bool, base: int = 0) -> tuple[int, int]:
    """Return the continuation flag and the length of the frame head at an offset in a buffer.

    Args:
        buffer: bytes that hold the head.
        offset: its byte position.
        first: whether a record starts here, or the next part of one.
        base: the buffer's own offset in its source, for error messages.

    Raises:
        CorruptRecordError: no such head stands there.
        TruncatedRecordError: the buffer ends inside it.
    """
    if len(buffer) - offset < HEAD_SIZE:
        raise _truncated(base + offset, len(buffer) - offset)
    magic, word = _HEAD.unpack_from(buffer, offset)
    if magic != MAGIC:
        msg = f"no record here: found {magic:#010x} in place of the magic {MAGIC:#010x}; 'salvage' recovers what is whole"
        raise CorruptRecordError(msg, offset=base + offset)
    flag, length = word >> 29, word & MAX_PAYLOAD
    if flag not in ((_WHOLE, _FIRST) if first else (_MIDDLE, _LAST)):
        want = "the start of a record" if first else "the next part of a record"
        msg = f"expected {want}, found a frame with continuation flag {flag}; 'salvage' recovers what is whole"
        raise CorruptRecordError(msg, offset=base + offset)
    if flag in (_FIRST, _MIDDLE) and length & 3:
        msg = f"a part that another one follows is {length} bytes long, not a multiple of 4"
        raise CorruptRecordError(msg, offset=base + offset)
    return flag, length


def decode_at(buffer: Buffer, offset: int = 0, *, base: int = 0) -> Extent:
    """Decode the record whose frame starts at an offset in a buffer.

    Args:
        buffer: bytes that hold the whole record.
        offset: the byte position of its head in the buffer.
        base: the buffer's own offset in its source, for error messages.

    Returns:
        The payload (a copy) and the position behind the record, in the buffer.

    Raises:
        CorruptRecordError: no sound frame stands there.
        TruncatedRecordError: the buffer ends inside the record.
    """
    start, payload, first = offset, bytearray(), True
    while True:
        if len(buffer) - offset < HEAD_SIZE:
            raise _truncated(base + start, len(buffer) - start)
        flag, length = parse_head(buffer, offset, first=first, base=base)
        end = offset + HEAD_SIZE + length
        if end > len(buffer):
            raise _truncated(base + start, len(buffer) - start)
        part = memoryview(buffer)[offset + HEAD_SIZE : end]
        offset = end + (-length & 3)
        if flag in (_WHOLE, _LAST) and offset > len(buffer):
            raise _truncated(base + start, len(buffer) - start)
        if flag == _WHOLE:
            return Extent(bytes(part), offset)
        # Not a list of parts and a join: of a part without bytes that would hold ten times its frame.
        payload += part if first else MAGIC_BYTES + part
        if flag == _LAST:
            return Extent(bytes(payload), offset)
        first = False


def decode_view_at(buffer: memoryview, offset: int = 0) -> memoryview:
    """Return the payload of the record at an offset as a view into the buffer; a copy only where the record is escaped.

    Args:
        buffer: bytes that hold the whole record.
        offset: the byte position of its head.

    Raises:
        CorruptRecordError, TruncatedRecordError: as for ``decode_at``.
    """
    flag, length = parse_head(buffer, offset, first=True)
    start = offset + HEAD_SIZE
    if flag == _WHOLE and start + length + (-length & 3) <= len(buffer):
        return buffer[start : start + length]
    return memoryview(decode_at(buffer, offset).payload)


def _truncated(offset: int, have: int) -> TruncatedRecordError:
    where = f"inside this record, {have} bytes after its start" if have > 0 else "before this record"
    msg = f"the data ends {where}; copy the file again or 'salvage' what is whole"
    return TruncatedRecordError(msg, offset=offset)


def find_record_head(buffer: Buffer, start: int = 0) -> int:
    """Return the position of the next aligned record head at or behind ``start``, or -1.

    An aligned magic followed by continuation flag 0 or 1 starts a record, and nothing else in a sound file looks like it.
    After damage that shifted the alignment, call this on a buffer that is cut at another phase.

    Args:
        buffer: bytes whose position 0 is aligned to four in their file.
        start: the position to look from.
    """
    position = start
    while (position := _find_magic(buffer, position)) >= 0:
        if not position & 3 and len(buffer) - position >= HEAD_SIZE and _HEAD.unpack_from(buffer, position)[1] >> 29 <= _FIRST:
            return position
        position += 1
    return -1


def _find_magic(buffer: Buffer, start: int) -> int:
    match = _MAGIC_PATTERN.search(buffer, start)
    return -1 if match is None else match.start()


class FrameDecoder:
    """Decode records from bytes that arrive in any chunking.

    Feed bytes, then take records until ``next_record`` returns None, which means "feed more"; after ``feed(b"")``, the
    end of the data, None means that all is read. ``offset`` is the source position of the next record's head.
    Once a method has raised, the decoder stays where it was and raises the same again.

    Args:
        offset: the source position of the first byte that will be fed.
    """

    def __init__(self, offset: int = 0) -> None:
        """Start with nothing fed."""
        self.offset = offset
        self._buffer = bytearray()
        self._start = 0  # of the next record, in the buffer
        self._scan = 0  # of the next part's head, in the buffer: whole parts are not parsed again at each feed
        self._payload: bytearray | None = None  # of a record whose last part is yet to come
        self._ended = False

    @property
    def ended(self) -> bool:
        """Tell whether the end of the data was fed."""
        return self._ended

    def feed(self, data: Buffer) -> None:
        """Take the next bytes of the source; no bytes means that it has ended.

        Args:
            data: any number of bytes.

        Raises:
            RuntimeError: data came after the end.
        """
        if self._ended and len(data):
            msg = "data was fed after the end"
            raise RuntimeError(msg)
        if not len(data):
            self._ended = True
            return
        if self._start:
            del self._buffer[: self._start]
            self._scan -= self._start
            self._start = 0
        self._buffer += data

    def next_record(self) -> bytes | None:
        """Return the next payload, or None when more data is needed or all is read.

        Raises:
            CorruptRecordError: the bytes at ``offset`` are no sound record.
            TruncatedRecordError: the data has ended inside a record.
        """
        buffer = self._buffer
        while True:
            have = len(buffer) - self._scan
            if have < HEAD_SIZE:
                break
            flag, length = parse_head(buffer, self._scan, first=self._payload is None, base=self.offset - self._start)
            end = self._scan + HEAD_SIZE + length
            padded = end + (-length & 3)
            if padded > len(buffer):
                break
            with memoryview(buffer) as view:
                part = bytes(view[self._scan + HEAD_SIZE : end])
            self._scan = padded
            if self._payload is not None:
                self._payload += MAGIC_BYTES + part
            elif flag == _FIRST:
                self._payload = bytearray(part)
            if flag in (_FIRST, _MIDDLE):
                continue
            payload = part if self._payload is None else bytes(self._payload)
            self._payload = None
            self.offset += padded - self._start
            self._start = padded
            return payload
        if self._ended and len(buffer) > self._start:
            raise _truncated(self.offset, len(buffer) - self._start)
        return None
