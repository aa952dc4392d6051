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
from itertools import islice
from typing import TYPE_CHECKING, Final, NoReturn

import numpy as np

from recordio_kit._images.gate import MAX_BYTES
from recordio_kit.errors import ImageError, StorageError, UnsafePathError


if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recordio_kit._core.imagelist import ImageList

#: So many sources, at a list's beginning, tell how large they are on average.
_SAMPLE: Final = 256

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
#: What ``refuse_unsafe`` refuses, in paths that have NUL around them.
_UNSAFE: Final = re.compile(r"\0(?:[/\\\0]|[A-Za-z]:)|[/\\\0]\.\.(?=[/\\\0])")
_BLOCK: Final = 1 << 12


def refuse_unsafe_paths(images: ImageList) -> None:
    """Refuse a list with a path that would leave its root.

    Raises:
        UnsafePathError: as ``refuse_unsafe`` says, naming the entry.
    """
    paths = images.paths
    position = 0
    while block := list(islice(paths, _BLOCK)):
        text = "\0".join(["", *block, ""])
        if _UNSAFE.search(text) is not None or text.count("\0") > len(block) + 1:
            for place, path in enumerate(block, position + 1):
                try:
                    refuse_unsafe(path)
                except UnsafePathError as error:
                    msg = f"entry {place} of the list: {error}"
                    raise UnsafePathError(msg) from None
        position += len(block)


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


def source_stamp(prefix: str, path: str) -> tuple[int, int]:
    """Return a source's size in bytes and modification time in ns, -1 where they cannot be told: reading it will say why."""
    try:
        found = os.stat(prefix + path)
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns


class SourceSizes:
    """Tell the sizes of a list's sources: those it knows, or else the file system's, looked up as they are asked for.

    Args:
        images: the list.
        root: the folder that its paths start from.
    """

    def __init__(self, images: ImageList, root: str) -> None:
        """Look nothing up yet."""
        self._images = images
        self._prefix = os.path.join(root, "")
        self._known = images.sizes
        self._ahead = np.empty(0, np.int64)
        self._start = 0

    def run(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return [stop - start] sizes in bytes, 0 where they cannot be told; what was asked for is not looked up again.

        Args:
            start: the first position; from one call to the next it never falls.
            stop: the position behind the last one.
        """
        if self._known is not None:
            return self._known[start:stop]
        here = self._ahead[start - self._start :]
        paths = self._images[start + len(here) : stop].paths
        more = np.fromiter((max(source_stamp(self._prefix, path)[0], 0) for path in paths), np.int64)
        self._ahead, self._start = np.concatenate([here, more]), start
        return self._ahead[: stop - start]

    def total(self, start: int) -> float:
        """Return about how many bytes the sources from a position on have."""
        if self._known is not None:
            return float(self._known[start:].sum())
        stop = min(start + _SAMPLE, len(self._images))
        return float(self.run(start, stop).sum()) / max(stop - start, 1) * (len(self._images) - start)


def read_source(prefix: str, path: str) -> tuple[bytes, int]:
    """Return the bytes of one image and its modification time in ns.

    Args:
        prefix: the folder that list paths start from, with its separator.
        path: the path column.

    Raises:
        ImageError: it is missing, unreadable, no regular file, too large, or changed while it was read.
        StorageError: the machine failed, not the image.
    """
    place = prefix + path
    try:
        descriptor = os.open(place, _FLAGS)
        try:
            before = os.fstat(descriptor)
            size = before.st_size
            if not stat.S_ISREG(before.st_mode):
                msg = "not a regular file"
                raise ImageError(msg, path=path, reason="not-a-file")
            if size > MAX_BYTES:
                msg = f"{size} bytes, more than the {MAX_BYTES} an image may have"
                raise ImageError(msg, path=path, reason="too-large")
            data = os.read(descriptor, size + 1)
            if len(data) != size:  # the whole file in one call, as nearly always
                data = _read_on(descriptor, size + 1, data)
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        _refuse(error, place, path)
    if len(data) != size or after.st_mtime_ns != before.st_mtime_ns or after.st_size != size:
        msg = f"changed while it was read ({size} bytes announced, {len(data)} read)"
        raise ImageError(msg, path=path, reason="changed")
    return data, before.st_mtime_ns


def _read_on(descriptor: int, length: int, data: bytes) -> bytes:
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
