"""JPEG decoding through simplejpeg: libjpeg-turbo in a wheel, without the GIL.

Strategy: decoding alone. Its encoder takes the fast DCT below quality 96 and so never gives OpenCV's bytes. ``strict`` makes
every warning of libjpeg-turbo an error, so that an image it doubts goes to Pillow, which decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import simplejpeg


if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def decode(data: bytes, channels: int, shrink: int) -> NDArray[np.uint8]:
    """Decode a grey or colour JPEG; as ``engines.decode_jpeg``, but that any warning is an error."""
    rows = columns = 0
    if shrink > 1:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
        rows, columns = -(-height // shrink), -(-width // shrink)  # the smallest scale that reaches this is 1/shrink
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        data, "GRAY" if channels == 1 else "RGB", min_height=rows, min_width=columns
    )
    return pixels[..., 0] if channels == 1 else pixels


def scan(data: bytes) -> None:
    """Go through every coefficient of a JPEG for damage, with as little work on pixels as there can be.

    Raises:
        ValueError: libjpeg-turbo warns or refuses.
    """
    simplejpeg.decode_jpeg(data, "RGB", fastdct=True, fastupsample=True, min_height=1, min_width=1)
