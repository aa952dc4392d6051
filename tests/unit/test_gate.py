from __future__ import annotations

import struct
import zlib

import pytest

from recordio_kit._images.gate import MAX_BYTES, REASONS, ImageInfo, inspect
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
    segment,
    tiff,
)


def reason_of(data, **options):
    with pytest.raises(ImageError) as caught:
        inspect(data, **options)
    assert caught.value.reason in REASONS
    return caught.value.reason


@pytest.mark.parametrize(
    ("data", "info"),
    [
        (TURNED, ImageInfo("jpeg", 13, 17, 3, orientation=6)),
        (GREY, ImageInfo("jpeg", 9, 11, 1)),
        (CMYK, ImageInfo("jpeg", 10, 9, 4)),
        (PROGRESSIVE, ImageInfo("jpeg", 12, 10, 3)),
        (jpeg() + b"a phone's video", ImageInfo("jpeg", 20, 30, 3, trailing=15)),
        (png(pattern(5, 4, 3)), ImageInfo("png", 5, 4, 3)),
        (png(pattern(5, 4, 4)) + b"\0\0", ImageInfo("png", 5, 4, 4, trailing=2)),
        (png(pattern(5, 4, 2)), ImageInfo("png", 5, 4, 2)),
        (png(pattern(5, 4)), ImageInfo("png", 5, 4, 1)),
        (png(pattern(5, 4), PALETTE, color=3), ImageInfo("png", 5, 4, 3)),
        (png(pattern(5, 4, 3), chunk(b"eXIf", tiff(orientation(8)))), ImageInfo("png", 5, 4, 3, orientation=8)),
    ],
)
def test_a_sound_image_is_described_by_its_own_header(data, info):
    assert inspect(data) == info


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<html>not found</html>", "not-an-image"),
        (b"\0" * 100, "not-an-image"),
        (b"GIF89a" + bytes(20), "format"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "format"),
        (b"II*\0" + bytes(20), "format"),
        (b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0", "format"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "format"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "format"),
        (b"\xff", "truncated"),
        (b"\xff\xd8\xff", "truncated"),
        (b"\x89PNG", "truncated"),
        (b"\xff\xd8\x12\x34" + bytes(20), "not-an-image"),
    ],
)
def test_what_is_no_jpeg_or_png_is_refused_by_its_bytes(data, reason):
    assert reason_of(data) == reason


def test_a_refusal_names_all_that_is_allowed():
    with pytest.raises(ImageError, match="its bytes are GIF, only JPEG, PNG and WEBP may be packed"):
        inspect(b"GIF89a" + bytes(20), formats=("webp", "png", "jpeg"))


def test_a_format_that_is_not_allowed_is_refused():
    assert reason_of(GREY, formats=("png",)) == "format"
    assert inspect(GREY, formats=("jpeg",)).format == "jpeg"


def test_a_file_above_the_size_limit_is_refused_unread():
    assert reason_of(bytes(MAX_BYTES + 1)) == "too-large"


@pytest.mark.parametrize("whole", [TURNED, PROGRESSIVE, png(pattern(3, 4, 3))], ids=["baseline", "progressive", "png"])
def test_a_cut_at_any_byte_is_refused_as_truncated(whole):
    assert {reason_of(whole[:size]) for size in range(1, len(whole))} == {"truncated"}


SOF = GREY.index(b"\xff\xc0")
SOS = GREY.index(b"\xff\xda")


def patched(offset, body):
    return GREY[: SOF + offset] + body + GREY[SOF + offset + len(body) :]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (insert(GREY, b"\xff\xd8"), "corrupt"),  # a second start of image
        (insert(GREY, b"\xff\xb0\0\2"), "corrupt"),  # a reserved marker
        (insert(GREY, b"\xff\xe1\0\1"), "corrupt"),  # a segment shorter than its own length field
        (GREY[:SOS] + GREY[SOF:], "corrupt"),  # two frames
        (GREY[:SOF] + GREY[SOS:], "corrupt"),  # a scan before the frame
        (GREY[:SOS] + b"\xff\xd9", "corrupt"),  # no scan
        (GREY[:SOF] + segment(0xC0, b"\x08\0\1") + GREY[SOS:], "corrupt"),  # a frame header that stops short
        (patched(5, b"\0\0"), "corrupt"),  # no lines: their number would come later, which libjpeg does not read
        (patched(1, b"\xc3"), "format"),  # lossless
        (patched(4, b"\x0c"), "format"),  # 12 bits a sample
        (GREY[:SOF] + segment(0xC0, b"\x08\0\x09\0\x0b\2\1\x11\0\2\x11\0") + GREY[SOS:], "format"),  # two components
        (patched(5, b"\xff\xff"), "too-many-pixels"),  # 65,535 lines
        (patched(5, b"\x7f\xff\x7f\xff"), "too-many-pixels"),  # 32,767 squared
        (insert(GREY, *[segment(0xFE, b"")] * 70_000), "too-large"),
    ],
)
def test_a_jpeg_that_breaks_the_rules_is_refused(data, reason):
    assert reason_of(data) == reason


