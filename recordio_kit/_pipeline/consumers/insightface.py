"""insightface: what its ``MXFaceDataset`` and face training ask of a file.

Strategy: the reader asks for key 0 first. Where that has flag 2, its labels say which keys are images and which are
identities, and each identity's labels say which images are its own; where it has flag 0, every key is an image. All these
numbers are float32, so above 2**24 they are rounded: what they should be is counted from the records and rounded likewise,
never believed. ``judge_faces`` is a function of columns alone, and asks their type what it can hold.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

import numpy as np

from recordio_kit._pipeline.consumers.base import Consumer, FileFacts, RecordFacts, Rules


if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from recordio_kit._pipeline.findings import Findings

#: Of each rule so many keys are named.
_SHOWN: Final = 20


class Trouble(NamedTuple):
    """Describe what is wrong with the layout: the rule, the row it is about (None for the file), and the words."""

    rule: str
    row: int | None
    message: str


class Columns(NamedTuple):
    """Hold what the layout rests on, [n] each, in the order of the keys.

    Args:
        keys: uint64, rising.
        flags: uint32.
        firsts: float32, the first label.
        seconds: float32, the second label, 0 where there is none.
        empty: whether the record has no body.
    """

    keys: NDArray[np.uint64]
    flags: NDArray[np.uint32]
    firsts: NDArray[np.float32]
    seconds: NDArray[np.float32]
    empty: NDArray[np.bool_]


class InsightfaceRules(Rules):
    """Judge a file for insightface."""

    consumer: ClassVar[Consumer] = "insightface"
    needs = frozenset({"properties"})
    #: Of the formats that MXNet's OpenCV decodes.
    formats: ClassVar[frozenset[str]] = frozenset({".jpg", ".png", ".bmp", ".tif"})

    def __init__(self, findings: Findings) -> None:
        """Start with nothing seen."""
        super().__init__(findings)
        self._flags, self._firsts, self._seconds, self._empty = array("I"), array("f"), array("f"), bytearray()

    def look(self, record: RecordFacts) -> None:
        """Keep the flag, the first two labels and whether there is a body."""
        header = record.header
        labels = [] if header is None else header.label.tolist() if header.flag else [header.label]
        self._flags.append(0 if header is None else header.flag)
        self._firsts.append(labels[0] if labels else 0)
        self._seconds.append(labels[1] if len(labels) > 1 else 0)
        self._empty.append(header is not None and not record.body)
        if record.body and header is not None and record.format not in self.formats:
            self.tell_of("image", record, "is of no format that MXNet decodes: reading it fails; leave it out")

    def judge(self, file: FileFacts) -> None:
        """Look at the index and at the layout."""
        if not file.index_beside:
            mend = "copy it there" if file.index_found else "write one with 'index'"
            self.tell("index", f"there is no .idx beside the .rec, under the same name: records are read by key; {mend}")
        if file.loose_line is not None:
            message = f"line {file.loose_line} of the .idx is not 'key TAB offset': opening it raises ValueError"
            self.tell("line", f"{message}; rebuild it with 'index --overwrite'")
        if file.index is None:
            return
        rows, positions = _positions(file)
        flags, empty = np.array(self._flags, np.uint32)[positions], np.array(self._empty, bool)[positions]
        firsts, seconds = np.array(self._firsts, np.float32)[positions], np.array(self._seconds, np.float32)[positions]
        columns = Columns(file.index.keys[rows], flags, firsts, seconds, empty)
        for rule, row, message in judge_faces(columns):
            position = None if row is None else int(positions[row])
            offset = None if position is None else int(file.offsets[position])
            self.tell(rule, message, offset=offset, position=position)
        self._judge_properties(file, columns)

    def _judge_properties(self, file: FileFacts, columns: Columns) -> None:
        """Hold the number of classes in ``property`` against the labels."""
        if file.properties is None:
            return
        stated = file.properties.split(b",")[0].strip()
        labels = columns.firsts[~columns.empty]
        largest = int(labels.max()) if len(labels) and np.isfinite(labels).all() else -1
        if not stated.isdigit() or len(stated) > 20:
            self.tell("property", f"the file property starts with {stated[:20]!r}, not a number of classes; it is 'N,112,112'")
        elif int(stated) <= largest:
            message = f"the file property says {int(stated)} classes, the largest label is {largest}: the loss fails; correct it"
            self.tell("property", message)


def _positions(file: FileFacts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of the ``.idx`` that name a sound record, by key, and those records' positions."""
    if file.index is None or not len(file.offsets):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    rows = np.argsort(file.index.keys, kind="stable")
    places = np.minimum(np.searchsorted(file.offsets, file.index.offsets[rows]), len(file.offsets) - 1)
    known = file.offsets[places] == file.index.offsets[rows]
    return rows[known], places[known].astype(np.int64)


