"""PNG encoding with the bytes of ``cv2.imencode``, by NumPy and the standard library's zlib.

Strategy: OpenCV leaves it to libpng 1.6 to choose each row's filter by the smallest sum of absolute differences, to shrink
zlib's window to a small image and to cut the stream into IDAT chunks of 8192 bytes; that is repeated here. What deflate makes
of the rows is zlib's: some Pythons carry another zlib (zlib-ng, Cloudflare's), which compresses to other bytes, and
``png_is_exact`` tells. A stored stream (level 0) is laid out here, because zlib's depends on its caller's buffers.
"""

from __future__ import annotations

import functools
import struct
import zlib
from typing import TYPE_CHECKING, Final

import numpy as np

from recordio_kit._images.known_answers import picture
from recordio_kit._images.png import make_chunk, make_header


if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

#: Channels to the PNG's colour type.
_COLOR_TYPES: Final = {1: 0, 3: 2, 4: 6}
_NONE, _SUB, _UP, _AVERAGE, _PAETH = range(5)
#: libpng's PNG_ZBUF_SIZE.
_CHUNK_BYTES: Final = 8192
#: libpng gives zlib a smaller window only up to this size, and adds zlib's MIN_LOOKAHEAD (``png_deflate_claim``).
_SMALL: Final = 16_384
_LOOKAHEAD: Final = 262
_MEMORY_LEVEL: Final = 8
#: Half of zlib's window buffer, and the longest stored block at the memory level above.
_WINDOW: Final = 1 << 15
_STORED_MOST: Final = (1 << 16) - 5
#: Bytes that are filtered at a time, so that a band's arrays stay in the processor's cache; with 256 KiB it takes twice as long.
_BAND_BYTES: Final = 1 << 16
#: Level -> CRC-32 of ``_known_picture`` as OpenCV 4.8.1 encodes it.
_KNOWN: Final = {1: 0xF6E7CBC3, 3: 0x57A4E6BE, 6: 0x3CF450EE, 9: 0x0892B513}


def write_png(pixels: NDArray[np.uint8 | np.uint16], level: int = 6) -> bytes:
    """Return a PNG of the pixels.

    Args:
        pixels: [height, width] or [height, width, 3 or 4] in RGB order; uint8, or uint16 for a PNG of 16 bits a sample.
        level: 0 to 9, zlib's, as ``IMWRITE_PNG_COMPRESSION``. 6 takes no longer and makes no larger files than Pillow.

    Returns:
        The bytes that ``cv2.imencode`` gives for the same pixels and level, if ``png_is_exact()``.
    """
    height, width = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    pixel = channels * pixels.itemsize
    rows = np.ascontiguousarray(pixels, f">u{pixels.itemsize}").view(np.uint8).reshape(height, width * pixel)
    lines = _filter(rows, pixel)
    stream = _store(lines) if level == 0 else _deflate(lines, level)
    parts = [stream[start : start + _CHUNK_BYTES] for start in range(0, len(stream), _CHUNK_BYTES)]
    chunks = [*(make_chunk(b"IDAT", part) for part in parts), make_chunk(b"IEND", b"")]
    return b"".join([make_header(height, width, 8 * pixels.itemsize, _COLOR_TYPES[channels]), *chunks])


@functools.cache
def png_is_exact() -> bool:
    """Tell whether PNGs made here are OpenCV's own, byte for byte: whether this Python's zlib gives the known answers."""
    return all(zlib.crc32(write_png(_known_picture(), level)) == crc for level, crc in _KNOWN.items())


def _known_picture() -> NDArray[np.uint8]:
    """Return [132, 141, 3], more than zlib's window holds: the known picture, fainter from copy to copy."""
    once = picture().astype(np.uint16)
    rows = [[once * (first - less) >> 8 for less in (0, 20, 40)] for first in (256, 192, 128, 64)]
    return np.block([[[copy] for copy in row] for row in rows]).astype(np.uint8)


