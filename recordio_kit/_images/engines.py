"""The engine seam: who decodes, resizes and encodes in this process.

Strategy: for each kind of work there is a list of engines, fastest first and the baseline (Pillow, NumPy) last. The first one
that imports and gives the known answers is used, so an engine changes how long a pack takes, never what comes out of it. An
image that an engine warns of or refuses goes to Pillow, which decides, so engines never change which images a list loses
either. What was found is kept for the life of the process; nothing of it is configuration.
"""

from __future__ import annotations

import functools
import importlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from recordio_kit._images import engine_pillow
from recordio_kit._images.known_answers import decodes, encodes, refuses_damage, resizes
from recordio_kit._images.resize import resize_linear


if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

#: Work -> engines, fastest first: measured with libjpeg-turbo 3.1 (simplejpeg), 2.1 (system) and 3.2 (Pillow) on x86-64.
ENGINES: Final = {
    "decode": ("simplejpeg", "turbojpeg", "pillow"),
    "scan": ("simplejpeg", "turbojpeg"),
    "encode": ("turbojpeg", "pillow"),
    "resize": ("opencv", "numpy"),
}
#: NumPy takes as long over this many samples as OpenCV takes to be imported (0.03 s), so small jobs do without it.
_SAMPLES_WORTH_OPENCV: Final = 12_000_000


@dataclass(frozen=True, slots=True)
class Trial:
    """Say what came of trying an engine.

    Args:
        call: does the work; None where it cannot be used.
        problem: why not, empty where it can.
        missing: whether it is simply not installed.
    """

    call: Callable[..., Any] | None
    problem: str = ""
    missing: bool = False


@functools.cache
def try_engine(work: str, name: str) -> Trial:
    """Import an engine and ask it what is known.

    Args:
        work: a key of ``ENGINES``.
        name: one of its engines.
    """
    if name == "numpy":
        call: Callable[..., Any] = resize_linear
    else:
        try:
            call = getattr(importlib.import_module(f"recordio_kit._images.engine_{name}"), work)
        except ModuleNotFoundError as error:
            return Trial(None, f"not installed ({error.name})", missing=True)
        except ImportError as error:
            return Trial(None, str(error))
        except Exception as error:  # noqa: BLE001  # a broken build raises whatever it likes; there is another engine
            return Trial(None, f"does not load: {error}")
    try:
        well = _ANSWERS[work](call) and (work != "decode" or name == "pillow" or refuses_damage(lambda data: call(data, 3, 1)))
    except Exception as error:  # noqa: BLE001  # see above
        return Trial(None, f"fails the known-answer test: {error}")
    return Trial(call) if well else Trial(None, "fails the known-answer test: not OpenCV's pixels or bytes")


def pick(work: str) -> str | None:
    """Return the name of the engine that does this work here; None where no engine passes.

    Args:
        work: a key of ``ENGINES``.
    """
    return next((name for name in ENGINES[work] if try_engine(work, name).call is not None), None)


def is_exact() -> bool:
    """Tell whether JPEGs made here are im2rec's own, byte for byte: for each kind of work an engine gives the known answers."""
    return all(pick(work) is not None for work in ("decode", "encode", "resize"))


def decode_jpeg(data: bytes, channels: int, shrink: int = 1) -> NDArray[np.uint8]:
    """Decode a grey or colour JPEG that has passed the gate.

    Args:
        data: the whole image.
        channels: 1 for grey, which may be asked of colour; 3 for colour.
        shrink: 1, 2, 4 or 8: by how much to shrink while decoding; where a side is under 16 pixels, engines round differently.

    Returns:
        [height, width] or [height, width, 3] RGB, perhaps read-only.

    Raises:
        Exception: whatever Pillow makes of damage.
    """
    engine = _picked("decode") or engine_pillow.decode
    if engine is not engine_pillow.decode:
        try:
            pixels: NDArray[np.uint8] = engine(data, channels, shrink)
        except Exception:  # noqa: BLE001, S110  # Pillow decides
            pass
        else:
            return pixels
    return engine_pillow.decode(data, channels, shrink)


def decode_cmyk(data: bytes, shrink: int = 1) -> NDArray[np.uint8]:
    """Decode a four-channel JPEG that has passed the gate: [height, width, 4], 255 meaning no ink; else as ``decode_jpeg``."""
    return engine_pillow.decode(data, 4, shrink)


def scan_jpeg(data: bytes) -> str | None:
    """Go through every coefficient of a JPEG, and say what libjpeg-turbo warns of; None where it has nothing to say.

    Args:
        data: an image that has passed the gate.

    Raises:
        RuntimeError: no engine that reports warnings is installed.
    """
    scan = _picked("scan")
    if scan is None:
        msg = "check='strict' needs a codec that reports warnings: pip install 'recordio-kit[fast]'"
        raise RuntimeError(msg)
    try:
        scan(data)
    except (OSError, ValueError) as error:
        return str(error)
    return None


def encode_jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """Encode pixels as a JPEG, 4:2:0, with the accurate DCT and without metadata.

    Args:
        pixels: [height, width] grey or [height, width, 3] RGB.
        quality: 1 to 100.
    """
    image: bytes = (_picked("encode") or engine_pillow.encode)(pixels, quality)
    return image


def resize(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize as ``cv2.resize`` does by default.

    Args:
        image: [rows, columns] or [rows, columns, 3 or 4] uint8.
        height: rows of the result.
        width: columns of the result.
    """
    return _RESIZER(image, height, width)


@functools.cache
def _picked(work: str) -> Any:
    name = pick(work)
    return None if name is None else try_engine(work, name).call


class _Resizer:
    """Resize with NumPy until that has cost what it costs to import OpenCV, then with OpenCV, if that is there."""

    def __init__(self) -> None:
        self._samples = 0

    def __call__(self, image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
        if self._samples < _SAMPLES_WORTH_OPENCV and "cv2" not in sys.modules:
            self._samples += image.size
            return resize_linear(image, height, width)
        resized: NDArray[np.uint8] = (_picked("resize") or resize_linear)(image, height, width)
        return resized


_RESIZER: Final = _Resizer()
_ANSWERS: Final[dict[str, Callable[[Any], bool]]] = {
    "decode": decodes,
    "scan": refuses_damage,
    "encode": encodes,
    "resize": resizes,
}
