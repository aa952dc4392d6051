"""PNG to pixels and back, as OpenCV reads and writes them.

Strategy: Pillow inflates and unfilters; where libpng, as OpenCV drives it, would do otherwise (grey from colour, 16-bit
samples, palettes with transparency) the arithmetic is done here. Pillow's class is used directly, not ``Image.open``, and sees
no metadata: no warning filter, global limit or metadata parser of the process has a say.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from recordio_kit._images.colors import png_to_grey
from recordio_kit._images.engine_pillow import refuse_lenient_pillow
from recordio_kit._images.png import strip_png


if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image


def read_png(data: bytes, color: str) -> NDArray[np.uint8]:
    """Return the pixels of a PNG that has passed the gate.

    Args:
        data: the whole image.
        color: as for ``codec.decode_image``.

    Raises:
        Exception: whatever Pillow makes of bad pixel data.
    """
    from PIL import PngImagePlugin

    refuse_lenient_pillow()
    with PngImagePlugin.PngImageFile(io.BytesIO(strip_png(data))) as image:
        image.load()
        if image.mode.startswith("I"):  # 16-bit grey
            pixels = (np.asarray(image) >> 8).astype(np.uint8)
            return np.repeat(pixels[..., None], 3, axis=2) if color == "rgb" else pixels
        if color == "unchanged":
            return np.asarray(_keep_alpha(image))
        image.info.pop("transparency", None)  # else convert() warns
        if color == "rgb":
            return np.asarray(image.convert("RGB"))
        if image.mode in ("1", "L", "LA"):
            return np.asarray(image.convert("L"))
        stated = 0.45455 if "srgb" in image.info else image.info.get("gamma") or 1.0
        return png_to_grey(np.asarray(image.convert("RGB")), round(stated * 100_000))


def write_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return a PNG of the pixels.

    Args:
        pixels: [height, width] or [height, width, 3 or 4] uint8.
    """
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def _keep_alpha(image: Image.Image) -> Image.Image:
    if image.mode in ("1", "L"):
        return image.convert("L")
    alpha = image.mode in ("LA", "RGBA") or "transparency" in image.info
    return image.convert("RGBA" if alpha else "RGB")
