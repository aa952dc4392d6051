"""The codec baseline: what decides the bytes of a re-encoded image beyond its source and the options.

Strategy: JPEG and PNG sources made into JPEG by engines that give im2rec's own bytes have one baseline on every machine. All
else depends on the libraries that Pillow carries, so their versions are named: bytes made under one name are never mixed with
bytes made under another. Nothing else may live here.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from recordio_kit._images.engines import is_exact
from recordio_kit._images.gate import FORMATS
from recordio_kit._images.transform import Reencode


if TYPE_CHECKING:
    from recordio_kit._images.transform import Transform

#: Formats whose codec has a version of its own in Pillow, as ``PIL.features`` calls it.
_LIBRARIES: Final = {"webp": "webp", "tiff": "libtiff", "avif": "avif"}


def baseline(transform: Transform | None) -> str:
    """Return the name of what decides a transform's bytes here; nothing where no codec does.

    Args:
        transform: what is done to each image.
    """
    if not isinstance(transform, Reencode):
        return ""
    exact = is_exact()
    names = ["im2rec" if exact else ""]
    foreign = [name for name in transform.sources if name not in FORMATS]
    if foreign or transform.antialias or not exact or transform.format == "webp":
        import PIL
        from PIL import features

        names.append(f"Pillow {PIL.__version__}")
        names.append(f"libjpeg-turbo {features.version('libjpeg_turbo')}")
        names += [f"{name} {features.version(_LIBRARIES[name])}" for name in (*foreign, transform.format) if name in _LIBRARIES]
    if transform.format == "png":
        names.append(f"zlib {zlib.ZLIB_RUNTIME_VERSION}")
    return ", ".join(dict.fromkeys(filter(None, names)))
