"""gluon: what ``RecordFileDataset`` and ``ImageRecordDataset`` ask of a file.

Strategy: they find records by the ``.idx`` alone, which must have the file's own name. Item i is row i of it in MXNet 1 and
key i in MXNet 2, so only keys 0..N-1 in row order mean the same to both. Payloads may be anything.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from recordio_kit._pipeline.consumers.base import Consumer, FileFacts, Rules


class GluonRules(Rules):
    """Judge a file for ``mx.gluon.data.RecordFileDataset``."""

    consumer: ClassVar[Consumer] = "gluon"
    needs_headers = False

    def judge(self, file: FileFacts) -> None:
        """Look at the index."""
        if not file.index_beside:
            what = "its .idx is elsewhere" if file.index_found else "it has no .idx"
            mend = "copy it there" if file.index_found else "write one with 'index --keys position'"
            self.tell("index", f"{what}: the data set opens the .idx beside the .rec, under the same name; {mend}")
        if file.loose_line is not None:
            message = f"line {file.loose_line} of the .idx is not 'key TAB offset': opening it raises ValueError"
            self.tell("line", f"{message}; rebuild it with 'index --overwrite'")
        if file.index is None:
            return
        keys = file.index.keys
        wrong = np.flatnonzero(keys != np.arange(len(keys), dtype=np.uint64))
        if len(wrong):
            row = int(wrong[0])
            message = (
                f"keys are not 0 to {len(keys) - 1} in row order, first in row {row + 1}, which has the key {keys[row]}: item "
                "i is row i in MXNet 1 and key i in MXNet 2, which gives the first record for a key that is missing; number them "
                "with 'index --keys position --overwrite'"
            )
            self.tell("keys", message)
