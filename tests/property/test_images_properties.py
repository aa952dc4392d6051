from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordio_kit._images.check import check_image
from recordio_kit._images.codec import decode_image, encode_image
from recordio_kit._images.gate import FORMATS, REASONS, inspect
from recordio_kit._images.resize import resize_linear
from recordio_kit._images.transform import Reencode
from recordio_kit.errors import ImageError
from tests.image_samples import CMYK, GREY, PALETTE, PROGRESSIVE, TURNED, chunk, jpeg, pattern, png, smooth


WHOLE = [TURNED, CMYK, GREY, PROGRESSIVE, jpeg(), png(pattern(6, 5, 3)), png(pattern(6, 5), PALETTE, color=3)]

sides = st.integers(1, 40)
channels = st.sampled_from([0, 1, 3, 4])


@st.composite
def images(draw, channels=channels):
    height, width, depth = draw(sides), draw(sides), draw(channels)
    array = np.random.default_rng(draw(st.integers(0, 2**32))).integers(0, 256, (height, width, max(depth, 1)), np.uint8)
    return array if depth else array[..., 0]


def reason_of(judge):
    """Return the reason of a refusal, or None."""
    try:
        judge()
    except ImageError as error:
        return error.reason
    return None


@given(st.sampled_from(WHOLE), st.data())
def test_no_truncation_passes_the_gate(whole, data):
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(ImageError) as caught:
        inspect(whole[:cut])
    assert caught.value.reason == ("truncated" if cut else "empty")


@given(images(), st.integers(1, 100), st.sampled_from(FORMATS), st.binary(max_size=20))
def test_what_is_encoded_passes_and_bytes_behind_the_end_are_only_counted(image, quality, kind, tail):
    encoded = encode_image(image, quality=quality, format=kind)
    info = inspect(encoded + tail)
    assert (info.format, info.height, info.width, info.trailing) == (kind, *image.shape[:2], len(tail))
    np.testing.assert_array_equal(decode_image(encoded + tail), decode_image(encoded))


@given(st.one_of(st.binary(max_size=200), st.sampled_from(WHOLE)), st.binary(max_size=60), st.sampled_from(["fast", "decode"]))
def test_arbitrary_bytes_are_judged_and_nothing_else_happens(head, tail, check):
    reason = reason_of(lambda: check_image(head[:12] + tail + head[12:], check=check))
    assert reason is None or reason in REASONS


@given(st.sampled_from(WHOLE), st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=8))
def test_damage_is_judged_alike_by_check_and_transform(whole, pokes):
    damaged = bytearray(whole)
    for place, value in pokes:
        damaged[place % len(damaged)] = value
    data = bytes(damaged)
    assert reason_of(lambda: check_image(data, check="decode")) == reason_of(lambda: Reencode().apply(data))


@given(st.binary(max_size=40), st.sampled_from([b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"tRNS", b"acTL", b"tIME", b"abCd"]))
def test_no_ancillary_chunk_keeps_a_png_from_being_decoded(body, kind):
    pixels = pattern(4, 4, 4)
    np.testing.assert_array_equal(decode_image(png(pixels, chunk(kind, body)), color="unchanged"), pixels)


@given(images())
def test_resizing_to_the_same_size_is_the_identity(image):
    np.testing.assert_array_equal(resize_linear(image, *image.shape[:2]), image)


@given(images(), sides, sides, st.integers(0, 255))
def test_a_flat_image_stays_flat(image, rows, columns, level):
    resized = resize_linear(np.full_like(image, level), rows, columns)
    np.testing.assert_array_equal(resized, np.full((rows, columns, *image.shape[2:]), level))


@given(images(st.just(3)), sides, sides)
def test_channels_and_rows_do_not_see_each_other(image, rows, columns):
    resized = resize_linear(image, rows, columns)
    for channel in range(3):
        np.testing.assert_array_equal(resized[..., channel], resize_linear(image[..., channel], rows, columns))
    assert resized.min() >= image.min()
    assert resized.max() <= image.max()


@given(images(), sides, sides)
def test_resizing_follows_the_textbook_within_one_level(image, rows, columns):
    def weights(source, target):
        place = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
        return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(source)))

    height, width = image.shape[:2]
    planes = image.reshape(height, width, -1).astype(float)
    ideal = np.einsum("ri,ijc,sj->rsc", weights(height, rows), planes, weights(width, columns))
    assert np.abs(resize_linear(image, rows, columns).reshape(ideal.shape) - ideal).max() <= 1.25


@given(images())
def test_png_is_exact(image):
    decoded = decode_image(encode_image(image, format="png"), color="unchanged")
    np.testing.assert_array_equal(decoded.reshape(image.shape), image)


@given(st.integers(32, 80), st.integers(32, 80))
def test_jpeg_at_quality_95_is_close_on_smooth_images(height, width):
    image = smooth(height, width)
    assert np.abs(decode_image(encode_image(image)).astype(int) - image).mean() < 4


@given(images(st.just(3)), st.integers(1, 60), st.booleans(), st.booleans())
def test_a_reencoded_image_has_the_size_that_was_asked_for(image, short_edge, crop, antialias):
    transform = Reencode(short_edge=short_edge, center_crop=crop, antialias=antialias)
    data, height, width = transform.apply(encode_image(image, format="png"))
    info = inspect(data, formats=("jpeg",))
    assert (info.height, info.width) == (height, width)
    assert min(height, width) == short_edge
    assert zlib.crc32(transform.apply(encode_image(image, format="png"))[0]) == zlib.crc32(data)
