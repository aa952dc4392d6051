"""``pack``, ``unpack``, ``pack_img`` and ``unpack_img``: image records as MXNet's functions make and take them.

Strategy: headers are ``_core.header``'s, pixels are ``_images.codec``'s; here red and blue change places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from recordio_kit._core.header import IRHeader, pack_record, unpack_record


if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from recordio_kit._core.framing import Buffer

_COLORS: Final = {-1: "unchanged", 0: "grey", 1: "rgb"}
_FORMATS: Final = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png"}


def pack(header: IRHeader | tuple[int, Any, int, int], s: Buffer) -> bytes:
    """Return a header and an encoded image as one record payload.

    Args:
        header: its flag is ignored; a label that is no number is written as float32 array.
        s: the encoded image.

    Raises:
        ValueError: a label or id does not fit its field.
    """
    return pack_record(header, s)


def unpack(s: Buffer) -> tuple[IRHeader, bytes]:
    """Split a record payload into its header and its image bytes.

    Args:
        s: what ``read`` returned.

    Raises:
        CorruptRecordError: the payload is shorter than its header says.
    """
    return unpack_record(s)


def pack_img(
    header: IRHeader | tuple[int, Any, int, int], img: NDArray[np.uint8], quality: int = 95, img_fmt: str = ".jpg"
) -> bytes:
    """Return a header and an image, encoded, as one record payload.

    Args:
        header: as for ``pack``.
        img: [height, width], [height, width, 1] or [height, width, 3] uint8 BGR; a fourth channel is alpha, which PNG keeps.
        quality: of JPEG, 1 to 100; of PNG, the compression 0 to 9, and 9 for all above, as OpenCV takes it.
        img_fmt: ``".jpg"``, ``".jpeg"`` or ``".png"``, in any case.

    Raises:
        ValueError: the image, an option or the header is outside these bounds.
    """
    from recordio_kit._images.codec import encode_image

    name = _FORMATS.get(img_fmt.lower())
    if name is None:
        msg = f"img_fmt is one of {', '.join(_FORMATS)}, not {img_fmt!r}"
        raise ValueError(msg)
    array = _swap_red_and_blue(img)
    if name == "jpeg":
        return pack_record(header, encode_image(array, quality=quality))
    return pack_record(header, encode_image(array, format=name, compression=min(max(quality, 0), 9)))


def unpack_img(s: Buffer, iscolor: int = -1) -> tuple[IRHeader, NDArray[np.uint8]]:
    """Split a record payload into its header and its image, decoded.

    Args:
        s: what ``read`` returned.
        iscolor: 1 colour, upright; 0 grey, upright; -1 as it is stored, with alpha and not turned.

    Returns:
        The header, and [height, width, 3] uint8 BGR, [height, width] where grey, [height, width, 4] where alpha is kept.

    Raises:
        ImageError: the image cannot be decoded.
        CorruptRecordError: as for ``unpack``.
        ValueError: ``iscolor`` is another number.
    """
    from recordio_kit._images.codec import decode_image

    if iscolor not in _COLORS:
        msg = f"iscolor is 1, 0 or -1, not {iscolor!r}"
        raise ValueError(msg)
    header, body = unpack_record(s)
    return header, _swap_red_and_blue(decode_image(body, color=_COLORS[iscolor]))


def _swap_red_and_blue(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if image.ndim != 3 or image.shape[2] < 3:
        return image
    swapped = image.copy()
    swapped[..., 0], swapped[..., 2] = image[..., 2], image[..., 0]
    return swapped
