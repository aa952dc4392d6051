"""Read one source image from disk: whole, regular, unchanged while it was read.

Strategy: what is wrong with one image is an ``ImageError`` with a reason of the closed set, so that the trip decides what
it means; what is wrong with the machine (no descriptors, an I/O error) is a ``StorageError`` and ends the trip. A pipe or
a device is never waited on, and no more is read than an image may have.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from typing import Final, NoReturn

from recordio_kit._images.gate import MAX_BYTES
from recordio_kit.errors import ImageError, StorageError, UnsafePathError


_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_REASONS: Final = {
    errno.ENOENT: ("missing", "there is no such file"),
    errno.ENOTDIR: ("missing", "there is no such file"),
    errno.EACCES: ("unreadable", "no permission to read it"),
    errno.EPERM: ("unreadable", "no permission to read it"),
    errno.ELOOP: ("not-a-file", "a loop of links"),
    errno.ENXIO: ("not-a-file", "not a regular file"),
    errno.ENAMETOOLONG: ("missing", "its name is too long for this file system"),
}
_DRIVE: Final = re.compile(r"[A-Za-z]:")


def refuse_unsafe(path: str) -> None:
    """Refuse a list's path that would leave its root.

    Args:
        path: the path column.

    Raises:
        UnsafePathError: it is absolute, holds ``..``, a drive letter, a backslash at its start, or NUL.
    """
    if not path or path[0] in "/\\" or "\0" in path or _DRIVE.match(path) or ".." in re.split(r"[/\\]", path):
        msg = f"the path {path!r} leaves the root of the list; paths must be relative and stay below it"
        raise UnsafePathError(msg)


def source_size(root: str, path: str) -> int:
    """Return a source's size in bytes, 0 where it cannot be told: reading it will say why."""
    try:
        return os.stat(os.path.join(root, path)).st_size
    except OSError:
        return 0


def read_source(root: str, path: str) -> bytes:
    """Return the bytes of one image.

    Args:
        root: the folder that list paths start from.
        path: the path column.

    Raises:
        ImageError: it is missing, unreadable, no regular file, too large, or changed while it was read.
        StorageError: the machine failed, not the image.
    """
    place = os.path.join(root, path)
    try:
        descriptor = os.open(place, _FLAGS)
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                msg = "not a regular file"
                raise ImageError(msg, path=path, reason="not-a-file")
            if before.st_size > MAX_BYTES:
                msg = f"{before.st_size} bytes, more than the {MAX_BYTES} an image may have"
                raise ImageError(msg, path=path, reason="too-large")
            data = _read(descriptor, before.st_size + 1)
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        _refuse(error, place, path)
    if len(data) != before.st_size or (after.st_mtime_ns, after.st_size) != (before.st_mtime_ns, before.st_size):
        msg = f"changed while it was read ({before.st_size} bytes announced, {len(data)} read)"
        raise ImageError(msg, path=path, reason="changed")
    return data


def _read(descriptor: int, length: int) -> bytes:
    data = os.read(descriptor, length)
    if len(data) == length - 1:  # the whole file in one call, as nearly always
        return data
    pieces = [data]
    while data and (length := length - len(data)) > 0:
        data = os.read(descriptor, length)
        pieces.append(data)
    return b"".join(pieces)


def _refuse(error: OSError, place: str, path: str) -> NoReturn:
    if error.errno in _REASONS:
        reason, words = _REASONS[error.errno]
        raise ImageError(words, path=path, reason=reason) from error
    msg = f"cannot read ({error.strerror or error})"
    raise StorageError(msg, uri=place, operation="read") from error
