"""What a worker does with one run of entries: read, check, transform, pack, frame.

Strategy: a function of (job, entries, source bytes) alone, so that any executor, any number of workers and a resumed run
give the same bytes. One bad image is a ``Failure`` in the receipt, never an exception: what it means is the trip's to say.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from recordio_kit._core.checksum import combine_crc32
from recordio_kit._core.framing import frame_parts
from recordio_kit._core.header import IRHeader, pack_record
from recordio_kit._core.plan import ROW_DTYPE, Failure, Receipt, Segment
from recordio_kit._images.check import check_image
from recordio_kit._images.gate import FORMATS, inspect
from recordio_kit._pipeline.sources import read_source
from recordio_kit.errors import ImageError, RecordTooLargeError


if TYPE_CHECKING:
    from recordio_kit._core.imagelist import ImageList, LstEntry
    from recordio_kit._images.transform import Transform


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


def make_segment(job: Job, start: int, entries: ImageList) -> Segment:
    """Turn a run of entries into framed records and their receipt.

    Args:
        job: how to treat them.
        start: the first entry's position in the whole list.
        entries: the run.

    Raises:
        StorageError: the machine failed, not an image.
    """
    body: list[bytes] = []
    size = 0
    rows: list[tuple[int, ...]] = []
    failures: list[Failure] = []
    for position, entry in enumerate(entries, start):
        try:
            record, *seen = _make_record(job, entry)
        except ImageError as error:
            failures.append(Failure(entry.index, entry.path, error.reason, error.message))
            continue
        length = crc = 0
        for piece in record:
            length += len(piece)
            crc = zlib.crc32(piece, crc)
        rows.append((position, size, length, crc, *seen))
        size += length
        body += record
    table = np.array(rows, ROW_DTYPE)
    receipt = Receipt(
        start=start,
        stop=start + len(entries),
        length=size,
        crc32=combine_crc32(table["crc32"], table["length"]),
        rows=table,
        failures=tuple(failures),
    )
    return Segment(receipt, body)


def _make_record(job: Job, entry: LstEntry) -> tuple[list[bytes], int, int, int]:
    """Return the framed record in pieces, and the stored image's height, width and orientation, as in ``ROW_DTYPE``."""
    data = read_source(job.root, entry.path)
    formats = FORMATS if job.transform is None else job.transform.sources
    info = check_image(data, check=job.gate, formats=formats)
    if job.transform is not None:
        info = info or inspect(data, formats=formats)
        data, height, width = job.transform.apply(data, info)
        orientation = info.orientation if job.transform.keeps_orientation else 1
    else:
        height, width, orientation = (0, 0, 1) if info is None else (info.height, info.width, info.orientation)
    label = entry.label if len(entry.labels) == 1 else np.array(entry.labels, "<f4")
    header = pack_record(IRHeader(0, label, entry.index, 0), b"")
    try:
        return frame_parts(header, data), height, width, orientation
    except RecordTooLargeError:
        msg = f"{len(header) + len(data)} bytes do not fit a record"
        raise ImageError(msg, path=entry.path, reason="too-large") from None
