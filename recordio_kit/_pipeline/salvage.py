"""Salvage: every untouched record of a damaged ``.rec`` into a new file.

Strategy: first a plan (where each record is, and its key), then a copy, so that keys can be checked for uniqueness before
anything is written. With a ``.rkm`` a record is good when its checksum holds, at its offset or wherever it was moved to, and
nothing else is good. With an ``.idx`` its offsets help where structure alone is in doubt. Without either, structure decides.
Sidecars that are damaged themselves are left aside, and the report says so. The source is only ever read.
"""

from __future__ import annotations

import os
from array import array
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from recordio_kit._core.checksum import crc32_of
from recordio_kit._core.framing import decode_at
from recordio_kit._core.header import unpack_record
from recordio_kit._core.index import parse_idx
from recordio_kit._core.sidecar import parse_sidecar
from recordio_kit._pipeline.survey import DAMAGE, Window, survey, walk_frames
from recordio_kit._storage.base import read_all
from recordio_kit._storage.open import open_file
from recordio_kit._storage.sidecars import find_sidecar
from recordio_kit._storage.writer import RecordWriter
from recordio_kit.errors import CorruptRecordError, FormatError, IndexMismatchError


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from recordio_kit._core.index import RecordIndex
    from recordio_kit._core.sidecar import Sidecar
    from recordio_kit._storage.base import Source, Store

__all__ = ["LostRange", "SalvageReport", "salvage"]

_CHECKSUM: Final = "no record here matches its checksum"
_ROWS: Final = 4096


class LostRange(NamedTuple):
    """Describe bytes that were left behind: the first, the one behind the last, and why."""

    begin: int
    end: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SalvageReport:
    """Say what a salvage recovered.

    Args:
        uri: the new ``.rec``.
        records: how many it holds.
        bytes: its size.
        lost: what was left behind, by offset in the damaged file.
        missing: records that the ``.rkm`` names and that were not found; None where there was none.
        notes: what else people should know.
    """

    uri: str
    records: int
    bytes: int
    lost: tuple[LostRange, ...]
    missing: int | None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say it in a line."""
        count = sum(part.end - part.begin for part in self.lost)
        text = f"{self.uri}: {self.records} records recovered, {count} bytes lost in {len(self.lost)} places"
        if self.missing:
            text += f", {self.missing} of the records that the .rkm names not found"
        return "; ".join([text, *self.notes])

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self) | {"lost": [part._asdict() for part in self.lost], "notes": list(self.notes)}


class _Found(NamedTuple):
    """Describe a record to copy, or (with a reason) a range that is lost.

    Args:
        begin: its first byte.
        end: the byte behind its last one.
        key: what a sidecar calls it, if one knows it.
        id: what its header calls it, if it has one.
        reason: why the range is lost; empty for a record.
    """

    begin: int
    end: int
    key: int | None = None
    id: int | None = None
    reason: str = ""


class _Plan:
    """Hold what is to be copied, as columns, and what is lost."""

    def __init__(self, pieces: Iterable[_Found]) -> None:
        self.lost: list[LostRange] = []
        self.begins, self.ends, self._keys, self._ids = array("Q"), array("Q"), array("Q"), array("Q")
        self._known = bytearray()
        self._identified = True
        for piece in pieces:
            if piece.reason:
                self._lose(piece)
                continue
            self.begins.append(piece.begin)
            self.ends.append(piece.end)
            self._keys.append(piece.key or 0)
            self._known.append(piece.key is not None)
            self._ids.append(piece.id or 0)
            self._identified &= piece.id is not None

    def __len__(self) -> int:
        return len(self.begins)

    def _lose(self, piece: _Found) -> None:
        begin = piece.begin
        if self.lost and (self.lost[-1].end, self.lost[-1].reason) == (begin, piece.reason):
            begin = self.lost.pop().begin
        self.lost.append(LostRange(begin, piece.end, piece.reason))

    def choose_keys(self) -> NDArray[np.uint64]:
        """Return the sidecar's keys, completed by header ids or positions, whichever makes them unique."""
        positions = np.arange(len(self), dtype=np.uint64)
        known = np.array(self._known, bool)
        for column in (np.array(self._ids, np.uint64), positions) if self._identified else (positions,):
            keys = np.where(known, np.array(self._keys, np.uint64), column)
            if len(np.unique(keys)) == len(keys):
                return keys
        return positions


def salvage(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    store: Store | None = None,
) -> SalvageReport:
    """Copy every record that is whole from a damaged ``.rec`` into a new one, with its ``.idx``.

    Keys are those of the sidecar where it knows them, else header ids where they are unique, else positions. Without a
    ``.rkm`` damage inside a payload cannot be seen: ``verify(..., level="decode")`` finds more of it in the new file.

    Args:
        source: the damaged file: a path or ``s3://`` URL; its sidecars are looked for where a reader would.
        destination: the new file.
        overwrite: replace what stands there.
        store: where both are names, if that is not to be told from them.

    Returns:
        What was recovered and what was left behind.

    Raises:
        ValueError: source and destination are the same file.
        OutputExistsError: the destination is taken; nothing was written.
        StorageError: a file cannot be read or written; nothing was published.
    """
    origin, name = open_file(source, store)
    target, target_name = open_file(destination, store)
    _refuse_same(origin.uri(name), target.uri(target_name))
    notes: list[str] = []
    sidecar, index = _read_sidecars(origin, name, notes)
    opened = origin.open(name)
    try:
        plan = _Plan(_by_structure(opened, index) if sidecar is None else _by_checksum(opened, sidecar))
        with RecordWriter(target_name, store=target, checksums=sidecar is not None, overwrite=overwrite) as writer:
            window = Window(opened)
            for begin, end, key in zip(plan.begins, plan.ends, plan.choose_keys(), strict=True):
                window.hold(begin)
                writer.write(decode_at(window.read(begin, end), base=begin).payload, key=int(key))
    finally:
        opened.close()
    if sidecar is not None and not plan and len(sidecar.entries):
        notes.append("the .rkm confirms no record: if it is another file's, move it away and run again")
    return SalvageReport(
        uri=writer.uri,
        records=len(writer),
        bytes=writer.files[0].bytes,
        lost=tuple(plan.lost),
        missing=None if sidecar is None else len(sidecar.entries) - len(plan),
        notes=tuple(notes),
    )


