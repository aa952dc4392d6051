"""JPEG through PyTurboJPEG and the system's libturbojpeg: decoding, and encoding with the accurate DCT.

Strategy: PyTurboJPEG tells of libjpeg-turbo's warnings by ``warnings.warn``, whose filters belong to the whole process; here
its one method that does so raises instead. A known-answer test with a damaged image guards that this still holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import turbojpeg


if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

if not hasattr(turbojpeg, "TurboJPEG"):
    _MESSAGE = (
        "PyPI's 'turbojpeg' hides PyTurboJPEG, another library of the same name: pip uninstall turbojpeg, "
        "then pip install --force-reinstall 'PyTurboJPEG<2'"
    )
    raise ImportError(_MESSAGE)


class _Strict(turbojpeg.TurboJPEG):  # type: ignore[misc]  # it comes without types
    """PyTurboJPEG whose warnings are errors."""

    def _TurboJPEG__report_error(self, handle: Any) -> NoReturn:  # noqa: N802  # the name that Python gives its private method
        raise OSError(self._TurboJPEG__get_error_string(handle))


_TURBO = _Strict()


def decode(data: bytes, channels: int, shrink: int) -> NDArray[np.uint8]:
    """Decode a grey or colour JPEG; as ``engines.decode_jpeg``, but that any warning is an error."""
    kind = turbojpeg.TJPF_GRAY if channels == 1 else turbojpeg.TJPF_RGB
    pixels: NDArray[np.uint8] = _TURBO.decode(data, kind, (1, shrink) if shrink > 1 else None)
    return pixels[..., 0] if channels == 1 else pixels


def scan(data: bytes) -> None:
    """Go through every coefficient of a JPEG for damage, with as little work on pixels as there can be.

    Raises:
        OSError: libjpeg-turbo warns or refuses.
    """
    _TURBO.decode(data, turbojpeg.TJPF_RGB, (1, 8), turbojpeg.TJFLAG_FASTDCT | turbojpeg.TJFLAG_FASTUPSAMPLE)


def encode(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """Encode pixels; as ``engines.encode_jpeg``."""
    kind, sampling = (
        (turbojpeg.TJPF_GRAY, turbojpeg.TJSAMP_GRAY) if pixels.ndim == 2 else (turbojpeg.TJPF_RGB, turbojpeg.TJSAMP_420)
    )
    dense = pixels.ravel().reshape(pixels.shape)  # a single row or column may carry any stride, which is taken at its word
    image: bytes = _TURBO.encode(dense, quality, kind, sampling, turbojpeg.TJFLAG_ACCURATEDCT)
    return image
