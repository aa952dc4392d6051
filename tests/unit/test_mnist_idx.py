from __future__ import annotations

import gzip
import struct
import tracemalloc

import numpy as np
import pytest

from recordio_kit._core.mnist_idx import format_idx_array, parse_idx_array
from recordio_kit.errors import FormatError


def idx(code, shape, body=b""):
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape) + body


SMALL = idx(0x08, (2, 3), bytes(range(6)))


@pytest.mark.parametrize(
    ("array", "data"),
    [
        (np.array([[0, 1, 2], [3, 4, 5]], np.uint8), "00000802 00000002 00000003 000102030405"),
        (np.array([7, 255], np.uint8), "00000801 00000002 07ff"),
        (np.array([-1, 2], np.int8), "00000901 00000002 ff02"),
        (np.array([-2, 258], np.int16), "00000b01 00000002 fffe0102"),
        (np.array([1, -1], np.int32), "00000c01 00000002 00000001ffffffff"),
        (np.array([1.0, -2.5], np.float32), "00000d01 00000002 3f800000c0200000"),
        (np.array([1.0], np.float64), "00000e01 00000001 3ff0000000000000"),
        (np.zeros((0, 28, 28), np.uint8), "00000803 00000000 0000001c 0000001c"),
        (np.array(5, np.uint8), "00000800 05"),
    ],
)
def test_arrays_have_the_bytes_of_the_format(array, data):
    data = bytes.fromhex(data)
    for items in (array, array.astype(array.dtype.newbyteorder()), np.asfortranarray(array).reshape(array.shape)):
        assert format_idx_array(items) == data
    read = parse_idx_array(data)
    assert read.dtype == array.dtype
    assert read.dtype.isnative
    assert read.shape == array.shape
    assert read.tolist() == array.tolist()


def test_an_array_of_one_is_read_into_memory_of_its_own():
    read = parse_idx_array(SMALL)
    read[0, 0] = 9
    assert SMALL[12] == 0


@pytest.mark.parametrize("level", [0, 1, 9])
def test_gzip_is_known_by_its_bytes(level):
    assert parse_idx_array(gzip.compress(SMALL, level)).tolist() == [[0, 1, 2], [3, 4, 5]]
    long = np.arange(100_000, dtype=np.int32).reshape(10, 100, 100)
    assert np.array_equal(parse_idx_array(gzip.compress(format_idx_array(long), level)), long)


def test_lists_of_numbers_need_a_type_that_idx_has():
    for array in ([1, 2], np.array([1], np.uint16), np.array([True]), np.array(["a"]), np.array([1], np.int64), np.array([1j])):
        with pytest.raises(TypeError, match="IDX holds uint8, int8, int16, int32, float32, float64"):
            format_idx_array(array)


@pytest.mark.parametrize("shape", [(2**32, 0), (0, 2**32 + 5)])
def test_a_dimension_that_32_bits_do_not_hold_is_refused(shape):
    with pytest.raises(ValueError, match="below 2\\*\\*32"):
        format_idx_array(np.zeros(shape, np.uint8))


def test_32_dimensions_are_written_and_read():
    array = np.zeros((1,) * 32, np.uint8)
    for pack in (bytes, gzip.compress):
        assert parse_idx_array(pack(format_idx_array(array))).shape == array.shape


def test_33_dimensions_are_refused():
    with pytest.raises(FormatError, match="33 dimensions"):
        parse_idx_array(idx(0x08, (1,) * 33, b"x"))


@pytest.mark.parametrize("length", range(110, 140))
def test_a_gzip_stream_is_read_whole_wherever_its_first_piece_ends(length):
    array = np.arange(length, dtype=np.uint8)
    assert np.array_equal(parse_idx_array(gzip.compress(format_idx_array(array))), array)


@pytest.mark.parametrize(
    ("data", "offset", "message"),
    [
        (b"", 0, "has 0 bytes in all"),
        (b"\0\0\x08", 3, "has 3 bytes in all"),
        (b"<htm", 0, "not an IDX file: it starts with 3c 68 74 6d"),
        (b"\0\x01\x08\x01", 0, "not an IDX file"),
        (b"\0\0\x0a\x01\0\0\0\0", 0, "not an IDX file"),
        (b"\0\0\x00\x01\0\0\0\0", 0, "not an IDX file"),
        (b"\0\0\x0f\x01\0\0\0\0", 0, "not an IDX file"),
        (b"\0\0\x08\xff" + b"\0\0\0\x01" * 255 + b"x", 3, "255 dimensions"),
        (b"\0\0\x08\x03" + bytes(11), 15, "1 bytes before the end of its 3 dimensions"),
        (b"\0\0\x08\x01", 4, "4 bytes before the end of its 1 dimensions"),
        (SMALL[:-1], 17, "announces [2, 3] uint8, 18 bytes in all, and 1 of them are missing"),
        (SMALL[:12], 12, "6 of them are missing"),
        (SMALL + b"\n", 18, "more follow"),
        (idx(0x08, (0, 5), b"x"), 12, "more follow"),
        (idx(0x0E, (2,), bytes(15)), 23, "1 of them are missing"),
        (idx(0x08, (2**32 - 1, 2**32 - 1, 4)), 4, "more than any memory holds"),
        (idx(0x08, (2**16, 2**16, 2**16, 2**16)), 4, "more than any memory holds"),  # 2**64: nothing, where products wrap
        (idx(0x0E, (2**31, 2**30)), 4, "more than any memory holds"),
        (idx(0x08, (0, 2**32 - 1, 2**32 - 1)), 4, "more than any memory holds"),
        (idx(0x08, (2**32 - 1,)), 8, f"{2**32 - 1} of them are missing"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_what_is_not_exactly_one_array_is_refused(data, offset, message, pack):
    with pytest.raises(FormatError) as caught:
        parse_idx_array(pack(data), source="images-idx3-ubyte")
    text = str(caught.value)
    assert text.startswith("images-idx3-ubyte: ")
    assert message in text
    assert caught.value.offset == offset


def test_gzip_cut_at_any_byte_is_refused():
    data = gzip.compress(SMALL)
    for cut in range(2, len(data)):
        with pytest.raises(FormatError):
            parse_idx_array(data[:cut])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (gzip.compress(SMALL)[:-4], "ends early"),
        (gzip.compress(SMALL) + b"x", "something follows the gzip stream"),
        (gzip.compress(SMALL) + gzip.compress(SMALL), "something follows the gzip stream"),
        (gzip.compress(SMALL)[:-8] + bytes(8), "gzip stream is damaged"),
        (b"\x1f\x8b" + b"\xff" * 30, "gzip stream is damaged"),
        (b"\x1f\x8b", "0 bytes in all"),
    ],
)
def test_a_damaged_gzip_stream_is_refused(data, message):
    with pytest.raises(FormatError, match=message):
        parse_idx_array(data)


@pytest.mark.parametrize("announced", [6, 64, 200, 100_000])
def test_a_gzip_bomb_is_inflated_no_further_than_its_header_announces(announced):
    bomb = gzip.compress(idx(0x08, (announced,), bytes(50_000_000)))
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match="more follow"):
            parse_idx_array(bomb)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
