"""The decode-verify rule: how closely an image is looked at before it is packed.

Strategy: each level does what the one below it does, and more. What "decode" refuses is decided by Pillow alone, so that
the installed engines never change which images a list loses: an engine only spares Pillow the images it has nothing to say
about. "strict" also turns the codec's warnings into errors, which finds most damage inside JPEG data that every decoder hides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordio_kit._images.codec import decode_inspected
from recordio_kit._images.engines import pick, scan_jpeg
from recordio_kit._images.gate import FORMATS, inspect
from recordio_kit._images.info import CHECKS, refuse


if TYPE_CHECKING:
    from collections.abc import Collection

    from recordio_kit._images.info import ImageInfo


def strict_engine_available() -> bool:
    """Tell whether a codec that reports its warnings is installed."""
    return pick("scan") is not None


def check_image(data: bytes, *, check: str = "fast", formats: Collection[str] = FORMATS) -> ImageInfo | None:
    """Judge an image.

    Args:
        data: the file's bytes.
        check: one of ``CHECKS``.
        formats: the formats that are allowed, as for ``gate.inspect``.

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
    if check in ("decode", "strict"):
        _decode(data, info, strict=check == "strict")
    return info


def _decode(data: bytes, info: ImageInfo, *, strict: bool) -> None:
    if info.format == "jpeg" and (strict or strict_engine_available()):
        warning = scan_jpeg(data)
        if warning is None:
            return
        if strict:
            refuse("undecodable", f"the decoder warns: {warning}")
    decode_inspected(data, info, color="unchanged", shrink=8)  # the judge needs every coefficient, and no full-size pixels
