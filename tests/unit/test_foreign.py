"""Frozen checksums come from OpenCV 4.8.1: ``cv2.imread`` with flags 1 and 0."""

from __future__ import annotations

import base64
import importlib.util
import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile, features

from recordio_kit._images import foreign
from recordio_kit._images.codec import decode_image, decode_inspected, encode_image
from recordio_kit._images.foreign import FOREIGN, missing_codec
from recordio_kit._images.gate import SOURCES, ImageInfo, inspect
from recordio_kit._images.transform import Reencode
from recordio_kit.errors import ImageError
from tests.image_samples import orientation, pattern, smooth, tiff


#: A 17x13 lossy WebP.
WEBP = base64.b64decode(
    "UklGRlQAAABXRUJQVlA4IEgAAACQAwCdASoRAA0APxFwsFAsJiSisAgBgCIJbAC1FwABZ7PUXLPoAP7s159soP6lhPQgayOZeBJ96FYPhN8eP22lA7DzmkQAAAA="
)

#: A 17x13 AVIF that is to be turned, as its irot box says.
AVIF = base64.b64decode("""
AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUIAAAD1bWV0YQAAAAAAAAAhaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAAAAAAAOcGl0bQAAAAAAAQAA
AB5pbG9jAAAAAEQAAAEAAQAAAAEAAAEdAAAAMgAAAChpaW5mAAAAAAABAAAAGmluZmUCAAAAAAEAAGF2MDFDb2xvcgAAAAB0aXBycAAAAFRpcGNvAAAAFGlzcGUA
AAAAAAAAEQAAAA0AAAAQcGl4aQAAAAADCAgIAAAADGF2MUOBAAwAAAAAE2NvbHJuY2x4AAEADQAGgAAAAAlpcm90AwAAABhpcG1hAAAAAAAAAAEAAQUBAoMEhQAA
ADptZGF0EgAKCRgQ4Y2QENBoQDIjHEeHhd3AACxAACCupMFDMlkUu/trjzRLLo+nPFhjz6n8/BA=
""")

#: A 64x40 HEIC.
HEIC = base64.b64decode("""
AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAACJpbG9jAAAAAERAAAEAAQAA
AAABoQABAAAAAAAAAC0AAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRtAAAAAAABAAAA/WlwcnAAAADdaXBjbwAAAHZodmNDAQNwAAAA
kAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAh
YgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAKAAAAAEAAAAAAAAAAv///+gAAAACAAAA
EHBpeGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAAADVtZGF0AAAAKSgBrwQY+JOZhHGihnL9GUnGvaa4idCM/p+TtxdCd5GWjQtK2vr7QOQg
""")

RGB, GREY, RGBA = pattern(7, 9, 3), pattern(7, 9), pattern(7, 9, 4)
BITS = GREY > 90

needs_heif = pytest.mark.skipif(importlib.util.find_spec("pillow_heif") is None, reason="pillow-heif is not installed")
needs_avif = pytest.mark.skipif("avif" not in features.modules or not features.check_module("avif"), reason="Pillow without AVIF")


def saved(image, kind, **options):
    out = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(out, kind, **options)
    return out.getvalue()


def palette(array):
    image = Image.fromarray(array)
    image.putpalette([value * 7 % 256 for value in range(768)])
    return image


def top_down(bmp):
    """Return a BMP with its rows in the other order, and a height that says so."""
    start, height = struct.unpack_from("<I", bmp, 10)[0], struct.unpack_from("<i", bmp, 22)[0]
    step = (len(bmp) - start) // height
    rows = [bmp[at : at + step] for at in range(start, len(bmp), step)]
    return bmp[:22] + struct.pack("<i", -height) + bmp[26:start] + b"".join(reversed(rows))


def as_of_os2(bmp):
    """Return a BMP of 24 bits with the smallest header there is."""
    width, height = struct.unpack_from("<ii", bmp, 18)
    return bmp[:10] + struct.pack("<IIHHHH", 26, 12, width, height, 1, 24) + bmp[54:]


def with_exif(webp, block):
    """Return a simple WebP as an extended one that has EXIF data."""
    info = inspect(webp, formats=SOURCES)
    canvas = (info.width - 1).to_bytes(3, "little") + (info.height - 1).to_bytes(3, "little")
    chunks = b"VP8X\x0a\0\0\0\x08\0\0\0" + canvas + webp[12:] + b"EXIF" + struct.pack("<I", len(block)) + block
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


