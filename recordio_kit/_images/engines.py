"""The engine seam: who decodes, resizes and encodes in this process.

Strategy: whatever is picked gives the bytes that Pillow and NumPy give; an engine changes how long a pack takes, never what
comes out of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordio_kit._images import engine_pillow
from recordio_kit._images.resize import resize_linear


if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def decode_jpeg(data: bytes, channels: int, shrink: int = 1) -> NDArray[np.uint8]:
    """Decode a grey or colour JPEG that has passed the gate.

    Args:
        data: the whole image.
        channels: 1 for grey, which may be asked of colour; 3 for colour.
        shrink: 1, 2, 4 or 8: by how much to shrink while decoding.

    Returns:
        [height, width] or [height, width, 3] RGB, perhaps read-only.

    Raises:
        Exception: whatever Pillow makes of damage.
    """
    return engine_pillow.decode(data, channels, shrink)


def decode_cmyk(data: bytes, shrink: int = 1) -> NDArray[np.uint8]:
    """Decode a four-channel JPEG that has passed the gate: [height, width, 4], 255 meaning no ink; else as ``decode_jpeg``."""
    return engine_pillow.decode(data, 4, shrink)


def encode_jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """Encode pixels as a JPEG, 4:2:0, with the accurate DCT and without metadata.

    Args:
        pixels: [height, width] grey or [height, width, 3] RGB.
        quality: 1 to 100.
    """
    return engine_pillow.encode(pixels, quality)


def resize(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize as ``cv2.resize`` does by default.

    Args:
        image: [rows, columns] or [rows, columns, 1, 3 or 4] uint8.
        height: rows of the result.
        width: columns of the result.
    """
    return resize_linear(image, height, width)
