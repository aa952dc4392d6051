"""What a pack may do to an image: nothing, or ``Reencode``.

Strategy: a closed set of frozen values, so that options can be compared, fingerprinted and sent to workers, and so that one
list gives one output. No transform at all (``transform=None``) keeps the file's own bytes. The steps and their integer
arithmetic are those of MXNet's ``im2rec.py``: decode, crop, resize, encode.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from recordio_kit._images.codec import COLORS, check_encoding, decode_inspected, encode_image
from recordio_kit._images.engines import resize
from recordio_kit._images.gate import inspect
from recordio_kit._images.info import MAX_SIDE, check_size
from recordio_kit._images.resize import resize_antialias


if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from recordio_kit._images.info import ImageInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Reencode:
    """Decode, crop, resize and encode each image, with the pixels and JPEG bytes of MXNet's im2rec.

    Only 16-bit PNG differs: here each sample's high byte is kept, whatever the colour.

    Args:
        short_edge: the shorter side of the result in pixels, smaller images being enlarged; None keeps the size.
        center_crop: cut to a square about the centre first.
        quality: JPEG quality 1 to 100; without effect on PNG.
        format: ``"jpeg"`` or ``"png"``.
        color: ``"rgb"``, ``"grey"`` (one channel), or ``"unchanged"`` (stored channels, and not turned upright).
        antialias: shrink with a filter as wide as the reduction, from a scaled JPEG decode where that is enough: smoother
            and faster on large photographs, but not im2rec's pixels. Needs ``short_edge``.

    Raises:
        ValueError: an option is out of bounds.
    """

    short_edge: int | None = None
    center_crop: bool = False
    quality: int = 95
    format: str = "jpeg"
    color: str = "rgb"
    antialias: bool = False

    def __post_init__(self) -> None:
        """Check the options."""
        check_encoding(self.quality, self.format)
        if self.color not in COLORS:
            msg = f"color is one of {', '.join(COLORS)}, not {self.color!r}"
            raise ValueError(msg)
        if self.short_edge is not None and self.short_edge not in range(1, MAX_SIDE + 1):
            msg = f"short_edge is 1 to {MAX_SIDE:,} pixels, not {self.short_edge}"
            raise ValueError(msg)
        if self.antialias and self.short_edge is None:
            msg = "antialias shapes how an image is resized; give short_edge too"
            raise ValueError(msg)

    def spec(self) -> dict[str, Any]:
        """Return the options that shape the output, as plain JSON values."""
        return {"name": "reencode", **asdict(self)}

    def apply(self, data: bytes, info: ImageInfo | None = None) -> tuple[bytes, int, int]:
        """Return the new image's bytes, height and width.

        Args:
            data: a whole JPEG or PNG.
            info: what the gate said about it; None lets the gate look first.

        Raises:
            ImageError: the gate or the decoder refuses the image, or the result would pass the gate's limits.
        """
        info = info or inspect(data)
        rows, columns = info.height, info.width
        if self.color != "unchanged" and info.orientation > 4:  # 5 to 8 swap the axes
            rows, columns = columns, rows
        height, width = self._target(rows, columns)
        check_size(height, width)
        image = decode_inspected(data, info, color=self.color, shrink=self._shrink(rows, columns))
        if self.center_crop:
            image = _crop_square(image)
        if (height, width) != image.shape[:2]:
            change = resize_antialias if self.antialias else resize
            image = change(image, height, width)
        return encode_image(image, quality=self.quality, format=self.format), height, width

    def _target(self, rows: int, columns: int) -> tuple[int, int]:
        """Return the result's height and width."""
        if self.center_crop:
            rows = columns = min(rows, columns)
        short = self.short_edge
        if short is None:
            return rows, columns
        return (rows * short // columns, short) if rows > columns else (short, columns * short // rows)

    def _shrink(self, rows: int, columns: int) -> int:
        """Return how far a JPEG may shrink while it is decoded: to no less than twice the result, so that the filter has work."""
        if not self.antialias or self.short_edge is None:
            return 1
        return next((step for step in (8, 4, 2) if min(rows, columns) >= 2 * step * self.short_edge), 1)


def _crop_square(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the central square."""
    rows, columns = image.shape[:2]
    side = min(rows, columns)
    top, left = (rows - side) // 2, (columns - side) // 2
    return image[top : top + side, left : left + side]