OPENCV = {  # name: image, pixels as rgb, as grey
    "bmp": (saved(RGB, "BMP"), 0x2CFCA071, 0xAD71E915),
    "bmp, top row first": (top_down(saved(RGB, "BMP")), 0x2CFCA071, 0xAD71E915),
    "bmp, small header": (as_of_os2(saved(RGB, "BMP")), 0x2CFCA071, 0xAD71E915),
    "bmp of 32 bits": (saved(RGBA, "BMP"), 0x4A2B4D94, 0x02BDBC58),
    "grey bmp": (saved(GREY, "BMP"), 0x00F155BD, 0x2D6B403D),
    "bmp with a palette": (saved(palette(GREY), "BMP"), 0xD18F7D10, 0x75DDF6E5),
    "1-bit bmp": (saved(Image.fromarray(BITS), "BMP"), 0x80F08704, 0xFFEBAFBD),
    "tiff": (saved(RGB, "TIFF"), 0x2CFCA071, 0xAD71E915),
    "tiff, LZW": (saved(RGB, "TIFF", compression="tiff_lzw"), 0x2CFCA071, 0xAD71E915),
    "tiff, deflate": (saved(RGB, "TIFF", compression="tiff_adobe_deflate"), 0x2CFCA071, 0xAD71E915),
    "tiff, PackBits": (saved(RGB, "TIFF", compression="packbits"), 0x2CFCA071, 0xAD71E915),
    "tiff, fax": (saved(Image.fromarray(BITS), "TIFF", compression="group4"), 0x80F08704, 0xFFEBAFBD),
    "grey tiff": (saved(GREY, "TIFF"), 0x00F155BD, 0x2D6B403D),
    "grey tiff with alpha": (saved(pattern(7, 9, 2), "TIFF"), 0x2D8A6272, 0x9F4225EA),
    "tiff with a palette": (saved(palette(GREY), "TIFF"), 0xD18F7D10, 0x75DDF6E5),
    "1-bit tiff": (saved(Image.fromarray(BITS), "TIFF"), 0x80F08704, 0xFFEBAFBD),
    "CMYK tiff": (saved(Image.frombytes("CMYK", (9, 7), RGBA.tobytes()), "TIFF"), 0x3D6196C6, 0x8327BA16),
    "16-bit grey tiff": (saved(GREY.astype(np.uint16) * 256 + 77, "TIFF"), 0x00F155BD, 0x2D6B403D),
    "turned tiff": (saved(RGB, "TIFF", tiffinfo={274: 6}), 0x06F5FD10, 0x75626B74),
    "webp": (WEBP, 0xCA375E24, 0x0E91F3AF),
    "lossless webp": (saved(RGB, "WEBP", lossless=True), 0x2CFCA071, 0xAD71E915),
    "webp with alpha": (saved(RGBA, "WEBP", lossless=True, exact=True), 0x4A2B4D94, 0x02BDBC58),
}


def decode(data, **options):
    return decode_inspected(data, inspect(data, formats=SOURCES), **options)


@pytest.mark.parametrize("name", OPENCV)
def test_pixels_are_those_of_opencv(name):
    data, *expected = OPENCV[name]
    assert [zlib.crc32(np.ascontiguousarray(decode(data, color=color))) for color in ("rgb", "grey")] == expected


def test_unchanged_keeps_the_channels():
    shapes = {
        name: decode(OPENCV[name][0], color="unchanged").shape for name in ("bmp", "grey tiff", "1-bit bmp", "webp with alpha")
    }
    assert shapes == {"bmp": (7, 9, 3), "grey tiff": (7, 9), "1-bit bmp": (7, 9), "webp with alpha": (7, 9, 4)}
    assert decode(saved(pattern(7, 9, 2), "TIFF"), color="unchanged").shape == (7, 9, 4)


@pytest.mark.parametrize("kind", ["TIFF", "WEBP"])
def test_alpha_is_dropped_and_not_composed(kind):
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    data = saved(RGBA, kind, **options)
    np.testing.assert_array_equal(decode(data), RGBA[..., :3])
    np.testing.assert_array_equal(decode(data, color="unchanged"), RGBA)


