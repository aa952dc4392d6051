"""Frozen checksums come from im2rec's own steps with OpenCV 4.8.1."""

from __future__ import annotations

import dataclasses
import json
import pickle
import zlib

import numpy as np
import pytest

from recordio_kit._images import transform as transforms
from recordio_kit._images.codec import decode_image
from recordio_kit._images.gate import FORMATS, SOURCES, inspect
from recordio_kit._images.transform import TRANSFORMS, Reencode, StripMetadata
from recordio_kit.errors import ImageError
from tests.image_samples import CMYK, GREY, PROGRESSIVE, TURNED, exif, insert, jpeg, orientation, pattern, png, smooth


IMAGES = {"turned": TURNED, "cmyk": CMYK, "grey": GREY, "progressive": PROGRESSIVE}
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
    data, height, width = transform.apply(IMAGES[name])
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
        ((375, 500), {"max_edge": 256}, (192, 256)),
        ((500, 375), {"max_edge": 256}, (256, 192)),
        ((375, 500), {"max_edge": 501}, (375, 500)),
        ((375, 500), {"short_edge": 256, "max_edge": 341}, (256, 341)),
        ((375, 500), {"short_edge": 256, "max_edge": 340}, (255, 340)),
        ((100, 7), {"short_edge": 20, "max_edge": 50}, (50, 3)),
        ((300, 400), {"center_crop": True, "max_edge": 64}, (64, 64)),
        ((1, 300), {"max_edge": 20}, (1, 20)),
        ((300, 1), {"max_edge": 20}, (20, 1)),
        ((300, 1), {"short_edge": 1}, (300, 1)),
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


@pytest.mark.parametrize(
    ("shape", "options", "step"),
    [
        ((3000, 4000), {"short_edge": 300}, 8),  # 375 rows are 5/4 of 300
        ((3000, 4000), {"short_edge": 301}, 4),
        ((4000, 3000), {"max_edge": 400}, 8),
        ((4000, 3000), {"max_edge": 401}, 4),
        ((4000, 3000), {"short_edge": 1000, "max_edge": 400}, 8),
        ((3000, 6000), {"short_edge": 300, "center_crop": True}, 8),
        ((600, 800), {"short_edge": 256}, 1),
        ((600, 800), {"short_edge": 240}, 2),
        ((600, 800), {"short_edge": 900}, 1),
        ((15, 9000), {"max_edge": 9}, 1),
        ((16, 9000), {"max_edge": 9}, 8),
    ],
)
def test_a_scaled_decode_leaves_the_filter_a_quarter_more_than_the_result(shape, options, step, monkeypatch):
    asked = []

    def decode(data, info, *, color, shrink):
        asked.append(shrink)
        return np.zeros((*(-(-side // shrink) for side in shape), 3), np.uint8)

    monkeypatch.setattr(transforms, "decode_inspected", decode)
    info = dataclasses.replace(inspect(jpeg()), height=shape[0], width=shape[1])
    Reencode(antialias=True, **options).apply(b"", info)
    Reencode(**options).apply(b"", info)
    assert asked == [step, 1]


def test_webp_is_close_and_keeps_alpha_when_unchanged():
    pixels = np.dstack([smooth(40, 60), np.full((40, 60), 7, np.uint8)])
    data, *size = Reencode(format="webp", color="unchanged").apply(png(pixels))
    assert inspect(data, formats=("webp",)).channels == 4
    assert size == [40, 60]
    assert np.abs(decode_image(data, color="unchanged").astype(int) - pixels).mean() < 3
    coarse, *_ = Reencode(format="webp", quality=5).apply(png(pixels))
    assert len(coarse) < len(data)


def test_webp_of_grey_is_colour():
    data, *_ = Reencode(format="webp", color="grey").apply(GREY)
    assert decode_image(data, color="unchanged").shape == (9, 11, 3)


def test_a_result_that_no_webp_can_hold_is_refused():
    wide = png(np.zeros((1, 16_384), np.uint8))
    with pytest.raises(ImageError, match="webp has at most 16,383 a side: give max_edge") as caught:
        Reencode(format="webp").apply(wide)
    assert caught.value.reason == "too-many-pixels"
    assert Reencode(format="webp", max_edge=16_383).apply(wide)[1:] == (1, 16_383)


def test_a_result_that_no_jpeg_can_hold_is_refused():
    with pytest.raises(ImageError) as caught:
        Reencode(short_edge=256).apply(png(np.zeros((1, 3000), np.uint8)))
    assert caught.value.reason == "too-many-pixels"


@pytest.mark.parametrize(
    "options",
    [
        {"quality": 0},
        {"quality": 101},
        {"format": "gif"},
        {"color": "bgr"},
        {"short_edge": 0},
        {"short_edge": 65_501},
        {"max_edge": 0},
        {"max_edge": 65_501},
        {"antialias": True},
        {"metadata": "all"},
        {"sources": ()},
        {"sources": "heic"},
        {"sources": ("jpeg", "jpg")},
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
        Reencode(max_edge=9),
        Reencode(metadata="keep"),
        Reencode(sources=("jpeg", "png", "heic")),
        StripMetadata(),
    ]
    assert len({json.dumps(variant.spec(), sort_keys=True) for variant in variants}) == len(variants)
    assert {field.name for field in dataclasses.fields(Reencode)} < set(Reencode().spec())
    assert all(json.loads(json.dumps(variant.spec())) == variant.spec() for variant in variants)


def test_sources_are_a_set_in_one_order():
    assert Reencode(sources=["heic", "png", "jpeg", "heic"]) == Reencode(sources=("jpeg", "png", "heic"))
    assert Reencode(sources=SOURCES[::-1]).sources == SOURCES
    assert Reencode().sources == StripMetadata.sources == FORMATS


def test_a_format_that_is_no_source_is_refused():
    with pytest.raises(ImageError, match=r"JPEG, only PNG and WEBP may be packed") as caught:
        Reencode(sources=("png", "webp")).apply(GREY)
    assert caught.value.reason == "format"


@pytest.mark.parametrize("transform", [Reencode(short_edge=8), StripMetadata()])
def test_every_transform_takes_and_gives_alike(transform):
    assert type(transform) in TRANSFORMS
    data, height, width = transform.apply(TURNED, inspect(TURNED))
    info = inspect(data)
    assert (info.height, info.width) == (height, width)
    assert info.orientation == (6 if transform.keeps_orientation else 1)
    assert pickle.loads(pickle.dumps(transform)) == transform
    assert transform.spec()["name"]
    assert transform.decodes == isinstance(transform, Reencode)


def test_a_transform_is_a_value_that_travels():
    assert pickle.loads(pickle.dumps(SHRINK)) == SHRINK
    with pytest.raises(dataclasses.FrozenInstanceError):
        SHRINK.quality = 1
