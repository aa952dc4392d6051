"""What an engine must answer before it may be used, so that no build of a codec ever changes what is packed.

Strategy: one small picture, drawn by integer arithmetic and kept as a JPEG, goes through each kind of work; the answers are
checksums of what OpenCV 4.8.1 gave. Sizes are odd, so that edges and the upsampling of colour are in the question.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

import numpy as np


if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

#: ``picture()`` at quality 50, 4:2:0, in base 85.
_JPEG: Final = (
    "|JeWF01!$>Nk#wx0RR9200961|JwjV01yid4h#wq4h;?x5fBp?C>j_R78o%jB^@X_Gd(;xGdMRuNL)@pL{~*OI8bd-S6^ahXlFi6ad~iLcwA*?WB=O#Lje"
    "&I5*QU2FB%#zV?sDWV`F1uV`F1uV`F1uV`F1uV`F1uV`F1uV`F1uV`F1uV`F1uV`F1uV`F1uV`F1uV`Klo01*fPApkD}0U`hb5di}c0sq7R9{>OW1pxs80"
    "RaI300000000010s{mE1_uZU3Jd?l0JRVR0s#X90t5pE1q1{D00Dgg0s{a95d{(<F+m0sQDFxnaTGFvk)a49Lb1UWQqk}vGh%Xr2?`b$7#SKRCMPH<Dl|1"
    "VH#j*uLqtVJM@UIZQ&d$}S6EqEV`OD!XJ~0^b98lfcX)YvgM@{Khlq)al9QB`mY0~BnxdnmrKYE-sj9NGw6(UkxVgH*!^FkL$H>Xb($mz{*4NnC+Tr5k<m"
    "Kk)=;`Y5^7Hid_V@Vt`v1fL9{~UZ0RaI40RaI40RR91000010s{mE1_uZU3Jd?l0JRYS0s#U91Oo&I1q1{D0Rndb0RjUN1O*{61`<J02Vrp&A~Jyp6he`q"
    "vB3!=Gg9ysVsg<679=#`CGi&+85$-hC@Cs6Ha9pqIzvQ7Mn_0VN>fx-R##YAT4Q8oW@l(=YIAgTc6WGrdV+(5g@%WSiHeewl$Dm3n3<ZQqok##r>Lo_va_"
    "_cwzs&sy28W6#m2|T$;#5x)YaD4*xB0R<K*S$=jiF`^7Hid_V@Vt`v2Mh3<CiG0ucid06zfbJgg1{X^86Im08|bwR%{rPdUp*r?e{w>rrF&t1A^zSgXXTi"
    "F0SCPN%dWNd2o}BF##%dsRe>9jYUVb7y=idqOi8wP|@?)qBaT?<de#Mk;P>_{vp%p-e^XTB{eeTM+wI5f8O^l_ciRN}X?LR!F(6bcZ!zVfLzv4;?BaH#T>"
    "|x3u{c>rRR*+sAHvqUdLe)f7=)CL?pxeF|$^2}KnW=y$${|Je"
)
#: (channels, shrink) -> CRC-32 of the pixels.
_DECODED: Final = {(3, 1): 0x962FFB3F, (1, 1): 0x70655770, (3, 2): 0x51D8B2B0, (1, 4): 0x6611ED83, (3, 8): 0x176A7FD5}
#: (channels, quality) -> CRC-32 of the JPEG.
_ENCODED: Final = {
    (3, 95): 0x246436F9,
    (3, 50): 0x5F0206F4,
    (3, 100): 0x75DA3157,
    (1, 95): 0x9CC50614,
    (1, 50): 0x2B5D5D58,
    (1, 100): 0x2BE7A845,
}
#: (source's rows, columns and channels, target's rows and columns) -> CRC-32; half the size is a case of its own.
_RESIZED: Final = {
    (33, 47, 3, 20, 31): 0x0CD38B97,
    (33, 47, 3, 70, 66): 0x1756F373,
    (32, 46, 3, 16, 23): 0x3967E9C2,
    (33, 47, 1, 9, 50): 0x438C3994,
}


def picture() -> NDArray[np.uint8]:
    """Return the picture: [33, 47, 3] with slopes, edges and grain."""
    y, x = np.mgrid[0:33, 0:47]
    grain = (x * 7919 + y * 104729 + x * y * 31) % 251
    red, green, blue = x * 4 + grain // 8, y * 6 + (x // 8 + y // 8) % 2 * 60, ((x - 30) ** 2 + (y - 20) ** 2) // 5
    return (np.stack((red, green, blue), axis=-1) % 256).astype(np.uint8)


def jpeg() -> bytes:
    """Return the picture as a JPEG."""
    import base64

    return base64.b85decode(_JPEG)


def decodes(decode: Callable[[bytes, int, int], NDArray[np.uint8]]) -> bool:
    """Tell whether a decoder gives OpenCV's pixels.

    Args:
        decode: takes the JPEG, the channels and the shrink.
    """
    data = jpeg()
    return all(_crc(decode(data, *asked)) == crc for asked, crc in _DECODED.items())


def refuses_damage(scan: Callable[[bytes], object]) -> bool:
    """Tell whether a decoder reports damage that libjpeg only warns of: data that ends early, in front of an end marker.

    Args:
        scan: takes a JPEG.
    """
    try:
        scan(jpeg()[:-100] + b"\xff\xd9")
    except (OSError, ValueError):
        return True
    return False


def encodes(encode: Callable[[NDArray[np.uint8], int], bytes]) -> bool:
    """Tell whether an encoder gives OpenCV's bytes.

    Args:
        encode: takes pixels and the quality.
    """
    color = picture()
    grey = np.ascontiguousarray(color[..., 1])
    return all(
        zlib.crc32(encode(color if channels == 3 else grey, quality)) == crc for (channels, quality), crc in _ENCODED.items()
    )


def resizes(resize: Callable[[NDArray[np.uint8], int, int], NDArray[np.uint8]]) -> bool:
    """Tell whether a resizer gives OpenCV's pixels.

    Args:
        resize: takes pixels, rows and columns.
    """
    for (rows, columns, channels, height, width), crc in _RESIZED.items():
        image = picture()[:rows, :columns]
        if _crc(resize(np.ascontiguousarray(image if channels == 3 else image[..., 0]), height, width)) != crc:
            return False
    return True


def _crc(pixels: NDArray[np.uint8]) -> int:
    return zlib.crc32(pixels.tobytes())
