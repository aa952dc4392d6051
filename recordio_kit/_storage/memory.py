"""A store in memory: what the other stores are held against, and what tests use where no disk matters.

Strategy: the simplest thing that follows the protocol. Not shared between processes: a pickled copy holds the files of
the moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordio_kit._storage.base import Stat
from recordio_kit.errors import OutputExistsError, StorageError


if TYPE_CHECKING:
    from collections.abc import Iterator

    from recordio_kit._core.framing import Buffer


class MemoryStore:
    """Hold files in a dict, ``files``, by name."""

    def __init__(self) -> None:
        """Start empty."""
        self.files: dict[str, bytes] = {}

    def uri(self, name: str) -> str:
        """Return a URL for messages."""
        return f"memory:{name}"

    def parent(self) -> None:
        """Return None: nothing is above."""

    def create(self, name: str, *, overwrite: bool = False) -> MemorySink:
        """Start a file.

        Raises:
            OutputExistsError: the name is taken and ``overwrite`` is False.
        """
        sink = MemorySink(self, name, overwrite=overwrite)
        sink.refuse_existing()
        return sink

    def open(self, name: str) -> MemorySource:
        """Open a file.

        Raises:
            StorageError: there is none.
        """
        if name not in self.files:
            msg = "no such file"
            raise StorageError(msg, uri=self.uri(name), operation="open")
        return MemorySource(self.uri(name), self.files[name])

    def stat(self, name: str) -> Stat | None:
        """Describe a file, or return None where there is none."""
        data = self.files.get(name)
        return None if data is None else Stat(len(data), str(hash(data)))

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the names that start with a prefix, sorted."""
        yield from sorted(name for name in self.files if name.startswith(prefix))

    def delete(self, name: str) -> None:
        """Remove a file; harmless where there is none."""
        self.files.pop(name, None)

    def drafts(self) -> None:
        """Return None: memory does not outlive its process."""

    def probe(self) -> None:
        """Do nothing: memory is always writable."""


class MemorySink:
    """Collect one file's bytes."""

    def __init__(self, store: MemoryStore, name: str, *, overwrite: bool) -> None:
        """Start with no bytes."""
        self._store = store
        self._name = name
        self._overwrite = overwrite
        self._data = bytearray()
        self._aborted = False

    def refuse_existing(self) -> None:
        """Refuse a taken name.

        Raises:
            OutputExistsError: unless overwriting was asked for.
        """
        if not self._overwrite and self._name in self._store.files:
            msg = f"{self._store.uri(self._name)} exists already"
            raise OutputExistsError(msg)

    def write(self, data: Buffer) -> None:
        """Append bytes."""
        self._data += data

    def seal(self) -> None:
        """Do nothing: memory needs no flush."""

    def commit(self) -> None:
        """Publish.

        Raises:
            OutputExistsError: the name was taken meanwhile.
            RuntimeError: the sink was aborted.
        """
        if self._aborted:
            msg = f"{self._store.uri(self._name)} was aborted"
            raise RuntimeError(msg)
        self.refuse_existing()
        self._store.files[self._name] = bytes(self._data)

    def abort(self) -> None:
        """Forget the bytes."""
        self._data.clear()
        self._aborted = True


class MemorySource:
    """Read bytes."""

    def __init__(self, uri: str, data: bytes) -> None:
        """Hold the bytes."""
        self.uri = uri
        self.size = len(data)
        self._data = data

    def read_at(self, offset: int, length: int) -> bytes:
        """Return a slice, shorter only at the end."""
        return self._data[offset : offset + length]

    def close(self) -> None:
        """Do nothing."""
