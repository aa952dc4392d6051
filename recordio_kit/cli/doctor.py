"""``doctor``: what is installed, which engines are in use, what is missing, and the one command that adds it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from recordio_kit import __version__
from recordio_kit.cli.options import command


if TYPE_CHECKING:
    import argparse

    from recordio_kit.cli.options import Commands
    from recordio_kit.cli.output import Output

_NEEDED: Final = ("numpy", "pillow", "boto3", "tqdm")
#: Distribution, what it is for, what brings it.
_OPTIONAL: Final = (
    ("PyTurboJPEG", "faster encoding", "recordio-kit[fast]"),
    ("simplejpeg", "faster decoding, --check strict", "recordio-kit[fast]"),
    ("opencv-python-headless", "faster resizing", "recordio-kit[fast]"),
    ("zlib-ng", "faster checksums", "recordio-kit[fast]"),
    ("pillow-heif", "HEIC sources", "pillow-heif"),
    ("moto", "the demo's own S3", "recordio-kit[demo]"),
)
_WORKS: Final = {"decode": "decode JPEG", "scan": "strict check", "encode": "encode JPEG", "resize": "resize"}
_NO_LIBRARY: Final = "Unable to locate turbojpeg library"
_LIBRARY: Final = {"linux": "apt install libturbojpeg0", "darwin": "brew install jpeg-turbo"}


def add(commands: Commands) -> None:
    """Add the command."""
    command(commands, "doctor", doctor, "say what is installed, what is missing, and what adds it")


def doctor(_args: argparse.Namespace, out: Output) -> int:
    """Run ``doctor``."""
    import platform

    from recordio_kit._pipeline.executors import usable_cpus

    found = {name: _version(name) for name in (*_NEEDED, *(name for name, _, _ in _OPTIONAL))}
    machine = f"{platform.python_version()} on {sys.platform}, {usable_cpus()} usable CPUs"
    out.say("this", f"recordio_kit {__version__}, Python {machine}")
    for name in _NEEDED:
        out.say("needed", f"{name} {found[name] or 'MISSING: pip install ' + name}")
    for name, use, source in _OPTIONAL:
        out.say("option", f"{name} {found[name]}" if found[name] else f"{name} is not here ({use}): pip install '{source}'")
    missing = [name for name in _NEEDED if not found[name]]
    engines = {} if missing else _say_engines(out)
    out.emit(
        {"version": __version__, "python": platform.python_version(), "packages": found, "missing": missing, **engines}
    )  # fmt: skip
    return 1 if missing else 0


def _say_engines(out: Output) -> dict[str, Any]:
    """Say which engine does what, and why another one does not; return it too."""
    from recordio_kit._core.checksum import ENGINE
    from recordio_kit._images.engines import ENGINES, is_exact, pick, try_engine
    from recordio_kit._images.png_write import png_is_exact

    for work, words in _WORKS.items():
        used = pick(work)
        out.say("engine", f"{words}: {used or 'none; ' + _advice('simplejpeg', 'not installed')}")
    out.say("engine", f"checksums: {ENGINE}")
    tried = {work: {name: try_engine(work, name) for name in names} for work, names in ENGINES.items()}
    wrong = {
        name: trial.problem for trials in tried.values() for name, trial in trials.items() if trial.problem and not trial.missing
    }
    for name, problem in wrong.items():
        out.say("warning", f"{name} is not used: {_advice(name, problem)}")
    exact = {"jpeg": is_exact(), "png": png_is_exact()}
    for name, same in exact.items():
        out.say(
            "exact",
            f"re-encoded {name.upper()}s are {'' if same else 'NOT '}MXNet's im2rec's own, byte for byte, on this machine",
        )
    states = {work: {name: trial.problem or "ready" for name, trial in trials.items()} for work, trials in tried.items()}
    return {"engines": {work: pick(work) for work in ENGINES}, "tried": states, "im2rec_exact": exact}


def _advice(name: str, problem: str) -> str:
    if _NO_LIBRARY in problem:
        return (
            f"the system's libturbojpeg is missing: {_LIBRARY.get(sys.platform, 'install libjpeg-turbo from libjpeg-turbo.org')}"
        )
    return f"pip install {name}" if problem == "not installed" else problem


def _version(name: str) -> str | None:
    import importlib.metadata

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
