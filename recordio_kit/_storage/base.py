"""Protocols of storage: Store, Sink and Source, and what a store may offer beyond: writing in parallel, and drafts.

Strategy: the least that every trip needs. A sink's bytes are invisible until ``commit``; ``seal`` makes them durable
first, so that several files can be finished before the first of them is published. Names are relative, with ``/``.
Implementations translate their environment's errors into ``StorageError`` and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from recordio_kit._core.framing import Buffer

#: Sequential reads come in pieces of this many bytes.
CHUNK_BYTES = 1 << 20
#: The operation of a ``StorageError`` behind which nothing that was written can be trusted, though it reads back well: pages that
#: did not get to the disk may be marked clean.
SYNC = "make durable"


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


class Target(Protocol):
    """Write parts of one unfinished file from another process; picklable."""

    def put(self, offset: int, runs: Iterable[Sequence[Buffer]]) -> None:
        """Write runs of pieces as they come, end to end, from an offset on; doing so twice does no harm.

        Raises:
            StorageError: they are not all there.
            Exception: what making them raised; some may be there.
        """


@runtime_checkable
class DirectSink(Sink, Protocol):
    """Take bytes that other processes have written by themselves."""

    def target(self) -> Target | None:
        """Return what they write with, or None where that cannot be done."""

    def skip(self, length: int) -> None:
        """Count bytes behind the last ones as written: a target has put them there.

        Raises:
            StorageError: as for ``write``.
        """

    def read_at(self, offset: int, length: int) -> bytes:
        """Return bytes of the unfinished file, fewer only at its end.

        Raises:
            StorageError: it cannot be read.
        """


@runtime_checkable
class Draft(DirectSink, Protocol):
    """Take the bytes of one file that the next run finds again where this one does not finish.

    What an earlier run has left can be read back; none of it counts as written before ``skip`` says so.
    """

    def keep(self) -> None:
        """Let go of the file and leave it for the next run; harmless after ``commit`` and when called twice."""


class Journal(Protocol):
    """Hold what is known of a draft, as bytes that only one process works on at a time.

    Args:
        mine: whether this process is the one; else another holds the journal, and only ``read`` and ``close`` may be called.
    """

    mine: bool

    def read(self) -> bytes:
        """Return all bytes.

        Raises:
            StorageError: they cannot be read.
        """

    def cut(self, length: int) -> None:
        """Keep so many bytes, and append behind them.

        Raises:
            StorageError: it cannot be changed.
        """

    def append(self, line: bytes) -> None:
        """Append bytes, which outlive this process from here on.

        Raises:
            StorageError: they are not all there.
        """

    def close(self) -> None:
        """Let go of it and leave it for the next run; harmless when called twice."""

    def remove(self) -> None:
        """Remove it; harmless when called twice."""


class Drafts(Protocol):
    """Hold the drafts of one store, each with its journal."""

    def has_journal(self, name: str) -> bool:
        """Tell whether a run has left a journal of a name, or is at it."""

    def journal(self, name: str) -> Journal:
        """Open the journal of a name, and remove what dead runs left of files that cannot be resumed.

        Raises:
            StorageError: it cannot be opened.
        """

    def draft(self, name: str, *, overwrite: bool = False) -> Draft:
        """Open the draft of a name; only who holds its journal may.

        Raises:
            StorageError: it cannot be opened.
        """


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

    def drafts(self) -> Drafts | None:
        """Return the store's unfinished files that can be resumed, or None where that cannot be done."""

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