def _refuse_same(source: str, destination: str) -> None:
    same = source.removesuffix(".rec") == destination.removesuffix(".rec")  # then the sidecars would be the same
    if not same and os.path.exists(source) and os.path.exists(destination):
        same = os.path.samefile(source, destination)
    if same:
        msg = f"{destination} is the damaged file itself; salvage writes a new one, name another destination"
        raise ValueError(msg)


def _read_sidecars(store: Store, name: str, notes: list[str]) -> tuple[Sidecar | None, RecordIndex | None]:
    """Return the ``.rkm``, or the ``.idx``, or neither; one that cannot be read is noted."""
    for suffix in (".rkm", ".idx"):
        place = find_sidecar(store, name, (suffix,))
        if place is None:
            continue
        data, uri = read_all(*place), place[0].uri(place[1])
        try:
            return (parse_sidecar(data, source=uri), None) if suffix == ".rkm" else (None, parse_idx(data, source=uri))
        except IndexMismatchError as error:
            notes.append(f"not used: {error}")
    return None, None


def _by_structure(source: Source, index: RecordIndex | None) -> Iterator[_Found]:
    """Yield what structure says of the file, with the keys of the index where it has the offset."""
    keys, starts = np.empty(0, np.uint64), np.empty(0, np.uint64)
    if index is not None:
        starts, rows = np.unique(index.offsets, return_index=True)
        keys = index.keys[rows]
    for piece in survey(source, starts=starts):
        if piece.damage is not None:
            yield _Found(piece.begin, piece.end, reason=DAMAGE[piece.damage])
            continue
        row = int(np.searchsorted(starts, np.uint64(piece.begin)))
        key = int(keys[row]) if row < len(starts) and starts[row] == piece.begin else None
        yield _Found(piece.begin, piece.end, key, _header_id(piece.frames))


def _header_id(frames: memoryview) -> int | None:
    try:
        header, _ = unpack_record(decode_at(frames).payload)
    except CorruptRecordError:
        return None
    return None if header.id2 else header.id


def _by_checksum(source: Source, sidecar: Sidecar) -> Iterator[_Found]:
    """Yield the records whose checksum holds, in file order, and what lies between them."""
    window = Window(source)
    entries = np.sort(sidecar.entries, order="offset")
    confirmed = np.zeros(len(entries), bool)
    position = 0
    for place, (offset, _, length, crc32) in enumerate(_rows(entries)):
        if position <= offset and offset + length <= window.stop:
            window.hold(offset)
            confirmed[place] = _is_record(window.read(offset, offset + length), crc32)
            position = offset + length if confirmed[place] else position
    moved = _Moved(entries[~confirmed])
    position = 0
    for offset, key, length, _ in _rows(entries[confirmed]):
        yield from moved.search(window, position, offset)
        yield _Found(offset, offset + length, key)
        position = offset + length
    yield from moved.search(window, position, window.stop)


def _rows(entries: NDArray[Any]) -> Iterator[tuple[int, int, int, int]]:
    for start in range(0, len(entries), _ROWS):
        yield from entries[start : start + _ROWS].tolist()


def _is_record(frames: memoryview, crc32: int) -> bool:
    """Tell whether these bytes have a checksum and are exactly one record."""
    if crc32_of(frames) != crc32:
        return False
    try:
        return decode_at(frames).end == len(frames)
    except FormatError:
        return False


class _Moved:
    """Find the records of a sidecar that are not at their offsets, since bytes were put in or taken out before them.

    Args:
        entries: what the sidecar knows of them.
    """

    def __init__(self, entries: NDArray[Any]) -> None:
        self._keys: dict[tuple[int, int], list[int]] = {}
        for _, key, length, crc32 in _rows(entries[::-1]):
            self._keys.setdefault((length, crc32), []).append(key)
        self._lengths = set(entries["length"].tolist())

    def search(self, window: Window, begin: int, end: int) -> Iterator[_Found]:
        """Yield what is found in a range, and what is left of it."""
        lost = position = begin
        while self._lengths and (position := window.find_head(position)) < end:
            found = self._record_at(window, position)
            if found is None or found.end > end:
                position += 1
                continue
            if lost < position:
                yield _Found(lost, position, reason=_CHECKSUM)
            yield found
            lost = position = found.end
        if lost < end:
            yield _Found(lost, end, reason=_CHECKSUM)

    def _record_at(self, window: Window, begin: int) -> _Found | None:
        window.hold(begin)
        frames = walk_frames(window, begin)
        length = frames.end - begin
        if frames.damage is not None or length not in self._lengths:
            return None
        crc32 = crc32_of(window.read(begin, frames.end))
        keys = self._keys.get((length, crc32))
        return _Found(begin, frames.end, keys.pop()) if keys else None