def test_colours_that_are_multiplied_by_alpha_are_divided_again():
    for mode, multiplied in (("RGBA", "RGBa"), ("LA", "La")):
        image = Image.new(mode, (3, 2), (40,) * (len(mode) - 1) + (128,))
        pixels = foreign._as_array(image.convert(multiplied), "unchanged", 15)
        assert pixels.shape == (2, 3, 4)
        assert (np.abs(pixels.astype(int) - (40, 40, 40, 128)) <= 1).all()


def test_of_16_bit_samples_the_high_byte_is_kept():
    samples = GREY.astype(np.uint16) * 256 + 200
    np.testing.assert_array_equal(decode(saved(samples, "TIFF"), color="unchanged"), GREY)


def animated(kind, **options):
    frames = [Image.fromarray(level + np.zeros((7, 9), np.uint8)) for level in (40, 200)]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)


@pytest.mark.parametrize(("kind", "options"), [("GIF", {}), ("TIFF", {}), ("WEBP", {"lossless": True})])
def test_the_first_frame_is_taken(kind, options):
    pixels = decode(animated(kind, **options))
    assert pixels.shape == (7, 9, 3)
    assert (pixels == 40).all()


def test_what_a_gif_stores_under_transparent_pixels_is_shown():
    image = palette(GREY)
    opaque, clear = saved(image, "GIF"), saved(image, "GIF", transparency=int(GREY[0, 0]))
    np.testing.assert_array_equal(decode(opaque), np.asarray(image.convert("RGB")))
    np.testing.assert_array_equal(decode(clear), decode(opaque))
    assert decode(clear, color="unchanged")[0, 0, 3] == 0


TURNS = {2: np.fliplr, 3: lambda a: np.rot90(a, 2), 6: lambda a: np.rot90(a, -1), 8: np.rot90}


@pytest.mark.parametrize("value", TURNS)
def test_orientations_are_honoured(value):
    turned = saved(RGB, "TIFF", tiffinfo={274: value})
    np.testing.assert_array_equal(decode(turned), TURNS[value](RGB))
    np.testing.assert_array_equal(decode(turned, color="unchanged"), RGB)
    for block in (tiff(orientation(value)), b"Exif\0\0" + tiff(orientation(value))):
        np.testing.assert_array_equal(decode(with_exif(WEBP, block)), TURNS[value](decode(WEBP)))
    assert decode_image(with_exif(WEBP, tiff(orientation(value)))).shape == TURNS[value](decode(WEBP)).shape


@needs_avif
def test_an_avif_is_turned_as_its_own_box_says():
    assert inspect(AVIF, formats=("avif",)) == ImageInfo("avif", 13, 17, 3, orientation=6)
    turned = decode(AVIF)
    assert turned.shape == (17, 13, 3)
    assert np.abs(turned.astype(int) - np.rot90(smooth(13, 17), -1)).mean() < 12


@needs_heif
def test_a_heic_is_decoded():
    assert inspect(HEIC, formats=("heic",)) == ImageInfo("heic", 40, 64, 3)
    assert np.abs(decode(HEIC).astype(int) - smooth(40, 64)).mean() < 6
    assert decode(HEIC, color="grey").shape == (40, 64)


@needs_heif
@pytest.mark.parametrize("value", TURNS)
def test_a_heic_is_turned_by_its_own_boxes_alone(value):
    import pillow_heif

    out = io.BytesIO()
    picture = pillow_heif.from_pillow(Image.fromarray(TURNS[value](smooth(40, 64))))
    picture.info["exif"] = b"Exif\0\0" + tiff(orientation(value))
    picture.save(out)
    info = inspect(out.getvalue(), formats=("heic",))
    assert (info.orientation, info.height, info.width) == (1, *decode(out.getvalue()).shape[:2])


@needs_heif
@needs_avif
def test_neutral_brands_are_told_apart_by_the_brands_behind_them():
    for data, name in ((HEIC, "heic"), (AVIF, "avif")):
        neutral = data[:8] + b"mif1" + data[12:]
        assert inspect(neutral, formats=SOURCES).format == name


