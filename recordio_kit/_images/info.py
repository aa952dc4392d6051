"""What the gate says about an image: the facts, the reasons for a refusal, and the limits.

Strategy: values only, shared by the gate and its two walkers, so that neither has to know the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NoReturn

from recordio_kit.errors import ImageError


if TYPE_CHECKING:
    from collections.abc import Mapping

#: Why an image may be refused: the closed set of ``ImageError.reason``, which manifests store, each with its meaning.
REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "missing": "there is no such file",
        "not-a-file": "a folder, device or pipe, or a link out of the root",
        "unreadable": "no permission to read the file",
        "changed": "the file changed while it was being packed",
        "empty": "no bytes",
        "too-large": "more bytes, segments or text than any sound image has",
        "not-an-image": "the bytes begin like no image format",
        "format": "an image, but of a format or variant that is not allowed",
        "truncated": "the bytes end before the image does",
        "corrupt": "the structure breaks the format's rules",
        "too-many-pixels": "a side or an area above the limit",
        "too-many-scans": "a progressive JPEG built to cost hours",
        "undecodable": "the structure is sound, the decoder refuses the pixels",
    }
)

#: How closely an image is looked at. "fast": the gate. "decode": the gate and a whole decode. "strict": no codec warning
#: either. "none": any bytes at all.
CHECKS: Final = ("fast", "decode", "strict", "none")

#: ``cv2.imread``'s flags 1, 0 and -1: three channels, one channel, or what is stored and as it is stored (no rotation).
COLORS: Final = ("rgb", "grey", "unchanged")

MAX_BYTES: Final = 256 << 20
#: libjpeg's JPEG_MAX_DIMENSION.
MAX_SIDE: Final = 65_500
#: libwebp's WEBP_MAX_DIMENSION: the format has 14 bits for a side.
MAX_WEBP_SIDE: Final = 16_383
#: What can be written, with the most pixels a side.
ENCODINGS: Final[Mapping[str, int]] = MappingProxyType({"jpeg": MAX_SIDE, "png": MAX_SIDE, "webp": MAX_WEBP_SIDE})
#: Pillow's default limit, above which it warns of a decompression bomb.
MAX_PIXELS: Final = 89_478_485
#: The limit of libjpeg-turbo's own fuzzers; honest encoders write about ten.
MAX_SCANS: Final = 100
#: Segments of a JPEG or chunks of a PNG: 64 KiB each would already make the largest file sixteen times over.
MAX_PARTS: Final = 65_536
#: Pillow's limits on the unpacked text of one PNG chunk and of all.
MAX_TEXT_CHUNK: Final = 1 << 20
MAX_TEXT: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """Describe an image that passed the gate.

    Args:
        format: ``"jpeg"``, ``"png"``, or another of ``gate.SOURCES`` where that was asked for.
        height: stored rows, before the orientation is applied.
        width: stored columns, before the orientation is applied.
        channels: 1 grey, 2 grey and alpha, 3 colour or palette, 4 CMYK or colour and alpha.
        orientation: EXIF orientation, 1 to 8; 1 where there is none.
        trailing: bytes behind the end of the image, which decoders ignore.
    """

    format: str
    height: int
    width: int
    channels: int
    orientation: int = 1
    trailing: int = 0


def refuse(reason: str, message: str) -> NoReturn:
    """Refuse an image.

    Args:
        reason: one of ``REASONS``.
        message: what is wrong and what to do next.

    Raises:
        ImageError: always.
    """
    raise ImageError(message, reason=reason)


def check_size(height: int, width: int) -> None:
    """Refuse an image without pixels or with too many.

    Args:
        height: rows.
        width: columns.

    Raises:
        ImageError: a side is 0 or above 65,500, or the area is above 89 million pixels.
    """
    if not height or not width:
        refuse("corrupt", f"the header says {width}x{height} pixels")
    if max(height, width) > MAX_SIDE or height * width > MAX_PIXELS:
        limits = f"{MAX_SIDE:,} a side and {MAX_PIXELS:,} in all"
        refuse("too-many-pixels", f"{width}x{height} pixels; the limits are {limits}: shrink it first")
