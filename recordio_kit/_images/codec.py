"""JPEG and PNG to pixels and back, bit for bit as OpenCV 4.8 does it, with Pillow alone.

Strategy: Pillow and OpenCV carry the same libjpeg-turbo, so pixels agree wherever both ask it for the same thing; where they
do not (CMYK, grey from colour, orientation, metadata in the output) the arithmetic of OpenCV is done here. Every image
passes the gate first. Pillow's classes are used directly, not ``Image.open``, and see pixels without metadata: no other
format, warning filter, global limit or metadata parser of the process has a say. Arrays are RGB, not BGR.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from recordio_kit._images.colors import cmyk_to_grey, cmyk_to_rgb, png_to_grey
from recordio_kit._images.gate import inspect
from recordio_kit._images.info import MAX_SIDE, refuse
from recordio_kit._images.jpeg import strip_jpeg
from recordio_kit._images.png import strip_png


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray
    from PIL import Image

    from recordio_kit._images.info import ImageInfo

#: ``cv2.imread``'s flags 1, 0 and -1: three channels, one channel, or what is stored and as it is stored (no rotation).
COLORS: Final = ("rgb", "grey", "unchanged")
ENCODINGS: Final = ("jpeg", "png")
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
    """Decode a JPEG or PNG, turned upright as its EXIF orientation says.

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
    return np.require(decode_inspected(data, inspect(data), color=color), requirements=["C", "W"])


def decode_inspected(
    data: bytes, info: ImageInfo, *, color: str = "rgb", at_least: tuple[int, int] | None = None
) -> NDArray[np.uint8]:
    """Decode an image that has passed the gate.

    Args:
        data: the whole image.
        info: what the gate said about it.
        color: as for ``decode_image``.
        at_least: (height, width) upright; a JPEG may then be decoded at a half, quarter or eighth of its size, not below this.

    Returns:
        As ``decode_image``, but perhaps a read-only view.

    Raises:
        ImageError: the decoder refuses the image.
        RuntimeError: ``PIL.ImageFile.LOAD_TRUNCATED_IMAGES`` is on in this process.
    """
    from PIL import ImageFile

    if ImageFile.LOAD_TRUNCATED_IMAGES:
        msg = "PIL.ImageFile.LOAD_TRUNCATED_IMAGES is on, so damage would pass unseen; switch it off in this process"
        raise RuntimeError(msg)
    try:
        image = _read_jpeg(data, info, color, at_least) if info.format == "jpeg" else _read_png(data, color)
    except MemoryError:
        raise  # says nothing about the image
    except Exception as error:  # noqa: BLE001  # Pillow raises OSError, SyntaxError, ValueError and more for bad pixels
        refuse("undecodable", f"the decoder refuses it: {error}")
    if color != "unchanged" and info.orientation != 1:
        return _TURNS[info.orientation](image)
    return image


def encode_image(array: NDArray[np.uint8], *, quality: int = 95, format: str = "jpeg") -> bytes:  # noqa: A002  # the field's word
    """Encode pixels as JPEG, 4:2:0 and without metadata, or losslessly as PNG.

    Args:
        array: [height, width], [height, width, 1] or [height, width, 3] uint8 RGB; a fourth channel is alpha, which PNG keeps.
        quality: JPEG quality 1 to 100; without effect on PNG.
        format: ``"jpeg"`` or ``"png"``.

    Returns:
        The encoded image; a JPEG has the bytes that ``cv2.imencode`` gives at the same quality.

    Raises:
        ValueError: the array or an option is outside these bounds.
    """
    from PIL import Image

    check_encoding(quality, format)
    pixels = _drop_single_channel(array)
    out = io.BytesIO()
    if format == "png":
        Image.fromarray(pixels).save(out, "PNG")
    else:
        Image.fromarray(pixels[..., :3] if pixels.ndim == 3 else pixels).save(out, "JPEG", quality=quality)
    return out.getvalue()


def check_encoding(quality: int, format: str) -> None:  # noqa: A002  # the field's word
    """Refuse encoder options that no encoder takes.

    Args:
        quality: JPEG quality.
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


def _drop_single_channel(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    shape = array.shape
    if array.dtype != np.uint8 or len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3, 4)):
        msg = f"an image is uint8 [height, width] or [height, width, 1, 3 or 4], not {array.dtype} {list(shape)}"
        raise ValueError(msg)
    if not all(1 <= side <= MAX_SIDE for side in shape[:2]):
        msg = f"an image has 1 to {MAX_SIDE:,} pixels a side, not {shape[1]}x{shape[0]}"
        raise ValueError(msg)
    return array[..., 0] if array.ndim == 3 and shape[2] == 1 else array


def _read_jpeg(data: bytes, info: ImageInfo, color: str, at_least: tuple[int, int] | None) -> NDArray[np.uint8]:
    from PIL import JpegImagePlugin

    with JpegImagePlugin.JpegImageFile(io.BytesIO(strip_jpeg(data))) as image:
        if color == "grey" or at_least is not None:
            swapped = color != "unchanged" and info.orientation > 4
            size = at_least if at_least is None or swapped else at_least[::-1]  # Pillow's sizes are (width, height)
            image.draft("L" if color == "grey" else None, size)  # libjpeg's own luma, as OpenCV asks for it
        pixels = np.asarray(image)
    if info.channels == 4:
        return cmyk_to_grey(pixels) if color == "grey" else cmyk_to_rgb(pixels)
    return np.repeat(pixels[..., None], 3, axis=2) if color == "rgb" and pixels.ndim == 2 else pixels


def _read_png(data: bytes, color: str) -> NDArray[np.uint8]:
    from PIL import PngImagePlugin

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


def _keep_alpha(image: Image.Image) -> Image.Image:
    if image.mode in ("1", "L"):
        return image.convert("L")
    alpha = image.mode in ("LA", "RGBA") or "transparency" in image.info
    return image.convert("RGBA" if alpha else "RGB")
