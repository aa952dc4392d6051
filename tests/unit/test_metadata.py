from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from recordio_kit._images.codec import decode_image, encode_image
from recordio_kit._images.exif import make_orientation, read_orientation, set_orientation
from recordio_kit._images.gate import SOURCES, inspect
from recordio_kit._images.metadata import Metadata, fit_metadata, read_metadata, splice_jpeg, splice_png
from recordio_kit._images.transform import Reencode, StripMetadata
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
    smooth,
    tiff,
)


CAMERA = (0x010F, 2, 4, b"cam\0")


def exif_of(*entries, order="<"):
    """Return a TIFF block that says there is no second directory."""
    return tiff(*entries, order=order) + bytes(4)


BLOCK = exif_of(CAMERA, orientation(6))


def profile(space=b"RGB ", size=200):
    """Return an ICC profile as far as its header is looked at."""
    return struct.pack(">I", size) + bytes(12) + space + b"XYZ " + bytes(size - 24)


def app2(body, number=1, total=1):
    return segment(0xE2, b"ICC_PROFILE\0" + bytes((number, total)) + body)


def saved(kind, block=BLOCK, icc=None, array=None, **options):
    out = io.BytesIO()
    options |= {"exif": b"Exif\0\0" + block} if block else {}
    Image.fromarray(smooth(20, 30) if array is None else array).save(out, kind, icc_profile=icc or profile(), **options)
    return out.getvalue()


def opened(data):
    """Return (EXIF, profile) as Pillow finds them, the EXIF without its mark."""
    info = Image.open(io.BytesIO(data)).info
    return (info.get("exif") or b"").removeprefix(b"Exif\0\0"), info.get("icc_profile")


FULL = {
    "jpeg": insert(jpeg(), segment(0xE1, b"Exif\0\0" + BLOCK), app2(profile())),
    "png": png(smooth(20, 30), chunk(b"iCCP", b"x\0\0" + zlib.compress(profile())), chunk(b"eXIf", BLOCK)),
    "webp": saved("WEBP"),
}


@pytest.mark.parametrize("source", FULL)
@pytest.mark.parametrize("form", ["jpeg", "png", "webp"])
def test_exif_and_profile_are_carried_over_and_the_orientation_reset(source, form):
    keep = Reencode(metadata="keep", format=form, sources=SOURCES)
    data, height, width = keep.apply(FULL[source])
    assert (height, width) == (30, 20)
    assert opened(data) == (exif_of(CAMERA, orientation(1)), profile())
    assert inspect(data, formats=(form,)).orientation == 1
    plain = Reencode(format=form, sources=SOURCES).apply(FULL[source])[0]
    np.testing.assert_array_equal(decode_image(data), decode_image(plain))
    assert opened(plain) == (b"", None)


@pytest.mark.parametrize("form", ["jpeg", "png", "webp"])
def test_what_is_not_turned_keeps_its_orientation(form):
    keep = Reencode(metadata="keep", color="unchanged", format=form)
    assert keep.keeps_orientation
    data, *size = keep.apply(FULL["jpeg"])
    info = inspect(data, formats=(form,))
    assert (info.orientation, [info.height, info.width]) == (6, size) == (6, [20, 30])
    assert decode_image(data).shape == (30, 20, 3)


@pytest.mark.parametrize(
    ("options", "source", "kept"),
    [
        ({}, b"RGB ", True),
        ({}, b"CMYK", False),
        ({}, b"GRAY", False),
        ({"color": "grey"}, b"RGB ", False),
        ({"color": "grey"}, b"GRAY", True),
        ({"color": "grey", "format": "webp"}, b"GRAY", False),  # WebP stores grey as colour
    ],
)
def test_a_profile_is_kept_for_the_channels_that_it_is_for(options, source, kept):
    data = Reencode(metadata="keep", **options).apply(insert(jpeg(), app2(profile(source))))[0]
    assert opened(data)[1] == (profile(source) if kept else None)


def test_a_jpegs_bytes_are_those_without_metadata_but_for_the_segments():
    plain, full = (Reencode(metadata=metadata).apply(FULL["jpeg"])[0] for metadata in ("strip", "keep"))
    assert full == plain[:20] + segment(0xE1, b"Exif\0\0" + exif_of(CAMERA, orientation(1))) + app2(profile()) + plain[20:]


def test_a_profile_of_many_segments_survives():
    large = profile(size=200_000)
    pieces = [large[at : at + 60_000] for at in range(0, len(large), 60_000)]
    source = insert(jpeg(), *(app2(piece, number, 4) for number, piece in enumerate(pieces, 1)))
    assert opened(Reencode(metadata="keep").apply(source)[0])[1] == large


@pytest.mark.parametrize(
    "pieces",
    [
        [app2(profile()[:100], 1, 2)],  # one missing
        [app2(profile()[100:], 2, 2), app2(profile()[:100], 1, 2)],  # out of order
        [app2(profile() + b"x")],  # longer than it says
        [app2(profile(size=128)[:100])],
        [segment(0xE2, b"ICC_PROFILE\0")],
    ],
)
def test_a_damaged_profile_is_dropped(pieces):
    assert opened(Reencode(metadata="keep").apply(insert(jpeg(), *pieces))[0])[1] is None


