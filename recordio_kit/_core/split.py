"""Splits: one list to several, so that every image is in exactly one part.

Strategy: nothing is drawn at random. The BLAKE2b hash (16 bytes) of ``<seed in decimal> NUL <path in UTF-8>`` is each
image's luck: its first 8 bytes, big-endian, order the images of a class, which then fill the parts in the order of the
shares; its last 8 order a part when it is shuffled. Images of equal paths follow each other by labels, then index. So the
parts depend on the seed and on what the list holds, not on its order, the numpy version or the machine. How many images,
or which groups, a part receives is decided in ``rounding.py``; this module takes the request, makes the parts and says
how near they came.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from recordio_kit._core.imagelist import ImageList, LstEntry
from recordio_kit._core.rounding import allot_groups, round_table, whole_weights


if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["GroupBy", "PartReport", "Parts", "SplitReport", "kfold_list", "part_name", "split_list"]

#: What images must stay together: those with the same match of a regular expression in their path (of its first capturing
#: group, if it has one), the same result of a function of the entry, or the same value in a mapping by path. None is no
#: group.
GroupBy: TypeAlias = str | Callable[[LstEntry], Hashable] | Mapping[str, Hashable]

_NAME: Final = re.compile(r"(?!\.)[A-Za-z0-9._-]+(?<!\.)")
_TRAIN: Final = "train"
_NO_PART: Final = -1


@dataclass(frozen=True, slots=True)
class PartReport:
    """Say how near one part came to its share; ``str()`` is one line.

    Args:
        name: the part.
        wanted: its exact share in images.
        got: its images.
        worst: images too many (below 0: too few) of the class that is farthest off.
        worst_class: that class's name, else its label; empty when the split is not stratified.
        absent: classes that have no image in this part.
    """

    name: str
    wanted: float
    got: int
    worst: float = 0.0
    worst_class: str = ""
    absent: int = 0

    def __str__(self) -> str:
        """Return one line for people."""
        line = f"{self.name}: {self.got} images, {self.wanted:.1f} wanted"
        if self.worst_class:
            line += f"; class {self.worst_class} is farthest off, by {self.worst:+.1f}"
        return line + (f"; no image of {self.absent} classes" if self.absent else "")


@dataclass(frozen=True, slots=True)
class SplitReport:
    """Say how near a split came to its shares; ``str()`` is one line a part, and one about the groups if there are any.

    Args:
        parts: in the order of the shares.
        groups: how many groups were kept whole; 0 without ``group_by``.
        largest_group: the group with the most images.
        largest_group_images: how many those are.
    """

    parts: tuple[PartReport, ...]
    groups: int = 0
    largest_group: str = ""
    largest_group_images: int = 0

    def __str__(self) -> str:
        """Return the lines for people."""
        lines = [str(part) for part in self.parts]
        if self.groups:
            lines.append(f"{self.groups} groups kept whole; the largest, {self.largest_group}, has {self.largest_group_images} images")
        return "\n".join(lines)


class Parts(dict[str, ImageList]):
    """Hold the parts of a split by name, in the order of the shares, and the ``report`` on how near they came."""

    def __init__(self, parts: Mapping[str, ImageList], report: SplitReport) -> None:
        """Keep both."""
        super().__init__(parts)
        self.report = report


def split_list(
    images: ImageList,
    shares: Mapping[str, float],
    *,
    stratify: bool = True,
    group_by: GroupBy | None = None,
    seed: int = 0,
    shuffle: bool = True,
    small_classes: Literal["error", "train"] = "error",
) -> Parts:
    """Split a list by shares; every image goes to exactly one part.

    Without groups, a part's images of each class, and all its images, are the floor or the ceiling of their exact share.
    With groups they come as near to it as whole groups let them. Classes are labels; where an image has several labels
    they are whole label vectors, and vectors that fewer images have than there are parts count as one class together.

    Args:
        images: the list.
        shares: the share of each part, together 1 or 100; ``val`` and ``valid`` mean ``validation``.
        stratify: divide every class by the shares, not only the whole.
        group_by: what must stay together: a regular expression searched in the path, a function of the entry, or a
            mapping by path.
        seed: any whole number; another one gives another split.
        shuffle: order each part by hash, since a trainer needs classes mixed; else keep the list's order.
        small_classes: what to do with a class (of one label) of fewer images, or groups, than there are parts: raise, or
            put it, and the groups it is in, wholly into the part ``train``.

    Returns:
        The parts by name, in the order of the shares, each numbered from 0, and a report.

    Raises:
        ValueError: shares or names are wrong, the list or a part would be empty, a class is too small, or an image has no
            group.
    """
    weights = _weights(shares)
    if small_classes == "train" and _TRAIN not in weights:
        msg = f'small_classes="train" needs a part named "train"; the parts are {", ".join(weights)}'
        raise ValueError(msg)
    home = list(weights).index(_TRAIN) if small_classes == "train" else _NO_PART
    deck = _Deck(images, len(weights), stratify=stratify, group_by=group_by, seed=seed)
    parts, report = _deal(deck, weights, home, small_classes)
    return Parts({name: deck.take(parts == part, shuffle=shuffle) for part, name in enumerate(weights)}, report)


def kfold_list(
    images: ImageList,
    folds: int,
    *,
    stratify: bool = True,
    group_by: GroupBy | None = None,
    seed: int = 0,
    shuffle: bool = True,
    small_classes: Literal["error", "train"] = "error",
) -> list[tuple[ImageList, ImageList]]:
    """Split a list into equal folds; each is the validation list once, while the others are the train list.

    The folds are made as ``split_list`` makes parts, with equal shares.

    Args:
        images: the list.
        folds: how many, from 2 to the number of images.
        stratify: divide every class equally, not only the whole.
        group_by: what must stay together, as for ``split_list``.
        seed: any whole number; another one gives another split.
        shuffle: order each list by hash; else keep the list's order.
        small_classes: what to do with a class of fewer images, or groups, than there are folds: raise, or put it, and the
            groups it is in, into every train list. Only then are there images that no validation list holds.

    Returns:
        (train, validation) for each fold, each numbered from 0.

    Raises:
        ValueError: there are fewer than 2 folds or more than images, or for the reasons of ``split_list``.
    """
    if not 2 <= folds <= len(images):
        msg = f"cannot make {folds} folds of {len(images)} images: it takes 2 folds or more, and an image for each"
        raise ValueError(msg)
    deck = _Deck(images, folds, stratify=stratify, group_by=group_by, seed=seed)
    parts, _ = _deal(deck, {f"fold {number}": 1 for number in range(1, folds + 1)}, _NO_PART, small_classes)
    return [(deck.take(parts != fold, shuffle=shuffle), deck.take(parts == fold, shuffle=shuffle)) for fold in range(folds)]


def part_name(name: str) -> str:
    """Return the name a part goes by: ``validation`` for ``val`` and ``valid``, else the name itself.

    Args:
        name: ASCII letters, digits, ``-``, ``_`` and, between them, ``.``: it becomes a folder and a file name.

    Raises:
        ValueError: it is no such name.
    """
    if not _NAME.fullmatch(name):
        msg = f"{name!r} cannot name a part: use letters, digits, '-', '_' and, between them, '.'"
        raise ValueError(msg)
    return "validation" if name in ("val", "valid") else name


def _weights(shares: Mapping[str, float]) -> dict[str, int]:
    named: dict[str, float] = {}
    for given, share in shares.items():
        name = part_name(given)
        # On many systems folders whose names differ in case only are one folder.
        if name.lower() in {other.lower() for other in named}:
            msg = f"two parts are named {name!r}: 'val' and 'valid' mean 'validation', and case does not tell names apart"
            raise ValueError(msg)
        named[name] = share
    return whole_weights(named)


class _Deck:
    """Hold the images of a list as columns of numbers: hashes, ranks of their labels, strata and groups."""

    def __init__(self, images: ImageList, parts: int, *, stratify: bool, group_by: GroupBy | None, seed: int) -> None:
        if not len(images):
            msg = "the list is empty: there is nothing to split"
            raise ValueError(msg)
        self.images = images
        self._luck, self._order = _hash_paths(images, seed).T
        # Bytes sort alike on every machine; adding 0 turns -0.0 into the 0.0 that it equals.
        rows = np.ascontiguousarray(images.labels + np.float32(0), ">f4").view(f"V{4 * images.label_width}").reshape(-1)
        _, self._ranks, sizes = np.unique(rows, return_inverse=True, return_counts=True)
        strata = self._ranks if stratify else np.zeros_like(self._ranks)
        self.pool = len(sizes)
        if stratify and images.label_width > 1:
            strata = np.where(sizes[strata] < parts, self.pool, strata)
        self._found, self._first, self.strata, self.counts = np.unique(
            strata, return_index=True, return_inverse=True, return_counts=True
        )
        self.stratified = stratify
        self.groups: NDArray[np.int64] | None = None
        self.group_names: list[Hashable] = []
        if group_by is not None:
            self._number_groups(_group_keys(images, group_by))

    def _number_groups(self, keys: list[Hashable]) -> None:
        """Number the groups by their images' hashes: the names of some differ from run to run."""
        numbers: dict[Hashable, int] = {}
        order = self.sort(self._luck).tolist()
        self.groups = np.empty(len(keys), np.int64)
        self.groups[order] = [numbers.setdefault(keys[position], len(numbers)) for position in order]
        self.group_names = list(numbers)

    def sort(self, *columns: NDArray[Any]) -> NDArray[np.int64]:
        """Return positions sorted by columns, the first one first; equal ones by labels, then index."""
