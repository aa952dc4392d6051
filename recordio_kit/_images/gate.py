"""The gate: what may reach a decoder at all, judged from the bytes alone, in plain Python.

Strategy: bytes decide, not names. A signature picks the walker (``jpeg``, ``png``, and those of foreign formats where these
are asked for), which follows the file's structure to its end marker and costs about a tenth of a millisecond, so even
pass-through of millions of images can afford it. It finds every truncation, bombs of all kinds and formats that were not
asked for; damage inside the pixel data takes a decoder (see ``check``). Bytes behind the end marker are counted and kept:
cameras and phones put them there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NoReturn

from recordio_kit._images.foreign import FOREIGN, SUFFIXES
from recordio_kit._images.foreign_gate import walk_bmp, walk_gif, walk_heif
from recordio_kit._images.info import MAX_BYTES, REASONS, ImageInfo, refuse
from recordio_kit._images.jpeg import JPEG_SIGNATURE, walk_jpeg
from recordio_kit._images.png import PNG_SIGNATURE, walk_png
from recordio_kit._images.tiff import walk_tiff
from recordio_kit._images.webp import walk_webp
from recordio_kit.errors import ImageError


if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

__all__ = ["FORMATS", "MAX_BYTES", "REASONS", "RECORDS", "SOURCES", "ImageInfo", "inspect"]

_WALKERS: Final[Mapping[str, tuple[bytes, Callable[[bytes], ImageInfo]]]] = {
    "jpeg": (JPEG_SIGNATURE, walk_jpeg),
    "png": (PNG_SIGNATURE, walk_png),
}
#: What MXNet, DALI and SageMaker read from a record.
FORMATS: Final = tuple(_WALKERS)
#: What a record may hold.
RECORDS: Final = (*FORMATS, "webp")
#: What can be decoded here, and so re-encoded.
SOURCES: Final = (*FORMATS, *FOREIGN)
_FOREIGN_WALKERS: Final[Mapping[str, Callable[[bytes], ImageInfo]]] = {
    "bmp": walk_bmp,
    "gif": walk_gif,
    "tiff": walk_tiff,
    "webp": walk_webp,
    "heic": lambda data: walk_heif(data, "heic"),
    "avif": lambda data: walk_heif(data, "avif"),
}
_FOREIGN: Final = re.compile(
    rb"(?P<GIF>GIF8[79]a)|(?P<WebP>RIFF.{4}WEBP)|(?P<TIFF>II\*\0|MM\0\*|II\+\0|MM\0\+)|(?P<BMP>BM.{4}\0{4})"
    rb"|(?P<AVIF>.{4}ftypavi[fs])|(?P<HEIC>.{4}ftyp(?:hei|hev|mif|msf))|(?P<JPEG_2000>\0\0\0\x0cjP  |\xff\x4f\xff\x51)"
    rb"|(?P<JPEG_XL>\xff\x0a|\0\0\0\x0cJXL )|(?P<Photoshop>8BPS)|(?P<OpenEXR>v/1\x01)|(?P<icon>\0\0[\1\2]\0[^\0]\0)",
    re.DOTALL,
)


def inspect(data: bytes, *, formats: Collection[str] = FORMATS) -> ImageInfo:
    """Judge an image by its structure, from its first byte to its end marker.

    Args:
        data: the file's bytes.
        formats: the formats that are allowed, of ``SOURCES``.

    Returns:
        What the image's own header says.

    Raises:
        ImageError: the image may not pass; ``reason`` is one of ``REASONS``.
        RuntimeError: the library that reads an allowed format is not installed.
    """
    if not data:
        refuse("empty", "the file is empty; fetch it again or leave it out")
    if len(data) > MAX_BYTES:
        refuse("too-large", f"{len(data):,} bytes; the limit is {MAX_BYTES:,}")
    for name, (signature, walk) in _WALKERS.items():
        if data.startswith(signature):
            if name not in formats:
                _refuse_format(name.upper(), formats)
            return walk(data)
        if signature.startswith(data):
            refuse("truncated", f"the file ends inside its {name.upper()} signature; fetch it again")
    foreign = _FOREIGN.match(data)
    if foreign is not None:
        kind = str(foreign.lastgroup)
        if kind == "HEIC" and b"avif" in data[16 : int.from_bytes(data[:4], "big")]:  # both may begin with a neutral brand
            kind = "AVIF"
        if kind.lower() in formats and kind.lower() in _FOREIGN_WALKERS:
            return _FOREIGN_WALKERS[kind.lower()](data)
        _refuse_format(kind.replace("_", " "), formats)
    msg = f"no image format begins with the bytes {data[:8].hex(' ')}; leave the file out"
    raise ImageError(msg, reason="not-an-image")


def _refuse_format(name: str, formats: Collection[str]) -> NoReturn:
    allowed = [known.upper() for known in SOURCES if known in formats]
    told = f"{', '.join(allowed[:-1])} and {allowed[-1]}" if allowed[1:] else "".join(allowed)
    suffixes = " ".join(suffix for suffix, known in SUFFIXES.items() if known == name.lower())
    way = f"take it by re-encoding (Reencode(sources=...); --resize N --exts {suffixes}), " if suffixes else ""
    refuse("format", f"its bytes are {name}, only {told} may be packed; {way}convert it or leave it out")
