"""The gate's walk through a JPEG: markers from SOI to EOI, without decoding a pixel.

Strategy: follow libjpeg's reader. It takes the next 0xFF that is followed by neither 0x00 (a stuffed byte), 0xFF (fill) nor
a restart number as the next marker, inside entropy-coded data and between segments alike, and skips whatever lies before
it. What libjpeg refuses by structure alone is refused here; damaged entropy data between two markers is for a decoder. An
encoder writes the same bytes in front of the first scan of many images, so what they say is remembered for some of them.
"""

from __future__ import annotations

import re
import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from recordio_kit._images.exif import read_orientation
from recordio_kit._images.info import MAX_PARTS, MAX_SCANS, ImageInfo, check_size, refuse
from recordio_kit.errors import ImageError


if TYPE_CHECKING:
    from collections.abc import Iterator

JPEG_SIGNATURE: Final = b"\xff\xd8\xff"
_MARKER: Final = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
_SOI, _EOI, _SOS, _APP1 = 0xD8, 0xD9, 0xDA, 0xE1
#: Baseline, extended and progressive, Huffman or arithmetic: what libjpeg decodes.
_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
#: Lossless, differential and hierarchical frames.
_FOREIGN_FRAMES: Final = frozenset({0xC3, 0xC5, 0xC6, 0xC7, 0xC8, 0xCB, 0xCD, 0xCE, 0xCF})
#: DHT, DAC, SOS, DQT, DNL, DRI, APP0 to APP15, COM.
_KNOWN: Final = _FRAMES | {0xC4, 0xCC, _SOS, 0xDB, 0xDC, 0xDD, *range(0xE0, 0xF0), 0xFE}
_AT_ONCE: Final = {bytes((0xFF, marker)): marker for marker in _KNOWN}

#: What decoders do not need: APPn and comments but for JFIF's APP0 and Adobe's APP14, on which the colours depend.
_METADATA: Final = frozenset({*range(0xE1, 0xEE), 0xEF, 0xFE})
_SCAN: Final = b"\xff\xda"
#: Heads that are worth remembering end before this; those with metadata are longer, and each other's like in no two images.
_HEAD_BYTES: Final = 2048
_HEADS: Final = 64


class _Head(NamedTuple):
    """Say what stands in front of a JPEG's first scan: its frame, its orientation if any, and how many segments."""

    frame: tuple[int, int, int]
    orientation: int | None
    parts: int


def walk_jpeg(data: bytes) -> ImageInfo:
    """Return what a JPEG's markers say.

    Args:
        data: bytes that begin with a JPEG signature.

    Raises:
        ImageError: the image is truncated, corrupt, too large, or of a variant that image readers do not decode.
    """
    frame = orientation = None
    scans = end = parts = 0
    start = len(JPEG_SIGNATURE) - 1
    scan = data.find(_SCAN, start, _HEAD_BYTES)
    if scan > 0:
        behind = scan + 2 + int.from_bytes(data[scan + 2 : scan + 4], "big")
        head = _read_head(data[:behind])
        if head is not None:
            frame, orientation, parts = head
            match = _MARKER.search(data, behind)
            if match is not None and data[match.start() + 1] == _EOI:  # one scan, as in most JPEGs
                return ImageInfo("jpeg", *frame, orientation or 1, len(data) - match.end())
            scans, start = 1, behind
    for marker, offset, behind in segments(data, start, MAX_PARTS - parts):
        if marker == _EOI:
            end = behind
        elif marker == _SOS:
            scans += 1
            if frame is None:
                refuse("corrupt", f"the JPEG scan at byte {offset} comes before the frame header")
            if scans > MAX_SCANS:
                refuse("too-many-scans", f"more than {MAX_SCANS} scans; no honest encoder writes so many")
        elif marker in _FRAMES:
            if frame is not None:
                refuse("corrupt", f"a second JPEG frame header at byte {offset}")
            frame = _read_frame(data[offset + 4 : behind])
        elif marker == _APP1 and orientation is None and not scans:
            orientation = read_orientation(data[offset + 10 : behind])  # OpenCV looks at the first APP1 alone, whatever it holds
    if frame is None or not scans:
        refuse("corrupt", "the JPEG ends before it holds an image")
    height, width, channels = frame
    return ImageInfo("jpeg", height, width, channels, orientation or 1, len(data) - end)


