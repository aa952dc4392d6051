"""What a worker does with one run of entries: read, check, transform, pack, frame.

Strategy: a function of (job, entries, source bytes) alone, so that any executor, any number of workers and a resumed run
give the same bytes. One bad image is a ``Failure`` in the receipt, never an exception: what it means is the trip's to say.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from recordio_kit._core.checksum import combine_crc32
from recordio_kit._core.frame_run import frame_images
from recordio_kit._core.plan import ROW_DTYPE, Failure, Receipt, Segment
from recordio_kit._images.check import check_image
from recordio_kit._images.gate import inspect
from recordio_kit._pipeline.sources import read_source
from recordio_kit.errors import ImageError


if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from recordio_kit._core.frame_run import FramedRun
    from recordio_kit._core.imagelist import ImageList
    from recordio_kit._images.transform import Transform
    from recordio_kit._storage.base import Target


#: Half of a processor's second-level cache: what is read, looked at and written in turns of this size stays in it. Measured:
#: packing 8 MiB at a time spends twice the system's time on copying.
_AT_HAND_BYTES: Final = 512 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Say how every entry of a pack is treated.

    Args:
        root: the folder that list paths start from.
        transform: None stores the bytes as they are.
        check: ``"fast"``, ``"decode"``, ``"strict"`` or ``"none"``.
    """

    root: str
    transform: Transform | None
    check: str

    @property
    def gate(self) -> str:
        """Return the check to make before the transform, which itself refuses what ``"decode"`` does if it decodes."""
        return "fast" if self.reencodes and self.check == "decode" else self.check

    @property
    def reencodes(self) -> bool:
        """Tell whether images are decoded and encoded anew."""
        return self.transform is not None and self.transform.decodes

    def options(self) -> dict[str, Any]:
        """Return what of it alters the output, as plain JSON values."""
        return {"transform": None if self.transform is None else self.transform.spec(), "check": self.check}


@dataclass(frozen=True, slots=True)
class Slot:
    """Say where a worker may write a segment by itself.

    Args:
        target: the destination's unfinished file.
        offset: where in it.
        length: how many bytes; other frames than that belong elsewhere.
    """

    target: Target
    offset: int
    length: int


def make_segment(job: Job, start: int, entries: ImageList, slot: Slot | None = None, *, keep: bool = True) -> Segment:
    """Turn a run of entries into framed records and their receipt.

    Args:
        job: how to treat them.
        start: the first entry's position in the whole list.
        entries: the run.
        slot: where the frames may be written, if they come out as long as it is; None hands them back.
        keep: False only judges the images, and hands no frames back.

    Raises:
        StorageError: the machine failed, not an image.
    """
    if slot is not None and keep:
        run = _Run(job, entries)
        with contextlib.suppress(_MisfitError):
            slot.target.put(slot.offset, _fitting(run, slot.length))
            return Segment(run.receipt(start), (), slot.offset)
    run = _Run(job, entries)  # what does not fit is made again, as if there were no slot: it is rare
    pieces = [piece for framed in run.framed(keep=keep) for piece in framed.pieces]
    return Segment(run.receipt(start), pieces)


class _MisfitError(Exception):
    """The frames are not as long as was foretold."""


def _fitting(run: _Run, length: int) -> Iterator[list[bytes]]:
    """Yield the pieces of a run as they are made.

    Raises:
        _MisfitError: an image is bad, or they are longer or shorter than this; nothing was yielded behind it.
    """
    for framed in run.framed():
        length -= int(framed.lengths.sum(dtype=np.uint64))
        if run.failures or length < 0:
            raise _MisfitError
        yield framed.pieces
    if run.failures or length:
        raise _MisfitError


class _Run:
    """Read, check, transform and frame a run of entries, some at a time, and keep the facts of all."""

    def __init__(self, job: Job, entries: ImageList) -> None:
        self._job = job
        self._entries = entries
        self._stamps = [(-1, -1)] * len(entries)
        self._seen: list[tuple[int, ...]] = []
        self._lengths: list[NDArray[np.uint32]] = []
        self._crcs: list[NDArray[np.uint32]] = []
        self.failures: list[Failure] = []

    def framed(self, *, keep: bool = True) -> Iterator[FramedRun]:
        """Yield framed records, so many at a time that what was read is still at hand, for the processor, when it is written."""
        job, gate = self._job, self._job.gate
        prefix = os.path.join(job.root, "")
        bodies: list[bytes] = []
        size = first = 0
        for place, path in enumerate(self._entries.paths):
            try:
                data, modified = read_source(prefix, path)
                self._stamps[place] = len(data), modified
                body, *facts = _make_body(job, gate, data)
            except ImageError as error:
                self.failures.append(Failure(int(self._entries.indexes[place]), path, error.reason, error.message))
                continue
            if not keep:
                continue
            self._seen.append((place, *facts))
            bodies.append(body)
            size += len(body)
            if size >= _AT_HAND_BYTES:
                yield self._frame(bodies, first)
                bodies, size, first = [], 0, len(self._seen)
        if bodies:
            yield self._frame(bodies, first)

    def _frame(self, bodies: list[bytes], first: int) -> FramedRun:
        places = [seen[0] for seen in self._seen[first:]]
        framed = frame_images(self._entries.indexes[places], self._entries.labels[places], bodies)
        self._lengths.append(framed.lengths)
        self._crcs.append(framed.crcs)
        return framed

    def receipt(self, start: int) -> Receipt:
        """Return the receipt of all that was framed."""
        table = np.zeros(len(self._seen), ROW_DTYPE)
        if self._seen:
            places, table["height"], table["width"], table["orientation"] = np.array(self._seen, np.int64).T
            table["position"] = places + start
            table["length"], table["crc32"] = np.concatenate(self._lengths), np.concatenate(self._crcs)
            table["offset"][1:] = np.cumsum(table["length"][:-1], dtype=np.uint64)
        return Receipt(
            start=start,
            stop=start + len(self._entries),
            length=int(table["length"].sum(dtype=np.uint64)),
            crc32=combine_crc32(table["crc32"], table["length"]),
            rows=table,
            failures=tuple(self.failures),
            stamps=np.array(self._stamps, np.int64).reshape(len(self._entries), 2),
        )


def _make_body(job: Job, gate: str, data: bytes) -> tuple[bytes, int, int, int]:
    """Return the image to store, and its height, width and orientation, as in ``ROW_DTYPE``."""
    if job.transform is None:
        info = check_image(data, check=gate)
        return (data, 0, 0, 1) if info is None else (data, info.height, info.width, info.orientation)
    sources = job.transform.sources
    info = check_image(data, check=gate, formats=sources) or inspect(data, formats=sources)
    body, height, width = job.transform.apply(data, info)
    return body, height, width, info.orientation if job.transform.keeps_orientation else 1
