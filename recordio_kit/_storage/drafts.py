"""Drafts: files that outlive a run that did not finish, each with a journal of what is in it.

Strategy: a draft and its journal lie in the store's state folder under names made from the final one, so that the next run
finds them. Who holds the journal's lock works on the draft; the system takes the lock back however its process ends. What a
journal says is ``_core.journal``'s; here it is bytes, appended without fsync: whoever resumes reads the draft back anyway.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from recordio_kit._storage.local_sink import BINARY, NO_LINK, LocalDraft, fail, file_name, sweep
from recordio_kit._storage.locks import try_lock


if TYPE_CHECKING:
    from pathlib import Path


class JournalFile:
    """Append to a file that only one process works on at a time.

    Args:
        path: the file; it and its folder are made where there are none.
        uri: the final name that it is about, for messages.
    """

    def __init__(self, path: Path, uri: str) -> None:
        """Open the file and try to lock it.

        Raises:
            StorageError: it cannot be opened.
        """
        self._path = path
        self._uri = uri
        try:
            while True:
                path.parent.mkdir(parents=True, exist_ok=True)
                try:
                    self._descriptor = os.open(path, os.O_CREAT | os.O_RDWR | BINARY | NO_LINK, 0o666)
                except FileNotFoundError:  # another run has just removed the folder
                    continue
                self.mine = try_lock(self._descriptor)
                if not self.mine or self._stands():
                    return
                os.close(self._descriptor)  # removed by the run that held it, between opening and locking
        except OSError as error:
            self._fail(error, "open the journal of")

    def _stands(self) -> bool:
        with contextlib.suppress(OSError):
            return os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        return False

    def read(self) -> bytes:
        """Return all bytes.

        Raises:
            StorageError: they cannot be read.
        """
        pieces = []
        try:
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            while piece := os.read(self._descriptor, 1 << 20):
                pieces.append(piece)
        except OSError as error:
            self._fail(error, "read the journal of")
        return b"".join(pieces)

    def cut(self, length: int) -> None:
        """Keep so many bytes, and append behind them.

        Raises:
            StorageError: the file cannot be changed.
        """
        try:
            os.ftruncate(self._descriptor, length)
            os.lseek(self._descriptor, length, os.SEEK_SET)
        except OSError as error:
            self._fail(error, "write the journal of")

    def append(self, line: bytes) -> None:
        """Append bytes; they are the system's from here on, so they outlive this process.

        Raises:
            StorageError: they are not all there; a torn line is recognised and ignored by who resumes.
        """
        view = memoryview(line)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            self._fail(error, "write the journal of")

    def close(self) -> None:
        """Close the file and let go of its lock; harmless when called twice."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def remove(self) -> None:
        """Remove the file, and the state folder if nothing else is in it; harmless when called twice."""
        if self.mine and self._descriptor >= 0:
            if os.name == "nt":
                self.close()
            with contextlib.suppress(OSError):
                self._path.unlink()
        self.close()
        with contextlib.suppress(OSError):
            self._path.parent.rmdir()

    def _fail(self, error: OSError, operation: str) -> None:
        fail(error, self._path, f"{operation} {self._uri}", "what was packed is kept as it is")


class LocalDrafts:
    """Hold the drafts of one local store.

    Args:
        root: the store's folder.
        state_folder: where they lie.
    """

    def __init__(self, root: Path, state_folder: Path) -> None:
        """Remember both; nothing is touched."""
        self._root = root
        self._state_folder = state_folder

    def journal(self, name: str) -> JournalFile:
        """Open the journal of a name, and remove what dead runs left of files that cannot be resumed.

        Raises:
            StorageError: it cannot be opened.
        """
        made = JournalFile(self._state_folder / f"{file_name(name)}.journal", str(self._root / name))
        sweep(self._state_folder)
        return made

    def has_journal(self, name: str) -> bool:
        """Tell whether a run has left a journal of a name, or is at it."""
        return (self._state_folder / f"{file_name(name)}.journal").exists()

    def draft(self, name: str, *, overwrite: bool = False) -> LocalDraft:
        """Open the draft of a name; only who holds its journal may.

        Raises:
            StorageError: it cannot be opened.
        """
        return LocalDraft(self._root / name, self._state_folder, overwrite=overwrite, name=name)
