"""RecordReader: a ``.rec`` as a sequence of payloads.

Strategy: positional reads only, so one reader serves many threads, survives a fork and pickles by reopening. Offsets come
from the ``.rkm`` or the ``.idx`` where there is one, else from a scan of the frame heads, on first need; reading in order
needs neither. Positions are the index's row order, which is file order for every file that this library writes. A sidecar
that contradicts the file is an error and is never used. Opening never writes.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from recordio_kit._core.checksum import crc32_of
from recordio_kit._core.framing import decode_at, decode_view_at
from recordio_kit._core.ranges import coalesce
from recordio_kit._storage.open import open_file
from recordio_kit._storage.scan import iter_records, named, read_record
from recordio_kit._storage.sidecars import Layout, load_layout, scan_layout
from recordio_kit.errors import CorruptRecordError, FormatError, IndexMismatchError


if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

    from recordio_kit._storage.base import Source, Store

#: Two records nearer than this are read together, in reads of at most the second number.
_MAX_GAP_BYTES = 64 << 10
_MAX_RUN_BYTES = 8 << 20


class RecordReader(Sequence[bytes]):
    """Read the records of a ``.rec`` file by position, by key, or in order.

    Args:
        path: a local path or an ``s3://`` URL; with ``store``, a name in it.
        index: the ``.idx`` or ``.rkm`` to use; None looks for one beside the file, then in ``../index/``; False uses none.
        checksums: check each record against the ``.rkm`` as it is read.
        store: where the names stand, if that is not to be told from the path.

    Raises:
        StorageError: the file cannot be opened.
        IndexMismatchError: a sidecar is damaged or contradicts the file.
        ValueError: ``checksums`` is True and there is no ``.rkm``.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        index: str | os.PathLike[str] | bool | None = None,
        checksums: bool = False,
        store: Store | None = None,
    ) -> None:
        """Open the file, and read its sidecar if it has one."""
        self._arguments = (path, index, checksums, store)
        self._open()

    def _open(self) -> None:
        path, index, self._checks, store = self._arguments
        self._store, self._name = open_file(path, store)
        self._source: Source = self._store.open(self._name)
        try:
            place = open_file(index, store) if isinstance(index, str | os.PathLike) else index
            self._sidecar = load_layout(self._store, self._name, self._source, place)
            if self._checks and (self._sidecar is None or self._sidecar.crcs is None):
                msg = f"{self.uri}: no .rkm sidecar to check against; write one with 'manifest', or read without checksums"
                raise ValueError(msg)
        except BaseException:
            self._source.close()
            raise

    @property
    def uri(self) -> str:
        """Return the file's path or URL."""
        return self._source.uri

    @property
    def size(self) -> int:
        """Return the file's size in bytes."""
        return self._source.size

    @cached_property
    def _layout(self) -> Layout:
        return scan_layout(self._source) if self._sidecar is None else self._sidecar

    @cached_property
    def _limits(self) -> NDArray[np.int64]:
        """Return, for each position, the next record's offset or the end of the file: no record reaches past it."""
        offsets = self._layout.offsets.astype(np.int64)
        if self._layout.lengths is not None:
            return offsets + self._layout.lengths.astype(np.int64)
        ordered = np.unique(offsets)
        following = np.append(ordered[1:], self.size)
        return following[np.searchsorted(ordered, offsets)].astype(np.int64)

    @cached_property
    def _by_key(self) -> NDArray[np.int64] | None:
        """Return the positions in the order of their keys, or None where key = position."""
        keys = self._layout.keys
        return None if np.array_equal(keys, np.arange(len(keys))) else np.argsort(keys, kind="stable")

    @property
    def keys(self) -> NDArray[np.uint64]:
        """Return the keys, [n] uint64, by position."""
        return self._layout.keys

    @property
    def offsets(self) -> NDArray[np.uint64]:
        """Return where each record starts in the file, [n] uint64, by position."""
        return self._layout.offsets

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self._layout.offsets)

    @overload
    def __getitem__(self, item: int) -> bytes: ...
    @overload
    def __getitem__(self, item: slice) -> list[bytes]: ...
    def __getitem__(self, item: int | slice) -> bytes | list[bytes]:
        """Return the payload at a position, or the payloads of a slice.

        Raises:
            IndexError: the position is outside the file.
            FormatError: the record is damaged.
        """
        if isinstance(item, slice):
            return self.read_many(range(len(self))[item])
        position = range(len(self))[item]
        offset, limit = int(self._layout.offsets[position]), int(self._limits[position])
        if self._checks:
            return self._decode(self._source.read_at(offset, limit - offset), position)
        return read_record(self._source, offset, limit)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the payloads by position; in one pass over the file where positions follow the order on disk."""
        if self._sidecar is None:
            return (payload for _, payload in iter_records(self._source))
        offsets = self._layout.offsets
        if self._checks or (offsets[1:] <= offsets[:-1]).any():
            return (self[position] for position in range(len(offsets)))
        return self._in_file_order(offsets.tolist())

    def _in_file_order(self, offsets: list[int]) -> Iterator[bytes]:
        """Yield the records at these rising offsets; records that the index does not name are passed over."""
        wanted = iter(offsets)
        next_offset = next(wanted, None)
        if next_offset is None:
            return
        for offset, payload in iter_records(self._source, next_offset):
            if offset > next_offset:
                msg = f"points to byte {next_offset} of {self.uri}, where no record starts; rebuild it with 'index'"
                raise IndexMismatchError(msg, source="index")
            if offset == next_offset:
                yield payload
                next_offset = next(wanted, None)
                if next_offset is None:
                    return

    def position_of(self, key: int) -> int:
        """Return the position of a key.

        Raises:
            KeyError: no record has it.
            IndexMismatchError: several rows of the index have it.
        """
        keys, key = self._layout.keys, operator.index(key)
        if 0 <= key < 1 << 64:
            if self._by_key is None:
                if key < len(keys):
                    return key
            else:
                low = int(np.searchsorted(keys, np.uint64(key), "left", sorter=self._by_key))
                high = int(np.searchsorted(keys, np.uint64(key), "right", sorter=self._by_key))
                if high - low > 1:
                    msg = f"key {key} stands in {high - low} rows of the index; read by position, or rebuild it with 'index'"
                    raise IndexMismatchError(msg, source=self.uri)
                if high > low:
                    return int(self._by_key[low])
        raise KeyError(key)

    def read_key(self, key: int) -> bytes:
        """Return the payload of the record with a key.

        Raises:
            KeyError: no record has it.
            FormatError: the record is damaged.
        """
        return self[self.position_of(key)]

    def read_many(self, positions: Iterable[int]) -> list[bytes]:
        """Return the payloads at these positions, in that order, with few reads.

        Args:
            positions: in any order, repeated or negative as you like.

        Raises:
            IndexError: a position is outside the file.
            FormatError: a record is damaged.
        """
        wanted = [range(len(self))[position] for position in positions]
        extents = [(int(self._layout.offsets[place]), int(self._limits[place])) for place in wanted]
        payloads = [b""] * len(wanted)
        for run in coalesce(extents, max_gap=_MAX_GAP_BYTES, max_bytes=_MAX_RUN_BYTES):
            data = memoryview(self._source.read_at(run.start, run.stop - run.start))
            for member in run.members:
                start, stop = extents[member]
                payloads[member] = self._decode(data[start - run.start : stop - run.start], wanted[member])
        return payloads

    @property
    def mapped(self) -> bool:
        """Tell whether ``view`` leaves alone what is not looked at: the file is local and nothing is checked."""
        return not self._checks and hasattr(self._source, "mapped")

    def view(self, position: int) -> memoryview:
        """Return the payload at a position without copying it, where the file is local and the record is not escaped.

        Args:
            position: negative counts from the end.

        Returns:
            A read-only view; it is valid as long as it is referenced.

        Raises:
            IndexError, FormatError: as for ``reader[position]``.
        """
        place = range(len(self))[position]
        mapped = getattr(self._source, "mapped", None)
        if mapped is None or self._checks:
            return memoryview(self[place])
        offset = int(self._layout.offsets[place])
        try:
            return decode_view_at(mapped, offset)
        except FormatError as error:
            raise named(error, self._source) from None

    def _decode(self, extent: bytes | memoryview, position: int) -> bytes:
        offset = int(self._layout.offsets[position])
        if self._checks and self._layout.crcs is not None and crc32_of(extent) != int(self._layout.crcs[position]):
            key = int(self._layout.keys[position])
            msg = f"record {position} (key {key}) does not match its checksum; copy the file again or 'salvage' what is whole"
            raise CorruptRecordError(msg, source=self.uri, offset=offset)
        try:
            return decode_at(extent, 0, base=offset).payload
        except FormatError as error:
            raise named(error, self._source) from None

    def close(self) -> None:
        """Close the file; harmless when called twice."""
        self._source.close()

    def __enter__(self) -> Self:
        """Return the reader."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the file."""
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        """Pickle what was asked for, not what is open."""
        return {"_arguments": self._arguments}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the same file again."""
        self.__dict__.update(state)
        self._open()

    def __repr__(self) -> str:
        """Show the file."""
        return f"RecordReader({self.uri!r})"
