from __future__ import annotations

import zlib
from itertools import pairwise

import numpy as np
import pytest

from recordio_kit._core.checksum import combine_crc32


def test_parts_combine_to_the_checksum_of_the_whole():
    parts = [b"hello, ", b"", b"world"]
    assert combine_crc32([zlib.crc32(part) for part in parts], [len(part) for part in parts]) == zlib.crc32(b"hello, world")


def test_nothing_has_the_checksum_of_nothing():
    assert combine_crc32([], []) == zlib.crc32(b"") == 0
    assert combine_crc32(np.array([], np.uint32), np.array([], np.uint64)) == 0


def test_a_single_part_is_the_whole():
    assert combine_crc32([0xFFFFFFFF], [2**62]) == 0xFFFFFFFF


def test_parts_of_terabytes_combine():
    # 2**40 zero bytes in front of a part, without hashing them: halves of halves.
    crc, length = zlib.crc32(bytes(1024)), 1024
    while length < 2**40:
        crc, length = combine_crc32([crc, crc], [length, length]), 2 * length
    ones = zlib.crc32(b"one")
    assert combine_crc32([crc, ones], [length, 3]) == combine_crc32([crc, 0, 0, ones], [length, 0, 0, 3])
    assert combine_crc32([crc, ones], [length, 3]) != ones
    small = zlib.crc32(bytes(2**20))
    assert combine_crc32([zlib.crc32(bytes(1024))] * 1024, [1024] * 1024) == small


def test_columns_of_the_pipeline_are_taken_as_they_are():
    data = bytes(range(256)) * 40
    cuts = np.arange(0, len(data) + 1, 128)
    parts = [data[start:stop] for start, stop in pairwise(cuts)]
    crcs = np.array([zlib.crc32(part) for part in parts], "<u4")
    lengths = np.diff(cuts).astype("<u4")
    before = crcs.copy()
    assert combine_crc32(crcs, lengths) == zlib.crc32(data)
    assert np.array_equal(crcs, before)


@pytest.mark.parametrize(("crcs", "lengths"), [([1, 2], [3]), ([1], [3, 4]), ([1], [-1]), ([1, 2], [5, -5])])
def test_parts_without_a_length_are_refused(crcs, lengths):
    with pytest.raises(ValueError, match="length"):
        combine_crc32(crcs, lengths)


def test_more_parts_than_are_combined_at_once_combine_too():
    data = bytes(range(256)) * 600
    crcs = [zlib.crc32(bytes([byte])) for byte in data]
    assert len(crcs) > 2 * 65_536
    assert combine_crc32(crcs, [1] * len(crcs)) == zlib.crc32(data)
