"""File names that are safe everywhere, planned before the first file is written.

Strategy: what comes out of a ``.rec`` may meet any disk. Signs that Windows refuses are replaced, its device names changed,
hidden names shown (a ``.git`` or ``.ssh`` from a stranger is no class), and names that a disk without case or with other
Unicode forms would hold equal are told apart by a suffix, the same at every run. Paths that try to leave their folder are
refused, not mended. Nothing here touches a disk.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from typing import TYPE_CHECKING, Final

import numpy as np


if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Lone surrogates among them: bytes that were no UTF-8, which macOS and Windows refuse.
_REFUSED: Final = re.compile(r'[<>:"|?*\\/\0-\x1f\x7f\ud800-\udfff]')
#: What file systems that fold names pass over: Unicode's Default_Ignorable_Code_Point.
_IGNORED: Final = re.compile(
    "[\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_DEVICES: Final = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])[ ]*(?:\..*)?", re.IGNORECASE | re.DOTALL)
#: Most file systems take 255 bytes; a suffix must fit behind.
_MOST_BYTES: Final = 200
#: A mark that is longer gives way to its hash.
_MOST_MARK: Final = 24
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
    if _IGNORED.sub("", name).startswith("."):
        name = "_" + name
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
        #: What was given for a folder that was taken, and the last turn of a name; so that nobody has us count again.
        self._moved: dict[str, str] = {}
        self._turns: dict[str, int] = {}

    def claim(self, path: str, mark: str) -> str:
        """Return a path, or the same with a suffix where it is taken.

        Args:
            path: safe names, joined by ``/``.
            mark: what tells this file from others, such as its key; a long one is shortened.
        """
        *folders, name = path.split("/")
        prefix = ""
        for folder in folders:
            prefix = f"{self._folder(prefix, folder)}/"
        folded = fold(prefix + name)
        if folded in self._files or folded in self._folders:
            stem, suffix = _split_suffix(name)
            if len(mark) > _MOST_MARK:
                mark = hashlib.blake2b(mark.encode(), digest_size=6).hexdigest()
            counted = fold(f"{prefix}{stem}~{mark}{suffix}")
            while folded in self._files or folded in self._folders:
                turn = self._turns[counted] = self._turns.get(counted, 0) + 1
                name = f"{stem}~{mark}{'' if turn == 1 else f'~{turn}'}{suffix}"
                folded = fold(prefix + name)
        self._files.add(folded)
        return prefix + name

    def _folder(self, prefix: str, folder: str) -> str:
        """Return the path of a folder, or of another where a file has its name."""
        wanted = fold(prefix + folder)
        if wanted not in self._files:
            self._folders.add(wanted)
            return prefix + folder
        if wanted not in self._moved:
            turn, free = 1, f"{prefix}{folder}~"
            while fold(free) in self._files:
                turn += 1
                free = f"{prefix}{folder}~{turn}"
            self._moved[wanted] = free
            self._folders.add(fold(free))
        return self._moved[wanted]


def fold(path: str) -> str:
    """Return what a disk without case, or with other Unicode forms, knows a path by; rather too many are equal than too few."""
    if path.isascii():
        return path.lower()
    text = _IGNORED.sub("", unicodedata.normalize("NFD", path))
    return unicodedata.normalize("NFC", text.casefold().upper().casefold())