def test_a_damaged_png_profile_is_dropped():
    for body in (b"x\0\0damaged", b"x\0\0" + zlib.compress(profile())[:-20], b"x"):
        source = png(smooth(4, 4), chunk(b"iCCP", body))
        assert opened(Reencode(metadata="keep").apply(source)[0])[1] is None


@pytest.mark.parametrize(
    "block", [b"", b"II", b"XX*\0" + bytes(20), tiff(orientation(6), count=90), tiff(orientation(6), magic=43)]
)
def test_a_damaged_exif_block_is_dropped(block):
    data = Reencode(metadata="keep").apply(insert(jpeg(), segment(0xE1, b"Exif\0\0" + block)))[0]
    assert opened(data)[0] == b""


def test_exif_that_does_not_fit_a_jpeg_is_dropped_everywhere():
    largest = BLOCK.ljust(65_527, b"\0")
    for block, kept in ((largest, True), (largest + b"\0", False)):
        assert bool(fit_metadata(Metadata(block, b""), 1, color=True).exif) == kept
        for form in ("jpeg", "png"):
            source = png(smooth(4, 4), chunk(b"eXIf", block))
            assert bool(opened(Reencode(metadata="keep", format=form).apply(source)[0])[0]) == kept


def test_a_profile_above_a_mebibyte_is_dropped():
    for size, kept in ((1 << 20, True), ((1 << 20) + 1, False)):
        assert bool(fit_metadata(Metadata(b"", profile(size=size)), 1, color=True).icc_profile) == kept


def test_metadata_of_formats_that_have_none_is_none():
    for kind, array in (("BMP", smooth(4, 4)), ("GIF", pattern(4, 4))):
        data = saved(kind, array=array)
        assert read_metadata(data, inspect(data, formats=SOURCES)) == Metadata(b"", b"")


def test_of_tiff_the_profile_is_read():
    data = saved("TIFF", block=b"")
    assert read_metadata(data, inspect(data, formats=SOURCES)) == Metadata(b"", profile())
    assert read_metadata(data := saved("TIFF", block=b"", icc=b" "), inspect(data, formats=SOURCES)).exif == b""
    out = io.BytesIO()
    Image.fromarray(smooth(4, 4)).save(out, "TIFF")
    assert read_metadata(out.getvalue(), inspect(out.getvalue(), formats=SOURCES)) == Metadata(b"", b"")


def test_of_avif_both_are_read():
    if not Image.registered_extensions().get(".avif"):
        pytest.skip("Pillow without AVIF")
    data = saved("AVIF")
    found = read_metadata(data, inspect(data, formats=("avif",)))
    assert found.icc_profile == profile()
    assert b"cam\0" in found.exif
    assert opened(Reencode(metadata="keep", sources=("avif",)).apply(data)[0])[1] == profile()


def test_encoding_with_too_much_metadata_is_a_value_error():
    for options in ({"exif": bytes(65_528)}, {"icc_profile": bytes(255 * 65_519 + 1)}):
        with pytest.raises(ValueError, match="a JPEG holds 65,527 bytes of EXIF"):
            encode_image(smooth(4, 4), **options)


def test_segments_go_behind_the_jfif_header_or_first():
    assert splice_jpeg(jpeg(), BLOCK, b"")[:20] == jpeg()[:20]
    assert splice_jpeg(CMYK, BLOCK, b"")[2:4] == b"\xff\xe1"
    assert splice_jpeg(GREY, b"", b"") == GREY
    assert splice_png(png(smooth(4, 4)), b"", b"") == png(smooth(4, 4))


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("order", "<>")
def test_an_orientation_is_set_in_its_place(value, order):
    for kind, count in ((3, 1), (4, 1)):
        number = struct.pack(order + ("H" if kind == 3 else "I"), 5)
        block = exif_of(CAMERA, (0x0112, kind, count, number), (0x9999, 2, 4, b"abcd"), order=order)
        changed = set_orientation(block, value)
        assert len(changed) == len(block)
        assert b"abcd" in changed
        assert Image.open(io.BytesIO(insert(jpeg(), segment(0xE1, b"Exif\0\0" + changed)))).getexif()[0x0112] == value
    assert set_orientation(exif_of(CAMERA, order=order), value) == exif_of(CAMERA, order=order)
    assert read_orientation(make_orientation(value)) == value


GPS = b"52.5200 N 13.4050 E"
NOISE = (
    segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + GPS),
    segment(0xE2, b"MPF\0" + GPS),
    segment(0xE0, b"JFXX\0" + GPS),
    segment(0xED, b"Photoshop 3.0\0" + GPS),
    segment(0xEE, b"not Adobe" + GPS),
    segment(0xEF, GPS),
    segment(0xFE, GPS),
)
JPEGS = {"baseline": jpeg(), "grey": GREY, "progressive": PROGRESSIVE, "cmyk": CMYK, "stored as RGB": jpeg(keep_rgb=True)}


