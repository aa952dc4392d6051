"""CRC-32 of bytes, and of a whole from the CRC-32s of its parts.

Strategy: ``crc(a + b) = crc(a) * x^(8 len b) + crc(b)`` over GF(2) modulo zlib's polynomial, so each byte is hashed once,
per record, and segments, files and upload parts follow by arithmetic on 32-bit words. Python's zlib has no
``crc32_combine``; this is that of zlib 1.2.12 and later (``multmodp``, ``x2nmodp``), with a multiplication by a fixed
power as four table look-ups, so that whole columns of records are combined at numpy's speed. Of bytes, zlib-ng computes the
same several times faster where it is installed.
"""

from __future__ import annotations

import zlib
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np


if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

#: zlib's reflected CRC-32 polynomial; the highest bit is the coefficient of x^0.
_POLYNOMIAL: Final = 0xEDB88320
_ONE: Final = 1 << 31
#: Parts that are combined at once: enough for numpy's speed, and the tables of work stay small.
_MOST_PARTS: Final = 1 << 16


def _multiply(a: int, b: int) -> int:
    """Return a times b modulo the polynomial."""
    product, bit = 0, _ONE
    while bit:
        if a & bit:
            product ^= b
        bit >>= 1
        b = (b >> 1) ^ (_POLYNOMIAL if b & 1 else 0)
    return product


crc32_of: Callable[..., int] = zlib.crc32
"""Return the CRC-32 of bytes, going on from that of the bytes before them: ``zlib.crc32``, or what computes the same faster."""
try:
    from zlib_ng import zlib_ng
except ImportError:
    ENGINE = "zlib"
else:
    ENGINE = "zlib-ng"
    crc32_of = zlib_ng.crc32


@cache
def _factor(power: int) -> int:
    """Return x^(8 * 2^power): what 2^power bytes behind a part multiply its CRC by."""
    return _ONE >> 8 if power == 0 else _multiply(_factor(power - 1), _factor(power - 1))


@cache
def _tables(power: int) -> NDArray[np.uint32]:
    """Return [4, 256] tables that multiply a word by x^(8 * 2^power), one for each of its bytes."""
    products = [_multiply(1 << bit, _factor(power)) for bit in range(32)]
    tables = np.zeros((4, 256), np.uint32)
    for bit, product in enumerate(products):  # linear: the second half of each doubling is the first, plus one product
        table, step = tables[bit // 8], 1 << bit % 8
        table[step : 2 * step] = table[:step] ^ np.uint32(product)
    return tables


def combine_crc32(crcs: ArrayLike, lengths: ArrayLike) -> int:
    """Return the CRC-32 of parts put one behind the other.

    Args:
        crcs: [n] CRC-32 of each part.
        lengths: [n] bytes in each part.

    Returns:
        What ``zlib.crc32`` gives for the whole; 0 for no parts.

    Raises:
        ValueError: there are more crcs than lengths or fewer, or a length is negative.
    """
    words = np.array(crcs, np.uint32).reshape(-1)
    sizes = np.asarray(lengths, np.int64).reshape(-1)
    if len(words) != len(sizes) or (sizes < 0).any():
        msg = f"each of the {len(words)} parts needs its length, 0 or more"
        raise ValueError(msg)
    if len(words) > _MOST_PARTS:
        runs = [slice(start, start + _MOST_PARTS) for start in range(0, len(words), _MOST_PARTS)]
        return combine_crc32([combine_crc32(words[run], sizes[run]) for run in runs], [sizes[run].sum() for run in runs])
    behind = sizes.sum() - np.cumsum(sizes)
    power = 0
    while behind.any():
        odd = np.flatnonzero(behind & 1)
        if len(odd):
            table, chosen = _tables(power), words[odd]
            words[odd] = (
                table[0][chosen & 0xFF] ^ table[1][chosen >> 8 & 0xFF] ^ table[2][chosen >> 16 & 0xFF] ^ table[3][chosen >> 24]
            )
        behind >>= 1
        power += 1
    return int(np.bitwise_xor.reduce(words)) if len(words) else 0
