"""One small file for each disease of a .rec or an .idx, and what every reader of the core makes of it."""

from __future__ import annotations

import pytest

from recordio_kit._core.framing import (
    MAGIC_BYTES,
    FrameDecoder,
    aligned_magics,
    decode_at,
    encode_record,
    encode_records,
    find_record_head,
)
from recordio_kit._core.index import parse_idx
from recordio_kit.errors import CorruptRecordError, FormatError, IndexMismatchError, TruncatedRecordError


GOOD = "0a23d7ce 03000000 61626300"  # "abc", 12 bytes

#: name: (bytes, payloads before the damage, error, the offset it names)
BROKEN = {
    "cut inside the magic": (GOOD + "0a23", [b"abc"], TruncatedRecordError, 12),
    "cut behind the magic": (GOOD + "0a23d7ce", [b"abc"], TruncatedRecordError, 12),
    "cut inside the length": (GOOD + "0a23d7ce 0300", [b"abc"], TruncatedRecordError, 12),
    "cut behind the head": (GOOD + "0a23d7ce 03000000", [b"abc"], TruncatedRecordError, 12),
    "cut inside the data": (GOOD + "0a23d7ce 03000000 6162", [b"abc"], TruncatedRecordError, 12),
    "cut before the padding": (GOOD + "0a23d7ce 03000000 616263", [b"abc"], TruncatedRecordError, 12),
    "cut inside the padding": (GOOD + "0a23d7ce 01000000 610000", [b"abc"], TruncatedRecordError, 12),
    "cut between parts 1 and 3": (GOOD + "0a23d7ce 04000020 61626364", [b"abc"], TruncatedRecordError, 12),
    "cut between parts 2 and 3": ("0a23d7ce 00000020 0a23d7ce 00000040", [], TruncatedRecordError, 0),
    "cut inside the head of part 3": (GOOD + "0a23d7ce 00000020 0a23d7ce 0000", [b"abc"], TruncatedRecordError, 12),
    "part 2 comes first": (GOOD + "0a23d7ce 00000040 0a23d7ce 00000060", [b"abc"], CorruptRecordError, 12),
    "part 3 comes first": (GOOD + "0a23d7ce 00000060", [b"abc"], CorruptRecordError, 12),
    "part 1 inside part 1": ("0a23d7ce 00000020" + "0a23d7ce 00000020 0a23d7ce 00000060", [], CorruptRecordError, 8),
    "a whole record inside part 1": ("0a23d7ce 00000020" + GOOD, [], CorruptRecordError, 8),
    "part 3 twice": ("0a23d7ce 00000020 0a23d7ce 00000060 0a23d7ce 00000060", [MAGIC_BYTES], CorruptRecordError, 16),
    "continuation flag 4": (GOOD + "0a23d7ce 03000080 61626300", [b"abc"], CorruptRecordError, 12),
    "continuation flag 7": (GOOD + "0a23d7ce 030000e0 61626300", [b"abc"], CorruptRecordError, 12),
    "part 1 is no multiple of 4": ("0a23d7ce 03000020 61626300 0a23d7ce 00000060", [], CorruptRecordError, 0),
    "part 2 is no multiple of 4": ("0a23d7ce 00000020 0a23d7ce 01000040 61000000" + GOOD, [], CorruptRecordError, 8),
    "a length behind the end": (GOOD + "0a23d7ce ff000000 61626300", [b"abc"], TruncatedRecordError, 12),
    "the largest length in 8 bytes": ("0a23d7ce ffffff1f", [], TruncatedRecordError, 0),
    "a length that is too short": ("0a23d7ce 04000000 61626364 65666768" + GOOD, [b"abcd"], CorruptRecordError, 12),
    "one bit flipped in the magic": (GOOD + "0b23d7ce 03000000 61626300", [b"abc"], CorruptRecordError, 12),
    "the magic in big-endian": ("ced7230a 00000003 61626300", [], CorruptRecordError, 0),
    "one byte deleted": (GOOD[:-2] + GOOD, [b"abc"], CorruptRecordError, 12),
    "one byte inserted": (GOOD + "00" + GOOD, [b"abc"], CorruptRecordError, 12),
    "zeros behind the end": (GOOD + "00" * 16, [b"abc"], CorruptRecordError, 12),
    "fewer zeros than a head behind the end": (GOOD + "00" * 7, [b"abc"], TruncatedRecordError, 12),
    "text behind the end": (GOOD + b"trailing garbage".hex(), [b"abc"], CorruptRecordError, 12),
    "another kind of file": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".hex(), [], CorruptRecordError, 0),
}  # fmt: skip

