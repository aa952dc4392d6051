"""Images to pixels and back, bit for bit as OpenCV 4.8 does it, whichever engine is installed.

Strategy: every image passes the gate first; then the format picks a room (``engines`` for JPEG, ``png_pixels`` for PNG,
``foreign`` for others), and what is common to all formats is done here: colours as asked for, orientation, metadata, and one
kind of error. Arrays are RGB, not BGR.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from recordio_kit._images.colors import cmyk_to_grey, cmyk_to_rgb
from recordio_kit._images.engine_pillow import LenientPillowError
from recordio_kit._images.engines import decode_cmyk, decode_jpeg, encode_jpeg
from recordio_kit._images.foreign import MissingCodecError, missing_codec, read_foreign
from recordio_kit._images.gate import RECORDS, inspect
from recordio_kit._images.info import COLORS, ENCODINGS, refuse
from recordio_kit._images.metadata import splice_jpeg, splice_png
from recordio_kit._images.png_pixels import read_png, write_png
from recordio_kit._images.webp import write_webp


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from recordio_kit._images.info import ImageInfo

_TURNS: Final[Mapping[int, Callable[[NDArray[Any]], NDArray[Any]]]] = {
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: image[::-1].swapaxes(0, 1),
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: lambda image: image[:, ::-1].swapaxes(0, 1),
}


def decode_image(data: bytes, *, color: str = "rgb") -> NDArray[np.uint8]:
    """Decode a JPEG, PNG or WebP, turned upright as its EXIF orientation says.

    Args:
        data: the whole image.
        color: ``"rgb"``; ``"grey"``; or ``"unchanged"``, which keeps grey and alpha channels and is not turned.

    Returns:
        A writable array of [height, width, 3] uint8 RGB; [height, width] where grey; [height, width, 4] where alpha is kept.
        Of 16-bit samples the high byte is kept.

    Raises:
        ImageError: the gate or the decoder refuses the image.
        ValueError: the colour is unknown.
        RuntimeError: ``PIL.ImageFile.LOAD_TRUNCATED_IMAGES`` is on in this process.
    """
    if color not in COLORS:
        msg = f"color is one of {', '.join(COLORS)}, not {color!r}"
        raise ValueError(msg)
    return np.require(decode_inspected(data, inspect(data, formats=RECORDS), color=color), requirements=["C", "W"])


def decode_inspected(data: bytes, info: ImageInfo, *, color: str = "rgb", shrink: int = 1) -> NDArray[np.uint8]:
    """Decode an image that has passed the gate.

    Args:
        data: the whole image.
        info: what the gate said about it.
        color: as for ``decode_image``.
        shrink: 1, 2, 4 or 8: by how much a JPEG is shrunk while it is decoded; without effect on other formats.

    Returns:
        As ``decode_image``, but perhaps a read-only view.

    Raises:
        ImageError: the decoder refuses the image.
        RuntimeError: ``PIL.ImageFile.LOAD_TRUNCATED_IMAGES`` is on in this process.
    """
    try:
        image = _read(data, info, color, shrink)
    except (MemoryError, ImportError, LenientPillowError, MissingCodecError):
        raise  # says nothing about the image
    except Exception as error:  # noqa: BLE001  # Pillow raises OSError, SyntaxError, ValueError and more for bad pixels
        refuse("undecodable", f"the decoder refuses it: {error}")
    if color != "unchanged" and info.orientation != 1:
        return _TURNS[info.orientation](image)
    return image


def encode_image(
    array: NDArray[np.uint8],
    *,
    quality: int = 95,
    format: str = "jpeg",  # noqa: A002  # the field's word
    compression: int = 6,
    exif: bytes = b"",
    icc_profile: bytes = b"",
) -> bytes:
    """Encode pixels as JPEG (4:2:0), losslessly as PNG, or lossily as WebP.

    Args:
        array: [height, width], [height, width, 1] or [height, width, 3] uint8 RGB; a fourth channel is alpha, which PNG and
            WebP keep.
        quality: of JPEG and WebP, 1 to 100; without effect on PNG.
        format: ``"jpeg"``, ``"png"`` or ``"webp"``, whose bytes depend on the version of libwebp that Pillow carries.
        compression: of PNG, 0 (none) to 9 (smallest and slowest); without effect on the others.
        exif: a TIFF block of EXIF data to put in; at most 65,527 bytes in a JPEG.
        icc_profile: a colour profile to put in.

    Returns:
        The encoded image; a JPEG or PNG has the bytes that ``cv2.imencode`` gives at the same quality or compression, around
        the metadata if any.

    Raises:
        ValueError: the array or an option is outside these bounds.
        RuntimeError: Pillow is built without WebP.
    """
    check_encoding(quality, format)
    pixels = _drop_single_channel(array, ENCODINGS[format])
    if format == "png":
        return splice_png(write_png(pixels, compression), exif, icc_profile)
    if format == "webp":
        if (problem := missing_codec([format])) is not None:
            raise MissingCodecError(problem)
        return write_webp(pixels, quality, exif, icc_profile)
    return splice_jpeg(encode_jpeg(pixels[..., :3] if pixels.ndim == 3 else pixels, quality), exif, icc_profile)


def check_encoding(quality: int, format: str) -> None:  # noqa: A002  # the field's word
    """Refuse encoder options that no encoder takes.

    Args:
        quality: of JPEG or WebP.
        format: the format's name.

    Raises:
        ValueError: the quality is not 1 to 100 or the format is unknown.
    """
    if format not in ENCODINGS:
        msg = f"format is one of {', '.join(ENCODINGS)}, not {format!r}"
        raise ValueError(msg)
    if quality not in range(1, 101):
        msg = f"quality is 1 to 100, not {quality}"
        raise ValueError(msg)


def _drop_single_channel(array: NDArray[np.uint8], most: int) -> NDArray[np.uint8]:
    shape = array.shape
    if array.dtype != np.uint8 or len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3, 4)):
        msg = f"an image is uint8 [height, width] or [height, width, 1, 3 or 4], not {array.dtype} {list(shape)}"
        raise ValueError(msg)
    if not all(1 <= side <= most for side in shape[:2]):
        msg = f"an image has 1 to {most:,} pixels a side, not {shape[1]}x{shape[0]}"
        raise ValueError(msg)
    return array[..., 0] if array.ndim == 3 and shape[2] == 1 else array


def _read(data: bytes, info: ImageInfo, color: str, shrink: int) -> NDArray[np.uint8]:
    if info.format == "png":
        return read_png(data, color)
    if info.format != "jpeg":
        return read_foreign(data, info, color)
    if info.channels == 4:
        inks = decode_cmyk(data, shrink)
        return cmyk_to_grey(inks) if color == "grey" else cmyk_to_rgb(inks)
    pixels = decode_jpeg(data, 1 if color == "grey" else info.channels, shrink)
    return np.repeat(pixels[..., None], 3, axis=2) if color == "rgb" and pixels.ndim == 2 else pixels
