"""``doctor``: what is installed, what is missing, and the one command that adds it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from recordio_kit import __version__
from recordio_kit.cli.options import command


if TYPE_CHECKING:
    import argparse

    from recordio_kit.cli.options import Commands
    from recordio_kit.cli.output import Output

_NEEDED = ("numpy", "pillow", "boto3", "tqdm")
#: Distribution, what it is for, the extra that brings it.
_OPTIONAL = (("simplejpeg", "--check strict", "fast"), ("moto", "the demo's own S3", "demo"))


def add(commands: Commands) -> None:
    """Add the command."""
    command(commands, "doctor", doctor, "say what is installed, what is missing, and what adds it")


def doctor(_args: argparse.Namespace, out: Output) -> int:
    """Run ``doctor``."""
    import platform

    from recordio_kit._pipeline.executors import usable_cpus

    found = {name: _version(name) for name in (*_NEEDED, *(name for name, _, _ in _OPTIONAL))}
    out.say(
        "this", f"recordio_kit {__version__}, Python {platform.python_version()} on {sys.platform}, {usable_cpus()} usable CPUs"
    )
    for name in _NEEDED:
        out.say("needed", f"{name} {found[name] or 'MISSING: pip install ' + name}")
    for name, use, extra in _OPTIONAL:
        out.say(
            "option",
            f"{name} {found[name]}" if found[name] else f"{name} is not here ({use}): pip install 'recordio-kit[{extra}]'",
        )
    if _version("turbojpeg"):
        out.say("warning", "PyPI's 'turbojpeg' is not PyTurboJPEG and hides it: pip uninstall turbojpeg")
    missing = [name for name in _NEEDED if not found[name]]
    out.emit({"version": __version__, "python": platform.python_version(), "packages": found, "missing": missing})
    return 1 if missing else 0


def _version(name: str) -> str | None:
    import importlib.metadata

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
