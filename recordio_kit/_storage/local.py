"""The local store: files under a folder, published by rename.

Strategy: what is unfinished lies in ``ROOT/.recordio_kit/`` (the same file system, never a channel folder), which goes when
its last file has gone; ``local_sink`` writes it and ``drafts`` finds it again. Reads are positional (``pread``), so sources
are safe to share between threads.
"""

from __future__ import annotations

import mmap
import os
import stat
import sys
import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from recordio_kit._storage.base import Stat
from recordio_kit._storage.drafts import LocalDrafts
from recordio_kit._storage.durable import sync_folder
from recordio_kit._storage.local_sink import BINARY, LocalSink, fail, refuse_existing
from recordio_kit.errors import StorageError


if TYPE_CHECKING:
    from collections.abc import Iterator

#: Temporary files and journals live here, under the store's root.
STATE_FOLDER: Final = ".recordio_kit"


class LocalStore:
    """Hold files in a folder and the folders below it; missing folders are made when a file is created.

    Args:
        root: the folder; it need not exist yet.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        """Remember the absolute root; nothing is touched."""
        self.root = Path(root).absolute()

    def __repr__(self) -> str:
        """Show the root."""
        return f"LocalStore({str(self.root)!r})"

    def uri(self, name: str) -> str:
        """Return the absolute path of a name."""
        return str(self._path(name))

    def parent(self) -> tuple[LocalStore, str] | None:
        """Return the folder above, and this one's name in it; None for the root of the file system."""
        return None if self.root == self.root.parent else (LocalStore(self.root.parent), self.root.name)

    def create(self, name: str, *, overwrite: bool = False) -> LocalSink:
        """Start a temporary file for a name.

        Raises:
            OutputExistsError: the name is taken and ``overwrite`` is False, or by a folder.
            StorageError: no file can be made there.
        """
        path = self._path(name)
        if not overwrite or path.is_dir():
            refuse_existing(path)
        return LocalSink(path, self.root / STATE_FOLDER, overwrite=overwrite)

    def open(self, name: str) -> LocalSource:
        """Open a file for reading.

        Raises:
            StorageError: there is none, it is no regular file, or it cannot be read.
        """
        return LocalSource(self._path(name))

    def stat(self, name: str) -> Stat | None:
        """Describe a file, or return None where there is none.

        Raises:
            StorageError: the file system could not say.
        """
        path = self._path(name)
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            fail(error, path, "look", "nothing was changed")
        return Stat(found.st_size, str(found.st_mtime_ns))

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the names of all files that start with a prefix, sorted; hidden state is left out.

        Raises:
            StorageError: a folder cannot be read.
        """

        def refuse(error: OSError) -> NoReturn:
            fail(error, self.root, "list", "nothing was changed")

        names = []
        for folder, folders, files in os.walk(self.root, onerror=refuse if self.root.exists() else None):
            folders[:] = [name for name in folders if name != STATE_FOLDER]
            below = Path(folder).relative_to(self.root)
            names += [(below / name).as_posix() for name in files]
        yield from sorted(name for name in names if name.startswith(prefix))

    def delete(self, name: str) -> None:
        """Remove a file; harmless where there is none.

        Raises:
            StorageError: it is still there.
        """
        path = self._path(name)
        try:
            path.unlink()
            sync_folder(path.parent)  # else the name may come back beside what took its place
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            fail(error, path, "delete", "it is still there")

    def drafts(self) -> LocalDrafts:
        """Return the store's unfinished files."""
        return LocalDrafts(self.root, self.root / STATE_FOLDER)

    def probe(self) -> None:
        """Check that files can be made under the root; a root that does not exist yet is made and left empty.

        Raises:
            StorageError: they cannot, and why.
        """
        LocalSink(self.root / "probe", self.root / STATE_FOLDER, overwrite=True).abort()

    def _path(self, name: str) -> Path:
        return self.root / name


class LocalSource:
    """Read one regular file by position."""

    def __init__(self, path: Path) -> None:
        """Open the file without waiting on pipes or devices."""
        self._path = path
        self._lock = threading.Lock()
        try:
            self._descriptor = os.open(path, os.O_RDONLY | BINARY | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            fail(error, path, "open", "nothing was changed")
        found = os.fstat(self._descriptor)
        if not stat.S_ISREG(found.st_mode):
            self.close()
            msg = "not a regular file"
            raise StorageError(msg, uri=str(path), operation="open")
        self._size = found.st_size

    @property
    def uri(self) -> str:
        """Return the path."""
        return str(self._path)

    @property
    def size(self) -> int:
        """Return the size in bytes when the file was opened."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes from ``offset``, fewer only at the end of the file.

        Raises:
            StorageError: the file cannot be read.
        """
        pieces = []
        try:
            while length > 0 and (piece := self._pread(length, offset)):
                pieces.append(piece)
                offset += len(piece)
                length -= len(piece)
        except OSError as error:
            fail(error, self._path, "read", "nothing was changed")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _pread(self, length: int, offset: int) -> bytes:
        if sys.platform != "win32":
            return os.pread(self._descriptor, length, offset)
        with self._lock:  # Windows has no positional read
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            return os.read(self._descriptor, length)

    @cached_property
    def mapped(self) -> memoryview:
        """Return the whole file as a read-only memory map; a file that shrinks under it ends the process."""
        if not self._size:
            return memoryview(b"")
        return memoryview(mmap.mmap(self._descriptor, self._size, access=mmap.ACCESS_READ))

    def close(self) -> None:
        """Close the file; harmless when called twice, and views of the map stay valid."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
