"""EXIF orientation: read as OpenCV reads it, which is what im2rec's images were turned by, and written.

Strategy: OpenCV looks at IFD0 alone, stops at the first entry whose data lies outside the block, and takes the first two
bytes of the orientation's value whatever its type. It asks no more of the block than this, and so neither do we. Writing
changes the value in its place, so that every offset in the block stays true.
"""

from __future__ import annotations

import struct
from typing import Final


_ORIENTATION: Final = 0x0112
#: TIFF's number for 32-bit integers.
_LONG: Final = 4
#: ImageDescription, Make, Model, Software, DateTime, Copyright.
_STRINGS: Final = frozenset({0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x8298})
#: Resolutions, WhitePoint, PrimaryChromaticities, YCbCrCoefficients, ReferenceBlackWhite: how many rationals are read.
_RATIONALS: Final = {0x011A: 1, 0x011B: 1, 0x013E: 2, 0x013F: 6, 0x0211: 3, 0x0214: 6}


def read_orientation(block: bytes) -> int:
    """Return the orientation, 1 to 8, that a TIFF block of EXIF data gives; 1 where it gives none.

    Args:
        block: the bytes from the byte-order mark on.
    """
    order = "<" if block[:2] == b"II" else ">"
    if block[:1] != block[1:2]:
        return 1
    try:
        magic, start = struct.unpack_from(order + "HI", block, 2)
        (count,) = struct.unpack_from(order + "H", block, start)
        for offset in range(start + 2, start + 2 + 12 * count, 12):
            (tag,) = struct.unpack_from(order + "H", block, offset)
            if magic != 42 or not _is_readable(block, order, tag, offset):
                return 1
            if tag == _ORIENTATION:
                (value,) = struct.unpack_from(order + "H", block, offset + 8)
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:  # the block ends early
        return 1
    return 1


def make_orientation(value: int) -> bytes:
    """Return the smallest TIFF block that gives an orientation.

    Args:
        value: 1 to 8.
    """
    return b"MM\0*\0\0\0\x08\0\1" + struct.pack(">HHIHHI", _ORIENTATION, 3, 1, value, 0, 0)


def set_orientation(block: bytes, value: int) -> bytes:
    """Return a TIFF block whose IFD0 gives no other orientation than this one; nothing where it cannot be told.

    Args:
        block: the bytes from the byte-order mark on.
        value: 1 to 8.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        return b""
    changed = bytearray(block)
    try:
        (start,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        for offset in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(order + "HH", block, offset)
            if tag == _ORIENTATION:
                struct.pack_into(order + ("I" if kind == _LONG else "Hxx"), changed, offset + 8, value)
    except struct.error:  # the block ends early
        return b""
    return bytes(changed)


def _is_readable(block: bytes, order: str, tag: int, offset: int) -> bool:
    """Tell whether the data of the entry at ``offset`` lies inside the block, for the tags that OpenCV reads."""
    if tag in _STRINGS:
        size, where = struct.unpack_from(order + "II", block, offset + 4)
        return bool((where if size > 4 else 8) + size <= len(block))
    if tag in _RATIONALS:
        (where,) = struct.unpack_from(order + "I", block, offset + 8)
        return bool(where + 8 * _RATIONALS[tag] <= len(block))
    return True
