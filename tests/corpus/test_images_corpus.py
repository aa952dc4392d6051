"""Odd images as they come in the wild, each with what becomes of it."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from recordio_kit._images.check import check_image
from recordio_kit._images.codec import decode_image
from recordio_kit._images.gate import SOURCES, inspect
from recordio_kit._images.transform import Reencode, StripMetadata
from recordio_kit.errors import ImageError
from tests.image_samples import (
    GREY,
    PROGRESSIVE,
    chunk,
    exif,
    header,
    insert,
    jpeg,
    orientation,
    pattern,
    png,
    png_of,
    segment,
    smooth,
)


PHOTO = smooth(20, 30)
IDAT = chunk(b"IDAT", zlib.compress(bytes(20 * 91)))


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def without(image, marker):
    """Return a JPEG without the header segments of one marker."""
    out, position = image[:2], 2
    while image[position + 1] != 0xDA:
        end = position + 2 + int.from_bytes(image[position + 2 : position + 4], "big")
        out += b"" if image[position + 1] == marker else image[position:end]
        position = end
    return out + image[position:]


def from_pillow(mode, kind, **options):
    return saved(Image.fromarray(PHOTO).convert(mode), kind, **options)


SOUND = {
    "two photographs in one file": saved(
        Image.fromarray(PHOTO), "MPO", save_all=True, append_images=[Image.fromarray(PHOTO[::-1].copy())]
    ),
    "a thumbnail in the EXIF": insert(jpeg(), segment(0xE1, b"Exif\0\0" + jpeg(smooth(4, 4)))),
    "a profile in pieces, one missing": insert(jpeg(), segment(0xE2, b"ICC_PROFILE\0\1\3" + bytes(200))),
    "comments": insert(jpeg(), *[segment(0xFE, b"made by a camera" * 99)] * 30),
    "no JFIF header": without(jpeg(), 0xE0),
    "a frame of motion JPEG, without Huffman tables": without(jpeg(), 0xC4),
    "RGB stored as RGB": jpeg(keep_rgb=True),
    "no subsampling": jpeg(subsampling=0),
    "4:2:2": jpeg(subsampling=1),
    "restart markers": jpeg(restart_marker_blocks=1),
    "progressive": jpeg(progressive=True),
    "optimised": jpeg(optimize=True, quality=100),
    "lowest quality": jpeg(quality=1),
    "grey JPEG": from_pillow("L", "JPEG"),
    "CMYK JPEG": from_pillow("CMYK", "JPEG"),
    "fill before markers": jpeg().replace(b"\xff\xdb", b"\xff\xff\xff\xff\xdb"),
    "bytes between segments": jpeg().replace(b"\xff\xdb", b"\0junk\xff\xdb", 1),
    "bytes behind metadata": insert(jpeg(), segment(0xFE, b"note"), b"\0junk"),
    "text behind the end": jpeg() + b"\r\n<!-- served by -->",
    "an archive behind the end": png(PHOTO) + b"PK\3\4",
    "1 bit": from_pillow("1", "PNG"),
    "palette": from_pillow("P", "PNG"),
    "palette with alpha": from_pillow("P", "PNG", transparency=bytes(range(256))),
    "grey with alpha": from_pillow("LA", "PNG"),
    "grey with a transparent level": from_pillow("L", "PNG", transparency=7),
    "alpha": from_pillow("RGBA", "PNG"),
    "16-bit grey": png(pattern(20, 30).astype(np.uint16) * 257, depth=16),
    "16-bit colour": png(PHOTO.astype(np.uint16) * 257, depth=16),
    "animated": saved(Image.fromarray(PHOTO), "PNG", save_all=True, append_images=[Image.fromarray(PHOTO[::-1].copy())]),
    "an animation header that lies": png(PHOTO, chunk(b"acTL", struct.pack(">II", 0, 0))),
    "many small IDAT chunks": png_of(header(20, 30), *[chunk(b"IDAT", bytes([b])) for b in zlib.compress(bytes(20 * 91))]),
    "text in every encoding": png(
        PHOTO, chunk(b"tEXt", b"k\0\xe9"), chunk(b"iTXt", b"k\0\0\0\0\0\xff"), chunk(b"zTXt", b"k\0\0x")
    ),
    "an unknown ancillary chunk": png(PHOTO, chunk(b"prVw", bytes(500))),
}


@pytest.mark.parametrize("name", SOUND)
def test_odd_but_sound_images_pass_every_stage(name):
    data = SOUND[name]
    info = check_image(data, check="decode")
    assert (info.height, info.width) == (20, 30)
    assert decode_image(data).shape == (20, 30, 3)
    assert decode_image(data, color="grey").shape == (20, 30)
    packed, *size = Reencode(short_edge=10).apply(data, info)
    assert size == [10, 15]
    assert inspect(packed).trailing == 0


@pytest.mark.parametrize("name", SOUND)
def test_odd_but_sound_images_keep_their_pixels_when_stripped(name):
    stripped, *size = StripMetadata().apply(SOUND[name])
    assert size == [20, 30]
    assert inspect(stripped).trailing == 0
    np.testing.assert_array_equal(decode_image(stripped, color="unchanged"), decode_image(SOUND[name], color="unchanged"))
    assert StripMetadata().apply(stripped)[0] == stripped


FRAMES = {"save_all": True, "append_images": [Image.fromarray(PHOTO[::-1].copy())]}
FOREIGN = {
    "a WebP under a JPEG's name": from_pillow("RGB", "WEBP"),
    "an animated WebP": from_pillow("RGB", "WEBP", **FRAMES),
    "a lossless WebP with alpha": from_pillow("RGBA", "WEBP", lossless=True),
    "an interlaced GIF": from_pillow("P", "GIF", interlace=1),
    "an animated GIF with a comment": from_pillow("P", "GIF", comment=b"made with love" * 40, **FRAMES),
    "a GIF whose frame is larger than its screen": from_pillow("P", "GIF").replace(struct.pack("<HH", 30, 20), b"\1\0\1\0", 1),
    "a grey GIF": from_pillow("L", "GIF"),
    "a screenshot as BMP": from_pillow("RGBA", "BMP"),
    "a fax": from_pillow("1", "TIFF", compression="group3"),
    "a scan of several pages": from_pillow("RGB", "TIFF", compression="tiff_lzw", **FRAMES),
    "a TIFF for print": from_pillow("CMYK", "TIFF", compression="packbits"),
    "a TIFF that holds a JPEG": from_pillow("RGB", "TIFF", compression="jpeg"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_images_are_taken_to_be_reencoded_where_they_are_asked_for(name):
    data = FOREIGN[name]
    packed, *size = Reencode(short_edge=10, sources=SOURCES).apply(data)
    assert size == [10, 15]
    assert inspect(packed).format == "jpeg"
    with pytest.raises(ImageError, match="take it by re-encoding"):
        Reencode(short_edge=10).apply(data)


@pytest.mark.parametrize(
    "name", ["two photographs in one file", "a thumbnail in the EXIF", "no JFIF header", "fill before markers"]
)
def test_what_surrounds_a_jpeg_does_not_change_its_pixels(name):
    np.testing.assert_array_equal(decode_image(SOUND[name]), decode_image(jpeg()))


def test_colours_survive_where_the_colour_space_depends_on_a_marker():
    for data in (SOUND["RGB stored as RGB"], insert(jpeg(keep_rgb=True), exif(orientation(1)))):
        assert np.abs(decode_image(data).astype(int) - PHOTO).mean() < 6


REFUSED = {
    "GIF under a JPEG's name": (from_pillow("P", "GIF"), "format"),
    "BMP": (from_pillow("RGB", "BMP"), "format"),
    "TIFF": (from_pillow("RGB", "TIFF"), "format"),
    "WebP": (b"RIFF\x1a\0\0\0WEBPVP8L", "format"),
    "icon": (from_pillow("RGBA", "ICO"), "format"),
    "JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n", "format"),
    "JPEG XL": (b"\xff\x0a" + bytes(20), "format"),
    "Photoshop": (b"8BPS\0\1" + bytes(20), "format"),
    "a web page": (b"<!DOCTYPE html><title>403", "not-an-image"),
    "a shortcut file": (b"Mac OS X        " + bytes(40), "not-an-image"),
    "a version-control pointer": (b"version https://git-lfs.github.com/spec/v1\n", "not-an-image"),
    "zeros, as a crashed disk leaves them": (bytes(4096), "not-an-image"),
    "a JPEG whose tail is zeros": (jpeg()[:700] + bytes(300), "truncated"),
    "a JPEG that lost its end marker": (jpeg()[:-2], "truncated"),
    "a download cut at 4 KiB": (jpeg(pattern(200, 200, 3))[:4096], "truncated"),
    "two JPEGs glued inside a header": (jpeg()[:20] + jpeg(), "corrupt"),
    "tables without an image": (GREY[: GREY.index(b"\xff\xc0")] + b"\xff\xd9", "corrupt"),
    "a PNG sent as text": (png(PHOTO).replace(b"\r\n", b"\n"), "not-an-image"),
    "a PNG with one flipped bit": (png(PHOTO)[:60] + bytes([png(PHOTO)[60] ^ 1]) + png(PHOTO)[61:], "corrupt"),
    "an iPhone's PNG": (png_of(chunk(b"CgBI", b"P\0 \2"), header(20, 30), IDAT), "corrupt"),
    "a pixel bomb": (png_of(header(60_000, 60_000), IDAT), "too-many-pixels"),
    "a text bomb": (png_of(header(20, 30), chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(1 << 24))), IDAT), "too-large"),
    "a scan bomb": (PROGRESSIVE[:-2] + PROGRESSIVE[PROGRESSIVE.rindex(b"\xff\xda") : -2] * 2000 + b"\xff\xd9", "too-many-scans"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_packed_is_refused_before_any_decoder_sees_it(name):
    data, reason = REFUSED[name]
    with pytest.raises(ImageError) as caught:
        inspect(data)
    assert caught.value.reason == reason
