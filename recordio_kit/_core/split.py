"""Splits: one list to several, so that every image is in exactly one part.

Strategy: ``strata.py`` orders the images by a hash of seed and path and names their strata and groups; ``rounding.py``
says how many images of a stratum, or which groups, each part receives. This module takes the request, lets the images of
every stratum fill the parts in the order of the shares, and reports how near the parts came to them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from recordio_kit._core.imagelist import ImageList
from recordio_kit._core.rounding import allot_groups, round_table, whole_weights
from recordio_kit._core.strata import GroupBy, Strata


if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["GroupBy", "PartReport", "Parts", "SplitReport", "kfold_list", "part_name", "split_list"]

SmallClasses: TypeAlias = Literal["error", "train"]

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
        worst_class: that class's name, else its label; empty where the split is not stratified.
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
        if self.worst_class and round(self.worst, 1):
            line += f"; class {self.worst_class} is farthest off, by {self.worst:+.1f}"
        return line + (f"; classes without an image here: {self.absent}" if self.absent else "")


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
            lines.append(
                f"{self.groups} groups kept whole; the largest, {self.largest_group}, has {self.largest_group_images} images"
            )
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
    small_classes: SmallClasses = "error",
) -> Parts:
    """Split a list by shares; every image goes to exactly one part.

    Without groups, a part's images of each class, and all its images, are the floor or the ceiling of their exact share.
    With groups they come as near to it as whole groups let them. Classes are labels; where an image has several labels
    they are whole label vectors, and vectors that fewer images have than there are parts count as one class together.

    Args:
        images: the list.
        shares: the share of each part, together 1 or 100; ``val`` and ``valid`` mean ``validation``.
        stratify: divide every class by the shares, not only the whole.
        group_by: what must stay together: a regular expression searched in the path (its first capturing group, if it has
            one), a function of the entry, or a mapping by path.
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
    home = _NO_PART
    if small_classes == "train":
        if _TRAIN not in weights:
            msg = f'small_classes="train" needs a part named "train"; the parts are {", ".join(weights)}'
            raise ValueError(msg)
        home = list(weights).index(_TRAIN)
    strata = Strata(images, len(weights), stratify=stratify, group_by=group_by, seed=seed)
    parts, report = _deal(strata, weights, home, small_classes)
    order = strata.order(shuffle=shuffle)
    return Parts({name: _take(images, order, parts == part) for part, name in enumerate(weights)}, report)


def kfold_list(
    images: ImageList,
    folds: int,
    *,
    stratify: bool = True,
    group_by: GroupBy | None = None,
    seed: int = 0,
    shuffle: bool = True,
    small_classes: SmallClasses = "error",
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
        msg = f"folds are 2 or more, up to the number of images, here {len(images)}; not {folds}"
        raise ValueError(msg)
    strata = Strata(images, folds, stratify=stratify, group_by=group_by, seed=seed)
    weights = {f"fold {number}": 1 for number in range(1, folds + 1)}
    parts, _ = _deal(strata, weights, _NO_PART, small_classes)
    order = strata.order(shuffle=shuffle)
    return [(_take(images, order, parts != fold), _take(images, order, parts == fold)) for fold in range(folds)]


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


def _deal(
    strata: Strata, weights: Mapping[str, int], home: int, small_classes: SmallClasses
) -> tuple[NDArray[np.int64], SplitReport]:
    """Return the part of each image; small classes go to the part ``home``."""
    small = _small_classes(strata, len(weights), small_classes)
    deal = _deal_groups if strata.grouped else _deal_images
    parts = deal(strata, list(weights.values()), home, small)
    report = _report(strata, weights, home, small, parts)
    for part in report.parts:
        if not part.got:
            why = f"its share is {part.wanted:.2f} of {len(parts)} images"
            if report.groups:
                why += f", and the {report.groups} groups of up to {report.largest_group_images} images stay whole"
            msg = f"the part {part.name!r} would be empty: {why}; give it more, or make fewer parts"
            raise ValueError(msg)
    return parts, report


def _take(images: ImageList, order: NDArray[np.int64], chosen: NDArray[np.bool_]) -> ImageList:
    return images.take(order[chosen[order]]).renumber()


def _small_classes(strata: Strata, parts: int, small_classes: SmallClasses) -> NDArray[np.bool_]:
    """Return [strata] which are classes that cannot give something to every part."""
    if small_classes not in ("error", "train"):
        msg = f'small_classes is "error" or "train", not {small_classes!r}'
        raise ValueError(msg)
    units = strata.units()
    if not strata.stratified or strata.images.label_width > 1:
        return np.zeros(len(units), np.bool_)
    small = units < parts
    if small.any() and small_classes == "error":
        first, others = int(small.argmax()), int(small.sum()) - 1
        unit = "groups" if strata.grouped else "images"
        msg = (
            f"too few {unit} for {parts} parts: class {strata.name(first)} has {units[first]}"
            + (f" (and {others} more such)" if others else "")
            + '; add images, leave the class out, keep it in train with small_classes="train", or split with stratify=False'
        )
        raise ValueError(msg)
    return small


def _deal_images(strata: Strata, weights: list[int], home: int, small: NDArray[np.bool_]) -> NDArray[np.int64]:
    parts = np.full(len(strata.numbers), home, np.int64)
    order = strata.by_stratum()
    table = np.array(round_table(strata.counts[~small].tolist(), weights), np.int64).reshape(-1, len(weights))
    parts[order[~small[strata.numbers[order]]]] = np.repeat(np.tile(np.arange(len(weights)), len(table)), table.reshape(-1))
    return parts


def _deal_groups(strata: Strata, weights: list[int], home: int, small: NDArray[np.bool_]) -> NDArray[np.int64]:
    held = set(np.flatnonzero(small).tolist())
    groups = strata.group_images()
    fixed = {group: home for group, images in enumerate(groups) if not held.isdisjoint(images)}
    for group in fixed:
        # What no part receives, and what has no share, must not weigh in those of the others.
        groups[group] = {} if home == _NO_PART else {key: count for key, count in groups[group].items() if key not in held}
    return np.array(allot_groups(groups, weights, fixed), np.int64)[strata.groups]


def _report(
    strata: Strata, weights: Mapping[str, int], home: int, small: NDArray[np.bool_], parts: NDArray[np.int64]
) -> SplitReport:
    shares = [weight / sum(weights.values()) for weight in weights.values()]
    wanted = strata.counts[:, None] * np.where(small[:, None], np.arange(len(shares)) == home, shares)
    dealt = parts != _NO_PART
    got = np.bincount(strata.numbers[dealt] * len(shares) + parts[dealt], minlength=wanted.size).reshape(wanted.shape)
    worst = np.abs(got - wanted).argmax(axis=0)
    reports = [
        PartReport(
            name=name,
            wanted=float(wanted[:, part].sum()),
            got=int(got[:, part].sum()),
            worst=float((got - wanted)[worst[part], part]),
            worst_class=strata.name(int(worst[part])) if strata.stratified else "",
            absent=int((got[:, part] == 0).sum()),
        )
        for part, name in enumerate(weights)
    ]
    if not strata.grouped:
        return SplitReport(tuple(reports))
    sizes = np.bincount(strata.groups)
    return SplitReport(tuple(reports), len(sizes), str(strata.group_names[sizes.argmax()]), int(sizes.max()))
