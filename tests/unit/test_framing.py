from __future__ import annotations

import array
import mmap
import struct
import subprocess
import sys
import tracemalloc

import pytest

from recordio_kit._core.framing import (
    MAGIC,
    MAGIC_BYTES,
    MAX_PAYLOAD,
    FrameDecoder,
    aligned_magics,
    decode_at,
    decode_view_at,
    encode_record,
    encode_records,
    find_record_head,
    frame_record,
    parse_head,
)
from recordio_kit.errors import CorruptRecordError, RecordTooLargeError, TruncatedRecordError


def head(flag, length):
    return struct.pack("<II", MAGIC, flag << 29 | length)


@pytest.mark.parametrize(
    ("payload", "framed"),
    [
        (b"", "0a23d7ce 00000000"),
        (b"a", "0a23d7ce 01000000 61000000"),
        (b"ab", "0a23d7ce 02000000 61620000"),
        (b"abc", "0a23d7ce 03000000 61626300"),
        (b"abcd", "0a23d7ce 04000000 61626364"),
        (MAGIC_BYTES, "0a23d7ce 00000020 0a23d7ce 00000060"),
        (MAGIC_BYTES * 2, "0a23d7ce 00000020 0a23d7ce 00000040 0a23d7ce 00000060"),
        (b"abcd" + MAGIC_BYTES + b"e", "0a23d7ce 04000020 61626364 0a23d7ce 01000060 65000000"),
        (b"abc" + MAGIC_BYTES, "0a23d7ce 07000000 6162630a 23d7ce00"),
    ],
)
def test_a_record_is_framed_as_dmlc_frames_it(payload, framed):
    assert encode_record(payload) == bytes.fromhex(framed)
    assert decode_at(bytes.fromhex(framed)) == (payload, len(bytes.fromhex(framed)))


@pytest.mark.parametrize("before", range(9))
@pytest.mark.parametrize("after", range(9))
def test_a_magic_at_any_alignment_comes_back(before, after):
    payload = b"x" * before + MAGIC_BYTES + b"y" * after
    framed = encode_record(payload)
    assert decode_at(framed) == (payload, len(framed))
    assert len(aligned_magics(framed)) == (1 if before % 4 else 2)


def test_a_payload_full_of_magics_comes_back():
    payload = MAGIC_BYTES * 5000
    framed = encode_record(payload)
    assert len(framed) == 8 * 5001
    assert decode_at(framed).payload == payload
    assert len(frame_record(payload)) == 3


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview, lambda data: memoryview(bytearray(data))])
def test_any_buffer_is_framed_and_decoded_alike(make):
    payload = b"abcd" + MAGIC_BYTES + b"xyz"
    framed = encode_record(payload)
    assert encode_record(make(payload)) == framed
    assert decode_at(make(framed)) == (payload, len(framed))
    assert find_record_head(make(b"\0\0\0\0" + framed)) == 4
    decoder = FrameDecoder()
    decoder.feed(make(framed))
    assert decoder.next_record() == payload


def test_items_wider_than_a_byte_are_framed_as_their_bytes():
    words = array.array("I", [1, 2, MAGIC, 4])
    assert decode_at(encode_record(memoryview(words))).payload == words.tobytes()


def test_a_plain_payload_is_not_copied():
    payload = bytearray(1000)
    pieces = frame_record(payload)
    payload[0] = 7
    assert b"".join(pieces)[8] == 7


def test_text_is_refused_as_a_payload():
    with pytest.raises(TypeError):
        encode_record("text")


def test_offsets_name_the_heads_of_a_batch():
    payloads = [b"", b"abcde", MAGIC_BYTES * 3, b"z"]
    data, offsets = encode_records(payloads)
    assert [decode_at(data, offset).payload for offset in offsets] == payloads
    assert offsets == [0, 8, 24, 56]
    assert encode_records([]) == (b"", [])


def test_a_payload_of_2_to_the_29_bytes_is_refused():
    with pytest.raises(RecordTooLargeError, match=str(2**29)):
        frame_record(mmap.mmap(-1, 2**29))


