"""Files that are being written on a local disk: invisible until they are renamed.

Strategy: a sink writes a temporary file in its store's state folder (the same file system, never a channel folder), loops
over short writes, and on ``seal`` flushes, fsyncs and checks the size that the file system says; ``commit`` renames and
fsyncs the folder. A failed fsync is never retried on the same file: its pages may be marked clean. A plain sink's file is
locked while its process lives, so that what dead ones left can be told and swept. A draft's file has a name that the next run
finds again, and can be read back and cut. Other processes may write their parts of a file by themselves (``LocalTarget``).
"""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import quote

from recordio_kit._storage.base import SYNC
from recordio_kit._storage.durable import full_sync, make_folder, sync_folder
from recordio_kit._storage.locks import outwait, try_lock
from recordio_kit.errors import OutputExistsError, StorageError


if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from recordio_kit._core.framing import Buffer

BINARY: Final = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
#: Names that the next run finds again are known to others as well: a link that was put there is not followed.
NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)
_BUFFER_BYTES: Final = 1 << 20
#: The least that POSIX lets a system take at once.
_PIECES_AT_ONCE: Final = 1024 if hasattr(os, "sysconf") else 16
#: Longer than any write of a segment takes on a disk that works.
_STRAGGLER_SECONDS: Final = 30.0


def fail(error: OSError, path: Path, operation: str, state: str) -> NoReturn:
    """Raise what the file system said as a ``StorageError`` that also says what is on disk now."""
    msg = f"cannot {operation} ({error.strerror or error}); {state}"
    raise StorageError(msg, uri=str(path), operation=operation) from error


def refuse_existing(path: Path) -> None:
    """Refuse a final name that is taken.

    Raises:
        OutputExistsError: something stands there, even a dangling link.
    """
    if path.is_dir():
        msg = f"{path} exists already, and is a folder; choose another destination"
        raise OutputExistsError(msg)
    if os.path.lexists(path):
        msg = f"{path} exists already; choose another destination, or overwrite it (overwrite=True, --overwrite)"
        raise OutputExistsError(msg)


@dataclass(frozen=True, slots=True)
class LocalTarget:
    """Write parts of an unfinished file from another process of this machine.

    Args:
        path: the temporary file.
        name: the final path, for messages.
    """

    path: str
    name: str

    def put(self, offset: int, runs: Iterable[Sequence[Buffer]]) -> None:
        """Write runs of pieces as they come, end to end, from an offset on.

        Raises:
            StorageError: they are not all there.
            Exception: what making them raised; some may be there.
        """
        try:
            descriptor = os.open(self.path, os.O_WRONLY | BINARY)
            try:
                try_lock(descriptor, shared=True)  # whoever resumes this file waits for writes that outlived their run
                for pieces in runs:
                    offset = _put_at(descriptor, offset, pieces)
            finally:
                os.close(descriptor)
        except StorageError:  # of what made the pieces
            raise
        except OSError as error:
            state = "the final name is as it was; make room or mend the disk and run again"
            msg = f"cannot write ({error.strerror or error}); {state}"
            raise StorageError(msg, uri=self.name, operation="write") from error


def _put_at(descriptor: int, offset: int, pieces: Sequence[Buffer]) -> int:
    """Write pieces, end to end, at an offset, however little the system takes at a time; return the offset behind them."""
    for start in range(0, len(pieces), _PIECES_AT_ONCE):
        some = [memoryview(piece) for piece in pieces[start : start + _PIECES_AT_ONCE]]
        while some:
            written = os.pwritev(descriptor, some, offset) if hasattr(os, "pwritev") else os.pwrite(descriptor, some[0], offset)
            offset += written
            while some and written >= len(some[0]):
                written -= len(some.pop(0))
            if some:
                some[0] = some[0][written:]
    return offset


