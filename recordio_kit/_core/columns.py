"""Columns of an image list that grow by the block.

Strategy: what a list of a hundred million images is read into must not take much more than the list itself, so each column is
one buffer that grows in its place and becomes the list's own without being copied. Nothing else may live here.
"""

from __future__ import annotations

import io
from array import array
from typing import TYPE_CHECKING

import numpy as np

from recordio_kit._core.imagelist import ImageList


if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Columns:
    """Collect entries by the block; every block has the same number of labels an entry."""

    def __init__(self) -> None:
        """Start with no entry."""
        self._indexes, self._labels, self._offsets = array("q"), array("f"), array("q", [0])
        self._blob = io.BytesIO()
        self._width = 1

    def add(self, indexes: NDArray[np.int64], labels: NDArray[np.float32], paths: Sequence[str]) -> None:
        """Append a block of entries.

        Args:
            indexes: [n] ids.
            labels: [n, k] labels.
            paths: n paths without NUL.
        """
        self._width = labels.shape[1]
        self._indexes.frombytes(indexes.tobytes())
        self._labels.frombytes(labels.tobytes())
        joined = "\0".join([*paths, ""]).encode("utf-8", "surrogateescape")
        ends = np.flatnonzero(np.frombuffer(joined, np.uint8) == 0)
        self._offsets.frombytes((ends - np.arange(len(ends)) + self._blob.tell()).astype(np.int64).tobytes())
        self._blob.write(joined.replace(b"\0", b""))

    def images(self) -> ImageList:
        """Return the list of all entries; nothing can be added after it.

        Raises:
            ValueError: an index is negative.
        """
        labels = np.frombuffer(self._labels, np.float32).reshape(-1, self._width)
        offsets = np.frombuffer(self._offsets, np.int64)
        return ImageList.from_columns(np.frombuffer(self._indexes, np.int64), labels, self._blob.getvalue(), offsets)
