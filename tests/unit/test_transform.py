"""Frozen checksums come from im2rec's own steps with OpenCV 4.8.1."""

from __future__ import annotations

import dataclasses
import json
import pickle
import zlib

import numpy as np
import pytest

from recordio_kit._images.codec import decode_image
from recordio_kit._images.gate import inspect
from recordio_kit._images.transform import Reencode
from recordio_kit.errors import ImageError
from tests.image_samples import CMYK, GREY, PROGRESSIVE, TURNED, exif, insert, jpeg, orientation, pattern, png, smooth


SOURCES = {"turned": TURNED, "cmyk": CMYK, "grey": GREY, "progressive": PROGRESSIVE}
SHRINK = Reencode(short_edge=8)
CROP = Reencode(short_edge=6, center_crop=True, quality=80)
ENLARGE_GREY = Reencode(short_edge=24, color="grey")
CROP_UNCHANGED = Reencode(center_crop=True, color="unchanged")


@pytest.mark.parametrize(
    ("name", "transform", "expected"),
    [
        ("turned", SHRINK, 0x0DD6442E),
        ("turned", CROP, 0x83C65882),
        ("turned", ENLARGE_GREY, 0x9109DEC8),
        ("turned", CROP_UNCHANGED, 0x2E5666E2),
        ("cmyk", SHRINK, 0x99F2CF03),
        ("cmyk", CROP, 0x3739C392),
        ("cmyk", ENLARGE_GREY, 0x75AD7F8E),
        ("cmyk", CROP_UNCHANGED, 0x79A55355),
        ("grey", SHRINK, 0x71529FE9),
        ("grey", CROP, 0x2542F581),
        ("grey", ENLARGE_GREY, 0xB83E8E41),
        ("grey", CROP_UNCHANGED, 0x19F77C7C),
        ("progressive", SHRINK, 0x2433220E),
        ("progressive", CROP, 0xB300403E),
        ("progressive", ENLARGE_GREY, 0x7535185F),
        ("progressive", CROP_UNCHANGED, 0x5C3F1084),
    ],
)
def test_bytes_are_those_of_im2rec(name, transform, expected):
    data, height, width = transform.apply(SOURCES[name])
    assert zlib.crc32(data) == expected
    info = inspect(data)
    assert (info.height, info.width, info.orientation) == (height, width, 1)


@pytest.mark.parametrize(
    ("shape", "options", "size"),
    [
        ((375, 500), {}, (375, 500)),
        ((375, 500), {"short_edge": 256}, (256, 341)),
        ((500, 375), {"short_edge": 256}, (341, 256)),
        ((300, 300), {"short_edge": 256}, (256, 256)),
        ((10, 7), {"short_edge": 20}, (28, 20)),
        ((375, 500), {"center_crop": True}, (375, 375)),
        ((375, 500), {"center_crop": True, "short_edge": 64}, (64, 64)),
    ],
)
def test_sizes_follow_im2recs_integer_arithmetic(shape, options, size):
    assert Reencode(**options).apply(jpeg(smooth(*shape)))[1:] == size


@pytest.mark.parametrize(("shape", "cut"), [((9, 4), np.s_[2:6, :]), ((4, 9), np.s_[:, 2:6]), ((5, 5), np.s_[:])])
def test_the_crop_is_central_and_leans_to_the_top_left(shape, cut):
    pixels = pattern(*shape, 3)
    cropped, *_ = Reencode(center_crop=True, format="png").apply(png(pixels))
    np.testing.assert_array_equal(decode_image(cropped), pixels[cut])


def test_a_given_inspection_is_not_repeated_and_changes_nothing():
    assert SHRINK.apply(TURNED, inspect(TURNED)) == SHRINK.apply(TURNED)


def test_a_png_result_is_lossless_and_keeps_alpha_when_unchanged():
    pixels = pattern(6, 5, 4)
    data, *_ = Reencode(format="png", color="unchanged").apply(png(pixels))
    np.testing.assert_array_equal(decode_image(data, color="unchanged"), pixels)


@pytest.mark.parametrize("value", [1, 6])
@pytest.mark.parametrize("color", ["rgb", "grey", "unchanged"])
@pytest.mark.parametrize("crop", [False, True])
def test_antialiasing_keeps_the_size_and_the_picture(value, color, crop):
    photo = insert(jpeg(smooth(600, 800)), exif(orientation(value)))
    plain, soft = (
        Reencode(short_edge=48, antialias=antialias, color=color, center_crop=crop, format="png").apply(photo)
        for antialias in (False, True)
    )
    assert plain[1:] == soft[1:]
    difference = decode_image(plain[0]).astype(int) - decode_image(soft[0])
    assert np.abs(difference).max() <= 4


def test_antialiasing_averages_what_sampling_would_turn_to_noise():
    checkers = np.indices((400, 400)).sum(axis=0) % 2 * np.uint8(255)
    grey = decode_image(Reencode(short_edge=40, antialias=True, format="png").apply(png(checkers.astype(np.uint8)))[0])
    assert 120 <= grey.min() <= grey.max() <= 136


def test_a_result_that_no_jpeg_can_hold_is_refused():
    with pytest.raises(ImageError) as caught:
        Reencode(short_edge=256).apply(png(np.zeros((1, 3000), np.uint8)))
    assert caught.value.reason == "too-many-pixels"


@pytest.mark.parametrize(
    "options",
    [
        {"quality": 0},
        {"quality": 101},
        {"format": "webp"},
        {"color": "bgr"},
        {"short_edge": 0},
        {"short_edge": 65_501},
        {"antialias": True},
    ],
)
def test_options_are_checked_on_creation(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        Reencode(**options)


def test_the_spec_is_plain_json_and_tells_every_option_apart():
    variants = [
        Reencode(),
        Reencode(short_edge=9),
        Reencode(center_crop=True),
        Reencode(quality=9),
        Reencode(format="png"),
        Reencode(color="grey"),
        Reencode(short_edge=9, antialias=True),
    ]
    assert len({json.dumps(variant.spec(), sort_keys=True) for variant in variants}) == len(variants)
    assert {field.name for field in dataclasses.fields(Reencode)} < set(Reencode().spec())


def test_a_transform_is_a_value_that_travels():
    assert pickle.loads(pickle.dumps(SHRINK)) == SHRINK
    with pytest.raises(dataclasses.FrozenInstanceError):
        SHRINK.quality = 1
