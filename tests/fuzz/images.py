"""The target of the gate: what may be said of an image from its bytes alone.

Strategy: nothing but ``ImageError`` may escape, with a reason of the closed set; what passes has a size within the limits,
is refused when it is cut, and still passes without what lies behind its end and without its metadata. Lengths and
checksums that would stop nearly every input are mended for a second look.
"""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image, features

from recordio_kit._images.foreign import MissingCodecError
from recordio_kit._images.gate import FORMATS, REASONS, SOURCES, inspect
from recordio_kit._images.info import MAX_PIXELS, MAX_SIDE
from recordio_kit._images.jpeg import strip_jpeg
from recordio_kit._images.metadata import strip
from recordio_kit._images.png import PNG_SIGNATURE, strip_png
from recordio_kit._images.tiff import strip_tiff
from recordio_kit.errors import ImageError
from tests.image_samples import GREY, PROGRESSIVE, TURNED, chunk, exif, header, insert, orientation, png_of, segment, tiff


#: The formats whose end the gate knows.
_ENDED = ("jpeg", "png", "gif", "webp")
_STRIPPERS = {"jpeg": strip_jpeg, "png": strip_png, "tiff": strip_tiff}
WORDS_GATE = (
    b"\xff\xd8\xff", b"\xff\xd9", b"\xff\xda\0\2", b"\xff\xc0\0\x0b\x08\0\1\0\1\1\1\x11\0", b"\xff\xe1", b"Exif\0\0", b"II*\0", b"MM\0*",
    b"\x12\1\3\0\1\0\0\0\6\0\0\0", PNG_SIGNATURE, b"IHDR", b"IDAT", b"IEND", b"PLTE", b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf",
    b"GIF89a", b"RIFF", b"WEBP", b"VP8 ", b"VP8L", b"VP8X", b"ANMF", b"EXIF", b"ftypavif", b"ftypheic", b"meta", b"mdat", b"moov",
)  # fmt: skip


def check_gate(data):
    _look_at(data)
    mended = _mended(data)
    if mended != data:
        _look_at(mended)


def _look_at(data):
    info = _inspect(data)
    if info is None:
        return
    assert info.format in SOURCES
    assert 1 <= info.height <= MAX_SIDE
    assert 1 <= info.width <= MAX_SIDE
    assert info.height * info.width <= MAX_PIXELS
    assert 1 <= info.channels <= 4
    assert 1 <= info.orientation <= 8
    assert 0 <= info.trailing < len(data)
    if info.format in _ENDED:
        end = len(data) - info.trailing
        whole = _inspect(data[:end])
        assert whole == _without_trailing(info)
        assert _inspect(data[: end - 1]) is None
    if info.format in _STRIPPERS:
        stripped = _inspect(_STRIPPERS[info.format](data))
        assert stripped is not None
        assert (stripped.height, stripped.width, stripped.channels) == (info.height, info.width, info.channels)
    if info.format in FORMATS:
        try:
            bare = strip(data, info)
        except ImageError:  # what the PNG says of its pixels makes no sense
            return
        assert _inspect(bare) == _without_trailing(info)


def _inspect(data):
    try:
        return inspect(data, formats=SOURCES)
    except ImageError as error:
        assert error.reason in REASONS
    except MissingCodecError:
        pass  # HEIC, mostly
    return None


def _without_trailing(info):
    return type(info)(info.format, info.height, info.width, info.channels, info.orientation)


def _mended(data):
    """Return a PNG with sound checksums, or a WebP whose header knows its size."""
    if data.startswith(b"RIFF"):
        return b"RIFF" + struct.pack("<I", max(0, len(data) - 8)) + data[8:]
    if not data.startswith(PNG_SIGNATURE):
        return data
    pieces, position = [PNG_SIGNATURE], len(PNG_SIGNATURE)
    while position + 12 <= len(data):
        end = position + 8 + int.from_bytes(data[position : position + 4], "big")
        if end + 4 > len(data):
            break
        pieces += (data[position:end], struct.pack(">I", zlib.crc32(data[position + 4 : end])))
        position = end + 4
    return b"".join((*pieces, data[position:]))


def seeds_gate():
    yield from (b"", b"\xff", b"\x89PNG", b"\0\0\1\0\1\0", b"8BPS", GREY, PROGRESSIVE, TURNED, GREY + b"behind", GREY[:-2])
    tiny = b"\xff\xd8\xff\xc0\0\x0b\x08\0\1\0\1\1\1\x11\0\xff\xda\0\2\xff\xd9"
    yield from (tiny, insert(tiny, exif(orientation(6))), insert(tiny, segment(0xE1, b"http"), segment(0xFE, b"note")))
    yield insert(tiny, exif((0x010F, 2, 9, b"\x1a\0\0\0"), (0x011A, 5, 1, b"\x1a\0\0\0"), orientation(3, ">"), order=">"))
    pixels = chunk(b"IDAT", zlib.compress(b"\0\1\2\3"))
    yield png_of(header(1, 1), pixels)
    yield png_of(header(1, 1, color=3), chunk(b"PLTE", b"abc"), chunk(b"tRNS", b"\0"), pixels)
    packed = zlib.compress(b"text")
    texts = (b"tEXt", b"k\0v"), (b"zTXt", b"k\0\0" + packed), (b"iTXt", b"k\0\1\0en\0k\0" + packed), (b"iCCP", b"p\0\0" + packed)
    yield png_of(header(1, 1), *[chunk(*each) for each in texts], chunk(b"eXIf", tiff(orientation(8))), pixels)
    yield png_of(header(1, 1), chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes((1 << 20) + 1), 9)), pixels)
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    for kind in ("BMP", "GIF", "WEBP", *(["AVIF"] if features.check_module("avif") else [])):
        yield _saved(image, kind)
    yield _saved(image, "WEBP", lossless=True, exif=b"Exif\0\0" + tiff(orientation(5)))
    yield _saved(image, "WEBP", save_all=True, append_images=[image.transpose(1)])
    yield _saved(image, "GIF", save_all=True, append_images=[image.transpose(1)], comment=b"note")
    for compression in (None, "tiff_lzw", "packbits", "tiff_adobe_deflate"):
        yield _saved(image, "TIFF", compression=compression)
    yield _saved(image.convert("I;16"), "TIFF", big_endian=True)
    yield _saved(image.convert("P"), "TIFF")
    yield struct.pack("<2sIHHIIHHHH", b"BM", 30, 0, 0, 26, 12, 1, 1, 1, 24) + bytes(4)
    yield struct.pack(">I4s4sI4s", 16, b"ftyp", b"heic", 0, b"mif1") + struct.pack(">I4sI", 12, b"meta", 0)


def _saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()
