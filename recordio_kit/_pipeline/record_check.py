"""The check of one ``.rec``: structure, then sidecars, then images.

Strategy: one pass over the file yields the sound records; their offsets, lengths and checksums are kept as columns (16
bytes a record) and held against the sidecars afterwards, whole columns at a time. Records of other things than images are
well too: a header that does not fit is a finding only in a file that holds images for the most part, or is meant for a
consumer of images. That consumer's rules are fed in the same pass.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from recordio_kit._core.checksum import combine_crc32, crc32_of
from recordio_kit._core.framing import decode_at, parse_head
from recordio_kit._core.header import HEADER_SIZE, unpack_record
from recordio_kit._core.index import first_loose_line, parse_idx
from recordio_kit._core.sidecar import parse_sidecar
from recordio_kit._pipeline.consumers import RecordFacts
from recordio_kit._pipeline.filenames import suffix_of
from recordio_kit._pipeline.report import Progress
from recordio_kit._pipeline.survey import DAMAGE, survey
from recordio_kit._storage.base import read_all
from recordio_kit.errors import CorruptRecordError, ImageError, IndexMismatchError


if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from recordio_kit._core.index import RecordIndex
    from recordio_kit._core.sidecar import Sidecar
    from recordio_kit._pipeline.consumers import Rules
    from recordio_kit._pipeline.findings import Findings, Level
    from recordio_kit._pipeline.report import ProgressCallback
    from recordio_kit._pipeline.survey import Piece
    from recordio_kit._storage.base import Source, Store

_TELL_EVERY: Final = 256
_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecars:
    """Hold what is known of a file from elsewhere.

    Args:
        checksums: its ``.rkm``.
        index: its ``.idx``.
        loose_line: the first line of the ``.idx`` that MXNet's Python cannot read, or None.
    """

    checksums: Sidecar | None = None
    index: RecordIndex | None = None
    loose_line: int | None = None

    def starts(self) -> NDArray[np.uint64]:
        """Return the offsets at which they say that records start, rising."""
        if self.checksums is not None:
            return np.unique(self.checksums.entries["offset"]).astype(np.uint64)
        return np.empty(0, np.uint64) if self.index is None else np.unique(self.index.offsets)


def read_sidecars(index: tuple[Store, str] | None, checksums: tuple[Store, str] | None, findings: Findings) -> Sidecars:
    """Return a file's sidecars; one that cannot be understood is a finding.

    Args:
        index: where the ``.idx`` is, if there is one.
        checksums: where the ``.rkm`` is, if there is one.
        findings: takes what is wrong.

    Raises:
        StorageError: one cannot be read.
    """
    found, text = _parse(index, parse_idx, findings)
    loose_line = None if found is None else first_loose_line(text)
    return Sidecars(index=found, loose_line=loose_line, checksums=_parse(checksums, parse_sidecar, findings)[0])


def _parse(place: tuple[Store, str] | None, parse: Callable[..., Any], findings: Findings) -> tuple[Any, bytes]:
    if place is None:
        return None, b""
    data = read_all(*place)
    try:
        return parse(data), data
    except IndexMismatchError as error:
        findings.add("index", error.message, source=place[0].uri(place[1]))
        return None, b""


class RecordCheck:
    """Check one ``.rec``.

    Args:
        source: the file.
        sidecars: what it is held against.
        level: how much is looked at.
        findings: takes what is wrong.
        rules: take the facts of each record.

    Attributes:
        sidecars: what it was given.
    """

    def __init__(self, source: Source, sidecars: Sidecars, level: Level, findings: Findings, rules: Rules | None = None) -> None:
        """Start with nothing read."""
        self._source = source
        self.sidecars = sidecars
        self._level = level
        self._findings = findings
        self._rules = rules
        self._offsets, self._lengths, self._crcs = array("Q"), array("I"), array("I")
        self._pieces, self._piece_crcs = array("Q"), array("I")
        self._misfits: list[tuple[int, int, str]] = []
        self._images = 0

    def __len__(self) -> int:
        """Return the number of sound records."""
        return len(self._offsets)

    @property
    def offsets(self) -> NDArray[np.uint64]:
        """Return where the sound records start, rising."""
        return np.array(self._offsets, np.uint64)

    def run(self, tell: ProgressCallback, stage: str) -> None:
        """Read the file once and add what is wrong with it to the findings.

        Args:
            tell: takes the progress, in records.
            stage: the name it is told under.

        Raises:
            StorageError: the file cannot be read.
        """
        if self._source.size % 4:
            self._findings.add("size", f"{self._source.size} bytes, not a multiple of 4: no reader of MXNet's opens it")
        starts = self.sidecars.starts()
        for piece in survey(self._source, starts=starts):
            self._sum(piece)
            if piece.damage is None:
                self._look_into(piece)
            else:
                count = piece.end - piece.begin
                self._findings.add(piece.damage, f"{DAMAGE[piece.damage]}; {count} bytes are lost", offset=piece.begin)
            if len(self) % _TELL_EVERY == 0:
                tell(Progress(stage, len(self), max(len(starts), len(self) + 1), piece.end, len(self._findings)))
        self._judge_headers()
        if self.sidecars.index is not None:
            self._compare_index(self.sidecars.index)
        if self.sidecars.checksums is not None:
            self._compare_checksums(self.sidecars.checksums)
            if self.sidecars.index is not None:
                self._compare_keys(self.sidecars.index, self.sidecars.checksums)
        tell(Progress(stage, len(self), len(self), self._source.size, len(self._findings)))

    @property
    def crc32(self) -> int:
        """Return the CRC-32 of the whole file; 0 at the level ``"structure"``."""
        return combine_crc32(np.array(self._piece_crcs, np.uint32), np.array(self._pieces, np.uint64))

    def _sum(self, piece: Piece) -> None:
        crc = 0
        if self._level != "structure":
            if piece.damage is None:
                crc = crc32_of(piece.frames)
            else:
                for begin in range(piece.begin, piece.end, _CHUNK_BYTES):
                    crc = crc32_of(self._source.read_at(begin, min(_CHUNK_BYTES, piece.end - begin)), crc)
        self._pieces.append(piece.end - piece.begin)
        self._piece_crcs.append(crc)
        if piece.damage is None:
            self._offsets.append(piece.begin)
            self._lengths.append(piece.end - piece.begin)
            self._crcs.append(crc)

    def _look_into(self, piece: Piece) -> None:
        position = len(self) - 1
        try:
            header, body = unpack_record(decode_at(piece.frames).payload)
        except CorruptRecordError as error:
            self._misfits.append((piece.begin, position, error.message))
            if self._rules is not None:
                self._rules.look(RecordFacts(position, piece.begin, None))
            return
        suffixes = suffix_of(body)
        self._images += bool(suffixes)
        if self._rules is not None:
            flag, length = parse_head(piece.frames, 0, first=True)
            split = flag != 0 and length < HEADER_SIZE
            form = suffixes[0] if suffixes else ""
            self._rules.look(RecordFacts(position, piece.begin, header, len(body), form, split))
        if self._level != "decode" or (header.flag and not body):  # insightface keeps ranges in records without body
            return
        from recordio_kit._images.codec import decode_image

        try:
            decode_image(body)
        except ImageError as error:
            self._findings.add("image", f"record {position}: {error.message}", offset=piece.begin, position=position)

    def _judge_headers(self) -> None:
        strict = self._level == "decode" or (self._rules is not None and self._rules.needs_headers)
        if strict or len(self._misfits) < self._images:
            for offset, position, message in self._misfits:
                self._findings.add("header", f"record {position}: {message}", offset=offset, position=position)

    def _compare_index(self, index: RecordIndex) -> None:
        found = np.array(self._offsets, np.uint64)
        for row in np.flatnonzero(~np.isin(index.offsets, found)).tolist():
            message = f"row {row + 1} of the .idx (key {index.keys[row]}) points here, where no sound record starts"
            self._findings.add("index", message, offset=int(index.offsets[row]))
        for position in np.flatnonzero(~np.isin(found, index.offsets)).tolist():
            message = f"record {position} is not in the .idx"
            self._findings.add("index", message, offset=int(found[position]), position=position)
        _, first = np.unique(index.offsets, return_index=True)
        for row in np.setdiff1d(np.arange(len(index)), first).tolist():
            message = f"row {row + 1} of the .idx (key {index.keys[row]}) points where another row does"
            self._findings.add("index", message, offset=int(index.offsets[row]))
        self._refuse_doubles(index.keys, ".idx")

    def _compare_checksums(self, sidecar: Sidecar) -> None:
        entries = sidecar.entries
        if sidecar.size != self._source.size:
            self._findings.add("size", f"{self._source.size} bytes, the .rkm was written for {sidecar.size}")
        found = np.array(self._offsets, np.uint64)
        _, here, there = np.intersect1d(found, entries["offset"], return_indices=True)
        other = np.array(self._lengths, np.uint32)[here] != entries["length"][there]
        if self._level != "structure":
            other |= np.array(self._crcs, np.uint32)[here] != entries["crc32"][there]
        for position, row in zip(here[other].tolist(), there[other].tolist(), strict=True):
            sums = int(entries["length"][row]) == self._lengths[position]
            message = f"record {position} (key {entries['key'][row]}) does not match its {'checksum' if sums else 'length'}"
            self._findings.add("checksum", message, offset=int(found[position]), position=position)
        for row in np.setdiff1d(np.arange(len(entries)), there).tolist():
            message = f"record {row} (key {entries['key'][row]}) of the .rkm is not here"
            self._findings.add("missing", message, offset=int(entries["offset"][row]))
        for position in np.setdiff1d(np.arange(len(found)), here).tolist():
            message = f"record {position} is not in the .rkm"
            self._findings.add("extra", message, offset=int(found[position]), position=position)
        self._refuse_doubles(entries["key"], ".rkm")

    def _compare_keys(self, index: RecordIndex, sidecar: Sidecar) -> None:
        """Find records that the two sidecars call by different keys, so that readers of one and of the other disagree."""
        entries = sidecar.entries
        _, here, there = np.intersect1d(index.offsets, entries["offset"], return_indices=True)
        for row in np.flatnonzero(index.keys[here] != entries["key"][there]).tolist():
            key, other = index.keys[here[row]], entries["key"][there[row]]
            message = f"row {here[row] + 1} of the .idx calls this record {key}, the .rkm calls it {other}"
            self._findings.add("key", message, offset=int(index.offsets[here[row]]))

    def _refuse_doubles(self, keys: NDArray[Any], where: str) -> None:
        values, counts = np.unique(keys, return_counts=True)
        for key, count in zip(values[counts > 1].tolist(), counts[counts > 1].tolist(), strict=True):
            self._findings.add("key", f"{count} rows of the {where} have the key {key}")
