"""Unfinished files: take up what a run that was killed has left, and leave for the next one what this run has done.

Strategy: where the store has drafts, a pack writes to one and notes each segment in its journal once its bytes are written.
The next run with the same fingerprint and codec baseline goes on behind the last segment whose bytes are really there and
whose sources are as they were; anything else is refused, never mixed. Who works on a name holds its journal's lock. A name
that was published by a run that died before it could say so is recognised by its bytes.
"""

from __future__ import annotations

import contextlib
import os
import platform
from typing import TYPE_CHECKING, Any

from recordio_kit._core.checksum import combine_crc32, crc32_of
from recordio_kit._core.journal import JournalHead, JournalText, format_head, format_receipt, parse_journal
from recordio_kit._core.manifest import FileInfo
from recordio_kit._pipeline.manifests import inspect_file
from recordio_kit._pipeline.sources import source_stamp
from recordio_kit._storage.base import SYNC, Draft
from recordio_kit._storage.writer import RecordWriter
from recordio_kit.errors import OutputExistsError, ResumeMismatchError, StorageError


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import TracebackType
    from typing import Self

    from recordio_kit._core.framing import Buffer
    from recordio_kit._core.imagelist import ImageList
    from recordio_kit._core.plan import Receipt
    from recordio_kit._pipeline.work import Job
    from recordio_kit._storage.base import Drafts, Journal, Sink, Store


def has_journal(store: Store, name: str) -> bool:
    """Tell whether a run has left an unfinished file of a name, or is at it."""
    drafts = store.drafts()
    return drafts is not None and drafts.has_journal(name)


def forget(store: Store, names: Iterable[str]) -> None:
    """Remove unfinished files of these names that no run is at.

    Raises:
        StorageError: the store cannot say.
    """
    drafts = store.drafts()
    for name in names:
        if drafts is not None and drafts.has_journal(name):
            journal = drafts.journal(name)
            if journal.mine:
                drafts.draft(name, overwrite=True).abort()
                journal.remove()
            journal.close()


