"""IDX, the array format of MNIST and its kin (no relation of ``.idx``, the index of a ``.rec``): bytes to arrays and back.

Strategy: four bytes (two zeros, a type code, the number of dimensions), each dimension as a big-endian u32, then the
items, big-endian, and nothing behind them. The header says how long all of it must be, so that is checked before anything
is allocated; a gzip stream, known by its first bytes, is inflated to the header and then to the announced length, never
further. Files and compressing on the way out are the caller's.
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from recordio_kit.errors import FormatError


if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_DTYPES: Final[dict[int, np.dtype[Any]]] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_CODES: Final = {dtype: code for code, dtype in _DTYPES.items()}
_KNOWN: Final = ", ".join(dtype.name for dtype in _CODES)
#: What every supported numpy can hold; IDX itself could announce 255.
_MAX_DIMENSIONS: Final = 32
_MAX_HEAD: Final = 4 + 4 * _MAX_DIMENSIONS
_MAX_SIZE: Final = int(np.iinfo(np.intp).max)
_GZIP: Final = b"\x1f\x8b"


class _Head(NamedTuple):
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int  # of the items
    size: int  # of the whole


def parse_idx_array(data: bytes, *, source: str | None = None) -> NDArray[Any]:
    """Return the array that IDX bytes hold, in native byte order.

    Args:
        data: the file's bytes, as they are or compressed by gzip.
        source: its name, for messages.

    Raises:
        FormatError: it is no IDX array, or not all of one, or something follows it; ``offset`` counts decompressed bytes.
    """
    if data.startswith(_GZIP):
        data = _inflate(data, source)
    head = _parse_head(data, source)
    if len(data) != head.size:
        place = min(len(data), head.size)
        missing = head.size - len(data)
        what = f"{missing} of them are missing" if missing > 0 else "more follow"
        msg = (
            f"the header announces {list(head.shape)} {head.dtype.name}, {head.size} bytes in all, and {what}; download it again"
        )
        raise FormatError(msg, source=source, offset=place)
    items = np.ndarray(head.shape, head.dtype, data, head.start)
    return items.astype(head.dtype.newbyteorder("="))


def format_idx_array(array: ArrayLike) -> bytes:
    """Return an array as IDX bytes; equal arrays give equal bytes.

    Args:
        array: uint8, int8, int16, int32, float32 or float64 in any byte order, of at most 32 dimensions.

    Raises:
        TypeError: IDX has no such item type.
        ValueError: there are too many dimensions, or one is 2**32 or more.
    """
    items = np.asarray(array)
    code = _CODES.get(items.dtype.newbyteorder(">"))
    if code is None:
        msg = f"IDX holds {_KNOWN}; convert this {items.dtype.name} array first"
        raise TypeError(msg)
    if items.ndim > _MAX_DIMENSIONS or max(items.shape, default=0) >= 1 << 32:
        msg = f"IDX holds at most {_MAX_DIMENSIONS} dimensions, each below 2**32; this array has the shape {items.shape}"
        raise ValueError(msg)
    return struct.pack(f">HBB{items.ndim}I", 0, code, items.ndim, *items.shape) + items.astype(_DTYPES[code]).tobytes()


def _parse_head(data: bytes, source: str | None) -> _Head:
    if len(data) < 4:
        msg = f"an IDX file starts with 4 bytes that name its type, this one has {len(data)} bytes in all"
        raise FormatError(msg, source=source, offset=len(data))
    zeros, code, dimensions = struct.unpack_from(">HBB", data)
    if zeros or code not in _DTYPES:
        msg = f"not an IDX file: it starts with {data[:4].hex(' ')}, not with 00 00 and the code of {_KNOWN}"
        raise FormatError(msg, source=source, offset=0)
    if dimensions > _MAX_DIMENSIONS:
        msg = f"the header announces {dimensions} dimensions, at most {_MAX_DIMENSIONS} can be read"
        raise FormatError(msg, source=source, offset=3)
    start = 4 + 4 * dimensions
    if len(data) < start:
        msg = f"the data ends in the header, {start - len(data)} bytes before the end of its {dimensions} dimensions"
        raise FormatError(msg, source=source, offset=len(data))
    shape = struct.unpack_from(f">{dimensions}I", data, 4)
    dtype = _DTYPES[code]
    # numpy cannot make an empty array either whose other dimensions overflow.
    if start + math.prod(max(length, 1) for length in shape) * dtype.itemsize > _MAX_SIZE:
        msg = f"the header announces {list(shape)} {dtype.name}, more than any memory holds; the file is damaged"
        raise FormatError(msg, source=source, offset=4)
    return _Head(dtype, shape, start, start + math.prod(shape) * dtype.itemsize)


def _inflate(data: bytes, source: str | None) -> bytes:
    """Return the decompressed data, at most one byte (or one longest header) more than its header announces."""
    stream = zlib.decompressobj(wbits=31)
    try:
        plain = stream.decompress(data, _MAX_HEAD)
        size = _parse_head(plain, source).size
        if len(plain) <= size:
            plain += stream.decompress(stream.unconsumed_tail, size - len(plain) + 1)
    except zlib.error as error:
        msg = f"the gzip stream is damaged ({error}); download it again"
        raise FormatError(msg, source=source) from error
    if len(plain) <= size and (stream.unused_data or not stream.eof):
        what = "something follows the gzip stream" if stream.eof else "the gzip stream ends early"
        msg = f"{what}; download it again"
        raise FormatError(msg, source=source)
    return plain
