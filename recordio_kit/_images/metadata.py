"""Metadata: what of it a re-encoded image keeps, and images without any.

Strategy: whole segments and chunks are put in and taken out around the pixels' own bytes, which stay as an encoder wrote
them. Kept are the EXIF block and the ICC profile; XMP, IPTC, comments, thumbnails beside the image and whatever stands
behind its end are never kept.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

from recordio_kit._images.exif import make_orientation, set_orientation
from recordio_kit._images.foreign import open_foreign
from recordio_kit._images.info import MAX_TEXT_CHUNK, refuse
from recordio_kit._images.jpeg import segments as jpeg_segments
from recordio_kit._images.png import PNG_SIGNATURE, make_chunk
from recordio_kit._images.png import chunks as png_chunks
from recordio_kit._images.png_traits import LINEAR, read_traits
from recordio_kit._images.tiff import read_profile
from recordio_kit._images.webp import webp_chunks


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from recordio_kit._images.info import ImageInfo

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_APP0, _APP1, _APP2, _APP14, _SOS, _END, _COMMENT = 0xE0, 0xE1, 0xE2, 0xEE, 0xDA, 0xD9, 0xFE
_EXIF: Final = b"Exif\0\0"
#: What marks a piece of a profile; its number and the number of pieces follow (ICC.1, annex B.4).
_ICC: Final = b"ICC_PROFILE\0"
#: What one segment of a JPEG holds behind its length field and these marks.
_MOST_EXIF: Final = 65_533 - len(_EXIF)
_MOST_ICC: Final = 65_533 - len(_ICC) - 2
#: Where a profile says its colour space (ICC.1, table 17), and what it says by whether the image has colour.
_SPACE: Final = slice(16, 20)
_SPACES: Final[Mapping[bool, bytes]] = {True: b"RGB ", False: b"GRAY"}
#: Behind the signature and IHDR.
_PNG_HEADER_END: Final = len(PNG_SIGNATURE) + 25
#: What stands in front of the pixels and decides what they are.
_PNG_PIXELS: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"sBIT"})


class Metadata(NamedTuple):
    """Hold what an image says about itself.

    Args:
        exif: a TIFF block, from its byte-order mark on, or nothing.
        icc_profile: the whole profile, or nothing.
    """

    exif: bytes
    icc_profile: bytes


def read_metadata(data: bytes, info: ImageInfo) -> Metadata:
    """Return the metadata of an image that has passed the gate.

    Of TIFF the profile alone is read, since its EXIF data is spread over the file; of BMP and GIF nothing.

    Args:
        data: the whole image.
        info: what the gate said about it.
    """
    reader = _READERS.get(info.format)
    if reader is not None:
        return reader(data)
    if info.format in ("bmp", "gif"):
        return Metadata(b"", b"")
    with open_foreign(data, info.format) as image:
        exif, profile = image.info.get("exif"), image.info.get("icc_profile")
    return Metadata((exif or b"").removeprefix(_EXIF), profile or b"")


def fit_metadata(found: Metadata, orientation: int, *, color: bool) -> Metadata:
    """Return what of an image's metadata is still true of its new pixels.

    Args:
        found: the metadata.
        orientation: the new image's; the EXIF block says so.
        color: whether the new image has colour; a profile for other channels is dropped.

    Returns:
        The metadata without a block or profile that is damaged, or larger than every format holds and every reader takes.
    """
    exif, profile = set_orientation(found.exif, orientation), found.icc_profile
    whole = int.from_bytes(profile[:4], "big") == len(profile) <= MAX_TEXT_CHUNK
    fits = whole and profile[_SPACE] == _SPACES[color]
    return Metadata(exif if len(exif) <= _MOST_EXIF else b"", profile if fits else b"")


def splice_jpeg(image: bytes, exif: bytes, icc_profile: bytes) -> bytes:
    """Return a JPEG with metadata put in behind its JFIF segment.

    Args:
        image: a JPEG without metadata.
        exif: a TIFF block, or nothing.
        icc_profile: a profile, or nothing.

    Raises:
        ValueError: the block or the profile does not fit a JPEG.
    """
    pieces = [icc_profile[at : at + _MOST_ICC] for at in range(0, len(icc_profile), _MOST_ICC)]
    if len(exif) > _MOST_EXIF or len(pieces) > 255:
        msg = f"a JPEG holds {_MOST_EXIF:,} bytes of EXIF and {255 * _MOST_ICC:,} of ICC profile"
        raise ValueError(msg)
    parts = [_segment(_APP1, _EXIF + exif)] if exif else []
    parts += [_segment(_APP2, _ICC + bytes((number, len(pieces))) + piece) for number, piece in enumerate(pieces, 1)]
    at = 4 + int.from_bytes(image[4:6], "big") if image[3] == _APP0 else 2
    return b"".join((image[:at], *parts, image[at:]))


def splice_png(image: bytes, exif: bytes, icc_profile: bytes) -> bytes:
    """Return a PNG with metadata put in behind its header; else as ``splice_jpeg``."""
    profile = make_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc_profile)) if icc_profile else b""
    block = make_chunk(b"eXIf", exif) if exif else b""
    return image[:_PNG_HEADER_END] + profile + block + image[_PNG_HEADER_END:]


def strip(data: bytes, info: ImageInfo) -> bytes:
    """Return a JPEG or PNG that has passed the gate with what its pixels and their orientation depend on, and nothing else.

    Args:
        data: the whole image.
        info: what the gate said about it.

    Raises:
        ImageError: what the PNG says of its pixels makes no sense.
    """
    block = b"" if info.orientation == 1 else make_orientation(info.orientation)
    if info.format == "png":
        return splice_png(_strip_png(data), block, b"")
    return splice_jpeg(_strip_jpeg(data), block, b"")


def _strip_jpeg(data: bytes) -> bytes:
    pieces, scan = [_SOI], None
    for marker, offset, behind in jpeg_segments(data):
        if scan is not None:
            pieces.append(data[scan:offset])
        scan = behind if marker == _SOS else None
        body = data[offset + 4 : behind]
        if marker == _APP0:
            kept = body[:5] == b"JFIF\0" and len(body) >= 14
            pieces.append(_segment(_APP0, body[:12] + b"\0\0") if kept else b"")  # without its thumbnail
        elif marker == _APP14:
            pieces.append(_segment(_APP14, body[:12]) if body[:5] == b"Adobe" and len(body) >= 12 else b"")
        elif marker == _END:
            pieces.append(_EOI)
        elif marker != _COMMENT and not _APP0 <= marker <= 0xEF:
            pieces.append(data[offset:behind])
    return b"".join(pieces)


def _strip_png(data: bytes) -> bytes:
    try:
        gamma = read_traits(data).gamma
    except ValueError as error:
        refuse("undecodable", f"the decoder refuses it: {error}")
    pieces, start, pixels = [PNG_SIGNATURE], len(PNG_SIGNATURE), False
    for kind, _, end in png_chunks(data):
        if kind == b"IDAT":
            pixels = True
        elif pixels:
            break  # more pixels behind another chunk would not be read, and are not to be joined to these
        if kind in _PNG_PIXELS or pixels:
            pieces.append(data[start:end])
        if kind == b"IHDR" and gamma != LINEAR:
            pieces.append(make_chunk(b"gAMA", gamma.to_bytes(4, "big")))  # grey depends on it, even where a profile stated it
        start = end
    return b"".join((*pieces, make_chunk(b"IEND", b"")))


def _read_jpeg(data: bytes) -> Metadata:
    exif = b""
    pieces: dict[int, bytes] = {}
    total = 0
    for marker, offset, behind in jpeg_segments(data):
        if marker == _SOS:
            break
        body = data[offset + 4 : behind]
        if marker == _APP1 and not exif and body.startswith(_EXIF):
            exif = body[len(_EXIF) :]
        elif marker == _APP2 and body.startswith(_ICC) and len(body) > len(_ICC) + 2:
            number, total = body[len(_ICC)], body[len(_ICC) + 1]
            pieces[number] = body[len(_ICC) + 2 :]
    whole = list(pieces) == list(range(1, total + 1))
    return Metadata(exif, b"".join(pieces.values()) if whole else b"")


def _read_png(data: bytes) -> Metadata:
    exif = profile = b""
    for kind, body, _ in png_chunks(data):
        if kind == b"eXIf" and not exif:
            exif = body
        elif kind == b"iCCP" and not profile:
            packed = body.partition(b"\0")[2][1:]
            try:
                profile = zlib.decompressobj().decompress(packed, MAX_TEXT_CHUNK)
            except zlib.error:  # as damaged as any reader finds it
                continue
    return Metadata(exif, profile)


def _read_webp(data: bytes) -> Metadata:
    found = {kind: data[start:end] for kind, start, end in webp_chunks(data)}
    return Metadata(found.get(b"EXIF", b"").removeprefix(_EXIF), found.get(b"ICCP", b""))


_READERS: Final[Mapping[str, Callable[[bytes], Metadata]]] = {
    "jpeg": _read_jpeg,
    "png": _read_png,
    "webp": _read_webp,
    "tiff": lambda data: Metadata(b"", read_profile(data)),
}


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body