@pytest.mark.parametrize("name", JPEGS)
@pytest.mark.parametrize("turn", [1, 6])
def test_a_stripped_jpeg_has_its_pixels_its_orientation_and_nothing_else(name, turn):
    plain = JPEGS[name]
    scan = plain.index(b"\xff\xda")
    told = exif(CAMERA, orientation(turn), (0x9286, 2, len(GPS), struct.pack("<I", 0)))
    noisy = insert(plain[:scan] + b"".join(NOISE) + GPS + plain[scan:-2] + segment(0xFE, GPS) + b"\xff\xd9", told, *NOISE) + GPS
    stripped, *size = StripMetadata().apply(noisy)
    assert size == [inspect(plain).height, inspect(plain).width]
    assert inspect(stripped).orientation == turn
    assert GPS not in stripped
    assert b"cam\0" not in stripped
    assert len(stripped) == len(plain) + (0 if turn == 1 else 36)
    for color in ("rgb", "grey", "unchanged"):
        np.testing.assert_array_equal(decode_image(stripped, color=color), decode_image(noisy, color=color))
    assert StripMetadata().apply(stripped)[0] == stripped


def test_a_thumbnail_in_the_jfif_header_goes_too():
    thumbnail = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\2\2" + GPS[:12])
    assert StripMetadata().apply(jpeg()[:2] + thumbnail + jpeg()[20:])[0] == StripMetadata().apply(jpeg())[0]
    assert StripMetadata().apply(jpeg()[:2] + segment(0xE0, b"JFIF\0") + jpeg()[20:])[0] == jpeg()[:2] + jpeg()[20:]


def test_what_is_bare_already_is_left_as_it_is():
    for plain in (jpeg(), GREY, PROGRESSIVE, CMYK, TURNED, png(smooth(4, 4)), png(pattern(6, 5), PALETTE, color=3)):
        stripped = StripMetadata().apply(plain)[0]
        assert len(stripped) == len(plain)
        assert StripMetadata().apply(stripped)[0] == stripped


SECRETS = (
    chunk(b"tEXt", b"a\0" + GPS),
    chunk(b"eXIf", BLOCK),
    chunk(b"tIME", GPS[:7]),
    chunk(b"prVt", GPS),
    chunk(b"bKGD", GPS[:6]),
)
PNGS = {
    "rgb": (smooth(20, 30), ()),
    "alpha": (pattern(6, 5, 4), ()),
    "palette with alpha": (pattern(6, 5), (PALETTE, chunk(b"tRNS", bytes(range(256))))),
    "a transparent colour": (smooth(20, 30), (chunk(b"tRNS", bytes(6)),)),
    "a gamma": (smooth(20, 30), (chunk(b"gAMA", struct.pack(">I", 45455)),)),
    "sRGB": (smooth(20, 30), (chunk(b"sRGB", b"\0"),)),
}


@pytest.mark.parametrize("name", PNGS)
def test_a_stripped_png_has_its_pixels_its_orientation_and_nothing_else(name):
    array, extra = PNGS[name]
    color = 3 if name.startswith("palette") else None
    noisy = png(array, *SECRETS, *extra, *SECRETS, color=color)
    noisy = noisy[:-12] + chunk(b"tEXt", b"a\0" + GPS) + noisy[-12:] + GPS
    stripped, *size = StripMetadata().apply(noisy)
    assert size == list(array.shape[:2])
    assert inspect(stripped).orientation == 6
    assert GPS[:6] not in stripped
    assert b"cam\0" not in stripped
    for color in ("rgb", "grey", "unchanged"):
        np.testing.assert_array_equal(decode_image(stripped, color=color), decode_image(noisy, color=color))
    assert StripMetadata().apply(stripped)[0] == stripped


def test_pixels_that_no_reader_joins_are_not_joined():
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in pattern(4, 4, 3)))
    broken = png_of(header(4, 4), chunk(b"IDAT", packed[:9]), chunk(b"tEXt", b"a\0b"), chunk(b"IDAT", packed[9:]))
    for data in (broken, StripMetadata().apply(broken)[0]):
        with pytest.raises(ImageError) as caught:
            decode_image(data)
        assert caught.value.reason == "undecodable"


def test_a_png_whose_palette_makes_no_sense_is_refused():
    with pytest.raises(ImageError) as caught:
        StripMetadata().apply(png_of(header(3, 3, color=3), chunk(b"PLTE", bytes(4)), chunk(b"IDAT", zlib.compress(bytes(12)))))
    assert caught.value.reason == "undecodable"


def test_stripping_takes_what_may_be_packed_and_no_more():
    assert StripMetadata().spec() == {"name": "strip-metadata"}
    assert StripMetadata() == StripMetadata()
    assert StripMetadata().apply(TURNED, inspect(TURNED)) == StripMetadata().apply(TURNED)
    with pytest.raises(ImageError) as caught:
        StripMetadata().apply(saved("WEBP"))
    assert caught.value.reason == "format"
