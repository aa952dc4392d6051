"""The gate's walks through BMP, GIF, HEIC and AVIF, as far as it takes to know their size and that they are whole.

Strategy: structure in plain Python, as for JPEG and PNG. Of HEIC and AVIF only the boxes are walked; how large the image
is depends on so many of them that the decoder's own parser, which touches no pixel, is asked.
"""

from __future__ import annotations

import struct
from typing import Final

from recordio_kit._images.exif import read_orientation
from recordio_kit._images.foreign import MissingCodecError, open_foreign
from recordio_kit._images.info import MAX_PARTS, ImageInfo, check_size, refuse


_BMP_HEADERS: Final = frozenset({40, 52, 56, 64, 108, 124})
#: None, run lengths of 8 and of 4 bits, bit fields.
_BMP_PLAIN, _BMP_RUNS, _BMP_FIELDS = 0, (1, 2), 3


def walk_bmp(data: bytes) -> ImageInfo:
    """Return what a BMP's header says.

    Args:
        data: bytes that begin with a BMP signature.

    Raises:
        ImageError: the image is truncated, corrupt, too large, or of a variant that is not taken.
    """
    start, header = struct.unpack("<II", data[10:18].ljust(8, b"\0"))
    if len(data) < max(18, 14 + header):
        refuse("truncated", f"the BMP ends after {len(data)} bytes, inside its header; fetch the file again")
    compression = _BMP_PLAIN
    if header == 12:
        width, height, bits = struct.unpack_from("<HH2xH", data, 18)
    elif header in _BMP_HEADERS:
        width, height, bits, compression = struct.unpack_from("<Ii2xHI", data, 18)
    else:
        refuse("format", f"a BMP with a header of {header} bytes: convert it")
    height = abs(height)  # negative where the top row comes first
    check_size(height, width)
    if bits not in (1, 4, 8, 16, 24, 32) or compression not in (_BMP_PLAIN, *_BMP_RUNS, _BMP_FIELDS):
        refuse("format", f"a BMP of {bits} bits a pixel and compression {compression}: convert it")
    end = start + (0 if compression in _BMP_RUNS else (width * bits + 31) // 32 * 4 * height)
    if end > len(data):
        refuse("truncated", f"the BMP has {len(data)} bytes, and {width}x{height} pixels end at {end}; fetch the file again")
    return ImageInfo("bmp", height, width, 3, trailing=0 if compression in _BMP_RUNS else len(data) - end)


def walk_gif(data: bytes) -> ImageInfo:
    """Return what a GIF's blocks say: the size of its screen, on which the first frame stands.

    Args:
        data: bytes that begin with a GIF signature.

    Raises:
        ImageError: the image is truncated, corrupt or too large.
    """
    width, height = struct.unpack("<HH", data[6:10].ljust(4, b"\0"))
    position = 13 + _table_size(data, 10)
    frames = 0
    for _ in range(MAX_PARTS):
        kind = data[position : position + 1]
        if kind == b";":
            break
        if kind == b"!":
            position = _skip_blocks(data, position + 2)
        elif kind == b",":
            if not frames:
                left, top, columns, rows = struct.unpack("<4H", data[position + 1 : position + 9].ljust(8, b"\0"))
                height, width = max(height, top + rows), max(width, left + columns)
            frames += 1
            position = _skip_blocks(data, position + 11 + _table_size(data, position + 9))
        elif kind:
            refuse("corrupt", f"no GIF block at byte {position}: it begins with {kind!r}")
        else:
            refuse("truncated", f"the GIF ends after {len(data)} bytes without its end mark; fetch the file again")
    else:
        refuse("too-large", f"more than {MAX_PARTS:,} GIF blocks")
    if not frames:
        refuse("corrupt", "the GIF ends before it holds an image")
    check_size(height, width)
    return ImageInfo("gif", height, width, 3, trailing=len(data) - position - 1)


def walk_heif(data: bytes, name: str) -> ImageInfo:
    """Return what the boxes of a HEIC or AVIF say.

    Args:
        data: bytes that begin with a ``ftyp`` box.
        name: ``"heic"`` or ``"avif"``.

    Raises:
        ImageError: the image is truncated, corrupt or too large.
        MissingCodecError: the library that reads it is not installed.
    """
    end = _walk_boxes(data)
    try:
        with open_foreign(data, name) as image:
            (width, height), mode, exif = image.size, image.mode, image.info.get("exif") or b""
    except (MemoryError, MissingCodecError):
        raise
    except Exception as error:  # noqa: BLE001  # the parsers raise SyntaxError, ValueError, OSError and more
        refuse("corrupt", f"the decoder refuses its header: {error}")
    check_size(height, width)
    # of HEIC the decoder turns the pixels itself, as its own boxes say and whatever the EXIF does
    turn = 1 if name == "heic" else read_orientation(exif.removeprefix(b"Exif\0\0"))
    channels = {"L": 1, "LA": 2, "La": 2, "RGBA": 4, "RGBa": 4}.get(mode, 1 if mode.startswith("I") else 3)
    return ImageInfo(name, height, width, channels, turn, len(data) - end)


def _table_size(data: bytes, at: int) -> int:
    """Return the bytes of the colour table that a GIF's packed field announces."""
    flags = data[at] if at < len(data) else 0
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _skip_blocks(data: bytes, position: int) -> int:
    """Return the position behind a GIF's data blocks, of which an empty one is the last."""
    while position < len(data) and data[position]:
        position += 1 + data[position]
    return position + 1


def _walk_boxes(data: bytes) -> int:
    """Return the position behind the last box."""
    position, seen = 0, set[bytes]()
    for _ in range(MAX_PARTS):
        size, kind = struct.unpack(">I4s", data[position : position + 8].ljust(8, b"\0"))
        if not kind.isalnum():  # the end, or bytes that a camera put behind it
            break
        if size == 1:
            size = int.from_bytes(data[position + 8 : position + 16], "big")
        size = size or len(data) - position
        if size < 8:
            refuse("corrupt", f"a box of {size} bytes at byte {position}")
        if position + size > len(data):
            told = f"its {kind!r} box at byte {position} takes {position + size}"
            refuse("truncated", f"the file ends after {len(data)} bytes, and {told}; fetch the file again")
        seen.add(kind)
        position += size
    else:
        refuse("too-large", f"more than {MAX_PARTS:,} boxes")
    if not seen & {b"meta", b"moov"}:
        refuse("truncated", f"the file ends after {len(data)} bytes without its image; fetch the file again")
    return position
