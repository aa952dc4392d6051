"""PNG encoding: what is written is read back, in the frame that libpng gives it. Its very bytes are held by the golden answers."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordio_kit._images import png_write
from recordio_kit._images.gate import inspect
from recordio_kit._images.png_pixels import read_stored_png
from recordio_kit._images.png_write import png_is_exact, write_png
from tests.image_samples import grain, pattern


def chunks(image):
    """Return (type, body) of each chunk."""
    found, at = [], 8
    while at < len(image):
        (size,) = struct.unpack_from(">I", image, at)
        found.append((image[at + 4 : at + 8], image[at + 8 : at + 8 + size]))
        at += 12 + size
    return found


def stream(image):
    return b"".join(body for kind, body in chunks(image) if kind == b"IDAT")


@st.composite
def samples(draw):
    shape = (draw(st.integers(1, 40)), draw(st.integers(1, 40)), *draw(st.sampled_from([(), (3,), (4,)])))
    dtype = draw(st.sampled_from([np.uint8, np.uint16]))
    top = min(draw(st.sampled_from([1, 5, 65535])), np.iinfo(dtype).max)
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1))).integers(0, top, shape, dtype, endpoint=True)


@given(samples(), st.integers(0, 9))
def test_every_sample_is_read_back(pixels, level):
    image = write_png(pixels, level)
    assert inspect(image).trailing == 0
    read = read_stored_png(image)
    assert read.dtype == pixels.dtype
    np.testing.assert_array_equal(read, pixels)


@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_a_stream_is_cut_into_chunks_of_8192_bytes(level):
    sizes = [len(body) for kind, body in chunks(write_png(grain(100, 200, 3), level)) if kind == b"IDAT"]
    assert len(sizes) > 2
    assert set(sizes[:-1]) == {8192}
    assert 0 < sizes[-1] <= 8192


@pytest.mark.parametrize(("size", "bits"), [((1, 1), 8), ((15, 16), 8), ((15, 17), 9), ((127, 128), 14), ((128, 128), 15)])
@pytest.mark.parametrize("level", [0, 6])
def test_the_window_that_is_stated_is_the_least_that_holds_the_image(size, bits, level):
    first, second = stream(write_png(pattern(*size), level))[:2]
    assert (first >> 4) + 8 == bits
    assert (first << 8 | second) % 31 == 0


@pytest.mark.parametrize("size", [(3, 70_000), (40, 3_000), (5, 32_768), (2, 32_767)])
def test_stored_blocks_are_those_of_a_stream_that_is_given_a_line_at_a_time(size):
    image = write_png(pattern(*size), 0)
    lines = zlib.decompress(stream(image))
    assert len(lines) == size[0] * (size[1] + 1)
    assert len(stream(image)) - len(lines) - 6 in range(5 * (len(lines) // 65_531 + 1), 5 * (len(lines) // 32_768 + 2))


def test_a_higher_level_makes_no_larger_image():
    sizes = [len(write_png(grain(90, 120, 3), level)) for level in (0, 1, 6, 9)]
    assert sizes == sorted(sizes, reverse=True)


def test_rows_that_are_views_are_encoded_as_they_look():
    pixels = pattern(40, 60, 4)[::2, 10:30, :3][:, ::-1]
    assert write_png(pixels) == write_png(pixels.copy())


@pytest.mark.parametrize("change", ["longer", "shorter"])
def test_another_deflate_is_noticed(monkeypatch, change):
    original = zlib.compressobj

    def other(level, method, bits, memory, strategy):
        return original(level, method, bits, memory + (1 if change == "longer" else -1), strategy)

    assert png_is_exact.__wrapped__() == png_is_exact()
    monkeypatch.setattr(png_write.zlib, "compressobj", other)
    assert not png_is_exact.__wrapped__()
