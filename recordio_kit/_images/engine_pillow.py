"""JPEG through Pillow: the baseline that every other engine is held to, and the judge of damaged images.

Strategy: Pillow carries libjpeg-turbo, so it gives OpenCV's pixels and bytes wherever it asks for the same thing. Its class is
used directly, not ``Image.open``, and sees pixels without metadata: no other format, warning filter, global limit or metadata
parser of the process has a say.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import numpy as np

from recordio_kit._images.jpeg import strip_jpeg


if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

#: Pixels that are taken from Pillow at a time.
_BAND_PIXELS: Final = 1 << 18


class LenientPillowError(RuntimeError):
    """Pillow is told, somewhere in this process, to take truncated images."""


def refuse_lenient_pillow() -> None:
    """Refuse to decode where Pillow would hide damage.

    Raises:
        LenientPillowError: ``PIL.ImageFile.LOAD_TRUNCATED_IMAGES`` is on in this process.
    """
    from PIL import ImageFile

    if ImageFile.LOAD_TRUNCATED_IMAGES:
        msg = "PIL.ImageFile.LOAD_TRUNCATED_IMAGES is on, so damage would pass unseen; switch it off in this process"
        raise LenientPillowError(msg)


def decode(data: bytes, channels: int, shrink: int) -> NDArray[np.uint8]:
    """Decode a JPEG that has passed the gate.

    Args:
        data: the whole image.
        channels: 1 for grey, which may be asked of colour; 3 for colour; 4 for CMYK, inverted as it is stored.
        shrink: 1, 2, 4 or 8.

    Returns:
        [height, width] or [height, width, channels], perhaps read-only.

    Raises:
        Exception: whatever Pillow makes of damage.
    """
    from PIL import JpegImagePlugin

    refuse_lenient_pillow()
    with JpegImagePlugin.JpegImageFile(io.BytesIO(strip_jpeg(data))) as image:
        width, height = image.size
        # libjpeg's own luma, as OpenCV asks for it; the greatest shrink that keeps this size is the one asked for
        image.draft("L" if channels == 1 else None, (max(1, width // shrink), max(1, height // shrink)))
        return _pixels(image)


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    """Return an image's pixels, without a third copy of a large one: Pillow joins pieces of what it hands over."""
    if image.width * image.height <= _BAND_PIXELS:
        return np.asarray(image)
    pixels = np.empty((image.height, image.width, *(() if image.mode == "L" else (len(image.getbands()),))), np.uint8)
    band = max(1, _BAND_PIXELS // image.width)
    for top in range(0, image.height, band):
        part = image.crop((0, top, image.width, min(top + band, image.height)))
        pixels[top : top + band] = np.asarray(part)
    return pixels


def encode(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """Encode pixels as a JPEG, 4:2:0, with the accurate DCT and without metadata.

    Args:
        pixels: [height, width] grey or [height, width, 3] RGB.
        quality: 1 to 100.
    """
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return out.getvalue()
