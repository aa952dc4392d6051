"""A folder that files are written into and nothing else: no link is followed, no file replaced unasked, none left half.

Strategy: each folder on the way is opened by its own name below the one before (``dir_fd``, ``O_NOFOLLOW``), so that a link
put there meanwhile leads nowhere. A file is made with ``O_EXCL`` in the state folder and gets its name once it is whole, by a
hard link, which replaces nothing, or by a rename where it may replace. Windows has no such calls: there each folder is looked
at instead. A kill leaves at most one file, in the state folder; files are not forced to the disk one by one, so a power
failure may lose or cut the last ones. Names come from ``filenames`` and are safe already.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from recordio_kit._storage.local import STATE_FOLDER
from recordio_kit.errors import OutputExistsError, StorageError, UnsafePathError


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Self

_RELATIVE: Final = os.open in os.supports_dir_fd and os.mkdir in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
_NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_FOLDER: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_FILE: Final = os.O_CREAT | os.O_EXCL | os.O_WRONLY | _NOFOLLOW | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
#: What a file system says that has no hard links.
_NO_LINKS: Final = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


class _Leaf(NamedTuple):
    """Name a file: its path, relative to an open folder where there is one."""

    path: str
    folder: int | None


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

    def __enter__(self) -> Self:
        """Return the folder."""
        return self

    def __exit__(self, *error: object) -> None:
        """Remove the state folder, where nothing else is in it."""
        with contextlib.suppress(OSError):
            os.rmdir(os.path.join(self.root, STATE_FOLDER))

    def refuse_taken(self, paths: Iterable[str]) -> None:
        """Refuse, before the first file is written, names that are taken and folders that lead elsewhere.

        Args:
            paths: relative, with ``/``.

        Raises:
            OutputExistsError: a name is taken, and overwriting was not asked for or would replace a folder.
            UnsafePathError: a folder on the way is a link, or no folder.
        """
        if not os.path.lexists(self.root):
            return
        seen: set[str] = set()
        for path in paths:
            *folders, _ = path.split("/")
            for depth in range(len(folders), 0, -1):
                folder = "/".join(folders[:depth])
                if folder in seen:
                    break
                seen.add(folder)
                place = self._place(folder)
                if os.path.lexists(place) and (os.path.islink(place) or not os.path.isdir(place)):
                    self._refuse_link(place)
            place = self._place(path)
            if os.path.lexists(place) and not (self._overwrite and (os.path.islink(place) or not os.path.isdir(place))):
                self._refuse(path)

    def write(self, path: str, data: bytes) -> None:
        """Write one file.

        Args:
            path: relative, with ``/``.
            data: its content.

        Raises:
            OutputExistsError: the name was taken meanwhile.
            UnsafePathError: a folder on the way is a link; nothing was written.
            StorageError: the disk is full or failing; the name is as it was.
        """
        *folders, name = path.split("/")
        try:
            with self._inside(folders) as (prefix, folder), self._inside([STATE_FOLDER]) as (state_prefix, state):
                made = _Leaf(os.path.join(state_prefix, f"{secrets.token_hex(8)}.tmp"), state)
                try:
                    _fill(os.open(made.path, _FILE, 0o666, dir_fd=made.folder), data)
                    self._publish(made, _Leaf(os.path.join(prefix, name), folder))
                finally:
                    with contextlib.suppress(OSError):  # a rename has taken it away
                        os.unlink(made.path, dir_fd=made.folder)
        except FileExistsError:
            self._refuse(path)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                self._refuse_link(self._place(path), error)
            msg = f"cannot write the file ({error.strerror or error}); its name is as it was, those before it are written"
            raise StorageError(msg, uri=self._place(path), operation="write") from error

    def _publish(self, made: _Leaf, leaf: _Leaf) -> None:
        """Give a whole file its name."""
        if self._overwrite:
            os.replace(made.path, leaf.path, src_dir_fd=made.folder, dst_dir_fd=leaf.folder)
            return
        try:
            os.link(made.path, leaf.path, src_dir_fd=made.folder, dst_dir_fd=leaf.folder)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
        else:
            return
        with contextlib.suppress(FileNotFoundError):
            os.lstat(leaf.path, dir_fd=leaf.folder)
            raise FileExistsError(errno.EEXIST, "taken", leaf.path)
        os.rename(made.path, leaf.path, src_dir_fd=made.folder, dst_dir_fd=leaf.folder)

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
                wanted = os.path.join(os.path.realpath(os.path.dirname(place)), name)
                if os.path.normcase(os.path.realpath(place)) != os.path.normcase(wanted):  # it may stand there in other case
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

    def _refuse_link(self, place: str, error: OSError | None = None) -> NoReturn:
        msg = f"{place}: a link or a file stands where a folder belongs; remove it, or unpack elsewhere"
        raise UnsafePathError(msg) from error

    def _refuse(self, path: str) -> NoReturn:
        msg = f"{self._place(path)} exists already; unpack into an empty folder, or overwrite (overwrite=True, --overwrite)"
        raise OutputExistsError(msg)


def _fill(file: int, data: bytes) -> None:
    """Write all of a file and close it."""
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(file, rest) :]
    finally:
        os.close(file)
