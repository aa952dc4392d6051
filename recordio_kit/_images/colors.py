"""Colour arithmetic where Pillow's own differs from what OpenCV does after decoding.

Strategy: integers as in the C sources of OpenCV (``icvCvt_CMYK2BGR``, ``icvCvt_CMYK2Gray``) and of libpng
(``png_do_rgb_to_gray``, with OpenCV's weights 0.299 and 0.587), on whole arrays.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from recordio_kit._images.png_traits import is_linear


if TYPE_CHECKING:
    from numpy.typing import NDArray

#: 0.299, 0.587 and the rest, of 2**14.
_OPENCV_WEIGHTS: Final = np.array([4899, 9617, 1868], np.int32)
#: The same, of 2**15, as libpng rounds them.
_PNG_WEIGHTS: Final = np.array([9797, 19234, 3737], np.int32)


def cmyk_to_rgb(inverted: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return RGB.

    Args:
        inverted: [height, width, 4] CMYK, 255 meaning no ink.
    """
    key = 255 - inverted[..., 3:].astype(np.int32)
    return (key - (inverted[..., :3] * key >> 8)).astype(np.uint8)


def cmyk_to_grey(inverted: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return grey.

    Args:
        inverted: [height, width, 4] CMYK, 255 meaning no ink.
    """
    return (cmyk_to_rgb(inverted) @ _OPENCV_WEIGHTS + (1 << 13) >> 14).astype(np.uint8)


def png_to_grey(rgb: NDArray[np.uint8], gamma: int) -> NDArray[np.uint8]:
    """Return grey as libpng makes it: truncated, or rounded in linear light where the file states its gamma.

    Args:
        rgb: [height, width, 3].
        gamma: the file's gamma times 100,000; 100,000 where it states none.
    """
    inverse = _reciprocal(gamma)
    if is_linear(gamma) and is_linear(inverse):
        return (rgb @ _PNG_WEIGHTS >> 15).astype(np.uint8)
    light = _curve(256, inverse, 255)[rgb] @ _PNG_WEIGHTS + (1 << 14) >> 15
    mixed = _curve(256, _reciprocal(inverse), 255)[light]
    return np.where(_are_grey(rgb), rgb[..., 0], mixed).astype(np.uint8)


def png16_to_grey(rgb: NDArray[np.uint16], gamma: int, sample_bits: int) -> NDArray[np.uint8]:
    """Return grey as libpng makes it of 16-bit colour, of which it keeps the high byte at the end.

    Args:
        rgb: [height, width, 3].
        gamma: as for ``png_to_grey``.
        sample_bits: how many bits of a sample count; where gamma is at work, libpng looks at 8 to 11 of them.
    """
    inverse = _reciprocal(gamma)
    if is_linear(gamma) and is_linear(inverse):
        return (_mix_wide(rgb) >> 8).astype(np.uint8)
    drop = min(max(16 - sample_bits, 5), 8)
    size = 1 << (16 - drop)
    light = _mix_wide(_curve(size, inverse, 65535)[rgb >> drop])
    mixed = _curve(size, _reciprocal(inverse), 65535)[light >> drop] >> 8
    # grey samples go another way, to the nearest of 256 levels, each of which begins at a bound (png_build_16to8_table)
    whole = math.floor(gamma * 1e-5 * inverse + 0.5) * 1e-5
    bounds = [math.floor(65535 * (sample / 65535) ** whole + 0.5) for sample in range(128, 65535, 257)]
    starts = [(bound * (size - 1) + 32768) // 65535 + 1 for bound in bounds]
    levels = np.searchsorted(starts, np.arange(size), side="right")
    grey: NDArray[np.uint8] = np.where(_are_grey(rgb), levels[rgb[..., 0] >> drop], mixed).astype(np.uint8)
    return grey


def _mix_wide(rgb: NDArray[np.uint16] | NDArray[np.int32]) -> NDArray[np.int64]:
    return rgb @ _PNG_WEIGHTS.astype(np.int64) + (1 << 14) >> 15


def _are_grey(rgb: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = (rgb[..., 0] == rgb[..., 1]) & (rgb[..., 1] == rgb[..., 2])
    return same


def _reciprocal(gamma: int) -> int:
    """Return what libpng takes for the screen's gamma, where none is set."""
    return math.floor(1e10 / gamma + 0.5)


def _curve(size: int, exponent: int, top: int) -> NDArray[np.int32]:
    """Return ``size`` levels raised to the power of ``exponent`` / 100,000 and scaled to 0 to ``top``, rounded."""
    if is_linear(exponent):
        return np.array([(level * top + size // 2) // (size - 1) for level in range(size)], np.int32)
    step, power = 1 / (size - 1), exponent * 1e-5
    return np.array([math.floor(top * (level * step) ** power + 0.5) for level in range(size)], np.int32)