#: What frames alone do not refuse, yet show: a writer would have made other bytes.
ODD = {
    "padding that is not zero": ("0a23d7ce 03000000 616263ff", [b"abc"]),
    "a swallowed record": ("0a23d7ce 10000000 61626364" + GOOD, [b"abcd" + bytes.fromhex(GOOD)]),
    "a record split for no reason": ("0a23d7ce 00000020 0a23d7ce 00000040 0a23d7ce 04000060 0a23d7ce", [MAGIC_BYTES * 3]),
}  # fmt: skip


def read_all(data):
    payloads, offset = [], 0
    while offset < len(data):
        payload, offset = decode_at(data, offset)
        payloads.append(payload)
    return payloads


@pytest.mark.parametrize(("text", "before", "error", "offset"), BROKEN.values(), ids=BROKEN)
def test_each_disease_is_named_where_it_starts_and_spares_what_is_before(text, before, error, offset):
    data = bytes.fromhex(text)
    decoder = FrameDecoder()
    decoder.feed(data)
    decoder.feed(b"")
    assert [decoder.next_record() for _ in before] == before
    start = decoder.offset
    for read in (decoder.next_record, lambda: decode_at(data, start)):
        with pytest.raises(FormatError) as caught:
            read()
        assert type(caught.value) is error
        assert caught.value.offset == offset


@pytest.mark.parametrize(("text", "before", "error", "offset"), BROKEN.values(), ids=BROKEN)
def test_what_is_whole_behind_the_damage_is_found_again(text, before, error, offset):
    data = bytes.fromhex(text)
    data += bytes(-len(data) % 4)
    heads, position = [], offset
    while (position := find_record_head(data + bytes.fromhex(GOOD), position)) >= 0:
        heads.append(position)
        position += 4
    assert heads[-1] == len(data)


@pytest.mark.parametrize(("text", "payloads"), ODD.values(), ids=ODD)
def test_what_frames_do_not_refuse_shows_when_it_is_framed_again(text, payloads):
    data = bytes.fromhex(text)
    assert read_all(data) == payloads
    assert encode_records(payloads)[0] != data


def test_a_swallowed_record_shows_as_an_aligned_magic_in_a_whole_frame():
    payload = decode_at(bytes.fromhex(ODD["a swallowed record"][0])).payload
    assert aligned_magics(payload) == [4]


def test_a_file_of_no_bytes_holds_no_records():
    assert read_all(b"") == []
    decoder = FrameDecoder()
    decoder.feed(b"")
    assert decoder.next_record() is None


@pytest.mark.parametrize("shift", [1, 2, 3, 5, 7])
def test_an_offset_that_is_not_a_record_is_refused(shift):
    data, offsets = encode_records([b"first", b"second"])
    for offset in offsets:
        with pytest.raises(CorruptRecordError) as caught:
            decode_at(data, offset + shift)
        assert caught.value.offset == offset + shift


def test_an_offset_into_a_later_part_is_refused():
    with pytest.raises(CorruptRecordError, match="expected the start of a record"):
        decode_at(encode_record(b"abcd" + MAGIC_BYTES + b"e"), 12)


def test_an_index_of_another_version_of_the_file_is_seen():
    older, newer = ([b"first", second, b"third"] for second in (b"2nd", b"the second"))
    _, stale = encode_records(older)
    data, _ = encode_records(newer)
    with pytest.raises(CorruptRecordError):
        decode_at(data, stale[2])


@pytest.mark.parametrize(
    ("text", "offsets"),
    [
        (b"0\t0\n1\t12", [0, 12]),  # no line feed at the end
        (b"1\t12\n0\t0\n", [12, 0]),  # not sorted
        (b"0\t18446744073709551615\n", [2**64 - 1]),  # as a 32-bit ftell wrote it
        (b"0\t0\n0\t12\n", [0, 12]),  # one key twice
    ],
)
def test_an_odd_index_is_read_as_it_stands(text, offsets):
    assert parse_idx(text).offsets.tolist() == offsets


@pytest.mark.parametrize(
    "text", [b"0\t0\n1\t", b"0\t0\n1", b"0\t-12\n", b"0\t1e3\n", b"0\t" + b"1" * 31, b"\xff\xfe0\0\t\x000\0\n\0"]
)
def test_a_broken_index_is_refused(text):
    with pytest.raises(IndexMismatchError):
        parse_idx(text)
