"""Frozen checksums come from OpenCV 4.8.1: ``cv2.imread`` with flags 1, 0 and -1, ``cv2.resize`` and ``cv2.imencode``."""

from __future__ import annotations

import struct
import threading
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from recordio_kit._images.check import CHECKS, check_image, strict_engine_available
from recordio_kit._images.codec import decode_image, encode_image
from recordio_kit._images.gate import inspect
from recordio_kit._images.resize import resize_linear
from recordio_kit.errors import ImageError
from tests.image_samples import (
    CMYK,
    GREY,
    PALETTE,
    PROGRESSIVE,
    TURNED,
    chunk,
    exif,
    header,
    insert,
    jpeg,
    orientation,
    pattern,
    png,
    png_of,
    smooth,
    tiff,
)


def crc(pixels):
    assert pixels.dtype == np.uint8
    assert pixels.flags.writeable
    return zlib.crc32(pixels)


RGB = png(pattern(7, 9, 3))
GAMMA = chunk(b"gAMA", struct.pack(">I", 45455))
OPENCV = {  # name: image, pixels as rgb, as grey, as unchanged
    "turned jpeg": (TURNED, 0xC61FDB39, 0x0E7456ED, 0x304DF413),
    "cmyk jpeg": (CMYK, 0x21B67A14, 0xD3C4DF9B, 0x21B67A14),
    "grey jpeg": (GREY, 0x283F246B, 0x2F4078F1, 0x2F4078F1),
    "progressive jpeg": (PROGRESSIVE, 0x159CACFF, 0xC39748F0, 0x159CACFF),
    "rgb": (RGB, 0x2CFCA071, 0xA807CBEF, 0x2CFCA071),
    "rgba": (png(pattern(7, 9, 4)), 0x4A2B4D94, 0x9E336F6E, 0x3C566DEB),
    "grey": (png(pattern(7, 9)), 0x00F155BD, 0x2D6B403D, 0x2D6B403D),
    "grey with alpha": (png(pattern(7, 9, 2)), 0x2D8A6272, 0x9F4225EA, 0xB5B2D5C3),
    "1 bit": (png(pattern(7, 2), depth=1), 0x203D17E5, 0x4BFAAE4C, 0x4BFAAE4C),
    "4 bits": (png(pattern(7, 4), depth=4), 0x23465E9D, 0xAB45A66B, 0xAB45A66B),
    "palette": (png(pattern(7, 9), PALETTE, color=3), 0xD18F7D10, 0xDF7C9895, 0xD18F7D10),
    "2-bit palette": (png(pattern(7, 2), chunk(b"PLTE", bytes(range(12))), depth=2, color=3), 0xBE089F17, 0x6FB336BA, 0xBE089F17),
    "palette with alpha": (
        png(pattern(7, 9), PALETTE, chunk(b"tRNS", bytes(range(256))), color=3),
        0xD18F7D10,
        0xDF7C9895,
        0x223365ED,
    ),
    "rgb with a transparent colour": (png(pattern(7, 9, 3), chunk(b"tRNS", bytes(6))), 0x2CFCA071, 0xA807CBEF, 0xB02716D2),
    "rgb that states its gamma": (png(pattern(7, 9, 3), GAMMA), 0x2CFCA071, 0x67307352, 0x2CFCA071),
    "rgb that says it is sRGB": (png(pattern(7, 9, 3), chunk(b"sRGB", b"\0")), 0x2CFCA071, 0x67307352, 0x2CFCA071),
    "turned png": (
        png(pattern(7, 9, 3), chunk(b"eXIf", tiff(orientation(8)))),
        0x15845C66,
        0xAEA28167,
        0x2CFCA071,
    ),
}


@pytest.mark.parametrize("name", OPENCV)
def test_pixels_are_those_of_opencv(name):
    data, *expected = OPENCV[name]
    assert [crc(decode_image(data, color=color)) for color in ("rgb", "grey", "unchanged")] == expected


