"""Targets of the binary formats: frames, headers, checksum sidecars, MNIST arrays.

Strategy: what is read twice is read alike, and what was read is written again as it was. Where checksums would stop
nearly every input at the door, the input is looked at once as it is and once with its checksums mended.
"""

from __future__ import annotations

import gzip
import struct
import zlib

import numpy as np

from recordio_kit._core import framing
from recordio_kit._core.frame_run import frame_images
from recordio_kit._core.framing import (
    MAGIC,
    MAGIC_BYTES,
    FrameDecoder,
    aligned_magics,
    decode_at,
    decode_view_at,
    encode_record,
    encode_records,
    find_record_head,
)
from recordio_kit._core.header import HEADER_SIZE, IRHeader, header_holds_magic, pack_record, unpack_record
from recordio_kit._core.mnist_idx import format_idx_array, parse_idx_array
from recordio_kit._core.sidecar import BLOCK_ENTRIES, ENTRY_DTYPE, Sidecar, format_sidecar, parse_sidecar
from recordio_kit.errors import CorruptRecordError, FormatError, IndexMismatchError, TruncatedRecordError


WORDS_FRAMES = WORDS_HEADER = (
    MAGIC_BYTES,
    *(MAGIC_BYTES + struct.pack("<I", flag << 29 | size) for flag in range(5) for size in (0, 1, 4)),
)
#: How many bytes come at a time: less than a head, a head, a record, several.
_PIECES = (1, 3, 4, 7, 8, 12, 64, 512)
_ZEROS = bytes(framing._LARGE)