def _filter(rows: NDArray[np.uint8], pixel: int) -> NDArray[np.uint8]:
    """Return [height, 1 + bytes]: each row filtered, behind its filter's number.

    Args:
        rows: [height, bytes].
        pixel: bytes a pixel.
    """
    height, size = rows.shape
    allowed = _allowed_filters(height, size // pixel)
    lines = np.empty((height, 1 + size), np.uint8)
    above = np.zeros((1, size), np.uint8)
    band = max(1, _BAND_BYTES // size)
    for start in range(0, height, band):
        here = rows[start : start + band]
        guesses = _guesses(here, np.concatenate((above, here[:-1])), pixel)
        above = here[-1:]
        tried = [here - guess for kind, guess in enumerate(guesses) if kind in allowed]
        # the distance of each byte from 0, modulo 256; of equal sums the first filter's is taken
        best = np.argmin([np.minimum(each, -each).sum(axis=1, dtype=np.uint32) for each in tried], axis=0)
        for number, kind in enumerate(allowed):
            chosen = np.flatnonzero(best == number)
            lines[start + chosen, 0] = kind
            lines[start + chosen, 1:] = tried[number][chosen]
    return lines


def _allowed_filters(height: int, width: int) -> list[int]:
    """Return the filters that libpng tries: none that looks at a row or column that no pixel has (``png_write_start_row``)."""
    useless = {_UP, _AVERAGE, _PAETH} if height == 1 else set()
    if width == 1:
        useless |= {_SUB, _AVERAGE, _PAETH}
    return [kind for kind in (_NONE, _SUB, _UP, _AVERAGE, _PAETH) if kind not in useless]


def _guesses(here: NDArray[np.uint8], above: NDArray[np.uint8], pixel: int) -> Iterator[NDArray[np.uint8]]:
    """Yield what each filter takes off the bytes, in the order of the filters' numbers."""
    left, corner = np.zeros_like(here), np.zeros_like(above)
    left[:, pixel:], corner[:, pixel:] = here[:, :-pixel], above[:, :-pixel]
    yield np.zeros_like(here)
    yield left
    yield above
    yield (left & above) + ((left ^ above) >> 1)  # half the sum, without a ninth bit
    # Paeth's: the neighbour nearest to left + above - corner, of equals the first
    rise, run = np.subtract(above, corner, dtype=np.int16), np.subtract(left, corner, dtype=np.int16)
    to_left, to_above, to_corner = np.abs(rise), np.abs(run), np.abs(rise + run)
    rest = np.where(to_above <= to_corner, above, corner)
    yield np.where(to_left <= np.minimum(to_above, to_corner), left, rest)


def _deflate(lines: NDArray[np.uint8], level: int) -> bytes:
    """Return a zlib stream of the lines, as libpng has it made."""
    packer = zlib.compressobj(level, zlib.DEFLATED, _window_bits(lines.size), _MEMORY_LEVEL, zlib.Z_DEFAULT_STRATEGY)
    return _shrink_header(packer.compress(lines.tobytes()) + packer.flush(), lines.size)


def _store(lines: NDArray[np.uint8]) -> bytes:
    """Return a zlib stream of level 0, in the blocks that zlib cuts when it is given a line at a time and little room."""
    data = lines.tobytes()
    parts = [bytes([8 | (_window_bits(len(data)) - 8) << 4, 0])]
    start = 0
    for size in _stored_blocks(*lines.shape):
        parts += [struct.pack("<BHH", 0, size, size ^ 0xFFFF), data[start : start + size]]
        start += size
    rest = len(data) - start
    parts += [struct.pack("<BHH", 1, rest, rest ^ 0xFFFF), data[start:], zlib.adler32(data).to_bytes(4, "big")]
    return _shrink_header(b"".join(parts), len(data))


def _stored_blocks(count: int, size: int) -> Iterator[int]:
    """Yield the lengths of all stored blocks but the last (``deflate_stored`` in zlib 1.2.11 and later).

    Args:
        count: how many lines.
        size: bytes a line.
    """
    held = begun = 0  # how much the window buffer holds, and where in it the block under way begins
    for _ in range(count):
        rest = size
        while rest:
            if rest > 2 * _WINDOW - held and begun >= _WINDOW:
                held, begun = held - _WINDOW, begun - _WINDOW
            taken = min(rest, 2 * _WINDOW - held)
            held, rest = held + taken, rest - taken
            if held - begun >= _WINDOW:
                block = min(held - begun, _STORED_MOST)
                yield block
                begun += block


def _window_bits(size: int) -> int:
    """Return the logarithm of the window that libpng gives zlib for this many bytes."""
    bits = 15
    while size <= _SMALL and size + _LOOKAHEAD <= 1 << (bits - 1):
        bits -= 1
    return bits


def _shrink_header(stream: bytes, size: int) -> bytes:
    """Return the stream with the least window in its header that holds ``size`` bytes (``optimize_cmf``)."""
    bits = (stream[0] >> 4) + 8
    while bits > 8 and size <= _SMALL and size <= 1 << (bits - 1):
        bits -= 1
    head = (8 | (bits - 8) << 4) << 8 | (stream[1] & 0xE0)
    return (head + 31 - head % 31).to_bytes(2, "big") + stream[2:]
