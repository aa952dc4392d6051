from __future__ import annotations

import zlib

from hypothesis import given
from hypothesis import strategies as st

from recordio_kit._core.checksum import combine_crc32


@given(st.lists(st.binary(max_size=300), max_size=12))
def test_combined_checksums_equal_the_checksum_of_the_concatenation(parts):
    assert combine_crc32([zlib.crc32(part) for part in parts], [len(part) for part in parts]) == zlib.crc32(b"".join(parts))


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=12), st.data())
def test_how_parts_are_grouped_does_not_matter(parts, draw):
    cut = draw.draw(st.integers(0, len(parts)))
    groups = [
        (combine_crc32([zlib.crc32(part) for part in side], [len(part) for part in side]), sum(map(len, side)))
        for side in (parts[:cut], parts[cut:])
    ]
    assert combine_crc32(*zip(*groups, strict=True)) == zlib.crc32(b"".join(parts))