@lru_cache(maxsize=_HEADS)
def _read_head(head: bytes) -> _Head | None:
    """Return what the bytes up to and with a scan's own segment say, if that is where a walk meets the first scan."""
    frame = orientation = None
    try:
        for parts, (marker, offset, behind) in enumerate(segments(head), 1):
            if marker == _SOS:
                return None if frame is None or behind != len(head) else _Head(frame, orientation, parts)
            if marker in _FRAMES:
                if frame is not None:
                    return None
                frame = _read_frame(head[offset + 4 : behind])
            elif marker == _APP1 and orientation is None:
                orientation = read_orientation(head[offset + 10 : behind])
    except ImageError:  # what is wrong with it is said by the walk through the whole image
        return None
    return None


def strip_jpeg(data: bytes) -> bytes:
    """Return a JPEG that has passed the gate without the metadata in front of its first scan.

    What lies between segments goes too: readers skip it, but for where it would come to stand behind the signature's first
    two bytes, and there they take the whole for something else.

    Args:
        data: the whole image.
    """
    pieces = [data[:2]]
    for marker, offset, behind in segments(data):
        if marker == _SOS:
            pieces.append(data[offset:])
            break
        if marker not in _METADATA:
            pieces.append(data[offset:behind])
    return b"".join(pieces)


def segments(data: bytes, offset: int = len(JPEG_SIGNATURE) - 1, most: int = MAX_PARTS) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, its offset, the position behind its segment) up to and with the end marker.

    Args:
        data: the whole image.
        offset: where to start.
        most: segments that may come from there on.

    Raises:
        ImageError: they break the format's rules, are too many, or end early.
    """
    size = len(data)
    for _ in range(most):
        marker = _AT_ONCE.get(data[offset : offset + 2])
        if marker is None:  # not a segment right behind the last one, but scan data, filling or something wrong
            match = _MARKER.search(data, offset)
            if match is None:
                break
            offset, marker = match.start(), data[match.start() + 1]
            if marker == _EOI:
                yield marker, offset, offset + 2
                return
            if marker in _FOREIGN_FRAMES:
                refuse("format", "a lossless, differential or hierarchical JPEG, which image readers do not decode: convert it")
            if marker not in _KNOWN:
                what = "a second start of image" if marker == _SOI else f"the unknown marker {marker:#04x}"
                refuse("corrupt", f"{what} at byte {offset} of the JPEG")
        if offset + 4 > size:
            break
        length = data[offset + 2] << 8 | data[offset + 3]
        end = offset + 2 + length
        if end > size:
            break
        if length < 2:
            refuse("corrupt", f"a JPEG segment of length {length} at byte {offset}")
        yield marker, offset, end
        offset = end
    else:
        refuse("too-large", f"more than {MAX_PARTS:,} JPEG segments")
    refuse("truncated", f"the JPEG ends after {len(data)} bytes without its end marker; fetch the file again")


def _read_frame(segment: bytes) -> tuple[int, int, int]:
    """Return (height, width, channels) from a frame header."""
    if len(segment) < 6 or len(segment) != 6 + 3 * segment[5]:
        refuse("corrupt", "the JPEG's frame header has the wrong length")
    precision, height, width, channels = struct.unpack_from(">BHHB", segment)
    if precision != 8:
        refuse("format", f"a JPEG of {precision} bits a sample; image readers take 8: convert it")
    if channels not in (1, 3, 4):
        refuse("format", f"a JPEG of {channels} components; image readers take 1, 3 or 4: convert it")
    check_size(height, width)
    return height, width, channels
