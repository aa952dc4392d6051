"""The facts that rules are fed, and what all rules share.

Strategy: facts are small values, so that rules can be tried on facts alone. A rule that must see all records keeps a
column of a few bytes for each, never the record.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, TypeAlias

import numpy as np


if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from recordio_kit._core.header import IRHeader
    from recordio_kit._core.index import RecordIndex
    from recordio_kit._pipeline.findings import Findings

Consumer: TypeAlias = Literal["sagemaker", "mxnet", "gluon", "dali", "insightface"]


class RecordFacts(NamedTuple):
    """Describe one sound record.

    Args:
        position: counted over the sound records.
        offset: its first byte.
        header: its image header, or None where it has none.
        body: bytes behind header and labels.
        format: the suffix that the body's first bytes ask for, such as ``.jpg``; empty where they are not known.
        split_header: whether a magic stands in the header, so that the record's first part ends inside it.
    """

    position: int
    offset: int
    header: IRHeader | None
    body: int = 0
    format: str = ""
    split_header: bool = False


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    """Describe one ``.rec`` and what stands beside it.

    Args:
        uri: its path or URL.
        offsets: [n] where its sound records start, rising, uint64.
        index: its ``.idx``, or None where there is none or it cannot be understood.
        index_found: whether there is an ``.idx``, understood or not.
        index_beside: whether it stands beside the file, under the file's own name.
        loose_line: the first line of the ``.idx`` that MXNet's Python cannot read, or None.
        strangers: what else lies in its folder.
        properties: insightface's ``property`` beside it, or None.
        num_classes: how many class names its manifest has, or None.
        split: what its manifest calls it, or None.
    """

    uri: str
    offsets: NDArray[np.uint64]
    index: RecordIndex | None = None
    index_found: bool = False
    index_beside: bool = False
    loose_line: int | None = None
    strangers: Sequence[str] = ()
    properties: bytes | None = None
    num_classes: int | None = None
    split: str | None = None

    @cached_property
    def doubled(self) -> NDArray[np.int64]:
        """Return the rows of the ``.idx`` that point where an earlier row does."""
        if self.index is None:
            return np.empty(0, np.int64)
        _, first = np.unique(self.index.offsets, return_index=True)
        return np.setdiff1d(np.arange(len(self.index)), first)

    @cached_property
    def unindexed(self) -> int:
        """Return how many records the ``.idx`` does not name."""
        return 0 if self.index is None else int(np.count_nonzero(~np.isin(self.offsets, self.index.offsets)))


class Rules:
    """Judge one file for one consumer.

    Args:
        findings: takes what the consumer would stumble over.
    """

    #: Whose rules these are.
    consumer: ClassVar[Consumer]
    #: Whether a record without image header stops this consumer.
    needs_headers: ClassVar[bool] = True
    #: What ``FileFacts`` must hold beyond the file itself and its ``.idx``.
    needs: ClassVar[frozenset[Literal["strangers", "properties", "manifest"]]] = frozenset()

    def __init__(self, findings: Findings) -> None:
        """Start with nothing seen."""
        self._findings = findings

    def look(self, record: RecordFacts) -> None:
        """Take the facts of the next record."""

    def judge(self, file: FileFacts) -> None:
        """Say what is wrong with the file, now that every record was seen."""
        raise NotImplementedError

    def tell(self, rule: str, message: str, *, offset: int | None = None, position: int | None = None) -> None:
        """Add a finding; those of one rule are cut where they grow too many."""
        text = f"{self.consumer}: {message}"
        self._findings.add("consumer", text, offset=offset, position=position, rule=f"{self.consumer} {rule}")

    def tell_of(self, rule: str, record: RecordFacts, message: str) -> None:
        """Add a finding about one record."""
        self.tell(rule, f"record {record.position} {message}", offset=record.offset, position=record.position)


class ImageRules(Rules):
    """Judge a file for a consumer that decodes every record."""

    #: What it decodes, as suffixes.
    formats: ClassVar[frozenset[str]]
    #: What it does with anything else.
    without_image: ClassVar[str]

    def look(self, record: RecordFacts) -> None:
        """Refuse a record that holds no image of a known format."""
        if record.header is None or record.format in self.formats:
            return
        what = f"is {record.format.removeprefix('.').upper()}" if record.format else "is of no format that is known here"
        if not record.body:
            what = "holds no image"
            if record.header.flag:
                what += " (insightface keeps ranges so)"
        self.tell_of("image", record, f"{what}: {self.without_image}; leave it out, or unpack the images and pack them again")
