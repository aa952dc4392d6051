"""The table of targets.

Strategy: nothing of the library is imported here, since the process that fuzzes must say first which of its modules are
instrumented. To add a target, write ``check_NAME(data)`` and ``seeds_NAME()`` in a module of this package, ``WORDS_NAME``
where a fuzzer would not come upon certain bytes by itself, and a row here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """Describe what is fuzzed.

    Args:
        module: where its functions are, in this package.
        instrumented: whose branches count, in ``recordio_kit``; the more there are, the slower it is.
        longest: bytes of an input; no more than it takes to reach every branch.
    """

    module: str
    instrumented: tuple[str, ...]
    longest: int


@dataclass(frozen=True)
class Functions:
    """Hold what a target is made of.

    Args:
        check: takes an input, raises where a promise is broken.
        seeds: gives the inputs to begin with.
        words: what is put into inputs as a whole.
    """

    check: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    words: tuple[bytes, ...]


_GATE = ("gate", "jpeg", "png", "exif", "foreign_gate", "tiff", "webp", "info", "metadata", "png_traits")

TARGETS = {
    "frames": Target("binaries", ("_core.framing",), 256),
    "lst": Target("texts", ("_core.lst",), 256),
    "classes": Target("texts", ("_core.lst",), 128),
    "idx": Target("texts", ("_core.index",), 128),
    "rkm": Target("binaries", ("_core.sidecar",), 320),
    "journal": Target("journals", ("_core.journal",), 512),
    "manifest": Target("texts", ("_core.manifest",), 4096),
    "mnist_idx": Target("binaries", ("_core.mnist_idx",), 256),
    "header": Target("binaries", ("_core.header",), 128),
    "gate": Target("images", tuple(f"_images.{name}" for name in _GATE), 1152),
    "salvage": Target("records", ("_pipeline.survey", "_pipeline.salvage"), 144),
}


def load(name):
    """Import a target's functions."""
    module = importlib.import_module(f"tests.fuzz.{TARGETS[name].module}")
    words = getattr(module, f"WORDS_{name.upper()}", ())
    return Functions(getattr(module, f"check_{name}"), getattr(module, f"seeds_{name}"), words)
