"""Colour arithmetic where Pillow's own differs from what OpenCV does after decoding.

Strategy: integers as in the C sources of OpenCV (``icvCvt_CMYK2BGR``, ``icvCvt_CMYK2Gray``) and of libpng
(``png_do_rgb_to_gray``, with OpenCV's weights 0.299 and 0.587), on whole arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np


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
    if 95_000 <= gamma <= 105_000:  # libpng's threshold
        return (rgb @ _PNG_WEIGHTS >> 15).astype(np.uint8)
    inverse = round(1e10 / gamma)
    mixed = _power_table(inverse)[rgb] @ _PNG_WEIGHTS + (1 << 14) >> 15
    grey = (rgb[..., 0] == rgb[..., 1]) & (rgb[..., 1] == rgb[..., 2])
    return np.where(grey, rgb[..., 0], _power_table(round(1e10 / inverse))[mixed])


def _power_table(exponent: int) -> NDArray[np.uint8]:
    """Return 256 levels raised to the power of ``exponent`` / 100,000."""
    return np.floor(255 * (np.arange(256) / 255) ** (exponent * 1e-5) + 0.5).astype(np.uint8)