def test_shapes_follow_the_colour():
    data = png(pattern(7, 9, 4))
    assert decode_image(data).shape == (7, 9, 3)
    assert decode_image(data, color="grey").shape == (7, 9)
    assert decode_image(data, color="unchanged").shape == (7, 9, 4)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_of_16_bit_samples_the_high_byte_is_kept(channels):
    samples = pattern(5, 6, channels).astype(np.uint16) * 256 + 77
    decoded = decode_image(png(samples, depth=16), color="unchanged").reshape(5, 6, channels)
    np.testing.assert_array_equal(decoded, samples >> 8)
    np.testing.assert_array_equal(
        decode_image(png(samples, depth=16)), np.broadcast_to(samples >> 8, (5, 6, max(channels, 3)))[..., :3]
    )


TURNS = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: np.fliplr(np.rot90(a, -1)),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.flipud(np.rot90(a, -1)),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("value", TURNS)
def test_each_exif_orientation_is_turned_upright(value):
    image = jpeg()
    turned = decode_image(insert(image, exif(orientation(value))))
    np.testing.assert_array_equal(turned, TURNS[value](decode_image(image)))


def test_metadata_neither_warns_nor_decides():
    bad_exif = exif((0x0112, 3, 70_000, b"\xff\xff\xff\xff"), (0x011A, 5, 1, b"\xff\xff\xff\xff"))
    short_profile = b"\xff\xe2\0\x0eICC_PROFILE\0"
    photoshop = b"\xff\xed\0\x14Photoshop 3.0\x008BIM"
    noisy = insert(jpeg(), bad_exif, short_profile, photoshop)
    animation = png(pattern(7, 9, 3), chunk(b"acTL", bytes(8)), chunk(b"acTL", bytes(8)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(decode_image(noisy), decode_image(jpeg()))
        np.testing.assert_array_equal(decode_image(animation), decode_image(RGB))


def test_pillows_global_pixel_limit_has_no_say(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert decode_image(jpeg()).shape == (20, 30, 3)


def test_a_process_that_hides_truncation_is_told_so(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    for image in (RGB, jpeg()[:-60] + b"\xff\xd9"):  # what Pillow decodes, and what it is asked to judge
        with pytest.raises(RuntimeError, match="LOAD_TRUNCATED_IMAGES"):
            decode_image(image)


def test_pixels_that_do_not_decode_are_refused():
    stunted = png_of(header(9, 9), chunk(b"IDAT", zlib.compress(bytes(20))))
    garbled = png_of(header(9, 9), chunk(b"IDAT", b"not deflated"))
    unquantised = jpeg().replace(b"\xff\xdb", b"\xff\xfe")
    for data in (stunted, garbled, unquantised):
        assert inspect(data).format in ("jpeg", "png")
        with pytest.raises(ImageError) as caught:
            decode_image(data)
        assert caught.value.reason == "undecodable"


@pytest.mark.parametrize("error", [MemoryError, ImportError])  # a codec's library that does not fit in memory is the latter
def test_running_out_of_memory_does_not_accuse_the_image(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    with pytest.raises(error):
        decode_image(RGB)


def test_an_unknown_colour_is_a_value_error():
    with pytest.raises(ValueError, match="rgb, grey, unchanged"):
        decode_image(GREY, color="bgr")


def test_threads_decode_alike():
    results = []
    threads = [threading.Thread(target=lambda: results.append(crc(decode_image(TURNED)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [0xC61FDB39] * 8


@pytest.mark.parametrize(
    ("channels", "quality", "expected"),
    [
        (0, 1, 0x308ACF03),
        (0, 50, 0xBC4841D9),
        (0, 95, 0x25A5FC06),
        (1, 95, 0x25A5FC06),
        (0, 100, 0x64A33150),
        (3, 1, 0xB7D584B2),
        (3, 50, 0xEDBA6F33),
        (3, 75, 0x050BE9ED),
        (3, 95, 0x4D52C01B),
        (3, 100, 0x10BB272C),
    ],
)
def test_jpeg_bytes_are_those_of_opencv(channels, quality, expected):
    assert zlib.crc32(encode_image(pattern(37, 50, channels), quality=quality)) == expected


def test_a_strided_array_is_encoded_as_it_looks():
    array = pattern(40, 60, 3)[::2, 10:30, ::-1]
    assert encode_image(array) == encode_image(array.copy())


@pytest.mark.parametrize("channels", [0, 1, 3, 4])
def test_png_keeps_every_sample(channels):
    array = pattern(11, 13, channels)
    decoded = decode_image(encode_image(array, format="png"), color="unchanged")
    np.testing.assert_array_equal(decoded.reshape(array.shape), array)


def test_a_jpeg_drops_alpha():
    array = pattern(11, 13, 4)
    assert encode_image(array) == encode_image(array[..., :3])


@pytest.mark.parametrize(
    "array",
    [
        pattern(4, 4).astype(np.float32),
        pattern(4, 4, 2),
        pattern(4, 4, 3)[None],
        np.zeros((0, 4), np.uint8),
        np.zeros((1, 65_501), np.uint8),
    ],
)
def test_an_array_that_is_no_image_is_a_value_error(array):
    with pytest.raises(ValueError, match="an image"):
        encode_image(array)


@pytest.mark.parametrize("options", [{"quality": 0}, {"quality": 101}, {"quality": 9.5}, {"format": "jpg"}])
def test_an_option_out_of_bounds_is_a_value_error(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        encode_image(pattern(4, 4), **options)


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((1, 1, 3), (4, 5), 0x04128908),
        ((1, 9, 0), (3, 4), 0xDE1383A9),
        ((9, 1, 3), (20, 1), 0xE0BF342F),
        ((64, 48, 3), (32, 24), 0x8C4D25DF),
        ((37, 50, 3), (25, 33), 0xB545424F),
        ((37, 50, 0), (80, 91), 0x208DE60F),
        ((37, 50, 4), (36, 49), 0x3478C817),
        ((300, 7, 3), (5, 7), 0x5820B03F),
        ((120, 160, 3), (64, 85), 0x30995CB2),
        ((100, 90, 3), (100, 90), 0x1A682269),
    ],
)
def test_resized_pixels_are_those_of_opencv(shape, size, expected):
    resized = resize_linear(pattern(*shape), *size)
    assert resized.shape[:2] == size
    assert crc(resized) == expected


@pytest.mark.parametrize("check", ["fast", "decode"])
def test_a_check_returns_what_the_gate_says(check):
    assert check_image(TURNED, check=check) == inspect(TURNED)


def test_each_check_refuses_what_the_one_below_lets_pass():
    broken = png_of(header(9, 9), chunk(b"IDAT", b"not deflated"))
    assert check_image(b"anything", check="none") is None
    assert check_image(broken, check="fast") is not None
    with pytest.raises(ImageError, match="the decoder refuses it"):
        check_image(broken, check="decode")
    with pytest.raises(ImageError, match="is empty"):
        check_image(b"", check="none")
    with pytest.raises(ImageError, match="PNG, only JPEG may be packed"):
        check_image(broken, check="fast", formats=("jpeg",))
    with pytest.raises(ValueError, match="fast, decode, strict, none"):
        check_image(TURNED, check="quick")
    assert set(CHECKS) == {"fast", "decode", "strict", "none"}


def test_strict_refuses_what_the_decoder_only_warns_of_or_says_what_to_install():
    image = jpeg(smooth(64, 64), quality=100)
    hurt = image[: len(image) // 2] + bytes(200) + image[len(image) // 2 + 200 :]
    assert check_image(hurt, check="decode") == inspect(image)
    if strict_engine_available():
        assert check_image(image, check="strict") == inspect(image)
        with pytest.raises(ImageError, match="the decoder warns"):
            check_image(hurt, check="strict")
    else:
        with pytest.raises(RuntimeError, match=r"pip install .recordio-kit\[fast\]"):
            check_image(hurt, check="strict")
