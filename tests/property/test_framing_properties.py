from __future__ import annotations

import struct
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

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
from recordio_kit.errors import CorruptRecordError, FormatError, TruncatedRecordError
from recordio_kit.testing import payloads


HEADS = st.builds(lambda flag, length: struct.pack("<II", MAGIC, flag << 29 | length), st.integers(0, 7), st.integers(0, 40))
ATOMS = st.one_of(st.just(MAGIC_BYTES), st.just(MAGIC_BYTES[1:]), st.just(bytes(4)), HEADS, st.binary(max_size=9))
PAYLOADS = st.lists(ATOMS, max_size=6).map(b"".join)
BATCHES = st.lists(PAYLOADS, max_size=6)
#: Bytes that are sometimes sound, sometimes nearly, sometimes nothing of the kind.
STREAMS = st.lists(st.one_of(PAYLOADS.map(encode_record), HEADS, st.binary(max_size=12)), max_size=6).map(b"".join)


def reference_encode(payload):
    """The escaping as the format states it: word by word."""
    parts, part = [], b""
    for start in range(0, len(payload), 4):
        word = payload[start : start + 4]
        if word == MAGIC_BYTES:
            parts.append(part)
            part = b""
        else:
            part += word
    parts.append(part)
    out = b""
    for number, part in enumerate(parts):
        flag = 0 if len(parts) == 1 else 1 if number == 0 else 3 if number == len(parts) - 1 else 2
        out += struct.pack("<II", MAGIC, flag << 29 | len(part)) + part + bytes(-len(part) % 4)
    return out


def read_at_offsets(data):
    """Payloads up to the end or the first error, and that error."""
    payloads, offset = [], 0
    try:
        while offset < len(data):
            payload, offset = decode_at(data, offset)
            payloads.append(payload)
    except FormatError as error:
        return payloads, error
    return payloads, None


def read_in_chunks(data, cuts):
    payloads, decoder = [], FrameDecoder()
    borders = [0, *sorted(cuts), len(data)]
    chunks = [chunk for start, stop in pairwise(borders) if (chunk := data[start:stop])]
    try:
        for chunk in [*chunks, b""]:
            decoder.feed(chunk)
            while (payload := decoder.next_record()) is not None:
                payloads.append(payload)
    except FormatError as error:
        return payloads, error
    assert decoder.offset == len(data)
    return payloads, None


def facts(outcome):
    payloads, error = outcome
    return payloads, type(error), str(error), getattr(error, "offset", None)


@given(PAYLOADS)
def test_a_record_comes_back_and_is_framed_by_the_book(payload):
    framed = encode_record(payload)
    assert framed == reference_encode(payload)
    assert len(framed) % 4 == 0
    assert decode_at(framed) == (payload, len(framed))
    assert decode_at(b"\0\0\0" + framed + b"tail", 3) == (payload, 3 + len(framed))


@given(BATCHES, BATCHES)
def test_batches_framed_apart_concatenate_to_one_framed_in_a_row(first, second):
    whole, offsets = encode_records([*first, *second])
    left, left_offsets = encode_records(first)
    right, right_offsets = encode_records(second)
    assert left + right == whole
    assert offsets == [*left_offsets, *(len(left) + offset for offset in right_offsets)]


@given(BATCHES)
def test_an_aligned_magic_with_flag_0_or_1_is_a_record_head_and_nothing_else_is(payloads):
    data, offsets = encode_records(payloads)
    found, position = [], -4
    while (position := find_record_head(data, position + 4)) >= 0:
        found.append(position)
    assert found == offsets


@given(STREAMS, st.data())
def test_the_stream_decoder_equals_the_random_reader_in_any_chunking(data, draw):
    cuts = draw.draw(st.lists(st.integers(0, len(data)), max_size=8))
    assert facts(read_in_chunks(data, cuts)) == facts(read_at_offsets(data))


@given(STREAMS)
def test_the_stream_decoder_equals_the_random_reader_byte_by_byte(data):
    assert facts(read_in_chunks(data, range(1, len(data)))) == facts(read_at_offsets(data))


@given(STREAMS)
def test_a_view_equals_the_copy(data):
    def outcome(read):
        try:
            return bytes(read())
        except FormatError as error:
            return type(error), error.offset

    assert outcome(lambda: decode_view_at(memoryview(data))) == outcome(lambda: decode_at(data).payload)


@given(BATCHES)
def test_a_cut_at_any_byte_is_a_truncation_or_falls_between_records(payloads):
    data, offsets = encode_records(payloads)
    borders = [*offsets, len(data)]
    for cut in range(len(data) + 1):
        whole = sum(border <= cut for border in borders) - 1
        got, error = read_at_offsets(data[:cut])
        assert got == payloads[:whole]
        assert facts(read_in_chunks(data[:cut], [cut // 2])) == facts((got, error))
        if cut in borders:
            assert error is None
        else:
            assert type(error) is TruncatedRecordError
            assert error.offset == borders[whole]


@given(st.lists(PAYLOADS, min_size=1, max_size=3))
def test_a_bit_flip_in_a_frame_head_is_an_error_or_shows_in_the_frames(payloads):
    data, offsets = encode_records(payloads)
    heads = [place for place in range(0, len(data), 4) if data[place : place + 4] == MAGIC_BYTES]
    for bit in (8 * place + bit for place in heads for bit in range(64)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        got, error = read_at_offsets(bytes(damaged))
        before = sum(offset <= bit // 8 for offset in offsets) - 1
        assert got[:before] == payloads[:before]
        if error is not None:
            assert type(error) in (CorruptRecordError, TruncatedRecordError)
        elif encode_records(got)[0] == damaged:
            # All that framing cannot show: a length that moves within the zero padding. Checksums do.
            (changed,) = [pair for pair in zip(payloads, got, strict=True) if pair[0] != pair[1]]
            short, long = sorted(changed, key=len)
            assert long == short + bytes(len(long) - len(short))
            assert 0 < len(long) - len(short) < 4


@given(st.one_of(STREAMS, st.binary(max_size=200)), st.integers(0, 16))
def test_arbitrary_bytes_decode_or_are_a_format_error(data, offset):
    read_at_offsets(data)
    read_in_chunks(data, [offset])
    position = find_record_head(data, offset)
    assert position == -1 or (position >= offset and position % 4 == 0 and data[position : position + 4] == MAGIC_BYTES)


@given(payload=payloads(), before=st.integers(0, 4200))
def test_magics_are_found_alike_in_small_and_large_payloads(payload, before):
    whole = bytes(before) + payload + bytes(5000)
    expected = [place for place in range(0, len(whole) - 3, 4) if whole[place : place + 4] == MAGIC_BYTES]
    assert aligned_magics(whole) == expected
    assert aligned_magics(whole[: before + len(payload)]) == [place for place in expected if place + 4 <= before + len(payload)]