@pytest.mark.parametrize(
    ("data", "info"),
    [
        (saved(RGB, "BMP"), ImageInfo("bmp", 7, 9, 3)),
        (saved(RGB, "BMP") + b"more", ImageInfo("bmp", 7, 9, 3, trailing=4)),
        (top_down(saved(RGB, "BMP")), ImageInfo("bmp", 7, 9, 3)),
        (saved(GREY, "GIF"), ImageInfo("gif", 7, 9, 3)),
        (saved(GREY, "GIF") + b"more", ImageInfo("gif", 7, 9, 3, trailing=4)),
        (saved(RGB, "TIFF"), ImageInfo("tiff", 7, 9, 3)),
        (saved(pattern(7, 9, 2), "TIFF", tiffinfo={274: 6}), ImageInfo("tiff", 7, 9, 2, orientation=6)),
        (saved(RGB, "TIFF", tiffinfo={274: 9}), ImageInfo("tiff", 7, 9, 3)),
        (saved(RGBA, "TIFF"), ImageInfo("tiff", 7, 9, 4)),
        (saved(palette(GREY), "TIFF"), ImageInfo("tiff", 7, 9, 3)),
        (WEBP, ImageInfo("webp", 13, 17, 3)),
        (WEBP + b"more", ImageInfo("webp", 13, 17, 3, trailing=4)),
        (saved(RGBA, "WEBP", lossless=True), ImageInfo("webp", 7, 9, 4)),
        (saved(RGBA, "WEBP"), ImageInfo("webp", 7, 9, 4)),
        (with_exif(WEBP, tiff(orientation(6))), ImageInfo("webp", 13, 17, 3, orientation=6)),
    ],
)
def test_a_sound_image_is_described_by_its_own_header(data, info):
    assert inspect(data, formats=SOURCES) == info
    assert decode(data, color="unchanged").shape[:2] == (info.height, info.width)


def refusal(data, **options):
    with pytest.raises(ImageError) as caught:
        decode(data, **options)
    return caught.value.reason


def patched(data, at, body):
    return data[:at] + body + data[at + len(body) :]


def tags(*entries, pixels=bytes(300)):
    """Return a TIFF of 32-bit entries whose pixels stand in front of the directory."""
    fields = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(entries))
    return b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + struct.pack("<H", len(entries)) + fields + bytes(4)


SQUARE = {256: 5, 257: 5, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 279: 25}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({258: 32, 279: 100}, "format"),
        ({258: 12, 279: 50}, "format"),
        ({339: 3}, "format"),  # floating point
        ({262: 8}, "format"),  # CIELab
        ({262: 0, 258: 16, 279: 50}, "format"),  # Pillow does not invert it
        ({259: 50_000}, "format"),  # Zstandard
        ({259: 6}, "format"),  # JPEG as of TIFF 6.0, which nobody agrees on
        ({256: 0}, "corrupt"),
        ({256: 70_000}, "too-many-pixels"),
        ({256: 60_000, 257: 60_000}, "too-many-pixels"),
        ({279: 24}, "corrupt"),  # fewer bytes than pixels
        ({273: 2000}, "truncated"),
    ],
)
def test_a_tiff_is_taken_where_its_numbers_are_whole_and_its_pixels_there(changes, reason):
    data = tags(*(SQUARE | changes).items())
    if reason is None:
        assert decode(data).shape == (5, 5, 3)
    else:
        assert refusal(data) == reason


@pytest.mark.parametrize("lost", [256, 257, 262, 273, 279])
def test_a_tiff_that_lacks_a_tag_is_corrupt(lost):
    assert refusal(tags(*((tag, value) for tag, value in SQUARE.items() if tag != lost))) == "corrupt"


def test_a_tiff_with_strips_and_sizes_that_do_not_pair_is_corrupt():
    whole = saved(RGB, "TIFF")
    entry = whole.index(struct.pack("<HH", 279, 4))
    assert refusal(patched(whole, entry + 4, struct.pack("<II", 2, 8))) == "corrupt"
    assert refusal(patched(whole, entry + 2, struct.pack("<H", 5))) == "corrupt"  # rationals
    assert refusal(patched(whole, entry + 4, struct.pack("<I", 1 << 30))) == "corrupt"


