"""Resizing: OpenCV's bilinear, bit for bit, and Pillow's antialiased one.

Strategy: ``cv2.resize(INTER_LINEAR)`` on uint8 is integer arithmetic with 11-bit weights: a horizontal pass into 20 bits, of
which 16 are kept, then a vertical pass. Every step is done here in the narrowest type that holds it exactly, on the rows
that are needed only, in bands that fit the processor's cache; results do not depend on the band's height.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np


if TYPE_CHECKING:
    from numpy.typing import NDArray

_WEIGHT_BITS: Final = 11
#: Samples of output that are made at a time.
_BAND_SAMPLES: Final = 1 << 17


class _Axis(NamedTuple):
    """Say for each output position which two input positions make it and with what weights."""

    near: NDArray[np.intp]
    far: NDArray[np.intp]
    near_weight: NDArray[np.uint16]
    far_weight: NDArray[np.uint16]

    def cut(self, start: int, stop: int) -> _Axis:
        """Return the output positions from ``start`` to ``stop``."""
        return _Axis(self.near[start:stop], self.far[start:stop], self.near_weight[start:stop], self.far_weight[start:stop])


def resize_linear(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize as ``cv2.resize`` does by default.

    Args:
        image: [rows, columns] or [rows, columns, channels] uint8.
        height: rows of the result.
        width: columns of the result.

    Returns:
        [height, width] or [height, width, channels].
    """
    rows, columns = image.shape[:2]
    channels = image.shape[2] if image.ndim == 3 else 1
    across, down = _axis(columns, width, inside=True), _axis(rows, height, inside=False)
    lanes = np.arange(channels)
    near, far = ((at[:, None] * channels + lanes).ravel() for at in across[:2])
    weights = [np.repeat(weight, channels) for weight in across[2:]]
    out = np.empty((height, width * channels), np.uint8)
    band = max(1, _BAND_SAMPLES // (width * channels))
    for start in range(0, height, band):
        part = down.cut(start, start + band)
        needed = np.unique(np.concatenate((part.near, part.far)))
        source = image[needed].reshape(len(needed), columns * channels)
        lines = _blend_columns(source[:, near], source[:, far], *weights)
        _blend_rows(lines, needed, part, out[start : start + band])
    return out.reshape(height, width, *image.shape[2:])


def resize_antialias(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize with a triangle filter as wide as the reduction asks for, which keeps fine texture from turning to noise.

    Args:
        image: [rows, columns] or [rows, columns, 3 or 4] uint8.
        height: rows of the result.
        width: columns of the result.

    Returns:
        An array of the new size and the same channels.
    """
    from PIL import Image

    small = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.array(small)


def _axis(source: int, target: int, *, inside: bool) -> _Axis:
    """Return positions and weights along one axis; ``inside`` drops the weight of what lies outside, as columns do."""
    scale = 1 / (target / source)  # not source / target: OpenCV divides twice
    place = ((np.arange(target) + 0.5) * scale - 0.5).astype(np.float32)
    near = np.floor(place)
    part = place - near
    if inside:
        part[(near < 0) | (near >= source - 1)] = 0
    near = near.astype(np.intp)
    one = np.float32(1 << _WEIGHT_BITS)
    return _Axis(
        near.clip(0, source - 1),
        (near + 1).clip(0, source - 1),
        np.rint((1 - part) * one).astype(np.uint16),
        np.rint(part * one).astype(np.uint16),
    )


def _blend_columns(
    near: NDArray[np.uint8], far: NDArray[np.uint8], near_weight: NDArray[np.uint16], far_weight: NDArray[np.uint16]
) -> NDArray[np.uint16]:
    """Return (near * near_weight + far * far_weight) >> 4, in 16 bits.

    With weight = 16 * high + low, the high parts need no shift and the low parts stay below 2**13.
    """
    left, right = near.astype(np.uint16), far.astype(np.uint16)
    low = left * (near_weight & 15)
    low += right * (far_weight & 15)
    low >>= 4
    left *= near_weight >> 4
    right *= far_weight >> 4
    left += right
    left += low
    return left


def _blend_rows(lines: NDArray[np.uint16], needed: NDArray[np.intp], down: _Axis, out: NDArray[np.uint8]) -> None:
    """Write the vertical pass over ``lines``, which are the input rows named in ``needed``."""
    total = _weighted(lines[np.searchsorted(needed, down.near)], down.near_weight)
    total += _weighted(lines[np.searchsorted(needed, down.far)], down.far_weight)
    total += 2
    total >>= 2
    out[:] = total


def _weighted(lines: NDArray[np.uint16], weight: NDArray[np.uint16]) -> NDArray[np.uint32]:
    """Return lines * weight >> 16, each row with its own weight."""
    wide = lines.astype(np.uint32)
    wide *= weight[:, None]
    wide >>= 16
    return wide
