"""A store whose k-th operation fails."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final

from recordio_kit.errors import StorageError


if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from recordio_kit._core.framing import Buffer
    from recordio_kit._storage.base import Draft, Drafts, Journal, Sink, Source, Stat, Store

#: What can fail; ``abort`` and ``close`` may not, by the protocol.
OPERATIONS: Final = ("create", "write", "seal", "commit", "open", "read", "stat", "list", "delete", "probe", "note")


class FaultyStore:
    """Pass everything on to another store, but raise ``StorageError`` in place of the k-th operation.

    Counting up until a run passes tries every place where it can fail::

        for fail_at in itertools.count(1):
            store = FaultyStore(MemoryStore(), fail_at=fail_at)
            try:
                work(store)
            except StorageError:
                check_nothing_half_done(store.store)
            if not store.fired:
                break

    ``calls`` lists the counted operations, as (operation, name). Copies in other processes count on their own.

    Args:
        store: the store that does the work.
        fail_at: the operation to fail, counted from 1.
        operations: those that count, of ``create write seal commit open read stat list delete probe note`` (a draft's journal).
        forever: whether every counted operation from there on fails, as on a full disk.

    Raises:
        ValueError: an operation is unknown, or ``fail_at`` is below 1.
    """

    def __init__(self, store: Store, *, fail_at: int, operations: Collection[str] = OPERATIONS, forever: bool = False) -> None:
        """Start counting at zero."""
        if unknown := set(operations) - set(OPERATIONS):
            msg = f"unknown operations {sorted(unknown)}; there are {', '.join(OPERATIONS)}"
            raise ValueError(msg)
        if fail_at < 1:
            msg = f"operations are counted from 1, not {fail_at}"
            raise ValueError(msg)
        self.store = store
        self.calls: list[tuple[str, str]] = []
        self._fired: list[int] = []
        self._fail_at = fail_at
        self._operations = frozenset(operations)
        self._forever = forever

    @property
    def fired(self) -> bool:
        """Tell whether an operation was made to fail."""
        return bool(self._fired)

    def reach(self, operation: str, name: str) -> None:
        """Count an operation.

        Args:
            operation: which.
            name: the file concerned.

        Raises:
            StorageError: it is the one to fail.
        """
        if operation not in self._operations:
            return
        self.calls.append((operation, name))
        if len(self.calls) >= self._fail_at and (self._forever or not self._fired):
            self._fired.append(len(self.calls))
            msg = f"injected fault in operation {len(self.calls)}, {operation}"
            raise StorageError(msg, uri=self.store.uri(name), operation=operation)

    def uri(self, name: str) -> str:
        """Return the other store's URI of a name."""
        return self.store.uri(name)

    def parent(self) -> tuple[FaultyStore, str] | None:
        """Return the other store's parent, counting and failing with this one."""
        above = self.store.parent()
        if above is None:
            return None
        store = copy.copy(self)
        store.store = above[0]
        return store, above[1]

    def create(self, name: str, *, overwrite: bool = False) -> FaultySink:
        """Start a file whose operations count too."""
        self.reach("create", name)
        return FaultySink(self, name, self.store.create(name, overwrite=overwrite))

    def open(self, name: str) -> FaultySource:
        """Open a file whose reads count too."""
        self.reach("open", name)
        return FaultySource(self, name, self.store.open(name))

    def stat(self, name: str) -> Stat | None:
        """Describe a file."""
        self.reach("stat", name)
        return self.store.stat(name)

    def list(self, prefix: str = "") -> Iterator[str]:
        """Return the names that start with a prefix."""
        self.reach("list", prefix)
        return self.store.list(prefix)

    def delete(self, name: str) -> None:
        """Remove a file."""
        self.reach("delete", name)
        self.store.delete(name)

    def probe(self) -> None:
        """Check that files can be created."""
        self.reach("probe", "")
        self.store.probe()

    def drafts(self) -> FaultyDrafts | None:
        """Return the other store's drafts, whose operations count too; bytes come through this process only."""
        drafts = self.store.drafts()
        return None if drafts is None else FaultyDrafts(self, drafts)


class FaultyDrafts:
    """Pass drafts and their journals on, counting."""

    def __init__(self, store: FaultyStore, drafts: Drafts) -> None:
        """Hold the other store's drafts."""
        self._store = store
        self._drafts = drafts

    def has_journal(self, name: str) -> bool:
        """Tell whether there is a journal."""
        self._store.reach("stat", name)
        return self._drafts.has_journal(name)

    def journal(self, name: str) -> FaultyJournal:
        """Open a journal."""
        self._store.reach("open", name)
        return FaultyJournal(self._store, name, self._drafts.journal(name))

    def draft(self, name: str, *, overwrite: bool = False) -> FaultyDraft:
        """Open a draft."""
        self._store.reach("create", name)
        return FaultyDraft(self._store, name, self._drafts.draft(name, overwrite=overwrite))


class FaultyJournal:
    """Pass a journal's bytes on, counting."""

    def __init__(self, store: FaultyStore, name: str, journal: Journal) -> None:
        """Hold the other store's journal."""
        self._store = store
        self._name = name
        self._journal = journal
        self.mine = journal.mine

    def read(self) -> bytes:
        """Return all bytes."""
        self._store.reach("read", self._name)
        return self._journal.read()

    def cut(self, length: int) -> None:
        """Keep so many bytes."""
        self._store.reach("note", self._name)
        self._journal.cut(length)

    def append(self, line: bytes) -> None:
        """Append bytes."""
        self._store.reach("note", self._name)
        self._journal.append(line)

    def close(self) -> None:
        """Let go; never fails."""
        self._journal.close()

    def remove(self) -> None:
        """Remove it; never fails."""
        self._journal.remove()


class FaultySink:
    """Pass a file's bytes on, counting."""

    def __init__(self, store: FaultyStore, name: str, sink: Sink) -> None:
        """Hold the other store's sink."""
        self._store = store
        self._name = name
        self._sink = sink

    def write(self, data: Buffer) -> None:
        """Append bytes."""
        self._store.reach("write", self._name)
        self._sink.write(data)

    def seal(self) -> None:
        """Make the bytes durable."""
        self._store.reach("seal", self._name)
        self._sink.seal()

    def commit(self) -> None:
        """Publish."""
        self._store.reach("commit", self._name)
        self._sink.commit()

    def abort(self) -> None:
        """Throw the bytes away; never fails."""
        self._sink.abort()


class FaultyDraft(FaultySink):
    """Pass a draft's bytes on, counting."""

    def __init__(self, store: FaultyStore, name: str, draft: Draft) -> None:
        """Hold the other store's draft."""
        super().__init__(store, name, draft)
        self._draft = draft

    def target(self) -> None:
        """Return None: what another process writes cannot be counted here."""

    def skip(self, length: int) -> None:
        """Count bytes that are there as written."""
        self._store.reach("write", self._name)
        self._draft.skip(length)

    def read_at(self, offset: int, length: int) -> bytes:
        """Return bytes of the unfinished file."""
        self._store.reach("read", self._name)
        return self._draft.read_at(offset, length)

    def keep(self) -> None:
        """Leave it for the next run; never fails."""
        self._draft.keep()


class FaultySource:
    """Pass reads on, counting."""

    def __init__(self, store: FaultyStore, name: str, source: Source) -> None:
        """Hold the other store's source."""
        self._store = store
        self._name = name
        self._source = source

    @property
    def uri(self) -> str:
        """Return the file's URI."""
        return self._source.uri

    @property
    def size(self) -> int:
        """Return the file's size in bytes."""
        return self._source.size

    def read_at(self, offset: int, length: int) -> bytes:
        """Return bytes."""
        self._store.reach("read", self._name)
        return self._source.read_at(offset, length)

    def close(self) -> None:
        """Let go of the file; never fails."""
        self._source.close()
