"""ImageRecordIter: what MXNet's image iterator asks of a file; tried with MXNet 1.9.1.

Strategy: it reads the file in C++, sorts the offsets of the ``.idx`` and ignores its keys, and ends the training at the
first record that it cannot take.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from recordio_kit._pipeline.consumers.base import Consumer, FileFacts, ImageRules, RecordFacts


if TYPE_CHECKING:
    from recordio_kit._pipeline.findings import Findings

#: dmlc splits file names at ``;`` and takes what follows ``#`` and ``?`` as a cache name and arguments.
_SIGNS: Final = ";#?"


class MXNetRules(ImageRules):
    """Judge a file for ``mx.io.ImageRecordIter``."""

    consumer: ClassVar[Consumer] = "mxnet"
    formats: ClassVar[frozenset[str]] = frozenset({".jpg", ".png", ".bmp", ".tif"})
    without_image = "ImageRecordIter stops the training there"
    #: Whether it reads the ``.idx`` at all.
    reads_index: ClassVar[bool] = True

    def __init__(self, findings: Findings) -> None:
        """Start with nothing seen."""
        super().__init__(findings)
        #: Labels of each record; 0 where it has no header.
        self._widths = array("I")

    def look(self, record: RecordFacts) -> None:
        """Look at one record's header and image."""
        super().look(record)
        header = record.header
        self._widths.append(0 if header is None else max(header.flag, 1))
        if header is None:
            return
        if header.id2:
            self.tell_of("id2", record, f"has the id2 {header.id2}: labels of a .lst are looked up by the lower id alone; set 0")
        if not np.isfinite(header.label).all():
            self.tell_of("label", record, f"has the label {header.label}: the loss becomes NaN; give it a number")

    def judge(self, file: FileFacts) -> None:
        """Look at the file as a whole."""
        sign = next((sign for sign in _SIGNS if sign in file.uri), None)
        if sign is not None:
            self.tell("path", f"a path with {sign!r} is taken apart there and cannot be opened; rename it")
        if not len(file.offsets):
            self.tell("empty", "there is no record: opening the file fails; pack the images again")
        self._judge_widths(file)
        if self.reads_index:
            self._judge_index(file)

    def _judge_widths(self, file: FileFacts) -> None:
        widths = np.array(self._widths, np.uint32)
        values, counts = np.unique(widths[widths > 0], return_counts=True)
        if len(values) < 2:
            return
        usual = int(values[counts.argmax()])
        for position in np.flatnonzero((widths > 0) & (widths != usual)).tolist():
            message = (
                f"record {position} has {widths[position]} labels, most have {usual}: label_width is one for the file, the "
                "training stops there; pack it again with one number of labels"
            )
            self.tell("width", message, offset=int(file.offsets[position]), position=position)

    def _judge_index(self, file: FileFacts) -> None:
        if file.index is None:
            return
        if not len(file.index):
            self.tell("index", "the .idx is empty: with path_imgidx the process crashes; rebuild it with 'index --overwrite'")
        elif file.unindexed:
            message = f"{file.unindexed} records are not in the .idx: they are trained on all the same; write a .rec without them"
            self.tell("index", message)
        for row in file.doubled.tolist():
            message = f"row {row + 1} of the .idx points where another row does: with path_imgidx the reader hangs there"
            self.tell("double", f"{message}; rebuild it with 'index --overwrite'", offset=int(file.index.offsets[row]))
