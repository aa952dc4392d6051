"""What decides how a PNG's samples become pixels: its header, palette and transparency, and what it says of its colours.

Strategy: chunks in front of the pixels count as they do for libpng 1.6.40, which OpenCV 4.8.1 carries: one that is malformed,
repeated or out of place is ignored, and a contradiction in what is said of colours ends what is believed of them. One such
contradiction is not looked for: primaries that are in bounds and yet no base of a colour space.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final

from recordio_kit._images.info import MAX_TEXT_CHUNK
from recordio_kit._images.png import PNG_SIGNATURE
from recordio_kit._images.png import chunks as png_chunks


#: The gamma of samples that are proportional to light, which is assumed where the file states none.
LINEAR: Final = 100_000
_SRGB: Final = 45_455
#: libpng's bounds on a stated gamma.
_GAMMAS: Final = range(16, 625_000_001)
_RGB, _PALETTE = 2, 3
#: Colour type to samples a pixel, of which sBIT speaks; a palette's entries have three.
_SAMPLES: Final = {0: 1, _RGB: 3, _PALETTE: 3, 4: 2, 6: 4}
#: x and y times 100,000 of white, red, green and blue.
_SRGB_POINTS: Final = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
#: Length and CRC-32 of the profiles that libpng takes for sRGB (``png_sRGB_checks``): by color.org, HP and Microsoft.
_SRGB_PROFILES: Final = {
    (3048, 0x3B8772B9),
    (3052, 0x427EBB21),
    (60988, 0x306FD8AE),
    (60960, 0xBBEF7812),
    (3024, 0x5D5129CE),
    (3144, 0x182EA552),
    (3144, 0xF29E526D),
}


@dataclass(frozen=True, slots=True)
class PngTraits:
    """Describe a PNG.

    Args:
        height: rows.
        width: columns.
        depth: bits a sample, 1 to 16.
        color: the PNG's colour type: 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha.
        interlaced: whether the pixels are stored in seven passes.
        palette: RGB triples; empty where samples are no indices.
        transparency: the alphas of the palette's first entries, or the one transparent colour in 16-bit RGB; empty where none.
        gamma: times 100,000; ``LINEAR`` where the file states none.
        sample_bits: how many bits of a 16-bit sample count.
        stream: the compressed pixels.
    """

    height: int
    width: int
    depth: int
    color: int
    interlaced: bool
    palette: bytes
    transparency: bytes
    gamma: int
    sample_bits: int
    stream: bytes


def is_linear(gamma: int) -> bool:
    """Tell whether libpng takes a gamma for 1 (``png_gamma_significant``).

    Args:
        gamma: times 100,000.
    """
    return 95_000 <= gamma <= 105_000


def read_traits(data: bytes) -> PngTraits:
    """Return what a PNG that has passed the gate says of itself.

    Args:
        data: the whole image.

    Raises:
        ValueError: libpng would refuse its palette.
    """
    reader = _Reader()
    stream: list[bytes] = []
    start = len(PNG_SIGNATURE)
    for kind, body, end in png_chunks(data):
        if kind == b"IDAT":
            stream.append(data[start + 8 : end - 4])
        elif stream:
            break  # the pixels end where anything follows them
        else:
            reader.take(kind, body)
        start = end
    return reader.finish(b"".join(stream))


class _Reader:
    """Take in chunks as libpng's handlers do."""

    def __init__(self) -> None:
        self._width = self._height = self._depth = self._color = self._interlace = 0
        self._palette = self._transparency = b""
        self._gamma = 0
        self._sample_bits = 16
        self._believed: set[bytes] = set()  # a profile that is known for sRGB counts as the chunk sRGB
        self._contradicted = False

    def take(self, kind: bytes, body: bytes) -> None:
        """Take in a chunk in front of the pixels.

        Raises:
            ValueError: the palette is a second one, or no row of RGB triples.
        """
        if kind == b"IHDR":
            self._width, self._height, self._depth, self._color, _, _, self._interlace = struct.unpack(">IIBBBBB", body)
        elif kind == b"PLTE":
            self._take_palette(body)
        elif kind == b"tRNS":
            fits = len(body) == 6 if self._color == _RGB else 0 < len(body) <= len(self._palette) // 3
            if fits and kind not in self._believed:
                self._believed.add(kind)
                self._transparency = body
        elif b"PLTE" not in self._believed:
            self._take_colors(kind, body)

    def finish(self, stream: bytes) -> PngTraits:
        """Return what was said.

        Raises:
            ValueError: there is no palette where there must be one.
        """
        if self._color == _PALETTE and not self._palette:
            msg = "no palette in front of the pixels"
            raise ValueError(msg)
        return PngTraits(
            height=self._height,
            width=self._width,
            depth=self._depth,
            color=self._color,
            interlaced=bool(self._interlace),
            palette=self._palette,
            transparency=self._transparency,
            gamma=self._gamma or LINEAR,
            sample_bits=self._sample_bits,
            stream=stream,
        )

    def _take_palette(self, body: bytes) -> None:
        usable = len(body) <= 768 and not len(body) % 3
        useless = not (usable and body) if self._color == _PALETTE else self._color & _RGB and not body
        if b"PLTE" in self._believed or useless:
            msg = "a second palette, or one that is no row of RGB triples"
            raise ValueError(msg)
        self._believed.add(b"PLTE")
        self._transparency = b""  # what stands in front of a palette is out of place
        if self._color == _PALETTE:
            self._palette = body[: 3 << self._depth]

    def _take_colors(self, kind: bytes, body: bytes) -> None:
        if kind == b"sBIT" and kind not in self._believed and len(body) == _SAMPLES[self._color]:
            if all(1 <= bits <= self._depth for bits in body):
                self._believed.add(kind)
                self._sample_bits = max(body[:3])
        elif self._contradicted:
            return
        elif kind == b"gAMA" and len(body) == 4:
            self._take_gamma(int.from_bytes(body, "big"))
        elif kind == b"cHRM" and len(body) == 32 and max(body[::4]) < 0x80:
            self._contradicted = kind in self._believed or not _are_primaries(body, srgb=b"sRGB" in self._believed)
            self._believed.add(kind)
        elif kind == b"sRGB" and len(body) == 1:
            self._take_srgb(contradicted=body[0] > 3)
        elif kind == b"iCCP" and len(body) >= 92:  # of less libpng says that it is too short
            profile = _read_profile(body, self._color)
            if profile is None or b"sRGB" in self._believed:
                self._contradicted = True
            elif (len(profile), zlib.crc32(profile)) in _SRGB_PROFILES:
                self._take_srgb(contradicted=False)

    def _take_gamma(self, gamma: int) -> None:
        if gamma not in _GAMMAS or b"gAMA" in self._believed:
            self._contradicted = True
        elif b"sRGB" not in self._believed or is_linear(round(self._gamma * LINEAR / gamma)):
            self._believed.add(b"gAMA")
            self._gamma = gamma

    def _take_srgb(self, *, contradicted: bool) -> None:
        if contradicted or b"sRGB" in self._believed:
            self._contradicted = True
        else:
            self._believed.add(b"sRGB")
            self._gamma = _SRGB