@pytest.mark.skipif(not hasattr(mmap, "MAP_ANONYMOUS"), reason="needs zeros that take no memory")
def test_a_payload_of_one_byte_less_is_framed():
    pieces = frame_record(mmap.mmap(-1, MAX_PAYLOAD, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    assert sum(map(len, pieces)) == 8 + 2**29
    assert bytes(pieces[0]) == head(0, MAX_PAYLOAD)


@pytest.mark.skipif(not hasattr(mmap, "PROT_READ"), reason="needs memory that must not be read")
def test_a_payload_that_is_too_large_is_refused_before_it_is_read():
    # The pages are unreadable: to look at one byte is the end of the process, hence another process.
    script = """
import mmap
from recordio_kit._core.framing import frame_record
from recordio_kit.errors import RecordTooLargeError
try:
    frame_record(mmap.mmap(-1, 2**29, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=0))
except RecordTooLargeError:
    raise SystemExit(7)
"""
    assert subprocess.run([sys.executable, "-c", script]).returncode == 7


def test_the_largest_length_is_read_and_costs_no_memory():
    assert parse_head(head(0, MAX_PAYLOAD), 0, first=True) == (0, MAX_PAYLOAD)
    with pytest.raises(TruncatedRecordError, match="8 bytes after its start"):
        decode_at(head(0, MAX_PAYLOAD))


def test_a_head_that_is_cut_short_says_where_it_starts():
    with pytest.raises(TruncatedRecordError, match="7 bytes after its start") as caught:
        parse_head(head(0, 4) * 2, 9, first=True, base=100)
    assert caught.value.offset == 109
    with pytest.raises(TruncatedRecordError, match="1 bytes after its start"):
        decode_at(head(0, 0)[:1])


@pytest.mark.parametrize("offset", [8, 12, 1000])
def test_an_offset_at_or_behind_the_end_is_a_truncation(offset):
    with pytest.raises(TruncatedRecordError, match="before this record") as caught:
        decode_at(head(0, 0), offset, base=64)
    assert caught.value.offset == 64 + offset


def test_errors_count_from_the_start_of_the_source():
    with pytest.raises(CorruptRecordError) as caught:
        decode_at(b"\0" * 16, 8, base=1000)
    assert caught.value.offset == 1008
    decoder = FrameDecoder(offset=400)
    decoder.feed(encode_record(b"abc") + b"\0" * 8)
    assert decoder.next_record() == b"abc"
    with pytest.raises(CorruptRecordError) as caught:
        decoder.next_record()
    assert caught.value.offset == 412


def test_a_view_shares_the_buffer_unless_the_record_is_escaped():
    payloads = [b"plain", MAGIC_BYTES + b"escaped"]
    data, offsets = encode_records(payloads)
    buffer = bytearray(data)
    plain, escaped = (decode_view_at(memoryview(buffer), offset) for offset in offsets)
    assert [plain, escaped] == payloads
    buffer[8] = ord("P")
    assert bytes(plain) == b"Plain"
    assert bytes(escaped) == payloads[1]
    alone = bytearray(encode_record(b"last"))
    last = decode_view_at(memoryview(alone))
    alone[8] = ord("L")
    assert bytes(last) == b"Last"


def test_a_view_of_a_torn_record_is_a_truncation():
    with pytest.raises(TruncatedRecordError):
        decode_view_at(memoryview(encode_record(b"abcde")[:-1]))
    with pytest.raises(CorruptRecordError):
        decode_view_at(memoryview(head(3, 0)))


def test_the_decoder_tells_more_from_end():
    decoder = FrameDecoder()
    assert decoder.next_record() is None
    decoder.feed(encode_record(b""))
    assert decoder.next_record() == b""
    assert decoder.next_record() is None
    assert not decoder.ended
    decoder.feed(b"")
    assert decoder.ended
    assert decoder.next_record() is None
    assert decoder.offset == 8


def test_the_decoder_refuses_data_after_the_end():
    decoder = FrameDecoder()
    decoder.feed(b"")
    decoder.feed(b"")
    with pytest.raises(RuntimeError, match="after the end"):
        decoder.feed(b"x")


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (encode_record(b"ok") + b"\0" * 8, CorruptRecordError),
        (encode_record(b"ok") + head(1, 4) + b"abcd" + head(1, 0), CorruptRecordError),
        (encode_record(b"ok") + head(1, 4) + b"abcd", TruncatedRecordError),
    ],
)
def test_a_decoder_that_raised_stays_where_it_was(data, error):
    decoder = FrameDecoder()
    decoder.feed(data)
    decoder.feed(b"")
    assert decoder.next_record() == b"ok"
    texts = set()
    for _ in range(3):
        with pytest.raises(error) as caught:
            decoder.next_record()
        texts.add(str(caught.value))
        assert decoder.offset == 12
    assert len(texts) == 1


def test_resynchronising_skips_what_only_looks_like_a_head():
    record = encode_record(b"abc")
    assert find_record_head(record) == 0
    assert find_record_head(record, 1) == -1
    assert find_record_head(b"\0" + record) == -1
    assert find_record_head(head(2, 0) + head(3, 0) + record) == 16
    assert find_record_head(b"\0" * 4 + MAGIC_BYTES) == -1
    assert find_record_head(b"") == -1


def test_empty_parts_cost_their_reader_no_more_than_their_frames():
    payload = MAGIC_BYTES * 200_000
    frames = encode_record(payload)
    decoder = FrameDecoder()
    for read in (lambda: decode_at(frames).payload, lambda: (decoder.feed(frames), decoder.next_record())[1]):
        tracemalloc.start()
        assert read() == payload
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 3 * len(frames)
