"""Strata: an image list as columns of numbers, which a split can sort and count.

Strategy: nothing is drawn at random. The 16-byte BLAKE2b hash of ``<seed in decimal> NUL <path in UTF-8>`` is an image's
luck: its first 8 bytes, big-endian, order the images of a stratum, its last 8 those of a shuffled part. Images of equal
paths follow each other by labels, then index. So an order depends on the seed and on what the list holds, never on the
list's own order, the numpy version or the machine. What a part receives is decided elsewhere.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Hashable, Mapping
from hashlib import blake2b
from textwrap import shorten
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from recordio_kit._core.imagelist import LstEntry


if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recordio_kit._core.imagelist import ImageList

__all__ = ["GroupBy", "Strata"]

#: What images must stay together: those with the same match of a regular expression in their path (of its first capturing
#: group, if it has one), the same result of a function of the entry, or the same value in a mapping by path. None is no
#: group.
GroupBy: TypeAlias = str | Callable[[LstEntry], Hashable] | Mapping[str, Hashable]

_NAME_WIDTH: Final = 60


class Strata:
    """Hold the stratum and the group of each image, numbered alike whatever the list's order.

    ``numbers`` is each image's stratum, ``counts`` the images of each stratum; ``groups`` is each image's group and
    ``group_names`` what the groups are called, if images were ``grouped``.

    Args:
        images: the list.
        parts: how many parts it will be split into.
        stratify: make a stratum of each label, or label vector; vectors that fewer images have than there are parts are
            one stratum together. Else all images are one.
        group_by: what must stay together, or None.
        seed: any whole number.

    Raises:
        ValueError: the list is empty, an image has no group, or a pattern is no regular expression.
    """

    def __init__(self, images: ImageList, parts: int, *, stratify: bool, group_by: GroupBy | None, seed: int) -> None:
        """Hash the paths, number the strata and the groups."""
        if not len(images):
            msg = "the list is empty: there is nothing to split"
            raise ValueError(msg)
        self.images = images
        self.stratified = stratify
        self._luck, self._shuffle = _hash_paths(images, seed)
        # Adding 0 turns -0.0 into the 0.0 that it equals; as big-endian bytes labels sort alike on every machine.
        rows = np.ascontiguousarray(images.labels + np.float32(0), ">f4").view(f"V{4 * images.label_width}").reshape(-1)
        _, self._ranks, frequencies = np.unique(rows, return_inverse=True, return_counts=True)
        strata = self._ranks if stratify else np.zeros_like(self._ranks)
        pool = len(frequencies)
        if stratify and images.label_width > 1:
            strata = np.where(frequencies[strata] < parts, pool, strata)
        found, self._first, self.numbers, self.counts = np.unique(
            strata, return_index=True, return_inverse=True, return_counts=True
        )
        self._pooled = bool(found[-1] == pool)
        self.grouped = group_by is not None
        self.groups = np.arange(len(images), dtype=np.int64)
        self.group_names: list[Hashable] = []
        if group_by is not None:
            self._number_groups(_group_names(images, group_by))

    def _number_groups(self, names: list[Hashable]) -> None:
        """Number groups by the luck of their images: unlike that, what a group is called may differ from run to run."""
        numbers: dict[Hashable, int] = {}
        order = self._sort(self._luck)
        self.groups[order] = [numbers.setdefault(names[position], len(numbers)) for position in order.tolist()]
        self.group_names = list(numbers)

    def _sort(self, *columns: NDArray[Any]) -> NDArray[np.int64]:
        """Return all positions in the order of these columns, the first one first."""
        return np.lexsort((self.images.indexes, self._ranks, *reversed(columns)))

    def by_stratum(self) -> NDArray[np.int64]:
        """Return all positions, stratum by stratum, in the order of luck."""
        return self._sort(self.numbers, self._luck)

    def order(self, *, shuffle: bool) -> NDArray[np.int64]:
        """Return all positions, shuffled by hash or in the list's order."""
        return self._sort(self._shuffle) if shuffle else np.arange(len(self.images))

    def units(self) -> NDArray[np.int64]:
        """Return [strata] how many groups have images of each; an image without ``group_by`` is a group of its own."""
        if not self.grouped:
            return self.counts
        together = np.unique(self.groups * len(self.counts) + self.numbers)
        return np.bincount(together % len(self.counts))

    def group_images(self) -> list[dict[int, int]]:
        """Return the images of each group, by stratum."""
        images: list[dict[int, int]] = [{} for _ in self.group_names]
        together, counts = np.unique(self.groups * len(self.counts) + self.numbers, return_counts=True)
        for pair, count in zip(together.tolist(), counts.tolist(), strict=True):
            group, stratum = divmod(pair, len(self.counts))
            images[group][stratum] = count
        return images

    def name(self, stratum: int) -> str:
        """Return a stratum's class name, or its labels where classes have no names."""
        if self._pooled and stratum == len(self.counts) - 1:
            return "(rare label vectors)"
        labels = self.images.labels[self._first[stratum]].tolist()
        classes = self.images.classes
        if classes is not None and len(labels) == 1 and labels[0] in range(len(classes)):
            return classes[int(labels[0])]
        return shorten(" ".join(f"{label:.9g}" for label in labels), _NAME_WIDTH, placeholder=" ...")


def _hash_paths(images: ImageList, seed: int) -> NDArray[np.uint64]:
    """Return [2, n] numbers: each path's luck, and its place when parts are shuffled."""
    start = blake2b(b"%d\0" % operator.index(seed), digest_size=16)

    def digest(position: int) -> bytes:
        state = start.copy()
        state.update(images.path_bytes_at(position))
        return state.digest()

    digests = np.fromiter(map(digest, range(len(images))), np.dtype("V16"), len(images))
    return np.ascontiguousarray(digests.view(">u8").reshape(-1, 2).T, np.uint64)


def _group_names(images: ImageList, group_by: GroupBy) -> list[Hashable]:
    if isinstance(group_by, str):
        names, why = _matches(images, group_by), f"{group_by!r} is not found in the path"
    elif isinstance(group_by, Mapping):
        names, why = [group_by.get(path) for path in images.paths], "the mapping does not have the path"
    else:
        names, why = [group_by(entry) for entry in images], "the function returned None"
    missing = [position for position, name in enumerate(names) if name is None]
    if missing:
        msg = (
            f"{len(missing)} of {len(names)} images have no group, the first is {images.path_at(missing[0])!r}: {why}; "
            "give every image a group, its own if need be"
        )
        raise ValueError(msg)
    return names


def _matches(images: ImageList, pattern: str) -> list[Hashable]:
    try:
        search = re.compile(pattern).search
    except re.error as error:
        msg = f"group_by is no regular expression: {pattern!r}, {error}"
        raise ValueError(msg) from error
    # [0] is the whole match; a first capturing group that took no part in it gives None.
    return [match and match[min(1, match.re.groups)] for match in map(search, images.paths)]
