"""WebP: the gate's walk through its chunks, and its encoder.

Strategy: follow libwebp's reader through the RIFF container (https://developers.google.com/speed/webp/docs/riff_container),
whose size field says where the image ends. The canvas is checked here, since the decoder allocates it as soon as it sees it.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from recordio_kit._images.exif import read_orientation
from recordio_kit._images.info import MAX_PARTS, ImageInfo, check_size, refuse


if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

_ALPHA: Final = 0x10
#: What carries pixels: a lossy image, a lossless one, a frame of an animation.
_PIXELS: Final = frozenset({b"VP8 ", b"VP8L", b"ANMF"})


def walk_webp(data: bytes) -> ImageInfo:
    """Return what a WebP's chunks say.

    Args:
        data: bytes that begin with a WebP signature.

    Raises:
        ImageError: the image is truncated, corrupt or too large.
    """
    canvas, orientation, pixels = None, 1, False
    for kind, start, end in webp_chunks(data):
        body = data[start:end]
        if canvas is None:
            canvas = _read_canvas(kind, body)
            check_size(*canvas[:2])
        elif kind == b"EXIF":
            orientation = read_orientation(body.removeprefix(b"Exif\0\0"))
        pixels |= kind in _PIXELS
    if canvas is None or not pixels:
        refuse("corrupt", "the WebP holds no pixels (no VP8, VP8L or ANMF chunk)")
    return ImageInfo("webp", *canvas, orientation, len(data) - _whole(data))


def webp_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, start of the body, position behind it) of a WebP's chunks.

    Args:
        data: bytes that begin with a WebP signature.

    Raises:
        ImageError: the image is truncated, or has too many chunks.
    """
    whole = _whole(data)
    if whole > len(data):
        refuse("truncated", f"the WebP has {len(data)} bytes, and its header says {whole}; fetch the file again")
    position = 12
    for _ in range(MAX_PARTS):
        if position + 8 > whole:
            return
        end = position + 8 + int.from_bytes(data[position + 4 : position + 8], "little")
        if end > whole:
            refuse("truncated", f"the WebP's {data[position : position + 4]!r} chunk at byte {position} leads behind its end")
        yield data[position : position + 4], position + 8, end
        position = end + end % 2
    refuse("too-large", f"more than {MAX_PARTS:,} WebP chunks")


def write_webp(pixels: NDArray[np.uint8], quality: int, exif: bytes, icc_profile: bytes) -> bytes:
    """Return a lossy WebP of the pixels.

    Args:
        pixels: [height, width] or [height, width, 3 or 4] uint8; grey is stored as colour, which is all that WebP has.
        quality: 1 to 100.
        exif: a TIFF block, or nothing.
        icc_profile: a profile, or nothing.
    """
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "WEBP", quality=quality, exif=exif, icc_profile=icc_profile)
    return out.getvalue()


def _whole(data: bytes) -> int:
    """Return how many bytes the header says that there are."""
    return 8 + int.from_bytes(data[4:8], "little")


def _read_canvas(kind: bytes, body: bytes) -> tuple[int, int, int]:
    """Return (height, width, channels) from the first chunk."""
    if kind == b"VP8X" and len(body) >= 10:
        width, height = (int.from_bytes(body[at : at + 3], "little") + 1 for at in (4, 7))
        return height, width, 4 if body[0] & _ALPHA else 3
    if kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a" and len(body) >= 10:
        width, height = (int.from_bytes(body[at : at + 2], "little") & 0x3FFF for at in (6, 8))
        return height, width, 3
    if kind != b"VP8L" or body[:1] != b"\x2f" or len(body) < 5:
        refuse("corrupt", f"the WebP begins with the chunk {kind!r}, which gives no size")
    bits = int.from_bytes(body[1:5], "little")
    return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1, 4 if bits >> 28 & 1 else 3