def test_progressive_jpegs_are_allowed_a_hundred_scans_and_no_more():
    last = PROGRESSIVE.rindex(b"\xff\xda")
    scan, scans = PROGRESSIVE[last:-2], PROGRESSIVE.count(b"\xff\xda")
    assert inspect(PROGRESSIVE[:last] + scan * (101 - scans) + b"\xff\xd9").channels == 3
    assert reason_of(PROGRESSIVE[:last] + scan * (102 - scans) + b"\xff\xd9") == "too-many-scans"


@pytest.mark.parametrize(
    "data",
    [
        insert(GREY, b"\xff\xff\xff"),  # fill bytes
        GREY[:SOF] + b"junk\xff\0" + GREY[SOF:],  # bytes that belong to nothing
        GREY[:SOF] + b"\xff\x01\xff\xd3" + GREY[SOF:],  # markers without a length
        patched(1, b"\xc9"),  # arithmetic coding
        jpeg(restart_marker_blocks=1),
    ],
)
def test_what_libjpeg_steps_over_is_stepped_over(data):
    assert inspect(data).trailing == 0


@pytest.mark.parametrize("value", range(11))
@pytest.mark.parametrize("order", "<>")
def test_exif_orientations_outside_1_to_8_count_as_upright(value, order):
    assert inspect(insert(GREY, exif(orientation(value, order), order=order))).orientation == (value if 1 <= value <= 8 else 1)


MAKE, RESOLUTION, UNKNOWN = (0x010F, 2, 10, b"\xff\xff\0\0"), (0x011A, 5, 1, b"\xff\xff\0\0"), (0x9999, 5, 1, b"\xff\xff\0\0")


@pytest.mark.parametrize(
    ("segments", "value"),
    [
        ([exif(orientation(3), orientation(6))], 3),
        ([exif(orientation(6)), exif(orientation(3))], 6),
        ([segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>"), exif(orientation(6))], 1),
        ([segment(0xE2, exif(orientation(6))[4:])], 1),
        ([exif(MAKE, orientation(6))], 1),
        ([exif(RESOLUTION, orientation(6))], 1),
        ([exif(UNKNOWN, orientation(6))], 6),
        ([exif((0x010F, 2, 4, b"ab\0"), orientation(6))], 6),
        ([exif(orientation(6), MAKE)], 6),
        ([exif(orientation(6), count=9)], 6),
        ([exif(count=9)], 1),
        ([exif(orientation(6), magic=43)], 1),
        ([segment(0xE1, b"exif??" + tiff(orientation(6)))], 6),
        ([segment(0xE1, b"Exif\0\0IM*\0")], 1),
        ([segment(0xE1, b"")], 1),
    ],
)
def test_the_orientation_is_the_one_that_opencv_finds(segments, value):
    assert inspect(insert(GREY, *segments)).orientation == value


IDAT = chunk(b"IDAT", zlib.compress(bytes(40)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (png_of(chunk(b"gAMA", bytes(4)), header(3, 3), IDAT), "corrupt"),
        (png_of(header(3, 3), header(3, 3), IDAT), "corrupt"),
        (png_of(chunk(b"CgBI", bytes(4)), header(3, 3), IDAT), "corrupt"),
        (png_of(header(3, 3), chunk(b"IDAX"), IDAT), "corrupt"),
        (png_of(header(3, 3)), "corrupt"),
        (png_of(header(3, 3, color=3), IDAT), "corrupt"),
        (png_of(header(3, 3, depth=16, color=3), PALETTE, IDAT), "corrupt"),
        (png_of(header(3, 3, color=5), IDAT), "corrupt"),
        (png_of(header(3, 3, interlace=2), IDAT), "corrupt"),
        (png_of(chunk(b"IHDR", bytes(12)), IDAT), "corrupt"),
        (png_of(header(0, 3), IDAT), "corrupt"),
        (png_of(header(3, 3), IDAT[:-1] + b"\0"), "corrupt"),
        (png_of(header(3, 3), IDAT, b"\0\0\0\0\0\0\0\0\0\0\0\0"), "corrupt"),
        (png_of(header(10_000, 10_000), IDAT), "too-many-pixels"),
        (png_of(header(1, 65_501), IDAT), "too-many-pixels"),
        (png_of(header(3, 3), chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 21))), IDAT), "too-large"),
        (png_of(header(3, 3), chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(1 << 21))), IDAT), "too-large"),
        (png_of(header(3, 3), chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(1 << 21))), IDAT), "too-large"),
        (png_of(header(3, 3), *[chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 20)))] * 65, IDAT), "too-large"),
        (png_of(header(3, 3), *[chunk(b"tIME")] * 70_000, IDAT), "too-large"),
    ],
)
def test_a_png_that_breaks_the_rules_is_refused(data, reason):
    assert reason_of(data) == reason


def test_png_text_within_the_limits_passes():
    texts = [chunk(b"tEXt", b"a\0hello"), chunk(b"zTXt", b"a\0\0damaged"), chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(b"x"))]
    assert inspect(png_of(header(3, 3), *texts, IDAT)).height == 3


def test_the_message_says_what_and_the_error_carries_the_reason():
    with pytest.raises(ImageError, match=r"32767x32767 pixels; the limits are 65,500 a side") as caught:
        inspect(patched(5, struct.pack(">HH", 32767, 32767)))
    assert (caught.value.reason, caught.value.path) == ("too-many-pixels", None)