def test_libtiff_sees_no_tag_that_pixels_do_not_depend_on():
    noisy = saved(RGB, "TIFF", tiffinfo={270: "x" * 50, 305: "y", 33432: "z"}, icc_profile=b"broken")
    assert {270, 305, 33432, 34675} <= set(Image.open(io.BytesIO(noisy)).tag_v2)
    with foreign.open_foreign(noisy, "tiff") as image:
        assert not {270, 305, 33432, 34675} & set(image.tag_v2)
    np.testing.assert_array_equal(decode(noisy), RGB)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (patched(saved(RGB, "BMP"), 18, struct.pack("<II", 60_000, 60_000)), "too-many-pixels"),
        (patched(saved(RGB, "BMP"), 18, b"\xff\xff\xff\xff"), "too-many-pixels"),  # a negative width
        (patched(saved(RGB, "BMP"), 22, bytes(4)), "corrupt"),
        (patched(saved(RGB, "BMP"), 14, b"\x20"), "format"),
        (patched(saved(RGB, "BMP"), 28, b"\x05"), "format"),
        (patched(saved(RGB, "BMP"), 30, b"\x04"), "format"),  # a JPEG inside
        (patched(saved(GREY, "GIF"), 6, b"\xff\xff\xff\xff"), "too-many-pixels"),
        (b"GIF89a\5\0\5\0\0\0\0;", "corrupt"),
        (b"GIF89a\5\0\5\0\0\0\0x", "corrupt"),
        (b"GIF89a\5\0\5\0\0\0\0" + b"!\xfe\0" * 70_000, "too-large"),
        (patched(with_exif(WEBP, b""), 24, b"\xff" * 6), "too-many-pixels"),
        (patched(WEBP, 23, b"\0"), "corrupt"),
        (WEBP[:12] + WEBP[12:].replace(b"VP8 ", b"VP8?"), "corrupt"),
        (patched(with_exif(WEBP, b""), 30, b"VP9 "), "corrupt"),
        (patched(WEBP, 16, b"\xff\xff"), "truncated"),  # a chunk longer than the file
        (b"RIFF\x04\0\x08\0WEBP" + b"ABCD\0\0\0\0" * 70_000, "corrupt"),
        (with_exif(WEBP, b"")[:30] + b"ABCD\0\0\0\0" * 70_000, "too-large"),
        (b"II+\0" + bytes(50), "format"),  # 64-bit offsets
    ],
)
def test_what_breaks_the_rules_or_the_limits_is_refused_before_a_decoder_sees_it(data, reason, monkeypatch):
    if data[:4] == b"RIFF" and reason == "too-large":
        data = patched(data, 4, struct.pack("<I", len(data) - 8))
    monkeypatch.setattr(foreign, "open_foreign", None)
    assert refusal(data) == reason


@needs_avif
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (patched(AVIF, 32, b"\0\0\0\7"), "corrupt"),  # a box smaller than its own head
        (patched(AVIF, 32, b"\0\0\0\1meta\0\0\0\1\0\0\0\0"), "truncated"),  # a box of 64-bit size that leads behind the end
        (AVIF[:32] + b"\0\0\0\x08free" * 70_000, "too-large"),
        (patched(AVIF, 36, b"free"), "truncated"),  # no box that describes an image
        (patched(AVIF, 36, b"meta\0\0\0\0" + bytes(16)), "corrupt"),
        (patched(AVIF, AVIF.index(b"ispe") + 8, b"\0\0\x3f\xff\0\0\x3f\xff"), "too-many-pixels"),
    ],
)
def test_a_broken_avif_is_refused(data, reason):
    assert refusal(data) == reason


CUT = {
    "bmp": saved(RGB, "BMP"),
    "gif": animated("GIF"),
    "tiff": saved(RGB, "TIFF"),
    "turned tiff of strips": saved(RGB, "TIFF", compression="tiff_lzw", tiffinfo={274: 6, 278: 2}),
    "webp": WEBP,
    "extended webp": with_exif(WEBP, tiff(orientation(6))),
}


@pytest.mark.parametrize("name", CUT)
def test_a_cut_at_any_byte_is_refused(name):
    whole = CUT[name]
    decode(whole)
    assert {refusal(whole[:size]) for size in range(len(whole) - 1, 12, -1)} == {"truncated"}
    assert {refusal(whole[:size]) for size in range(1, 13)} <= {"truncated", "not-an-image", "format"}


