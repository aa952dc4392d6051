"""Resizing through OpenCV, whose own arithmetic ``resize_linear`` repeats.

Strategy: ``cv2.resize`` alone; its decoders hide damage. How many threads it takes is the process's to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2


if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def resize(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize; as ``engines.resize``."""
    resized: NDArray[np.uint8] = cv2.resize(image, (width, height))
    return resized
