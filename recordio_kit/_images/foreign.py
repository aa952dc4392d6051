"""Formats that are taken to be re-encoded and never packed as they are: BMP, GIF, TIFF, WebP, HEIC and AVIF.

Strategy: the gate has judged the bytes (``foreign_gate``); then Pillow's class for that very format is used, not
``Image.open``, and what it gives becomes an array by the rules that OpenCV has for PNG: the first frame only, alpha dropped
and not composed, the high byte of 16-bit samples.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
from typing import TYPE_CHECKING, Final

import numpy as np

from recordio_kit._images.engine_pillow import refuse_lenient_pillow
from recordio_kit._images.info import refuse
from recordio_kit._images.tiff import strip_tiff


if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray
    from PIL import Image

    from recordio_kit._images.info import ImageInfo

#: Format -> module and class that read it.
_READERS: Final[Mapping[str, tuple[str, str]]] = {
    "bmp": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "gif": ("PIL.GifImagePlugin", "GifImageFile"),
    "tiff": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "webp": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "heic": ("pillow_heif", "HeifImageFile"),
    "avif": ("PIL.AvifImagePlugin", "AvifImageFile"),
}
FOREIGN: Final = tuple(_READERS)
#: What files of these formats are called.
SUFFIXES: Final[Mapping[str, str]] = {
    ".bmp": "bmp", ".dib": "bmp", ".gif": "gif", ".tif": "tiff", ".tiff": "tiff",
    ".webp": "webp", ".heic": "heic", ".heif": "heic", ".hif": "heic", ".avif": "avif",
}  # fmt: skip
_INSTALL: Final = {"heic": "pip install pillow-heif", "avif": "pip install --upgrade 'pillow>=11.3'"}
#: Modes that only convert by way of another: with colours multiplied by alpha.
_PREMULTIPLIED: Final = {"La": "LA", "RGBa": "RGBA"}
#: 0.299, 0.587 and the rest: of 2**14 in OpenCV's readers of BMP and TIFF, of 2**15 in its general conversion.
_BITS: Final[Mapping[str, int]] = {"bmp": 14, "tiff": 14}
_WEIGHTS: Final = {14: np.array([4899, 9617, 1868], np.int32), 15: np.array([9798, 19235, 3735], np.int32)}


class MissingCodecError(RuntimeError):
    """A format needs a library that is not installed."""


def missing_codec(formats: Collection[str]) -> str | None:
    """Return what to install for formats that cannot be read or written here; None where all can.

    Args:
        formats: names of formats, of which the foreign ones are looked at.
    """
    for name in FOREIGN:
        if name in formats and not _has_codec(name):
            way = _INSTALL.get(name, "pip install --upgrade pillow")
            return f"{name.upper()} needs a library that is not installed: {way}"
    return None


def open_foreign(data: bytes, name: str) -> Image.Image:
    """Return the image, of which nothing but the header has been read.

    Args:
        data: the whole image, whose structure and size have been judged.
        name: one of ``FOREIGN``.

    Raises:
        MissingCodecError: it needs a library that is not installed.
        Exception: whatever Pillow makes of a bad header.
    """
    if (problem := missing_codec([name])) is not None:
        raise MissingCodecError(problem)
    module, reader = _READERS[name]
    file = io.BytesIO(strip_tiff(data) if name == "tiff" else data)
    image: Image.Image = getattr(importlib.import_module(module), reader)(file)
    return image


def read_foreign(data: bytes, info: ImageInfo, color: str) -> NDArray[np.uint8]:
    """Return the pixels of an image that has passed the gate.

    Args:
        data: the whole image.
        info: what the gate said about it.
        color: as for ``codec.decode_image``.

    Raises:
        MissingCodecError: it needs a library that is not installed.
        Exception: whatever Pillow makes of bad pixel data.
    """
    refuse_lenient_pillow()
    with open_foreign(data, info.format) as image:
        image.load()
        if image.size != (info.width, info.height):
            refuse("corrupt", f"{image.width}x{image.height} pixels where the header says {info.width}x{info.height}")
        return _as_array(image, color, _BITS.get(info.format, 15))


def _as_array(image: Image.Image, color: str, bits: int) -> NDArray[np.uint8]:
    if image.mode.startswith("I;16"):
        pixels = (np.asarray(image) >> 8).astype(np.uint8)
        return np.repeat(pixels[..., None], 3, axis=2) if color == "rgb" else pixels
    if image.mode in _PREMULTIPLIED:
        image = image.convert(_PREMULTIPLIED[image.mode])
    elif image.mode == "CMYK":
        image = _without_inks(image)
    grey = image.mode in ("1", "L", "LA")
    if color == "unchanged":
        alpha = image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info
        return np.asarray(image.convert("RGBA" if alpha else "L" if grey else "RGB"))
    image.info.pop("transparency", None)  # else convert() warns
    if color == "grey" and grey:
        return np.asarray(image.convert("L"))
    pixels = np.asarray(image.convert("RGB"))
    return (pixels @ _WEIGHTS[bits] + (1 << bits - 1) >> bits).astype(np.uint8) if color == "grey" else pixels


def _without_inks(cmyk: Image.Image) -> Image.Image:
    """Return RGB as libtiff makes it."""
    from PIL import Image

    left = 255 - np.asarray(cmyk).astype(np.int32)
    return Image.fromarray((left[..., :3] * left[..., 3:] // 255).astype(np.uint8))


def _has_codec(name: str) -> bool:
    if name == "heic":
        return importlib.util.find_spec("pillow_heif") is not None
    from PIL import features

    if name == "tiff":
        return features.check_codec("libtiff")
    return name not in ("webp", "avif") or (name in features.modules and features.check_module(name))
