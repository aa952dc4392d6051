"""PNG decoding where no other decoder need be asked: samples that were put in, and files that libpng refuses."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageFile

from recordio_kit._images.codec import decode_image
from recordio_kit._images.png_pixels import read_stored_png
from recordio_kit._images.png_traits import LINEAR, read_traits
from recordio_kit.errors import ImageError
from tests.image_samples import chunk, deep, gamma, header, png_of, png_samples


COLOR = {1: 0, 2: 4, 3: 2, 4: 6}
PLTE = chunk(b"PLTE", bytes(range(30)))


def profile(**fields):
    """Return an iCCP chunk of a profile of 200 bytes that libpng finds sound, but for these fields."""
    places = {"size": 0, "version": 8, "kind": 12, "space": 16, "base": 20, "mark": 36, "intent": 64, "tags": 128}
    sound = {"version": b"\2\0\0\0", "kind": b"mntr", "space": b"RGB ", "base": b"XYZ ", "mark": b"acsp"}
    sound |= {"size": b"\0\0\0\xc8", "intent": bytes(4), "tags": bytes(4)}
    body = bytearray(np.random.default_rng(1).bytes(200))
    for name, value in (sound | fields).items():
        body[places[name] : places[name] + 4] = value
    return chunk(b"iCCP", b"name\0\0" + zlib.compress(bytes(body)))


@given(st.integers(1, 20), st.integers(1, 20), st.sampled_from([1, 2, 3, 4]), st.booleans())
def test_16_bit_samples_are_read_whole(height, width, channels, interlaced):
    samples = deep(height, width, channels, 16)
    read = read_stored_png(png_samples(samples, 16, COLOR[channels], interlaced=interlaced))
    if channels == 2:
        samples = samples[..., [0, 0, 0, 1]]
    np.testing.assert_array_equal(read, samples[..., 0] if channels == 1 else samples)


@given(st.sampled_from([1, 2, 4, 8]), st.integers(1, 20), st.integers(1, 20), st.booleans())
def test_grey_of_few_bits_is_stretched_to_255(depth, height, width, interlaced):
    samples = deep(height, width, 1, depth)
    read = decode_image(png_samples(samples, depth, 0, interlaced=interlaced), color="grey")
    np.testing.assert_array_equal(read, samples[..., 0] * (255 // ((1 << depth) - 1)))


def test_colour_that_is_grey_stays_what_it_is():
    samples = np.repeat(deep(16, 16, 1, 16), 3, axis=2)
    for depth in (8, 16):
        for notes in ([], [gamma(45455)]):
            image = png_samples(samples >> (16 - depth), depth, 2, *notes)
            off = decode_image(image, color="grey").astype(int) - (samples[..., 0] >> 8)
            assert abs(off).max() <= (1 if depth == 16 and notes else 0)  # libpng looks at 11 bits there


def test_an_index_behind_the_palette_is_black_and_opaque():
    samples = np.array([[[0], [9], [10], [255]]])
    image = png_samples(samples, 8, 3, PLTE, chunk(b"tRNS", b"\x40"))
    assert decode_image(image).tolist() == [[[0, 1, 2], [27, 28, 29], [0, 0, 0], [0, 0, 0]]]
    assert decode_image(image, color="unchanged")[0, :, 3].tolist() == [0x40, 255, 255, 255]


@pytest.mark.parametrize(
    ("color", "chunks"),
    [
        (3, [chunk(b"PLTE")]),
        (3, [chunk(b"PLTE", b"1234")]),
        (3, [chunk(b"PLTE", bytes(771))]),
        (3, [PLTE, PLTE]),
        (2, [PLTE, PLTE]),
        (2, [chunk(b"PLTE")]),
    ],
)
def test_a_palette_that_libpng_refuses_is_refused(color, chunks):
    samples = deep(4, 4, 1 if color == 3 else 3, 8)
    with pytest.raises(ImageError, match="palette"):
        decode_image(png_samples(samples, 8, color, *chunks))


def test_a_palette_behind_the_pixels_is_none():
    image = png_of(header(1, 1, 8, 3), chunk(b"IDAT", zlib.compress(b"\0\0")), PLTE)
    with pytest.raises(ImageError, match="no palette in front of the pixels"):
        decode_image(image)


def test_pixels_end_where_another_chunk_stands():
    packed = zlib.compress(bytes(4 * 13))
    image = png_of(header(4, 4), chunk(b"IDAT", packed[:5]), chunk(b"tEXt", b"a\0b"), chunk(b"IDAT", packed[5:]))
    with pytest.raises(ImageError, match="refuses"):
        decode_image(image)


@pytest.mark.parametrize("channels", [3, 1])
def test_16_bit_pixels_that_are_too_few_are_refused(channels):
    lines = bytes(4 * (1 + 8 * channels) - 3)
    with pytest.raises(ImageError) as caught:
        decode_image(png_of(header(4, 4, 16, COLOR[channels]), chunk(b"IDAT", zlib.compress(lines))))
    assert caught.value.reason == "undecodable"


def test_a_process_that_hides_truncation_is_told_so(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(RuntimeError, match="LOAD_TRUNCATED_IMAGES"):
        read_stored_png(png_samples(deep(4, 4, 3, 16), 16, 2))


@pytest.mark.parametrize(
    ("chunks", "believed"),
    [
        ([], LINEAR),
        ([gamma(45455)], 45455),
        ([gamma(15), gamma(45455)], LINEAR),
        ([gamma(0x80000000)], LINEAR),
        ([gamma(60000), gamma(45455)], 60000),
        ([chunk(b"gAMA", b"\0\0\1")], LINEAR),
        ([PLTE, gamma(45455)], LINEAR),
        ([chunk(b"sRGB", b"\0")], 45455),
        ([chunk(b"sRGB", b"\4"), gamma(60000)], LINEAR),
        ([chunk(b"sRGB", b"\0\0"), gamma(60000)], 60000),
        ([chunk(b"sRGB", b"\0"), gamma(60000)], 45455),
        ([chunk(b"sRGB", b"\0"), gamma(46000)], 46000),
        ([gamma(60000), chunk(b"sRGB", b"\0")], 45455),
        ([chunk(b"sRGB", b"\0"), chunk(b"sRGB", b"\0"), gamma(46000)], 45455),
        ([chunk(b"cHRM", bytes(32)), gamma(45455)], LINEAR),
        ([chunk(b"cHRM", bytes(31)), gamma(45455)], 45455),
        ([chunk(b"cHRM", b"\x80" * 32), gamma(45455)], 45455),
        ([profile(), gamma(60000)], 60000),
        ([profile(mark=b"ACSP"), gamma(60000)], LINEAR),
        ([profile(space=b"GRAY"), gamma(60000)], LINEAR),
        ([profile(kind=b"link"), gamma(60000)], LINEAR),
        ([profile(base=b"Luv "), gamma(60000)], LINEAR),
        ([profile(intent=b"\0\0\xff\xff"), gamma(60000)], LINEAR),
        ([profile(tags=b"\0\0\0\6"), gamma(60000)], LINEAR),
        ([profile(tags=b"\0\0\0\1"), gamma(60000)], LINEAR),
        ([profile(size=b"\0\0\0\xc9"), gamma(60000)], LINEAR),
        ([chunk(b"iCCP", b"name\0\0" + bytes(100)), gamma(60000)], LINEAR),
        ([chunk(b"iCCP", b"name\0\0" + bytes(80)), gamma(60000)], 60000),
        ([chunk(b"sRGB", b"\0"), profile(), gamma(46000)], 45455),
    ],
)
def test_colours_are_believed_until_they_contradict(chunks, believed):
    assert read_traits(png_samples(deep(2, 2, 3, 8), 8, 2, *chunks)).gamma == believed


def test_a_profile_that_is_known_for_srgb_counts_as_that(monkeypatch):
    body = zlib.decompress(profile()[14:-4])
    monkeypatch.setattr("recordio_kit._images.png_traits._SRGB_PROFILES", {(len(body), zlib.crc32(body))})
    assert read_traits(png_samples(deep(2, 2, 3, 8), 8, 2, profile(), gamma(60000))).gamma == 45455


@pytest.mark.parametrize(
    ("chunks", "bits"),
    [
        ([], 16),
        ([chunk(b"sBIT", bytes([5, 10, 9]))], 10),
        ([chunk(b"sBIT", bytes([5, 17, 9]))], 16),
        ([chunk(b"sBIT", bytes([5, 0, 9]))], 16),
        ([chunk(b"sBIT", bytes(2))], 16),
        ([chunk(b"sBIT", bytes([4] * 3)), chunk(b"sBIT", bytes([5] * 3))], 4),
    ],
)
def test_significant_bits_are_the_most_of_any_colour(chunks, bits):
    assert read_traits(png_samples(deep(2, 2, 3, 16), 16, 2, *chunks)).sample_bits == bits
