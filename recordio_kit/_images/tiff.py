"""TIFF: the gate's walk through its first directory, and that directory alone for the decoder.

Strategy: only images of 1 to 16 bits a sample in integers, and compressions that many readers share, may reach libtiff; it
sees the tags that pixels depend on and no others. Tag numbers are those of TIFF 6.0.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from recordio_kit._images.info import ImageInfo, check_size, refuse


if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Entries of a directory and values of an entry: a strip a row, or 16x16 tiles, of the largest image are fewer.
_MAX_VALUES: Final = 1 << 20
#: TIFF type -> NumPy's letter.
_INTEGERS: Final = {1: "u1", 3: "u2", 4: "u4"}
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _SAMPLES = 256, 257, 258, 259, 262, 274, 277
_STRIPS, _STRIP_SIZES, _PLANES, _TILES, _TILE_SIZES, _EXTRA, _SAMPLE_FORMAT, _PROFILE = 273, 279, 284, 324, 325, 338, 339, 34675
#: None, CCITT's three, LZW, JPEG, deflate under both numbers, PackBits.
_COMPRESSIONS: Final = frozenset({1, 2, 3, 4, 5, 7, 8, 32946, 32773})
#: White is zero, black is zero, RGB, palette, CMYK, YCbCr.
_COLORS: Final = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3}
_WHITE_IS_ZERO, _RGB, _COLOR_MAP, _CMYK = 0, 2, 3, 5
#: What the pixels depend on: the above but for the orientation, fill order, rows a strip, fax options, predictor, colour
#: map, tile sizes, JPEG tables, YCbCr parameters.
_PIXELS: Final = frozenset(
    {
        *(_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _STRIPS, _STRIP_SIZES, _PLANES),
        *(_TILES, _TILE_SIZES, _EXTRA, _SAMPLE_FORMAT, 266, 278, 292, 293, 317, 320, 322, 323, 347, 529, 530, 531, 532),
    }
)


class _Directory(NamedTuple):
    """Hold the first directory.

    Args:
        order: ``struct``'s letter for the byte order.
        start: where it begins.
        entries: its 12-byte entries by tag.
    """

    order: str
    start: int
    entries: dict[int, bytes]


def walk_tiff(data: bytes) -> ImageInfo:
    """Return what a TIFF's first directory says.

    Args:
        data: bytes that begin with a TIFF signature.

    Raises:
        ImageError: the image is truncated, corrupt, too large, or of a variant that is not taken.
    """
    directory = _read_directory(data)
    height, width = (_one(data, directory, tag) for tag in (_HEIGHT, _WIDTH))
    check_size(height, width)
    samples, color, compression = (_one(data, directory, tag) for tag in (_SAMPLES, _PHOTOMETRIC, _COMPRESSION))
    bits, formats = (set(_values(data, directory, tag).tolist()) for tag in (_BITS, _SAMPLE_FORMAT))
    if compression not in _COMPRESSIONS:
        refuse("format", f"a TIFF of compression {compression}, which many readers do not know: convert it")
    whole_numbers = len(bits) == 1 and bits <= {1, 2, 4, 8, 16} and formats <= {1}
    if not whole_numbers or color not in _COLORS or (color == _WHITE_IS_ZERO and bits == {16}):
        refuse("format", f"a TIFF of {bits} bits, sample format {formats}, colour model {color}, which is not taken: convert it")
    stored = _stored_bytes(data, directory)
    if compression == 1 and stored < height * (width * samples * max(bits) // 8):
        refuse("corrupt", f"the TIFF has {stored} bytes of pixels for {width}x{height}")
    extra = max(0, samples - _COLORS[color])
    channels = 3 if color == _COLOR_MAP else 4 if color == _CMYK else _COLORS[color] + min(1, extra)
    turn = _one(data, directory, _ORIENTATION)
    return ImageInfo("tiff", height, width, channels, turn if 1 <= turn <= 8 else 1)


def strip_tiff(data: bytes) -> bytes:
    """Return a TIFF that has passed the gate with its first directory alone, and of that what the pixels depend on.

    Args:
        data: the whole image.
    """
    order, start, entries = _read_directory(data)
    kept = b"".join(entry for tag, entry in entries.items() if tag in _PIXELS)
    (count,) = struct.unpack_from(order + "H", data, start)
    table = struct.pack(order + "H", len(kept) // 12) + kept
    return data[:start] + table.ljust(2 + 12 * count + 4, b"\0") + data[start + 2 + 12 * count + 4 :]


def read_profile(data: bytes) -> bytes:
    """Return the ICC profile of a TIFF that has passed the gate, or nothing.

    Args:
        data: the whole image.
    """
    order, _, entries = _read_directory(data)
    if _PROFILE not in entries:
        return b""
    size, where = struct.unpack_from(order + "II", entries[_PROFILE], 4)
    return data[where : where + size]


def _read_directory(data: bytes) -> _Directory:
    order = "<" if data[:2] == b"II" else ">"
    magic, start = struct.unpack(order + "HI", data[2:8].ljust(6, b"\0"))
    if magic != 42:
        refuse("format", "a TIFF of 64-bit offsets, which many readers do not know: convert it")
    (count,) = struct.unpack(order + "H", data[start : start + 2].ljust(2, b"\0"))
    if start < 8 or start + 2 + 12 * count + 4 > len(data):
        refuse("truncated", f"the TIFF ends after {len(data)} bytes, before its directory does; fetch the file again")
    rows = (data[at : at + 12] for at in range(start + 2, start + 2 + 12 * count, 12))
    return _Directory(order, start, {struct.unpack_from(order + "H", row)[0]: row for row in rows})


#: What holds where a tag is missing; a tag without a default must be there.
_DEFAULTS: Final = {_BITS: 1, _COMPRESSION: 1, _SAMPLES: 1, _SAMPLE_FORMAT: 1, _ORIENTATION: 1}


def _values(data: bytes, directory: _Directory, tag: int) -> NDArray[np.int64]:
    """Return a tag's values."""
    entry = directory.entries.get(tag)
    if entry is None:
        if tag not in _DEFAULTS:
            refuse("corrupt", f"the TIFF's directory lacks the tag {tag}")
        return np.array([_DEFAULTS[tag]], np.int64)
    kind, count = struct.unpack_from(directory.order + "HI", entry, 2)
    if kind not in _INTEGERS or not 1 <= count <= _MAX_VALUES:
        refuse("corrupt", f"the TIFF's tag {tag} has {count} values of type {kind}")
    number = np.dtype(directory.order + _INTEGERS[kind])
    size = number.itemsize * count
    if size > 4:
        (where,) = struct.unpack_from(directory.order + "I", entry, 8)
        entry = b"12345678" + data[where : where + size]
        if len(entry) < 8 + size:
            refuse("truncated", f"the TIFF ends after {len(data)} bytes, before its tag {tag} does; fetch the file again")
    return np.frombuffer(entry, number, count, 8).astype(np.int64)


def _one(data: bytes, directory: _Directory, tag: int) -> int:
    return int(_values(data, directory, tag)[0])


def _stored_bytes(data: bytes, directory: _Directory) -> int:
    """Return how many bytes of pixels there are, after refusing what lies outside the file."""
    tags = (_TILES, _TILE_SIZES) if _TILES in directory.entries else (_STRIPS, _STRIP_SIZES)
    places, sizes = (_values(data, directory, tag) for tag in tags)
    if len(places) != len(sizes):
        refuse("corrupt", f"the TIFF has {len(places)} pieces of pixels and {len(sizes)} sizes of them")
    if (places + sizes).max() > len(data):
        refuse("truncated", f"the TIFF ends after {len(data)} bytes, before its pixels do; fetch the file again")
    return int(sizes.sum())
