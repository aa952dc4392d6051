"""Resizing: OpenCV's bilinear, bit for bit, and Pillow's Lanczos, which antialiases.

Strategy: ``cv2.resize(INTER_LINEAR)`` on uint8 is integer arithmetic with 11-bit weights: a horizontal pass into 20 bits, of
which 16 are kept, then a vertical pass. Every step is done here in the narrowest type that holds it exactly, on the rows
that are needed only, in bands whose buffers stay small; results do not depend on the height of a band.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np


if TYPE_CHECKING:
    from numpy.typing import NDArray

#: 11-bit fixed point: a weight of 1.
_ONE: Final = np.float32(1 << 11)
#: Samples of output that are made at a time; with more, time goes into fresh memory pages.
_BAND_SAMPLES: Final = 1 << 15


class _Axis(NamedTuple):
    """Say which two input positions make each output position, and with what weights: all first ones, then all second ones.

    Args:
        at: [2, size] input positions, ascending.
        weight: [2, size] of ``_ONE``.
    """

    at: NDArray[np.intp]
    weight: NDArray[np.uint32]


def resize_linear(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize as ``cv2.resize`` does by default.

    Args:
        image: [rows, columns] or [rows, columns, channels] uint8.
        height: rows of the result.
        width: columns of the result.

    Returns:
        [height, width] or [height, width, channels].
    """
    columns, channels = image.shape[1], image.shape[2] if image.ndim == 3 else 1
    across, down = _axis(columns, width, inside=True), _axis(image.shape[0], height, inside=False)
    samples = (across.at[..., None] * channels + np.arange(channels)).ravel()
    high, low = (np.repeat(part.astype(np.uint16), channels) for part in (across.weight >> 4, across.weight & 15))
    rows = np.unique(down.at)
    lines = np.searchsorted(rows, down.at)  # where each input row stands among those that are needed
    out = np.empty((height, width * channels), np.uint8)
    band = max(1, _BAND_SAMPLES // (width * channels))
    for start in range(0, height, band):
        here = slice(start, start + band)
        first, last = lines[0, start], lines[1, here][-1]
        source = image[rows[first : last + 1]].reshape(-1, columns * channels)
        blended = _blend_columns(source.take(samples, axis=1), high, low)
        out[here] = _blend_rows(blended[(lines[:, here] - first).ravel()], down.weight[:, here].ravel())
    return out.reshape(height, width, *image.shape[2:])


def resize_antialias(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize with a Lanczos filter as wide as the reduction asks for, which keeps fine texture from turning to noise.

    Args:
        image: [rows, columns] or [rows, columns, 3 or 4] uint8.
        height: rows of the result.
        width: columns of the result.

    Returns:
        An array of the new size and the same channels.
    """
    from PIL import Image

    small = Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return np.array(small)


def _axis(source: int, target: int, *, inside: bool) -> _Axis:
    """Return positions and weights along one axis; ``inside`` drops the weight of what lies outside, as columns do."""
    scale = 1 / (target / source)  # not source / target: OpenCV divides twice
    place = ((np.arange(target) + 0.5) * scale - 0.5).astype(np.float32)
    first = np.floor(place)
    part = place - first
    if inside:
        part[(first < 0) | (first >= source - 1)] = 0
    at = np.stack((first, first + 1)).astype(np.intp).clip(0, source - 1)
    return _Axis(at, np.rint(np.stack((1 - part, part)) * _ONE).astype(np.uint32))


def _blend_columns(pairs: NDArray[np.uint8], high: NDArray[np.uint16], low: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Return (first * its weight + second * its weight) >> 4, where a weight is 16 * high + low, in 16 bits."""
    size = pairs.shape[1] // 2
    wide = pairs.astype(np.uint16)
    rest = wide * low
    wide *= high
    total = rest[:, :size] + rest[:, size:]
    total >>= 4
    total += wide[:, :size]
    total += wide[:, size:]
    return total


def _blend_rows(pairs: NDArray[np.uint16], weights: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return ((first * its weight >> 16) + (second * its weight >> 16) + 2) >> 2, where the second half pairs with the first."""
    size = len(pairs) // 2
    wide = pairs.astype(np.uint32)
    wide *= weights[:, None]
    wide >>= 16
    total = wide[:size]
    total += wide[size:]
    total += 2
    total >>= 2
    return total
