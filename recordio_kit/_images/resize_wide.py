"""OpenCV's bilinear resizing of 16-bit samples, which is another arithmetic than that of 8 bits.

Strategy: float32, columns before rows. OpenCV's x86 builds leave it to Intel's IPP, which blends in one step (a fused multiply
and add), but in two at the end of a line, where too few samples are left to fill a vector of the processor. That end is not
told from the rest here: against OpenCV 4.8.1 on AVX-512, 11 of 5.1 million samples in 600 images were off by one. An image of
one row or column IPP does not take; that way is exact. Builds without IPP differ more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np


if TYPE_CHECKING:
    from numpy.typing import NDArray


def resize_wide(image: NDArray[np.uint16], height: int, width: int) -> NDArray[np.uint16]:
    """Resize as ``cv2.resize`` does by default.

    Args:
        image: [rows, columns] or [rows, columns, channels].
        height: rows of the result.
        width: columns of the result.

    Returns:
        [height, width] or [height, width, channels].
    """
    thin = 1 in image.shape[:2]
    wide = image.astype(np.float32)
    for axis, size in ((1, width), (0, height)):
        first, part = _places(wide.shape[axis], size, thin=thin, inside=axis == 1 or not thin)
        weight = part.reshape((-1,) + (1,) * (image.ndim - 1 - axis))
        near, far = (wide.take(at, axis, mode="clip") for at in (first, first + 1))
        wide = near * (1 - weight) + far * weight if thin else _blend_once(near, far, weight)
    return np.rint(wide).astype(np.uint16)


def _places(source: int, target: int, *, thin: bool, inside: bool) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the first of the two input positions of each output position, and the weight of the second, which is next to it.

    ``inside`` drops the weight of what lies outside; without it the edge is blended with itself, and rounded as that is.
    """
    place = (np.arange(target) + 0.5) * (source / target) - 0.5
    if thin:
        place = ((np.arange(target) + 0.5) * (1 / (target / source)) - 0.5).astype(np.float32)
    first = np.floor(place)
    part = place - first
    if inside:
        part[(first < 0) | (first >= source - 1)] = 0
    return first.astype(np.intp), part.astype(np.float32)


def _blend_once(near: NDArray[np.float32], far: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return near + (far - near) * weight, rounded at the end only."""
    change = (far - near).astype(np.float64)
    change *= weight
    change += near
    return change.astype(np.float32)
