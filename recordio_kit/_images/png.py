"""The gate's walk through a PNG: chunks from IHDR to IEND with their checksums, without inflating a pixel.

Strategy: follow libpng, which refuses bad checksums, unknown critical chunks and a first chunk other than IHDR. Text and
profiles are inflated up to a limit and thrown away, since a few kilobytes of them can unpack to gigabytes.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

from recordio_kit._images.exif import read_orientation
from recordio_kit._images.info import MAX_PARTS, MAX_TEXT, MAX_TEXT_CHUNK, ImageInfo, check_size, refuse


if TYPE_CHECKING:
    from collections.abc import Iterator

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_CHUNK: Final = struct.Struct(">I4s")
_HEADER: Final = struct.Struct(">IIBBBBB")
_CRITICAL: Final = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_TEXTS: Final = frozenset({b"tEXt", b"zTXt", b"iTXt", b"iCCP"})
#: Colour type to channels and bit depths.
_COLORS: Final = {0: (1, (1, 2, 4, 8, 16)), 2: (3, (8, 16)), 3: (3, (1, 2, 4, 8)), 4: (2, (8, 16)), 6: (4, (8, 16))}
_PALETTE: Final = 3
#: What the pixels depend on.
_PIXELS: Final = _CRITICAL | {b"tRNS", b"gAMA", b"sRGB", b"sBIT"}


def walk_png(data: bytes) -> ImageInfo:
    """Return what a PNG's chunks say.

    Args:
        data: bytes that begin with the PNG signature.

    Raises:
        ImageError: the image is truncated, corrupt or too large.
    """
    header = orientation = None
    seen: set[bytes] = set()
    text = end = 0
    for kind, body, behind in chunks(data):
        if (header is None) != (kind == b"IHDR"):
            refuse("corrupt", f"the PNG has the chunk {kind!r} where {'IHDR' if header is None else 'another'} must stand")
        if header is None:
            header = _read_header(body)
        elif kind == b"eXIf" and orientation is None and body[:2] in (b"II", b"MM"):
            orientation = read_orientation(body)
        elif kind in _TEXTS:
            text += _text_size(kind, body)
            if text > MAX_TEXT:
                refuse("too-large", f"the PNG's text unpacks to more than {MAX_TEXT:,} bytes")
        seen.add(kind)
        end = behind
    if header is None or b"IDAT" not in seen:
        refuse("corrupt", "the PNG holds no pixels (no IDAT chunk)")
    height, width, color = header
    if color == _PALETTE and b"PLTE" not in seen:
        refuse("corrupt", "the PNG's pixels need a palette, and there is none (no PLTE chunk)")
    return ImageInfo("png", height, width, _COLORS[color][0], orientation or 1, len(data) - end)


def strip_png(data: bytes) -> bytes:
    """Return a PNG that has passed the gate without its metadata, animation and profile.

    Args:
        data: the whole image.
    """
    pieces, start = [data[: len(PNG_SIGNATURE)]], len(PNG_SIGNATURE)
    for kind, _, end in chunks(data):
        if kind in _PIXELS:
            pieces.append(data[start:end])
        start = end
    return b"".join(pieces)


def make_chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk: its length, type, body and checksum.

    Args:
        kind: four letters.
        body: what it holds.
    """
    return b"".join((_CHUNK.pack(len(body), kind), body, zlib.crc32(body, zlib.crc32(kind)).to_bytes(4, "big")))


def make_header(height: int, width: int, depth: int, color: int, *, interlaced: bool = False) -> bytes:
    """Return a PNG's signature and IHDR.

    Args:
        height: rows.
        width: columns.
        depth: bits a sample.
        color: the PNG's colour type.
        interlaced: whether the pixels are stored in seven passes.
    """
    return PNG_SIGNATURE + make_chunk(b"IHDR", _HEADER.pack(width, height, depth, color, 0, 0, interlaced))


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """Yield (type, body, position behind) up to and with IEND; the bodies of IDAT chunks stay where they are."""
    view = memoryview(data)
    position = len(PNG_SIGNATURE)
    for _ in range(MAX_PARTS):
        if len(data) < position + 12:
            break
        length, kind = _CHUNK.unpack_from(data, position)
        if not kind.isalpha():
            refuse("corrupt", f"no PNG chunk at byte {position}: its type would be {kind!r}")
        end = position + 12 + length
        if len(data) < end:
            break
        if zlib.crc32(view[position + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            refuse("corrupt", f"the checksum of the PNG's {kind!r} chunk at byte {position} does not match")
        if kind not in _CRITICAL and not kind[0] & 0x20:
            refuse("corrupt", f"the unknown critical chunk {kind!r} at byte {position} of the PNG")
        yield kind, b"" if kind == b"IDAT" else data[position + 8 : end - 4], end
        if kind == b"IEND":
            return
        position = end
    else:
        refuse("too-large", f"more than {MAX_PARTS:,} PNG chunks")
    refuse("truncated", f"the PNG ends after {len(data)} bytes without its IEND chunk; fetch the file again")


def _read_header(body: bytes) -> tuple[int, int, int]:
    """Return (height, width, colour type) from IHDR."""
    if len(body) != _HEADER.size:
        refuse("corrupt", f"the PNG's IHDR has {len(body)} bytes, not {_HEADER.size}")
    width, height, depth, color, compression, filtering, interlace = _HEADER.unpack(body)
    if color not in _COLORS or depth not in _COLORS[color][1] or compression or filtering or interlace > 1:
        refuse("corrupt", f"the PNG's IHDR combines what cannot be combined: {body.hex(' ')}")
    check_size(height, width)
    return height, width, color


def _text_size(kind: bytes, body: bytes) -> int:
    """Return how many bytes a text or profile chunk unpacks to, refusing one that passes the limit."""
    name, _, rest = body.partition(b"\0")
    if kind == b"iTXt" and rest[:1] == b"\1":
        packed = rest[2:].split(b"\0", 2)[-1]
    elif kind in (b"zTXt", b"iCCP"):
        packed = rest[1:]
    else:
        return len(body)
    try:
        size = len(zlib.decompressobj().decompress(packed, MAX_TEXT_CHUNK + 1))
    except zlib.error:
        return 0  # readers drop it
    if size > MAX_TEXT_CHUNK:
        refuse("too-large", f"the PNG's {kind!r} chunk {name[:79]!r} unpacks to more than {MAX_TEXT_CHUNK:,} bytes")
    return size
