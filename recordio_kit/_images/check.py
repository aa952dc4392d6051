"""The decode-verify rule: how closely an image is looked at before it is packed.

Strategy: each level does what the one below it does, and more. What "decode" refuses is decided by Pillow alone, so that
the installed engines never change which images a list loses; "strict" also turns the codec's warnings into errors, which
finds most damage inside JPEG data that every decoder hides.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from recordio_kit._images.codec import decode_inspected
from recordio_kit._images.gate import FORMATS, inspect
from recordio_kit._images.info import CHECKS, refuse


if TYPE_CHECKING:
    from collections.abc import Collection

    from recordio_kit._images.info import ImageInfo


def strict_engine_available() -> bool:
    """Tell whether a codec that reports its warnings is installed."""
    return importlib.util.find_spec("simplejpeg") is not None


def check_image(data: bytes, *, check: str = "fast", formats: Collection[str] = FORMATS) -> ImageInfo | None:
    """Judge an image.

    Args:
        data: the file's bytes.
        check: one of ``CHECKS``.
        formats: the formats that are allowed, of ``"jpeg"`` and ``"png"``.

    Returns:
        What the gate says about the image; None under ``"none"``, which does not look.

    Raises:
        ImageError: the image may not be packed.
        ValueError: the check is unknown.
        RuntimeError: ``"strict"`` without an engine for it.
    """
    if check not in CHECKS:
        msg = f"check is one of {', '.join(CHECKS)}, not {check!r}"
        raise ValueError(msg)
    if check == "none":
        if not data:
            refuse("empty", "the file is empty; fetch it again or leave it out")
        return None
    info = inspect(data, formats=formats)
    if check == "strict" and info.format == "jpeg":
        _decode_strictly(data)
    if check in ("decode", "strict"):
        decode_inspected(data, info, color="unchanged")
    return info


def _decode_strictly(data: bytes) -> None:
    if not strict_engine_available():
        msg = "check='strict' needs a codec that reports warnings: pip install simplejpeg"
        raise RuntimeError(msg)
    import simplejpeg

    try:
        simplejpeg.decode_jpeg(data, strict=True)
    except ValueError as error:
        refuse("undecodable", f"the decoder warns: {error}")
