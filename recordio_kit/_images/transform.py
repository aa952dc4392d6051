"""What a pack may do to an image: nothing, ``Reencode``, or ``StripMetadata``.

Strategy: a closed set of frozen values, so that options can be compared, fingerprinted and sent to workers, and so that one
list gives one output. No transform at all (``transform=None``) keeps the file's own bytes. The steps of ``Reencode`` and
their integer arithmetic are those of MXNet's ``im2rec.py``: decode, crop, resize, encode; what goes beyond it is off by
default.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

from recordio_kit._images.codec import check_encoding, decode_inspected, encode_image
from recordio_kit._images.engines import resize
from recordio_kit._images.gate import FORMATS, SOURCES, inspect
from recordio_kit._images.info import COLORS, ENCODINGS, MAX_SIDE, check_size, refuse
from recordio_kit._images.metadata import fit_metadata, read_metadata, strip
from recordio_kit._images.resize import resize_antialias


if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from recordio_kit._images.info import ImageInfo

#: Re-encoding drops an image's metadata, or carries over what of it stays true.
METADATA: Final = ("strip", "keep")
#: Of smaller images, JPEG engines do not agree how large they are at a scale.
_LEAST_SIDE_TO_SCALE: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Reencode:
    """Decode, crop, resize and encode each image, with the pixels and JPEG bytes of MXNet's im2rec.

    Only 16-bit PNG with ``"unchanged"`` colours differs: here each sample's high byte is kept.

    WebP is read by DALI, in its simple form alone (no metadata, no alpha), and by what decodes records with Python's OpenCV, such
    as ``mxnet.recordio.unpack_img``; not by the iterators of MXNet 1.9.1, nor by SageMaker's built-in image classification.

    Sources beyond JPEG and PNG give their first frame; of 16-bit samples the high byte; and with ``"rgb"`` or ``"grey"`` what is
    stored under transparent pixels, alpha being dropped and not composed. HEIC needs ``pip install pillow-heif`` and is upright;
    AVIF needs Pillow 11.3.

    Args:
        short_edge: the shorter side of the result in pixels, smaller images being enlarged; None keeps the size.
        max_edge: the most pixels of the longer side, applied last; it shrinks and never enlarges.
        center_crop: cut to a square about the centre first.
        quality: of JPEG and WebP, 1 to 100; without effect on PNG.
        format: ``"jpeg"``, ``"png"`` or ``"webp"`` (lossy; its bytes depend on the version of libwebp that Pillow carries).
        color: ``"rgb"``, ``"grey"`` (one channel), or ``"unchanged"`` (stored channels, and not turned upright).
        antialias: shrink with a filter as wide as the reduction, from a scaled JPEG decode where that is enough: better and
            faster on large photographs, but not im2rec's pixels. Needs ``short_edge`` or ``max_edge``.
        metadata: ``"strip"`` drops all of it. ``"keep"`` carries over EXIF data up to 64 KiB, whose orientation then says how
            the new image stands, and the ICC profile up to 1 MiB, where it is for the new image's channels.
        sources: the formats that are taken, of ``"jpeg"``, ``"png"``, ``"bmp"``, ``"gif"``, ``"tiff"`` (integers, up to 16
            bits), ``"webp"``, ``"heic"``, ``"avif"``.

    Raises:
        ValueError: an option is out of bounds.
    """

    short_edge: int | None = None
    max_edge: int | None = None
    center_crop: bool = False
    quality: int = 95
    format: str = "jpeg"
    color: str = "rgb"
    antialias: bool = False
    metadata: str = "strip"
    sources: tuple[str, ...] = FORMATS
    #: Whether ``apply`` refuses what ``check="decode"`` does.
    decodes: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check the options, and put the sources into one order."""
        check_encoding(self.quality, self.format)
        for name, value, known in (("color", self.color, COLORS), ("metadata", self.metadata, METADATA)):
            if value not in known:
                msg = f"{name} is one of {', '.join(known)}, not {value!r}"
                raise ValueError(msg)
        for name, edge in (("short_edge", self.short_edge), ("max_edge", self.max_edge)):
            if edge is not None and edge not in range(1, MAX_SIDE + 1):
                msg = f"{name} is 1 to {MAX_SIDE:,} pixels, not {edge}"
                raise ValueError(msg)
        if self.antialias and self.short_edge is None and self.max_edge is None:
            msg = "antialias shapes how an image is resized; give short_edge or max_edge too"
            raise ValueError(msg)
        if not self.sources or not set(SOURCES).issuperset(self.sources):
            msg = f"sources are some of {', '.join(SOURCES)}, not {self.sources!r}"
            raise ValueError(msg)
        object.__setattr__(self, "sources", tuple(name for name in SOURCES if name in self.sources))

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that must be read or written here."""
        return (*self.sources, self.format)

    @property
    def keeps_orientation(self) -> bool:
        """Whether a result still has the orientation of its source, which readers are to turn it by."""
        return self.color == "unchanged" and self.metadata == "keep"

    def spec(self) -> dict[str, Any]:
        """Return the options that shape the output, as plain JSON values."""
        return {"name": "reencode", **asdict(self), "sources": list(self.sources)}

    def apply(self, data: bytes, info: ImageInfo | None = None) -> tuple[bytes, int, int]:
        """Return the new image's bytes, height and width.

        Args:
            data: a whole image in one of the formats that are taken.
            info: what the gate said about it; None lets the gate look first.

        Raises:
            ImageError: the gate or the decoder refuses the image, or the result would pass the gate's limits.
            RuntimeError: the library that reads the image's format is not installed.
        """
        info = info or inspect(data, formats=self.sources)
        rows, columns = info.height, info.width
        if self.color != "unchanged" and info.orientation > 4:  # 5 to 8 swap the axes
            rows, columns = columns, rows
        height, width = self._target(rows, columns)
        self._check_result(height, width)
        image = decode_inspected(data, info, color=self.color, shrink=self._shrink(rows, columns))
        if self.center_crop:
            image = _crop_square(image)
        if (height, width) != image.shape[:2]:
            change = resize_antialias if self.antialias else resize
            image = change(image, height, width)
        return self._encode(image, data, info), height, width

    def _target(self, rows: int, columns: int) -> tuple[int, int]:
        """Return the result's height and width, neither of them 0."""
        if self.center_crop:
            rows = columns = min(rows, columns)
        height, width = rows, columns
        if (short := self.short_edge) is not None:
            height, width = (rows * short // columns, short) if rows > columns else (short, columns * short // rows)
        if (most := self.max_edge) is not None and max(height, width) > most:
            height, width = (most, columns * most // rows) if rows > columns else (rows * most // columns, most)
        return max(height, 1), max(width, 1)

    def _check_result(self, height: int, width: int) -> None:
        check_size(height, width)
        if max(height, width) > ENCODINGS[self.format]:
            limit = f"{self.format} has at most {ENCODINGS[self.format]:,} a side"
            refuse("too-many-pixels", f"the result would have {width}x{height} pixels, {limit}: give max_edge")

    def _shrink(self, rows: int, columns: int) -> int:
        """Return how far a JPEG may shrink while it is decoded: to no less than 5/4 of the result.

        Measured on photographs of 12 megapixels, against box and Lanczos filters on all of their pixels: down to this, a Lanczos
        filter behind the scaled decode comes as close to both as a triangle filter with twice the pixels does.
        """
        if not self.antialias or min(rows, columns) < _LEAST_SIDE_TO_SCALE:
            return 1
        height, width = self._target(rows, columns)
        if self.center_crop:
            rows = columns = min(rows, columns)
        return next((step for step in (8, 4, 2) if 4 * rows >= 5 * step * height and 4 * columns >= 5 * step * width), 1)

    def _encode(self, image: NDArray[np.uint8], data: bytes, info: ImageInfo) -> bytes:
        options: dict[str, Any] = {"quality": self.quality, "format": self.format}
        if self.metadata == "keep":
            color = self.format == "webp" or image.ndim == 3
            orientation = info.orientation if self.keeps_orientation else 1
            options |= fit_metadata(read_metadata(data, info), orientation, color=color)._asdict()
        return encode_image(image, **options)


@dataclass(frozen=True, slots=True)
class StripMetadata:
    """Take the metadata out of each JPEG or PNG, and leave its pixels' own bytes as they are.

    EXIF (with GPS positions and thumbnails), XMP, IPTC, ICC profiles, comments, text, further images and whatever else stands
    behind the end go; what the colours depend on stays, as does an orientation other than upright, which readers turn by.
    """

    sources: ClassVar[tuple[str, ...]] = FORMATS
    formats: ClassVar[tuple[str, ...]] = FORMATS
    decodes: ClassVar[bool] = False
    keeps_orientation: ClassVar[bool] = True

    def spec(self) -> dict[str, Any]:
        """Return the options that shape the output, as plain JSON values."""
        return {"name": "strip-metadata"}

    def apply(self, data: bytes, info: ImageInfo | None = None) -> tuple[bytes, int, int]:
        """Return the image's bytes without metadata, and its stored height and width.

        Args:
            data: a whole JPEG or PNG.
            info: what the gate said about it; None lets the gate look first.

        Raises:
            ImageError: the gate refuses the image.
        """
        info = info or inspect(data, formats=self.sources)
        return strip(data, info), info.height, info.width


#: Whatever a pack may do to an image.
Transform: TypeAlias = Reencode | StripMetadata
TRANSFORMS: Final = (Reencode, StripMetadata)


def _crop_square(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the central square."""
    rows, columns = image.shape[:2]
    side = min(rows, columns)
    top, left = (rows - side) // 2, (columns - side) // 2
    return image[top : top + side, left : left + side]