@pytest.mark.parametrize(("data", "mark"), [(AVIF, needs_avif), (HEIC, needs_heif)], ids=["avif", "heic"])
def test_a_cut_in_its_boxes_is_refused(data, mark):
    if mark.args[0]:
        pytest.skip(mark.kwargs["reason"])
    assert {refusal(data[:size]) for size in range(12, len(data))} <= {"truncated", "corrupt", "undecodable"}


DEFLATED = saved(RGB, "TIFF", compression="tiff_adobe_deflate")


@pytest.mark.parametrize(
    "data",
    [
        patched(DEFLATED, DEFLATED.index(b"x\x9c") + 2, b"\xff" * 20),
        patched(saved(RGB, "WEBP", lossless=True), 26, b"\xff" * 20),
        patched(saved(pattern(60, 60), "GIF"), 900, b"\xff" * 40),
    ],
    ids=["tiff", "webp", "gif"],
)
def test_pixels_that_do_not_decode_are_refused(data):
    assert inspect(data, formats=SOURCES).height in (7, 60)
    assert refusal(data) == "undecodable"


def test_a_decoder_that_gives_another_size_is_not_believed():
    with pytest.raises(ImageError, match="9x7 pixels where the header says 9x8"):
        decode_inspected(saved(RGB, "BMP"), ImageInfo("bmp", 8, 9, 3))


def test_only_what_is_asked_for_is_taken():
    for name in ("bmp", "gif", "tiff", "webp"):
        data = saved(RGB, name.upper())
        assert inspect(data, formats=("jpeg", name)).format == name
        for formats in (("jpeg", "png"), tuple(known for known in SOURCES if known != name)):
            with pytest.raises(ImageError) as caught:
                inspect(data, formats=formats)
            assert caught.value.reason == "format"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (HEIC, r"HEIC, only JPEG and PNG may be packed; take it by re-encoding .*--resize N --exts \.heic \.heif"),
        (saved(RGB, "TIFF"), r"TIFF, .*--exts \.tif \.tiff"),
        (b"8BPS\0\1" + bytes(20), r"Photoshop, only JPEG and PNG may be packed; convert it or leave it out"),
    ],
)
def test_a_refusal_says_what_would_take_the_image(data, said):
    with pytest.raises(ImageError, match=said):
        inspect(data)


def test_pillow_is_never_left_to_guess_a_format(monkeypatch):
    monkeypatch.setattr(Image, "open", None)
    for data, *_ in OPENCV.values():
        decode(data)


def test_no_warning_escapes_a_sound_image():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for data, *_ in OPENCV.values():
            decode(data, color="grey")


def test_a_process_that_hides_truncation_is_told_so(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(RuntimeError, match="LOAD_TRUNCATED_IMAGES"):
        decode(WEBP)


@pytest.mark.parametrize(
    ("data", "name", "way"), [(HEIC, "heic", "pip install pillow-heif"), (AVIF, "avif", "pillow>=11.3"), (WEBP, "webp", "pillow")]
)
def test_a_missing_library_is_named_and_accuses_no_image(data, name, way, monkeypatch):
    monkeypatch.setattr(foreign, "_has_codec", lambda asked: asked != name)
    assert way in missing_codec(SOURCES)
    assert missing_codec([known for known in SOURCES if known != name]) is None
    with pytest.raises(RuntimeError, match=way):
        Reencode(sources=SOURCES).apply(data)
    with pytest.raises(RuntimeError, match=way):
        foreign.open_foreign(data, name)


def test_a_pillow_without_webp_is_named_when_webp_is_to_be_written(monkeypatch):
    monkeypatch.setattr(foreign, "_has_codec", lambda _: False)
    with pytest.raises(RuntimeError, match="WEBP needs a library"):
        encode_image(RGB, format="webp")


def test_the_codecs_of_every_foreign_format_are_looked_for():
    present = {name: foreign._has_codec(name) for name in FOREIGN}
    assert all(present[name] for name in ("bmp", "gif", "tiff", "webp"))
    assert present["heic"] == (importlib.util.find_spec("pillow_heif") is not None)