class Unfinished:
    """Hold one ``.rec`` while it is being made; leaving the block by an exception leaves it for the next run.

    Args:
        store: where it will stand.
        name: its final name.
        entries: how many the list has.
        fingerprint: of the list and the options that alter its bytes.
        options: those options, to say what differs.
        baseline: what decides the codec's bytes beyond them.
        resume: go on where an earlier run stopped, and leave work for the next; False starts over and leaves nothing.
        overwrite: whether final names may be taken; also true of what this very work has published already.

    Raises:
        OutputExistsError: another run is at it.
        ResumeMismatchError: an unfinished run has left something else; it is as it was.
        StorageError: the store cannot say.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        *,
        entries: int,
        fingerprint: str,
        options: Mapping[str, Any],
        baseline: str,
        resume: bool,
        overwrite: bool,
    ) -> None:
        """Lock the journal and read what an earlier run has left."""
        self.store = store
        self._name = name
        self._resume = resume
        self.overwrite = overwrite
        self._writer: RecordWriter | None = None
        self._drafts: Drafts | None = store.drafts()
        self._journal: Journal | None = None
        self._left = JournalText(None, (), (0,))
        self._done = 0  # images that the journal says are packed
        self.fingerprint = fingerprint
        self.published = False
        if self._drafts is None:
            return
        head = JournalHead(fingerprint=fingerprint, options=options, baseline=baseline, pid=os.getpid(), host=platform.node())
        self._journal = self._drafts.journal(name)
        try:
            self._left = self._read(self._journal, head)
            self._done = self._left.receipts[-1].stop if self._left.receipts else 0
            self.published = self._done == entries and self._is_published()
        except BaseException:
            self._journal.close()
            raise

    def _read(self, journal: Journal, head: JournalHead) -> JournalText:
        data = journal.read()
        left = parse_journal(data)
        where = self.store.uri(self._name)
        if not journal.mine:
            who = "" if left.head is None else f" (process {left.head.pid} on {left.head.host})"
            msg = f"another run{who} is making {where}; wait for it or end it, nothing was changed"
            raise OutputExistsError(msg)
        if left.head is None or not left.receipts or not self._resume:
            if data and self._drafts is not None:
                self._drafts.draft(self._name, overwrite=True).abort()
            journal.cut(0)
            journal.append(format_head(head))
            return JournalText(head, (), (len(format_head(head)),))
        if differs := _difference(left.head, head):
            msg = (
                f"an unfinished run has left {left.receipts[-1].stop} images of {where} packed, {differs}; "
                "run it again as it was to finish it, or start over with resume=False (--no-resume); nothing was changed"
            )
            raise ResumeMismatchError(msg)
        return left

    def _is_published(self) -> bool:
        """Tell whether the final name holds just what the journal says: the run died while it published."""
        receipts = self._left.receipts
        found = self.store.stat(self._name) if receipts else None
        lengths = [receipt.length for receipt in receipts]
        if found is None or found.size != sum(lengths):
            return False
        whole = FileInfo(path=self._name, bytes=found.size, crc32=combine_crc32([receipt.crc32 for receipt in receipts], lengths))
        return inspect_file(self.store, self._name) == whole

    def writer(self, **options: Any) -> RecordWriter:
        """Return the writer of the file; once for each.

        Args:
            options: as for ``RecordWriter``, but for ``store``, ``overwrite`` and ``sink``.
        """
        # What was published with its .rec is its own, so its sidecars may be written again.
        self.overwrite |= self.published
        sink: Sink | None = None
        if self.published:
            sink = _Standing(self.store, self._name)
        elif self._drafts is not None:
            if self.store.stat(self._name) is not None:
                self.store.create(self._name, overwrite=self.overwrite).abort()  # raises: the store words the refusal
            sink = self._drafts.draft(self._name, overwrite=self.overwrite)
        try:
            self._writer = RecordWriter(self._name, store=self.store, overwrite=self.overwrite, sink=sink, **options)
        except BaseException:
            if isinstance(sink, Draft):
                sink.keep()
            raise
        return self._writer

    def resume(self, writer: RecordWriter, images: ImageList, job: Job) -> Iterator[Receipt]:
        """Count into the writer what an earlier run has left whole, and yield its receipts.

        Args:
            writer: of this file.
            images: the list, which is the earlier run's.
            job: how images are read.

        Raises:
            ResumeMismatchError: the source of an image that is packed has changed; what was left stays.
            StorageError: what is there cannot be read.
        """
        prefix = os.path.join(job.root, "")
        whole = 0
        for receipt in self._left.receipts:
            data = writer.read_at(writer.size, receipt.length)
            if len(data) != receipt.length or crc32_of(data) != receipt.crc32:
                break
            self._refuse_changed(receipt, images, prefix)
            writer.place(receipt.rows)
            whole += 1
            yield receipt
        if self._journal is not None:
            self._journal.cut(self._left.ends[whole])
            self._done = self._left.receipts[whole - 1].stop if whole else 0
        self._left = JournalText(self._left.head, (), ())  # millions of rows that nobody needs any more

    def _refuse_changed(self, receipt: Receipt, images: ImageList, prefix: str) -> None:
        paths = images[receipt.start : receipt.stop].paths
        for path, stamp in zip(paths, receipt.stamps.tolist(), strict=True):
            if source_stamp(prefix, path) != tuple(stamp):
                msg = (
                    f"{prefix}{path} is not as it was when an earlier run packed it for {self.store.uri(self._name)}; put it "
                    "back, or start over with resume=False (--no-resume); nothing was changed"
                )
                raise ResumeMismatchError(msg)

    def note(self, receipt: Receipt) -> None:
        """Note a segment whose bytes are written.

        Raises:
            StorageError: they, or the journal, cannot be written.
        """
        if self._journal is not None and self._writer is not None:
            self._writer.flush()
            self._journal.append(format_receipt(receipt))
            self._done = receipt.stop

    def __enter__(self) -> Self:
        """Return the file."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Forget the journal where all is published; else keep what was done, or throw it away, as was asked for."""
        if self._journal is None:
            if self._writer is not None:
                self._writer.abort()
        elif error is None:
            self._journal.remove()
        elif not self._resume or not self._done or _is_spoilt(error):
            self._discard()
            self._journal.remove()
        else:
            if self._writer is not None:
                self._writer.keep()
            self._journal.close()
            error.add_note(
                f"{self._done} images of {self.store.uri(self._name)} are kept: run the same again to go on from there, "
                "or with resume=False (--no-resume) to start over"
            )

    def _discard(self) -> None:
        """Throw the draft away, also one that a failing writer has kept."""
        if self._writer is not None:
            self._writer.abort()
        if self._drafts is not None and not self.published:
            with contextlib.suppress(StorageError):  # one failure is told already
                self._drafts.draft(self._name, overwrite=True).abort()


class _Standing:
    """Stand for a file that is published already."""

    def __init__(self, store: Store, name: str) -> None:
        self._source = store.open(name)

    def write(self, _: Buffer) -> None:
        msg = f"{self._source.uri} is published; nothing can be added to it"
        raise RuntimeError(msg)

    def target(self) -> None:
        """Nobody may write to it."""

    def skip(self, length: int) -> None:
        """Its bytes are there."""

    def read_at(self, offset: int, length: int) -> bytes:
        return self._source.read_at(offset, length)

    def seal(self) -> None:
        """It is durable."""

    def commit(self) -> None:
        self._source.close()

    def abort(self) -> None:
        self._source.close()


def _is_spoilt(error: BaseException) -> bool:
    """Tell whether what was written cannot be trusted, though it reads back well."""
    return isinstance(error, StorageError) and error.operation == SYNC


def _difference(old: JournalHead, new: JournalHead) -> str:
    """Say what an earlier run had otherwise; nothing where all is the same."""
    if old.fingerprint == new.fingerprint:
        same = old.baseline == new.baseline
        return "" if same else f"by a codec that gives other bytes ({old.baseline} then, {new.baseline} now)"
    changed = [name for name in new.options if old.options.get(name) != new.options[name]]
    if not changed:
        return "from another list"
    told = ", ".join(f"{name}: {old.options.get(name)} then, {new.options[name]} now" for name in changed)
    return f"with other options ({told})"
