"""DALI: what ``fn.readers.mxnet`` asks of a file.

Strategy: it cannot do without an ``.idx``, sorts its offsets, ignores its keys, and reads the 24 bytes of the header
straight behind the first frame head, whatever that part's length is.
"""

from __future__ import annotations

from typing import ClassVar

from recordio_kit._pipeline.consumers.base import Consumer, FileFacts, ImageRules, RecordFacts


class DaliRules(ImageRules):
    """Judge a file for DALI's MXNet reader."""

    consumer: ClassVar[Consumer] = "dali"
    formats: ClassVar[frozenset[str]] = frozenset({".jpg", ".png", ".bmp", ".tif", ".webp"})
    without_image = "it is counted as a sample, and decoding it fails"

    def look(self, record: RecordFacts) -> None:
        """Look at one record's header and image."""
        super().look(record)
        if record.split_header:
            message = (
                "has a frame magic in its header (id or label): the header is misread, and the reader crashes; give it another"
            )
            self.tell_of("magic", record, message)

    def judge(self, file: FileFacts) -> None:
        """Look at the index."""
        if not file.index_found:
            self.tell("index", "there is no .idx: the reader cannot do without; write one with 'index'")
        if file.index is None:
            return
        if not len(file.index):
            self.tell("index", "the .idx is empty: the reader refuses it; rebuild it with 'index --overwrite'")
        elif file.unindexed:
            message = (
                f"{file.unindexed} records are not in the .idx: the reader leaves them out; rebuild it with 'index --overwrite'"
            )
            self.tell("index", message)
        for row in file.doubled.tolist():
            message = f"row {row + 1} of the .idx points where another row does: the reader drops it, and counts one sample less"
            self.tell("double", f"{message}; rebuild it with 'index --overwrite'", offset=int(file.index.offsets[row]))