def judge_faces(columns: Columns) -> Iterator[Trouble]:
    """Yield what insightface would stumble over.

    Args:
        columns: of all records, in the order of their keys.
    """
    keys, flags, _, _, empty = columns
    if not len(keys) or keys[0]:
        message = "no record has the key 0: the reader asks for it first and stops with KeyError; an im2rec file starts at key 0"
        yield Trouble("directory", None, message)
    elif not flags[0]:
        for row in np.flatnonzero(empty)[:_SHOWN].tolist():
            message = f"key {keys[row]} has no image, and key 0 with its flag 0 says that every key is one; leave it out"
            yield Trouble("image", row, message)
    elif not empty[0]:
        message = (
            f"key 0 is an image with {flags[0]} labels: they are taken for ranges of keys; pack it with one label and flag 0"
        )
        yield Trouble("directory", 0, message)
    elif flags[0] != 2:
        yield Trouble(
            "directory", 0, f"key 0 has the flag {flags[0]}: a directory has the two labels [N + 1, N + 1 + identities]"
        )
    else:
        yield from _judge_directory(columns)
    yield from _judge_images(columns)


def _most_exact(values: NDArray[np.float32]) -> int:
    """Return up to where a type holds every whole number."""
    return 1 << (np.finfo(values.dtype).nmant + 1)


def _judge_images(columns: Columns) -> Iterator[Trouble]:
    images = np.flatnonzero(~columns.empty)
    labels = columns.firsts[images]
    for row in images[~(np.isfinite(labels) & (labels >= 0) & (labels == np.floor(labels)))][:_SHOWN].tolist():
        yield Trouble("label", row, f"key {columns.keys[row]} has the label {columns.firsts[row]:g}: it is no number of a class")
    most = _most_exact(labels)
    if len(labels) and np.isfinite(labels).all() and labels.max() >= most:
        message = f"labels reach {labels.max():.0f}, {labels.dtype} is exact to {most}: classes fall together; number them anew"
        yield Trouble("exact", None, message)


def _judge_directory(columns: Columns) -> Iterator[Trouble]:
    """Hold the directory and the identities against the images."""
    keys, flags, firsts, seconds, empty = columns
    images, identities = np.flatnonzero(~empty), np.flatnonzero(empty)[1:]
    first, last = len(images) + 1, len(images) + 1 + len(identities)
    stored = firsts.dtype
    if (firsts[0], seconds[0]) != (stored.type(first), stored.type(last)):
        message = (
            f"key 0 says [{firsts[0]:.0f}, {seconds[0]:.0f}], the file has {len(images)} images and {len(identities)} "
            f"identities, which makes [{first}, {last}]: images are left out, or what is none is read; write the file again"
        )
        yield Trouble("directory", 0, message)
    for rows, begin, what in ((images, 1, "images"), (identities, first, "identities")):
        wanted = np.arange(begin, begin + len(rows), dtype=np.uint64)
        other = np.flatnonzero(keys[rows] != wanted)
        if len(other):
            row = int(rows[other[0]])
            message = (
                f"the keys of the {what} are not {begin} to {begin + len(rows) - 1}, key {keys[row]} is the first that is not"
            )
            yield Trouble("keys", row, f"{message}: the reader stops with KeyError or reads another record; write the file again")
    odd = identities[flags[identities] != 2]
    for row in odd[:_SHOWN].tolist():
        yield Trouble("identity", row, f"identity {keys[row]} has the flag {flags[row]}, not the 2 labels of a range")
    if len(images) and not len(odd):
        yield from _judge_ranges(columns, images, identities)
    bounds = np.array([first, last])
    if (bounds.astype(stored).astype(np.int64) != bounds).any():
        message = (
            f"{first} and {last} are not exact as {stored}, so key 0 cannot say them: readers that believe it are off by one; "
            "this library counts, and so must they"
        )
        yield Trouble("exact", 0, message)


def _judge_ranges(columns: Columns, images: NDArray[np.int64], identities: NDArray[np.int64]) -> Iterator[Trouble]:
    """Hold each identity's range against the run of images with one label."""
    keys, _, firsts, seconds, _ = columns
    labels = firsts[images]
    starts = np.flatnonzero(np.append(True, labels[1:] != labels[:-1]))
    if len(starts) != len(identities):
        message = (
            f"there are {len(identities)} identities, but the labels make {len(starts)} runs: an identity begins wherever the "
            "label changes, so sort the images by label and write the file again"
        )
        yield Trouble("runs", None, message)
        return
    if len(np.unique(labels[starts])) != len(starts):
        yield Trouble("runs", None, "a label stands in two identities: sort the images by label and write the file again")
    ends = np.append(starts[1:], len(images)) + 1
    stored = firsts.dtype
    wrong = (firsts[identities] != (starts + 1).astype(stored)) | (seconds[identities] != ends.astype(stored))
    for place in np.flatnonzero(wrong)[:_SHOWN].tolist():
        row = int(identities[place])
        message = (
            f"identity {keys[row]} says images {firsts[row]:.0f} to {seconds[row]:.0f}, its label stands in "
            f"{starts[place] + 1} to {ends[place]} (the end excluded): images go to another identity; write the file again"
        )
        yield Trouble("range", row, message)
    inexact = (ends.astype(stored).astype(np.int64) != ends).sum()
    if inexact:
        where = f"above {_most_exact(firsts)} where {stored} rounds"
        message = f"{inexact} ranges end {where}: readers that believe them are off by one; count instead"
        yield Trouble("exact", None, message)
