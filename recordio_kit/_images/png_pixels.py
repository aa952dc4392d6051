"""PNG to pixels and back, as OpenCV reads and writes them.

Strategy: Pillow inflates and unfilters, and is shown header, palette and pixels alone, so no warning filter, global limit or
metadata parser of the process has a say. What libpng, as OpenCV drives it, makes of the samples is done here. Of a 16-bit
colour sample Pillow keeps one byte, so it is asked twice. Writing is ``png_write``'s.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from recordio_kit._images.colors import png16_to_grey, png_to_grey
from recordio_kit._images.engine_pillow import refuse_lenient_pillow
from recordio_kit._images.png import make_chunk, make_header
from recordio_kit._images.png_traits import read_traits
from recordio_kit._images.png_write import write_png


if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recordio_kit._images.png_traits import PngTraits

    #: uint8, or uint16 of a PNG that has 16 bits a sample.
    Samples: TypeAlias = NDArray[Any]

__all__ = ["read_png", "read_stored_png", "write_png"]

_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6
#: Colour types of which a 16-bit pixel is as wide as an 8-bit one of this Pillow mode.
_SAME_WIDTH: Final = {_GREY: "LA", _GREY_ALPHA: "RGBA"}


def read_png(data: bytes, color: str) -> NDArray[np.uint8]:
    """Return the pixels of a PNG that has passed the gate.

    Args:
        data: the whole image.
        color: as for ``codec.decode_image``.

    Returns:
        As ``codec.decode_image``, but perhaps read-only. Of 16 bits the high byte is kept, at the very end.

    Raises:
        Exception: whatever Pillow makes of bad pixel data.
    """
    traits = read_traits(data)
    samples = _read_samples(traits)
    if color == "unchanged":
        return _high_bytes(_with_alpha(samples, traits))
    pixels = _without_alpha(samples, traits)
    if color == "rgb":
        rgb = _high_bytes(pixels)
        return np.repeat(rgb[..., None], 3, axis=2) if rgb.ndim == 2 else rgb
    if pixels.ndim == 2:
        return _high_bytes(pixels)
    if traits.depth == 16:
        return png16_to_grey(pixels, traits.gamma, traits.sample_bits)
    return png_to_grey(pixels, traits.gamma)


def read_stored_png(data: bytes) -> Samples:
    """Return what ``cv2.imread`` makes of a PNG with flag -1, but in RGB order: all 16 bits of a sample where it has them.

    Args:
        data: an image that has passed the gate.

    Raises:
        Exception: whatever Pillow makes of bad pixel data.
    """
    traits = read_traits(data)
    return _with_alpha(_read_samples(traits), traits)


def _read_samples(traits: PngTraits) -> Samples:
    """Return [height, width] or, for more than one sample a pixel, [height, width, samples]; less than 8 bits are stretched."""
    refuse_lenient_pillow()
    if traits.depth < 16:
        return _read_narrow(traits)
    if (mode := _SAME_WIDTH.get(traits.color)) is not None:
        wide = _inflate(traits, mode, mode).view(">u2").astype(np.uint16)
        return wide[..., 0] if traits.color == _GREY else wide
    mode = "RGB" if traits.color == _RGB else "RGBA"
    # what is called little-endian here has the low bytes in front
    return _inflate(traits, mode, f"{mode};16B").astype(np.uint16) << 8 | _inflate(traits, mode, f"{mode};16L")


def _read_narrow(traits: PngTraits) -> NDArray[np.uint8]:
    from PIL import PngImagePlugin

    header = make_header(traits.height, traits.width, traits.depth, traits.color, interlaced=traits.interlaced)
    palette = make_chunk(b"PLTE", traits.palette) if traits.palette else b""
    plain = b"".join((header, palette, make_chunk(b"IDAT", traits.stream), make_chunk(b"IEND", b"")))
    with PngImagePlugin.PngImageFile(io.BytesIO(plain)) as image:
        image.load()
        samples = np.asarray(image)
    return samples.astype(np.uint8) * np.uint8(255) if samples.dtype == np.bool_ else samples


def _inflate(traits: PngTraits, mode: str, stored: str) -> NDArray[np.uint8]:
    """Return the pixels that Pillow unpacks to ``mode`` from what it is told is ``stored``."""
    from PIL import Image

    size = (traits.width, traits.height)
    return np.asarray(Image.frombytes(mode, size, traits.stream, "zip", stored, int(traits.interlaced)))


def _with_alpha(samples: Samples, traits: PngTraits) -> Samples:
    """Return [height, width] or [height, width, 3 or 4]."""
    if traits.color == _GREY_ALPHA:
        return samples[..., [0, 0, 0, 1]]
    if traits.color == _RGB_ALPHA:
        return samples
    if not traits.transparency:
        return _without_alpha(samples, traits)
    if traits.color == _PALETTE:
        return _look_up(samples, traits)
    top = np.iinfo(samples.dtype).max
    clear = np.frombuffer(traits.transparency, ">u2") & top
    alpha = np.where((samples == clear).all(axis=2), 0, top).astype(samples.dtype)
    return np.concatenate((samples, alpha[..., None]), axis=2)


def _without_alpha(samples: Samples, traits: PngTraits) -> Samples:
    """Return [height, width] or [height, width, 3]."""
    if traits.color == _PALETTE:
        samples = _look_up(samples, traits)
    elif traits.color == _GREY_ALPHA:
        return samples[..., 0]
    if samples.shape[2:] != (4,):
        return samples
    return np.stack([samples[..., channel] for channel in range(3)], axis=2)  # in a third of the time of a slice's copy


def _look_up(indices: NDArray[np.uint8], traits: PngTraits) -> NDArray[np.uint8]:
    """Return [height, width, 4]: the palette's colours, black where it has none, and alpha."""
    table = np.zeros((256, 4), np.uint8)
    table[: len(traits.palette) // 3, :3] = np.frombuffer(traits.palette, np.uint8).reshape(-1, 3)
    table[:, 3] = 255
    table[: len(traits.transparency), 3] = np.frombuffer(traits.transparency, np.uint8)
    return table.view(np.uint32)[:, 0].take(indices).view(np.uint8).reshape(*indices.shape, 4)


def _high_bytes(pixels: Samples) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint16:
        return (pixels >> 8).astype(np.uint8)
    return np.ascontiguousarray(pixels)
