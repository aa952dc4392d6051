"""What is done to an image that is not passed through: decode, crop, resize, encode.

Strategy: the calls that MXNet's tool makes to OpenCV, in their order, on a frozen value that worker processes take. It is
``Reencode`` but for what only MXNet's own bytes ask for: levels of PNG compression, and 16-bit PNGs that are read whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from recordio_kit._images.codec import decode_inspected, encode_image
from recordio_kit._images.engine_pillow import LenientPillowError
from recordio_kit._images.engines import resize
from recordio_kit._images.gate import inspect
from recordio_kit._images.info import check_size, refuse
from recordio_kit._images.png_pixels import read_stored_png, write_png
from recordio_kit._images.resize_wide import resize_wide


if TYPE_CHECKING:
    from numpy.typing import NDArray

_COLORS: Final = {1: "rgb", 0: "grey", -1: "unchanged"}
#: Where a PNG's IHDR has the bits of a sample.
_PNG_DEPTH: Final = 24


class Encoded(NamedTuple):
    """Hold a new image.

    Args:
        data: its bytes.
        cut: whether 16-bit samples were cut at 255, which leaves little but white.
    """

    data: bytes
    cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """Make images anew as MXNet's flags say.

    Args:
        color: 1, 0 or -1, as ``cv2.imread`` takes it.
        center_crop: cut to a square about the centre first.
        resize: the shorter side in pixels; 0 keeps the size.
        encoding: ``".jpg"`` or ``".png"``.
        quality: JPEG quality or PNG compression; what is out of bounds is brought to the nearest bound, as OpenCV does.
    """

    color: int
    center_crop: bool
    resize: int
    encoding: str
    quality: int

    def apply(self, data: bytes) -> Encoded:
        """Return the new image.

        Args:
            data: a whole JPEG or PNG.

        Raises:
            ImageError: it cannot be decoded, or it or the new image is too large.
        """
        image = _decode(data, _COLORS[self.color])
        if self.center_crop:
            image = _crop(image)
        if self.resize:
            image = self._resize(image)
        if self.encoding == ".png":
            return Encoded(write_png(image, min(max(self.quality, 0), 9)), cut=False)
        cut = image.dtype == np.uint16 and bool((image > 255).any())
        pixels = image if image.dtype == np.uint8 else np.minimum(image, 255).astype(np.uint8)
        return Encoded(encode_image(pixels, quality=min(max(self.quality, 1), 100)), cut)

    def _resize(self, image: NDArray[Any]) -> NDArray[Any]:
        rows, columns = image.shape[:2]
        short = self.resize
        height, width = (rows * short // columns, short) if rows > columns else (short, columns * short // rows)
        if (height, width) == (rows, columns):
            return image
        check_size(height, width)
        return (resize if image.dtype == np.uint8 else resize_wide)(image, height, width)


def _decode(data: bytes, color: str) -> NDArray[Any]:
    info = inspect(data)
    if color != "unchanged" or info.format != "png" or data[_PNG_DEPTH] != 16:
        return decode_inspected(data, info, color=color)
    try:
        return read_stored_png(data)
    except (MemoryError, LenientPillowError):
        raise  # says nothing about the image
    except Exception as error:  # noqa: BLE001  # as in the codec
        refuse("undecodable", f"the decoder refuses it: {error}")


def _crop(image: NDArray[Any]) -> NDArray[Any]:
    """Return the central square."""
    rows, columns = image.shape[:2]
    side = min(rows, columns)
    top, left = (rows - side) // 2, (columns - side) // 2
    return image[top : top + side, left : left + side]