class LocalSink:
    """Write one file next to its final place and rename it there at the end.

    Args:
        path: the final place.
        state_folder: where the temporary file lies.
        overwrite: whether the final name may be taken.
    """

    def __init__(self, path: Path, state_folder: Path, *, overwrite: bool) -> None:
        """Create or find the temporary file."""
        self._path = path
        self._overwrite = overwrite
        self._state_folder = state_folder
        self._size = 0
        self._sealed = self._over = False
        try:
            state_folder.mkdir(parents=True, exist_ok=True)
            self._temporary, descriptor = self._start()
            self._file = os.fdopen(descriptor, "r+b", _BUFFER_BYTES)
        except OSError as error:
            fail(error, path, "create", "nothing was written")

    def _start(self) -> tuple[Path, int]:
        while True:
            place = self._state_folder / f"{self._path.name}.{secrets.token_hex(6)}.tmp"
            descriptor = os.open(place, os.O_CREAT | os.O_EXCL | os.O_RDWR | BINARY, 0o666)
            try_lock(descriptor)
            if _is(place, descriptor):  # else it was swept before it was locked
                return place, descriptor
            os.close(descriptor)

    def write(self, data: Buffer) -> None:
        """Append bytes.

        Raises:
            StorageError: the disk is full or failing; the final name is as it was.
        """
        try:
            self._file.write(data)
        except OSError as error:
            self._failed(error, "write")
        self._size += len(data)

    def target(self) -> LocalTarget | None:
        """Return what lets other processes write parts of the file; None where the system cannot write at an offset."""
        return LocalTarget(str(self._temporary), str(self._path)) if hasattr(os, "pwrite") else None

    def skip(self, length: int) -> None:
        """Count bytes behind the last ones as written: a target has put them there.

        Raises:
            StorageError: as for ``write``.
        """
        try:
            self._file.flush()
            self._file.seek(self._size + length)
        except OSError as error:
            self._failed(error, "write")
        self._size += length

    def read_at(self, offset: int, length: int) -> bytes:
        """Return bytes of the unfinished file, fewer only at its end.

        Raises:
            StorageError: it cannot be read.
        """
        try:
            self._file.flush()
            self._file.seek(offset)
            data = self._file.read(length)
            self._file.seek(self._size)
        except OSError as error:
            self._failed(error, "read back")
        return data

    def seal(self) -> None:
        """Flush and fsync what was written.

        Raises:
            StorageError: it is not safely on disk; the final name is as it was.
        """
        if self._sealed:
            return
        try:
            self._file.flush()
            self._file.truncate(self._size)  # a target may have written more than counted in the end
        except OSError as error:
            self._failed(error, "flush")
        try:
            full_sync(self._file.fileno())
            size = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            self._failed(error, SYNC)
        if size != self._size:
            self._failed(OSError(f"the file has {size} bytes, {self._size} were written"), SYNC)
        self._sealed = True

    def commit(self) -> None:
        """Rename to the final name and fsync its folder.

        Raises:
            OutputExistsError: the name was taken meanwhile.
            StorageError: the final name is as it was.
        """
        self.seal()
        if not self._overwrite:
            refuse_existing(self._path)
        try:
            make_folder(self._path.parent)
            if os.name == "nt":  # an open file cannot be renamed there
                self._file.close()
            self._temporary.replace(self._path)
            sync_folder(self._path.parent)
            self._file.close()
        except OSError as error:
            self._failed(error, "publish")
        self._over = True
        self._drop_state_folder()

    def abort(self) -> None:
        """Remove the temporary file; harmless after ``commit`` and when called twice."""
        self._let_go()
        if not self._over:
            with contextlib.suppress(OSError):
                self._temporary.unlink()
        self._drop_state_folder()

    def _let_go(self) -> None:
        """Close the file, whatever its buffer says."""
        with contextlib.suppress(OSError):  # closing flushes, which a full disk refuses once more
            self._file.close()

    def _drop_state_folder(self) -> None:
        with contextlib.suppress(OSError):  # not empty: another file is under way there
            self._state_folder.rmdir()

    def _failed(self, error: OSError, operation: str) -> NoReturn:
        state = f"{self._size} bytes were written, the final name is as it was; make room or mend the disk and run again"
        fail(error, self._path, operation, state)


class LocalDraft(LocalSink):
    """Write one file whose temporary file the next run finds again.

    Args:
        path: the final place.
        state_folder: where the temporary file lies.
        overwrite: whether the final name may be taken.
        name: the final name, which the temporary one is made from.
    """

    def __init__(self, path: Path, state_folder: Path, *, overwrite: bool, name: str) -> None:
        """Create or find the temporary file; nothing of it counts as written yet."""
        self._name = name
        super().__init__(path, state_folder, overwrite=overwrite)

    def _start(self) -> tuple[Path, int]:
        place = self._state_folder / f"{file_name(self._name)}.part"
        descriptor = os.open(place, os.O_CREAT | os.O_RDWR | BINARY | NO_LINK, 0o666)
        if not outwait(descriptor, _STRAGGLER_SECONDS):
            os.close(descriptor)
            msg = "a process of an earlier run is still writing to it; end that first"
            raise BlockingIOError(msg)
        return place, descriptor

    def keep(self) -> None:
        """Close the file and leave it for the next run; harmless after ``commit`` and when called twice."""
        self._let_go()


def file_name(name: str) -> str:
    """Return a store's name as the name of one file."""
    return quote(name, safe="")


def sweep(state_folder: Path) -> None:
    """Remove the temporary files of plain sinks whose processes are gone, and the folder if nothing else is in it."""
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(state_folder)):
            if entry.name.endswith(".tmp"):
                _remove_dead(entry.path)
        state_folder.rmdir()


def _remove_dead(path: str) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | BINARY)
        try:
            dead = try_lock(descriptor)
            if dead and os.name != "nt":
                os.unlink(path)
        finally:
            os.close(descriptor)
        if dead and os.name == "nt":  # refused while another process has it open
            os.unlink(path)


def _is(path: Path, descriptor: int) -> bool:
    """Tell whether a path still leads to an open file."""
    found: Any = os.fstat(descriptor)
    with contextlib.suppress(OSError):
        return os.path.samestat(path.stat(), found)
    return False
