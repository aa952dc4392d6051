"""SageMaker's built-in image classification: what it asks of a channel's ``.rec``, and of a data set.

Strategy: the algorithm reads with MXNet's ImageRecordIter and takes labels as class numbers, or several as a multi-hot row.
A channel is a folder, all of which is handed to the training. What a request must say is ``sagemaker.preflight``'s to judge.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from recordio_kit._pipeline.consumers.mxnet import MXNetRules


if TYPE_CHECKING:
    from recordio_kit._core.manifest import Manifest
    from recordio_kit._pipeline.consumers.base import Consumer, FileFacts, RecordFacts
    from recordio_kit._pipeline.findings import Findings

#: The channels that the algorithm needs.
_CHANNELS: Final = ("train", "validation")
#: So many names are shown.
_SHOWN: Final = 3


class SageMakerRules(MXNetRules):
    """Judge a file for a channel of SageMaker's image classification."""

    consumer: ClassVar[Consumer] = "sagemaker"
    formats: ClassVar[frozenset[str]] = frozenset({".jpg", ".png"})
    without_image = "the algorithm takes JPEG and PNG and stops the training there"
    reads_index = False
    needs = frozenset({"strangers", "manifest"})

    def __init__(self, findings: Findings) -> None:
        """Start with nothing seen."""
        super().__init__(findings)
        #: Scalar labels that are whole numbers.
        self._labels = array("f")

    def look(self, record: RecordFacts) -> None:
        """Look at one record's labels."""
        super().look(record)
        header = record.header
        if header is None or not np.isfinite(header.label).all():
            return
        if header.flag == 1:
            message = "has flag 1, a list of one label: the algorithm wants the label in the header, with flag 0; pack it again"
            self.tell_of("flag", record, message)
        elif header.flag:
            if not np.isin(header.label, (0, 1)).all():
                message = f"has the labels {header.label.tolist()}: several labels are 0 or 1, one for each class; pack it again"
                self.tell_of("hot", record, message)
        elif header.label < 0 or header.label != int(header.label):
            self.tell_of(
                "class", record, f"has the label {header.label:g}: a label is the number of a class, from 0 up; change it"
            )
        else:
            self._labels.append(header.label)

    def judge(self, file: FileFacts) -> None:
        """Look at the channel and at the labels over all records."""
        super().judge(file)
        if file.strangers:
            shown = ", ".join(file.strangers[:_SHOWN]) + (", ..." if len(file.strangers) > _SHOWN else "")
            message = (
                f"{len(file.strangers)} more files lie in its folder ({shown}): a channel hands all of them to the training, "
                "which reads them as records; keep the .rec alone there, as 'prepare' does, or name the .rec itself as S3Uri"
            )
            self.tell("alone", message)
        self._judge_classes(file)

    def _judge_classes(self, file: FileFacts) -> None:
        if not self._labels:
            return
        present = np.unique(np.array(self._labels, np.float32)).astype(np.int64)
        count = int(present[-1]) + 1 if file.num_classes is None else file.num_classes
        beyond = present[present >= count]
        if len(beyond):
            message = f"the label {beyond[0]} is not one of the {count} classes of the manifest: the training stops there"
            self.tell("beyond", f"{message}; give every class its name, or pack it again")
        within = present[present < count]
        # A class may be missing from what is only held against, if the manifest says how many there are.
        if len(within) < count and (file.num_classes is None or file.split in (None, "train")):
            gap = int(np.flatnonzero(np.append(within, count) != np.arange(len(within) + 1))[0])
            message = (
                f"{count - len(within)} of the classes 0 to {count - 1} have no record, the first is {gap}: num_classes counts "
                "them all the same, and nothing is learned of them; number the classes without gaps"
            )
            self.tell("gap", message)


def judge_channels(manifest: Manifest, findings: Findings) -> None:
    """Say what a data set lacks to feed the algorithm's two channels.

    Args:
        manifest: of the data set.
        findings: takes it.
    """
    for name in _CHANNELS:
        if name not in manifest.splits:
            message = f"sagemaker: there is no split {name!r}: the algorithm needs both channels; prepare both"
            findings.add("consumer", message)
    widths = {name: manifest.splits[name].label_width for name in _CHANNELS if name in manifest.splits}
    if len(set(widths.values())) > 1:
        message = (
            f"sagemaker: the splits have different numbers of labels ({widths}): one training cannot read both; pack them alike"
        )
        findings.add("consumer", message)
