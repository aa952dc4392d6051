"""RecordWriter: records in, a ``.rec`` with its sidecars out.

Strategy: one writer for everybody. Users hand it payloads; the pipeline hands it framed segments; both advance the same
columns (keys, offsets, lengths, checksums), from which the ``.idx`` and the ``.rkm`` are made at the end. Nothing is
visible before ``close``: the ``.rec`` is published first, its sidecars behind it. Leaving the ``with`` block by an exception
publishes nothing.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

import numpy as np

from recordio_kit._core.checksum import combine_crc32, crc32_of
from recordio_kit._core.framing import frame_record
from recordio_kit._core.index import idx_parts
from recordio_kit._core.manifest import FileInfo
from recordio_kit._core.sidecar import BLOCK_ENTRIES, ENTRY_DTYPE, sidecar_parts
from recordio_kit._storage.base import DirectSink, Draft
from recordio_kit._storage.open import open_file, refuse_unreadable


if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

    from recordio_kit._core.framing import Buffer
    from recordio_kit._storage.base import Sink, Store, Target

_MAX_KEY = (1 << 64) - 1


class RecordWriter:
    """Write records to a new ``.rec`` file, with its ``.idx`` and, if asked for, its ``.rkm``.

    Args:
        path: the ``.rec``: a local path or an ``s3://`` URL; with ``store``, a name in it.
        index: True for ``x.idx`` beside ``x.rec``, False for none, or a name in the same store.
        checksums: the same for the ``.rkm`` sidecar of per-record checksums.
        overwrite: replace what stands under these names; otherwise that is an error.
        store: where the names stand, if that is not to be told from the path.
        fingerprint: hex digest (32 bytes) of what the records are made from, kept in the ``.rkm``.
        sink: the unfinished file to write to; None creates one. A ``Draft`` outlives a writer that fails.

    Raises:
        OutputExistsError: one of the names is taken.
        StorageError: the file cannot be created.
        UnsafePathError: MXNet could not open the path (``;``, ``#``, ``?``).
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        index: bool | str = True,
        checksums: bool | str = False,
        overwrite: bool = False,
        store: Store | None = None,
        fingerprint: str = "",
        sink: Sink | None = None,
    ) -> None:
        """Create the temporary file."""
        self._fingerprint = fingerprint
        self._store, self._name = open_file(path, store)
        self.uri = self._store.uri(self._name)
        refuse_unreadable(self.uri)
        self._index = _sidecar_name(self._name, index, ".idx")
        self._checksums = _sidecar_name(self._name, checksums, ".rkm")
        self._overwrite = overwrite
        self._sidecars: list[tuple[str, Sink]] = []
        # Also the names that this writer leaves free: a reader would take what stands there for the new file's sidecar.
        stem = self._name.removesuffix(".rec")
        self._claimed = [name for name in dict.fromkeys((self._index, self._checksums, stem + ".idx", stem + ".rkm")) if name]
        for name in self._claimed:
            if not overwrite and self._store.stat(name) is not None:
                self._store.create(name).abort()  # raises: the store words the refusal
        self._sink = self._store.create(self._name, overwrite=overwrite) if sink is None else sink
        self._keys = array("Q")
        self._offsets = array("Q")
        self._lengths = array("I")
        self._crcs = array("I")
        self._size = 0
        self._named: set[int] | None = None  # keys in use, kept only once a key differs from its position
        self._state = "open"
        self.files: tuple[FileInfo, ...] = ()

    def __len__(self) -> int:
        """Return the number of records written."""
        return len(self._offsets)

    def write(self, payload: Buffer, *, key: int | None = None) -> int:
        """Append one record.

        Args:
            payload: its bytes, fewer than 2**29.
            key: its key in the ``.idx``, 0 to 2**64 - 1; None means its position.

        Returns:
            The record's position.

        Raises:
            RecordTooLargeError: the payload does not fit a record; nothing was written.
            ValueError: the key is taken; nothing was written.
            StorageError: the bytes could not be stored; the writer can only be aborted now.
        """
        self._refuse_unless("open")
        pieces = frame_record(payload)
        position = len(self)
        self._take_keys([position if key is None else key])
        crc = length = 0
        for piece in pieces:
            crc = crc32_of(piece, crc)
            length += len(piece)
            self._sink.write(piece)
        self._offsets.append(self._size)
        self._lengths.append(length)
        self._crcs.append(crc)
        self._size += length
        return position

    def write_many(self, payloads: Iterable[Buffer], *, keys: Iterable[int] | None = None) -> None:
        """Append records in order.

        Args:
            payloads: their bytes.
            keys: as many keys, or None for positions.

        Raises:
            ValueError: there are more or fewer keys than payloads, or a key is taken; what came before is written.
            RecordTooLargeError, StorageError: as for ``write``.
        """
        if keys is None:
            for payload in payloads:
                self.write(payload)
        else:
            for payload, key in zip(payloads, keys, strict=True):
                self.write(payload, key=key)

    def write_framed(self, body: Iterable[Buffer], rows: NDArray[Any], *, keys: Sequence[int] | None = None) -> None:
        """Append records that are framed already.

        Args:
            body: their frames, end to end, in any pieces.
            rows: [n] with the fields ``offset`` (in the body), ``length`` and ``crc32`` of each record's extent.
            keys: n keys, or None for positions.

        Raises:
            ValueError: a key is taken; nothing was written.
            StorageError: as for ``write``.
        """
        self._refuse_unless("open")
        first = len(self)
        self._take_keys(range(first, first + len(rows)) if keys is None else keys)
        for piece in body:
            self._sink.write(piece)
        self._count(rows)

    def target(self) -> Target | None:
        """Return what other processes may write frames with, or None where all bytes must come through this one."""
        return self._sink.target() if isinstance(self._sink, DirectSink) else None

    def place(self, rows: NDArray[Any]) -> None:
        """Count records whose frames a target has written behind the last ones already.

        Args:
            rows: as for ``write_framed``; keys are positions.

        Raises:
            StorageError: as for ``write``.
        """
        self._refuse_unless("open")
        self._direct().skip(int(rows["length"].sum(dtype=np.uint64)))
        self._take_keys(range(len(self), len(self) + len(rows)))
        self._count(rows)

    def flush(self) -> None:
        """Hand what is buffered to the system, so that it outlives this process; without effect where a sink does so by itself.

        Raises:
            StorageError: as for ``write``.
        """
        if isinstance(self._sink, DirectSink):
            self._sink.skip(0)

    def read_at(self, offset: int, length: int) -> bytes:
        """Return bytes of the unfinished file, counted or not, fewer only at its end.

        Raises:
            StorageError: it cannot be read.
        """
        return self._direct().read_at(offset, length)

    def _direct(self) -> DirectSink:
        if not isinstance(self._sink, DirectSink):
            msg = f"{self.uri}: only this process can write here"
            raise TypeError(msg)
        return self._sink

    @property
    def size(self) -> int:
        """Return the bytes of the records so far."""
        return self._size

    def _count(self, rows: NDArray[Any]) -> None:
        self._offsets.frombytes((rows["offset"] + np.uint64(self._size)).astype(np.uint64).tobytes())
        self._lengths.frombytes(rows["length"].astype(np.uint32).tobytes())
        self._crcs.frombytes(rows["crc32"].astype(np.uint32).tobytes())
        self._size += int(rows["length"].sum(dtype=np.uint64))

    def seal(self) -> tuple[FileInfo, ...]:
        """Make the ``.rec`` and its sidecars durable, still invisible; no record can be added after it.

        Returns:
            What was written: the ``.rec``, then the ``.idx`` and the ``.rkm``; also in ``files``.

        Raises:
            StorageError: something is not durable; the writer can only be aborted now.
        """
        if self._state != "sealed":
            self._refuse_unless("open")
            self._sink.seal()
            crc = combine_crc32(np.frombuffer(self._crcs, np.uint32), np.frombuffer(self._lengths, np.uint32))
            infos = [FileInfo(path=self._name, bytes=self._size, crc32=crc)]
            if self._index is not None:
                infos.append(self._add_sidecar(self._index, idx_parts(self._keys, self._offsets)))
            if self._checksums is not None:
                infos.append(self._add_sidecar(self._checksums, self._sidecar_parts(crc)))
            self.files = tuple(infos)
            self._state = "sealed"
        return self.files

    def close(self) -> None:
        """Publish the ``.rec``, then its sidecars; harmless when called twice.

        Raises:
            OutputExistsError: a name was taken meanwhile; what is not published yet is thrown away.
            StorageError: as for ``seal``; a ``.rec`` without its ``.idx`` may stand, whole, if only the latter failed.
        """
        if self._state in ("closed", "aborted"):
            return
        try:
            self.seal()
            if self._overwrite:
                for name in self._claimed:  # an old sidecar beside the new file would be a wrong one
                    self._store.delete(name)
            self._sink.commit()
            for _, sink in self._sidecars:
                sink.commit()
        except BaseException:
            self.keep()
            raise
        self._state = "closed"

    def abort(self) -> None:
        """Throw away what is not published; harmless when called twice or after ``close``."""
        self._end(self._sink.abort)

    def keep(self) -> None:
        """Leave a draft for the next run, and throw away whatever else is not published; harmless as ``abort`` is."""
        self._end(self._sink.keep if isinstance(self._sink, Draft) else self._sink.abort)

    def _end(self, let_go: Callable[[], None]) -> None:
        if self._state in ("closed", "aborted"):
            return
        self._state = "aborted"
        let_go()
        for _, sink in self._sidecars:
            sink.abort()

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Publish, or where the block failed, keep a draft and throw everything else away."""
        if kind is None:
            self.close()
        else:
            self.keep()

    def _take_keys(self, keys: Sequence[int]) -> None:
        first = len(self)
        if keys == range(first, first + len(keys)) and self._named is None:
            self._keys.extend(keys)
            return
        if self._named is None and any(key != first + place for place, key in enumerate(keys)):
            self._named = set(range(first))
        if self._named is not None:
            for key in keys:
                if key in self._named or not 0 <= key <= _MAX_KEY:
                    why = "is taken" if key in self._named else "is not between 0 and 2**64 - 1"
                    msg = f"{self.uri}: key {key} {why}; nothing was written for it"
                    raise ValueError(msg)
            fresh = set(keys)
            if len(fresh) < len(keys):
                msg = f"{self.uri}: a key stands twice among the {len(keys)} new ones"
                raise ValueError(msg)
            self._named |= fresh
        self._keys.extend(keys)

    def _sidecar_parts(self, crc: int) -> Iterator[bytes]:
        return sidecar_parts(len(self), self._size, crc, self._fingerprint, map(self._run, range(0, len(self), BLOCK_ENTRIES)))

    def _run(self, start: int) -> NDArray[Any]:
        here = slice(start, start + BLOCK_ENTRIES)
        run = np.empty(len(self._keys[here]), ENTRY_DTYPE)
        for name, column in (("offset", self._offsets), ("key", self._keys), ("length", self._lengths), ("crc32", self._crcs)):
            run[name] = column[here]
        return run

    def _add_sidecar(self, name: str, parts: Iterable[bytes]) -> FileInfo:
        sink = self._store.create(name, overwrite=self._overwrite)
        self._sidecars.append((name, sink))
        size = crc = 0
        for part in parts:
            size += len(part)
            crc = crc32_of(part, crc)
            sink.write(part)
        sink.seal()
        return FileInfo(path=name, bytes=size, crc32=crc)

    def _refuse_unless(self, state: str) -> None:
        if self._state != state:
            msg = f"{self.uri}: the writer is {self._state}"
            raise RuntimeError(msg)


def _sidecar_name(name: str, wanted: bool | str, suffix: str) -> str | None:
    if isinstance(wanted, str):
        return wanted
    return name.removesuffix(".rec") + suffix if wanted else None
