"""What it ran on: machine, versions, engines. Figures mean nothing without."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from benchmarks.peers import Peers, versions
from recordio_kit import __version__
from recordio_kit._images.engines import ENGINES, pick
from recordio_kit._pipeline.executors import usable_cpus


_PACKAGES = ("numpy", "pillow", "simplejpeg", "PyTurboJPEG", "opencv-python-headless", "opencv-python", "zlib-ng")


def describe(peers: Peers) -> dict[str, Any]:
    """Return facts about the machine and what is installed, as plain JSON values.

    Args:
        peers: that are present.
    """
    return {
        "recordio_kit": __version__,
        "cpu": _cpu_model(),
        "cpus": usable_cpus(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1) if hasattr(os, "sysconf") else None,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {name: told for name in _PACKAGES if (told := _version(name))},
        "engines": {work: pick(work) or "none" for work in ENGINES},
        "peers": versions(peers),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def _cpu_model() -> str:
    table = Path("/proc/cpuinfo")
    lines = table.read_text("utf-8", errors="replace").splitlines() if table.exists() else []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or "unknown"


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