def check_frames(data):
    records, error = _read_at_offsets(data)
    assert _read_in_pieces(data, zlib.crc32(data)) == (records, error)

    words = np.frombuffer(data, "<u4", len(data) // 4)
    heads = (np.flatnonzero((words[:-1] == MAGIC) & (words[1:] >> 29 <= 1)) * 4).tolist() if len(words) else []
    position = -1
    for head in heads:
        position = find_record_head(data, position + 1)
        assert position == head
    assert find_record_head(data, position + 1) == -1

    magics = aligned_magics(data)
    assert aligned_magics(data + _ZEROS) == magics  # by the word, as large payloads are looked through
    framed = encode_record(data)
    assert decode_at(framed) == (data, len(framed))
    image = pack_record(IRHeader(0, 0.0, 5, 0), data)
    assert b"".join(frame_images(np.array([5]), np.zeros((1, 1), np.float32), [data]).pieces) == encode_record(image)

    view, start = memoryview(data), 0
    for payload, end in records:
        assert decode_view_at(view, start) == payload
        start = end
    payloads = [payload for payload, _ in records]
    framed, offsets = encode_records(payloads)
    assert _read_at_offsets(framed) == (list(zip(payloads, [*offsets[1:], len(framed)], strict=True)) if payloads else [], None)


def _read_at_offsets(data):
    records, offset = [], 0
    try:
        while offset < len(data):
            payload, offset = decode_at(data, offset)
            records.append((payload, offset))
    except (CorruptRecordError, TruncatedRecordError) as error:
        return records, (type(error), error.offset)
    return records, None


def _read_in_pieces(data, dice):
    decoder, records, position = FrameDecoder(), [], 0
    try:
        while True:
            while (payload := decoder.next_record()) is not None:
                records.append((payload, decoder.offset))
            if decoder.ended:
                return records, None
            dice = dice * 1_103_515_245 + 12_345 & 0x7FFF_FFFF
            piece = data[position : position + _PIECES[dice >> 16 & 7]]
            position += len(piece)
            decoder.feed(piece)
    except (CorruptRecordError, TruncatedRecordError) as error:
        return records, (type(error), error.offset)


def seeds_frames():
    small = [b"", b"a", b"abcd", MAGIC_BYTES, MAGIC_BYTES * 3, b"abcd" + MAGIC_BYTES + b"e", b"ab" + MAGIC_BYTES, bytes(24)]
    whole, offsets = encode_records(small)
    yield from (b"", whole, whole[:-3], whole + bytes(7), b"\0" + whole, whole[offsets[3] + 8 :])
    yield from map(encode_record, small)


def check_header(data):
    try:
        header, body = unpack_record(data)
    except CorruptRecordError:
        assert len(data) < HEADER_SIZE or len(data) < HEADER_SIZE + 4 * int.from_bytes(data[:4], "little")
        return
    viewed, same = unpack_record(memoryview(data))
    again = pack_record(header, body)
    assert same == body
    assert (viewed.flag, viewed.id, viewed.id2) == (header.flag, header.id, header.id2)
    if header.flag:  # the header's own label is unused then, and written as 0
        assert np.array_equal(viewed.label, header.label, equal_nan=True)
        assert again == data[:4] + bytes(4) + data[8:]
    elif header.label == header.label:  # the bits of a NaN are nobody's
        assert again == data
    else:
        assert again[:4] + again[8:] == data[:4] + data[8:]
    assert header_holds_magic(header) == any(at < HEADER_SIZE for at in aligned_magics(again))


def seeds_header():
    yield pack_record(IRHeader(0, 3.0, 7, 0), b"body")
    yield pack_record(IRHeader(0, [1.0, 2.5, float("nan")], 2**64 - 1, 1), b"body")
    yield pack_record(IRHeader(0, float("nan"), int.from_bytes(MAGIC_BYTES, "little"), 0), MAGIC_BYTES)
    yield struct.pack("<IfQQ", 2**32 - 1, 1.0, 1, 1)
    yield struct.pack("<IfQQ", 2, 1.0, 1, 1) + bytes(8)


def check_rkm(data):
    try:
        sidecar = parse_sidecar(data)
    except IndexMismatchError:
        pass
    else:
        assert format_sidecar(sidecar) == data
    sound = _mended_rkm(data)
    sidecar = parse_sidecar(sound)
    assert format_sidecar(sidecar) == sound
    assert sidecar.entries.tobytes() == sound[64 : 64 + 24 * len(sidecar.entries)]
    dice = zlib.crc32(data)
    damaged = bytearray(sound)
    damaged[dice % len(sound)] ^= 1 << (dice >> 29)
    for broken in (bytes(damaged), sound[:-1], sound + b"\0"):
        try:
            parse_sidecar(broken)
        except IndexMismatchError:
            continue
        raise AssertionError("damage was not seen")


def _mended_rkm(data):
    """Return a sound sidecar whose entries are the input's bytes, and many of them where there are few."""
    size, crc32, fingerprint = struct.unpack("<QI32s", data[16:60].ljust(44, b"\0"))
    body = data[64:] * (300 if data[15:16] == b"\1" else 1)  # more than one run of entries
    count = len(body) // ENTRY_DTYPE.itemsize
    body = body[: count * ENTRY_DTYPE.itemsize]
    head = struct.pack("<8sQQI32s", b"RKM1\r\n\x1a\n", count, size, crc32, fingerprint)
    run = BLOCK_ENTRIES * ENTRY_DTYPE.itemsize
    sums = b"".join(struct.pack("<I", zlib.crc32(body[start : start + run])) for start in range(0, len(body), run))
    return b"".join((head, struct.pack("<I", zlib.crc32(head)), body, sums, struct.pack("<I", zlib.crc32(sums))))


def seeds_rkm():
    entries = np.array([(0, 5, 12, 1), (12, 4, 16, 2**32 - 1), (28, 2**64 - 1, 8, 0)], ENTRY_DTYPE)
    for count in range(4):
        yield format_sidecar(Sidecar(entries[:count], 36, 123, "ab" * 32 if count else ""))
    sound = format_sidecar(Sidecar(np.repeat(entries, 3), 36, 123))
    yield from (sound, sound[:15] + b"\1" + sound[16:], sound[:8] + b"\xff" * 8 + sound[16:], sound[:20])


def check_mnist_idx(data):
    array = _parse_mnist_idx(data)
    if data[:2] == b"\x1f\x8b":
        return
    packed = _parse_mnist_idx(_stored_gzip(data))
    assert (array is None) == (packed is None)
    if array is not None:
        assert (array.dtype, array.shape, array.tobytes()) == (packed.dtype, packed.shape, packed.tobytes())
        assert array.dtype.isnative
        assert format_idx_array(array) == data


def _parse_mnist_idx(data):
    try:
        return parse_idx_array(data)
    except FormatError:
        return None


def _stored_gzip(data):
    """Return the data as a gzip stream that is not compressed."""
    size = len(data)
    block = struct.pack("<BHH", 1, size, size ^ 0xFFFF)
    return b"".join((b"\x1f\x8b\x08\0\0\0\0\0\0\xff", block, data, struct.pack("<II", zlib.crc32(data), size)))


def seeds_mnist_idx():
    for kind in ("u1", "i1", "i2", "i4", "f4", "f8"):
        yield format_idx_array(np.arange(6).astype(kind).reshape(1, 2, 3))
    sound = format_idx_array(np.arange(8, dtype=np.uint8))
    yield from (sound[:-1], sound + b"\0", gzip.compress(sound, mtime=0), gzip.compress(sound, mtime=0)[:-4])
    yield from (format_idx_array(np.zeros((0, 3), np.float32)), format_idx_array(np.float64(np.nan)))
    yield struct.pack(">HBB4I", 0, 0x0E, 4, 2**32 - 1, 2**32 - 1, 2**32 - 1, 0)
    yield struct.pack(">HBB", 0, 8, 33) + bytes(4 * 33)
    yield struct.pack(">HBB32I", 0, 8, 32, *[1] * 32) + b"\1"
    yield gzip.compress(struct.pack(">HBB3I", 0, 8, 3, 65535, 65535, 65535) + bytes(100_000), mtime=0)
