"""File names that are safe everywhere, planned before the first file is written.

Strategy: what comes out of a ``.rec`` may meet any disk. Signs that Windows refuses are replaced, its device names changed,
and names that a disk without case or with other Unicode forms would hold equal are told apart by a suffix, the same at every
run. Paths that try to leave their folder are refused, not mended. Nothing here touches a disk.
"""

from __future__ import annotations

import math
import re
import unicodedata
from typing import TYPE_CHECKING, Final

import numpy as np


if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_REFUSED: Final = re.compile(r'[<>:"|?*\\/\0-\x1f\x7f]')
_DEVICES: Final = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])[ ]*(?:\..*)?", re.IGNORECASE | re.DOTALL)
#: Most file systems take 255 bytes; a suffix must fit behind.
_MOST_BYTES: Final = 200
#: Whole numbers up to here are exact as float32.
_MOST_EXACT: Final = 1 << 24
_SUFFIXES: Final[Mapping[bytes, tuple[str, ...]]] = {
    b"\xff\xd8\xff": (".jpg", ".jpeg", ".jpe", ".jfif"),
    b"\x89PNG\r\n\x1a\n": (".png",),
    b"GIF8": (".gif",),
    b"BM": (".bmp", ".dib"),
    b"II*\0": (".tif", ".tiff"),
    b"MM\0*": (".tif", ".tiff"),
}


def safe_name(text: str) -> str:
    """Return a file or folder name that every common system takes, the same name where it is one already.

    Args:
        text: one part of a path.
    """
    name = _REFUSED.sub("_", text)
    if name != name.rstrip(" ."):
        name = name.rstrip(" .") + "_"
    if _DEVICES.fullmatch(name):
        stem, dot, rest = name.partition(".")
        name = f"{stem.rstrip()}_{dot}{rest}"
    return _shorten(name) or "_"


def _shorten(name: str) -> str:
    data = name.encode("utf-8", "surrogatepass")
    if len(data) <= _MOST_BYTES:
        return name
    _, suffix = _split_suffix(name)
    room = _MOST_BYTES - len(suffix.encode("utf-8", "surrogatepass"))
    return data[:room].decode("utf-8", "ignore").rstrip(" .") + suffix


def _split_suffix(name: str) -> tuple[str, str]:
    stem, dot, suffix = name.rpartition(".")
    return (stem, dot + suffix) if stem and len(suffix) <= 8 else (name, "")


def suffix_of(body: bytes) -> tuple[str, ...]:
    """Return the suffixes that suit an image's first bytes, the usual one first; none where the format is not known."""
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return (".webp",)
    return next((suffixes for signature, suffixes in _SUFFIXES.items() if body.startswith(signature)), ())


def label_name(label: float | Sequence[float], width: int) -> str:
    """Return a name for a label: its number with leading zeros, so that names sort as numbers do; several are joined.

    Args:
        label: one or more numbers.
        width: digits of a whole number.
    """
    if isinstance(label, float | int):
        if math.isfinite(label) and label == int(label) and abs(label) <= _MOST_EXACT:
            return f"{int(label):0{width}d}"
        return str(np.float32(label))
    return "_".join([label_name(value, width) for value in label])


class NamePlan:
    """Give out paths of which no two are the same file on any disk, and none is another one's folder."""

    def __init__(self) -> None:
        """Start with none."""
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def claim(self, path: str, mark: str) -> str:
        """Return a path, or the same with a suffix where it is taken.

        Args:
            path: safe names, joined by ``/``.
            mark: what tells this file from others, such as its key.
        """
        *folders, name = path.split("/")
        prefix = ""
        for folder in folders:
            free = folder
            while fold(prefix + free) in self._files:
                free += "~"
            prefix += free
            self._folders.add(fold(prefix))
            prefix += "/"
        stem, suffix = _split_suffix(name)
        turn = 0
        while (folded := fold(prefix + name)) in self._files or folded in self._folders:
            turn += 1
            name = f"{stem}~{mark}{'' if turn == 1 else f'~{turn}'}{suffix}"
        self._files.add(folded)
        return prefix + name


def fold(path: str) -> str:
    """Return what a disk without case, or with other Unicode forms, knows a path by."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
