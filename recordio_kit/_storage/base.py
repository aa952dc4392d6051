"""Protocols of storage: Store, Sink and Source.

Strategy: the least that every trip needs. A sink's bytes are invisible until ``commit``; ``seal`` makes them durable
first, so that several files can be finished before the first of them is published. Names are relative, with ``/``.
Implementations translate their environment's errors into ``StorageError`` and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable


if TYPE_CHECKING:
    from collections.abc import Iterator

    from recordio_kit._core.framing import Buffer

#: Sequential reads come in pieces of this many bytes.
CHUNK_BYTES = 1 << 20


class Stat(NamedTuple):
    """Describe what stands under a name: its size in bytes and the store's own mark of its content (ETag, mtime_ns)."""

    size: int
    stamp: str


class Sink(Protocol):
    """Take the bytes of one file, which nobody sees before ``commit``."""

    def write(self, data: Buffer) -> None:
        """Append bytes.

        Raises:
            StorageError: the bytes could not be stored; the sink can only be aborted now.
        """

    def seal(self) -> None:
        """Make everything written durable, still invisible; nothing can be written after it.

        Raises:
            StorageError: it is not durable; the sink can only be aborted now.
        """

    def commit(self) -> None:
        """Publish under the final name, sealing first where that was not done.

        Raises:
            OutputExistsError: the name was taken meanwhile and overwriting was not asked for.
            StorageError: the name is as it was before.
        """

    def abort(self) -> None:
        """Throw the bytes away; harmless after ``commit`` and when called twice."""


class Source(Protocol):
    """Read one file at any offset, from any thread."""

    @property
    def uri(self) -> str:
        """Return the file's name for messages."""

    @property
    def size(self) -> int:
        """Return the file's size in bytes when it was opened."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes from ``offset``, fewer only at the end of the file.

        Raises:
            StorageError: the bytes could not be read.
        """

    def close(self) -> None:
        """Let go of the file; harmless when called twice."""


@runtime_checkable
class Store(Protocol):
    """Hold files by name under one root; picklable, so that workers can open their own."""

    def uri(self, name: str) -> str:
        """Return the full path or URL of a name."""

    def parent(self) -> tuple[Store, str] | None:
        """Return the store one level up and this root's name in it, or None where there is nothing above."""

    def create(self, name: str, *, overwrite: bool = False) -> Sink:
        """Start a new file; nothing is visible until its sink commits.

        Raises:
            OutputExistsError: the name is taken and ``overwrite`` is False.
            StorageError: the file cannot be started.
        """

    def open(self, name: str) -> Source:
        """Open a file for reading.

        Raises:
            StorageError: there is none, or it cannot be read.
        """

    def stat(self, name: str) -> Stat | None:
        """Describe a file, or return None where there is none.

        Raises:
            StorageError: the store could not say.
        """

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the names that start with a prefix, sorted by code point; temporary files are left out.

        Raises:
            StorageError: the store could not say.
        """

    def delete(self, name: str) -> None:
        """Remove a file; harmless where there is none.

        Raises:
            StorageError: it is still there.
        """

    def probe(self) -> None:
        """Check, before any work, that files can be created here; leave nothing behind.

        Raises:
            StorageError: they cannot, and why.
        """


def read_all(store: Store, name: str) -> bytes:
    """Return the whole content of a (small) file.

    Raises:
        StorageError: it cannot be read.
    """
    source = store.open(name)
    try:
        return source.read_at(0, source.size)
    finally:
        source.close()


def write_all(store: Store, name: str, data: Buffer, *, overwrite: bool = False) -> None:
    """Create a (small) file and publish it.

    Raises:
        OutputExistsError: the name is taken and ``overwrite`` is False.
        StorageError: the name is as it was before.
    """
    sink = store.create(name, overwrite=overwrite)
    try:
        sink.write(data)
        sink.commit()
    except BaseException:
        sink.abort()
        raise


def iter_chunks(source: Source, start: int = 0, size: int = CHUNK_BYTES) -> Iterator[bytes]:
    """Yield a source's bytes in order, from an offset to its end.

    Args:
        source: where to read.
        start: the first byte's offset.
        size: bytes in a piece.

    Raises:
        StorageError: the bytes could not be read.
    """
    for offset in range(start, source.size, size):
        yield source.read_at(offset, min(size, source.size - offset))
