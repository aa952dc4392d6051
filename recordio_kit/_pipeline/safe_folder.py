"""A folder that files are written into and nothing else: no link is followed, no file replaced unasked.

Strategy: each folder on the way is opened by its own name below the one before (``dir_fd``, ``O_NOFOLLOW``), so that a link
put there meanwhile leads nowhere; files are made with ``O_EXCL``. Windows has no such calls: there each folder is looked at
instead. Names come from ``filenames`` and are safe already.
"""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, Final, NoReturn

from recordio_kit.errors import OutputExistsError, StorageError, UnsafePathError


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_RELATIVE: Final = os.open in os.supports_dir_fd and os.mkdir in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
_NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_FOLDER: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_FILE: Final = os.O_CREAT | os.O_EXCL | os.O_WRONLY | _NOFOLLOW | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class SafeFolder:
    """Write files below a folder, which is made if it is not there.

    Args:
        root: the folder; it may itself be reached through links.
        overwrite: replace files that stand under the names.
    """

    def __init__(self, root: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Remember the folder; nothing is touched."""
        self.root = os.path.abspath(os.fspath(root))
        self._overwrite = overwrite

    def refuse_taken(self, paths: Iterable[str]) -> None:
        """Refuse, before the first file is written, names that are taken.

        Args:
            paths: relative, with ``/``.

        Raises:
            OutputExistsError: one is, and overwriting was not asked for.
        """
        if self._overwrite or not os.path.lexists(self.root):
            return
        for path in paths:
            if os.path.lexists(self._place(path)):
                self._refuse(path)

    def write(self, path: str, data: bytes) -> None:
        """Write one file.

        Args:
            path: relative, with ``/``.
            data: its content.

        Raises:
            OutputExistsError: the name was taken meanwhile.
            UnsafePathError: a folder on the way is a link; nothing was written.
            StorageError: the disk is full or failing; the file is not there.
        """
        *folders, name = path.split("/")
        try:
            with self._inside(folders) as (prefix, descriptor):
                leaf = os.path.join(prefix, name)
                if self._overwrite:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(leaf, dir_fd=descriptor)
                self._fill(os.open(leaf, _FILE, 0o666, dir_fd=descriptor), data, leaf, descriptor)
        except FileExistsError:
            self._refuse(path)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                msg = f"{self._place(path)}: a link or a file stands where a folder belongs; remove it, or unpack elsewhere"
                raise UnsafePathError(msg) from error
            msg = f"cannot write the file ({error.strerror or error}); it is not there, those before it are"
            raise StorageError(msg, uri=self._place(path), operation="write") from error

    def _fill(self, file: int, data: bytes, leaf: str, descriptor: int | None) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(file, rest) :]
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(leaf, dir_fd=descriptor)
            raise
        finally:
            os.close(file)

    @contextlib.contextmanager
    def _inside(self, folders: Sequence[str]) -> Iterator[tuple[str, int | None]]:
        """Make and enter folders; yield what file names start with, and the folder they are then relative to."""
        os.makedirs(self.root, exist_ok=True)
        if not _RELATIVE:
            place = self.root
            for name in folders:
                place = os.path.join(place, name)
                with contextlib.suppress(FileExistsError):
                    os.mkdir(place)
                if os.path.realpath(place) != os.path.join(os.path.realpath(os.path.dirname(place)), name):
                    raise NotADirectoryError(errno.ENOTDIR, "a link", place)
            yield place, None
            return
        descriptor = os.open(self.root, _FOLDER)
        try:
            for name in folders:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, dir_fd=descriptor)
                below = os.open(name, _FOLDER | _NOFOLLOW, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
            yield "", descriptor
        finally:
            os.close(descriptor)

    def _place(self, path: str) -> str:
        return os.path.join(self.root, *path.split("/"))

    def _refuse(self, path: str) -> NoReturn:
        msg = f"{self._place(path)} exists already; unpack into an empty folder, or overwrite (overwrite=True, --overwrite)"
        raise OutputExistsError(msg)