def _are_primaries(body: bytes, *, srgb: bool) -> bool:
    """Tell whether white point and primaries lie in bounds (``png_XYZ_from_xy``) and near those of sRGB, if that was stated."""
    points = list(struct.iter_unpack(">II", body))
    near = all(abs(value - known) <= 100 for value, known in zip(struct.unpack(">8I", body), _SRGB_POINTS, strict=True))
    return points[0][1] >= 5 and all(x + y <= LINEAR for x, y in points) and (near or not srgb)


def _read_profile(body: bytes, color: int) -> bytes | None:
    """Return the profile of an iCCP, or None where libpng finds it bad (``png_handle_iCCP``, ``png_icc_check_header``)."""
    name, _, rest = body.partition(b"\0")
    try:
        profile = zlib.decompressobj().decompress(rest[1:], MAX_TEXT_CHUNK)
        size, tags = struct.unpack_from(">I", profile)[0], struct.unpack_from(">I", profile, 128)[0]
    except (zlib.error, struct.error):
        return None
    sound = (
        1 <= len(name) <= 79
        and rest[:1] == b"\0"
        and 132 + 12 * tags <= size <= len(profile)
        and not (profile[8] > 3 and size % 4)
        and profile[64:68] < b"\0\0\xff\xff"
        and profile[36:40] == b"acsp"
        and profile[16:20] == (b"RGB " if color & 2 else b"GRAY")
        and profile[12:16] not in (b"abst", b"link")
        and profile[20:24] in (b"XYZ ", b"Lab ")
        and all(at + length <= size for _, at, length in struct.iter_unpack(">III", profile[132 : 132 + 12 * tags]))
    )
    return profile[:size] if sound else None
