from __future__ import annotations

import gzip
import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recordio_kit._core.mnist_idx import format_idx_array, parse_idx_array
from recordio_kit.errors import FormatError


DTYPES = st.sampled_from([order + name for name in ("u1", "i1", "i2", "i4", "f4", "f8") for order in "<>"])


@st.composite
def arrays(draw):
    dtype = np.dtype(draw(DTYPES))
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
    size = int(np.prod(shape)) * dtype.itemsize
    return np.frombuffer(draw(st.binary(min_size=size, max_size=size)), dtype).reshape(shape)


@given(arrays(), st.sampled_from([bytes, gzip.compress]))
def test_an_array_comes_back_bit_by_bit(array, pack):
    data = format_idx_array(array)
    read = parse_idx_array(pack(data))
    assert (read.shape, read.dtype) == (array.shape, array.dtype.newbyteorder("="))
    assert read.astype(array.dtype).tobytes() == array.tobytes()
    assert format_idx_array(read) == data


@given(arrays(), st.data())
def test_a_cut_or_a_tail_is_refused(array, draw):
    data = format_idx_array(array)
    for broken in (data[: draw.draw(st.integers(0, len(data) - 1))], data + draw.draw(st.binary(min_size=1, max_size=5))):
        for pack in (bytes, gzip.compress):
            try:
                parse_idx_array(pack(broken))
            except FormatError:
                continue
            raise AssertionError(broken)


HEADS = st.builds(
    lambda code, shape: struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape),
    st.integers(7, 15),
    st.lists(st.integers(0, 3) | st.integers(0, 2**32 - 1), max_size=5),
)


@given(st.one_of(st.binary(max_size=60), st.tuples(HEADS, st.binary(max_size=30)).map(b"".join)), st.booleans(), st.data())
def test_arbitrary_bytes_are_an_array_or_a_format_error(data, compress, draw):
    if compress:
        packed = bytearray(gzip.compress(data))
        packed[draw.draw(st.integers(2, len(packed) - 1))] ^= draw.draw(st.integers(0, 255))
        data = bytes(packed)
    try:
        array = parse_idx_array(data)
    except FormatError:
        return
    assert compress or format_idx_array(array) == data
