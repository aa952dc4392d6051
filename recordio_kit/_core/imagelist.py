"""ImageList: the columns of an image list, and the entries seen through them.

Strategy: a list of a hundred million images must fit, so it is kept as columns (an int64 index, float32 labels, one UTF-8
blob of paths with offsets) at well under 100 bytes an entry; an ``LstEntry`` is made when it is looked at. Paths become
bytes and text again by the block, with NUL between them, one by one only where a path holds NUL itself. Lists are
immutable: every operation returns another list that shares what it can. Text formats live in ``lst.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, overload

import numpy as np


if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from recordio_kit._core.framing import Buffer

    Number = TypeVar("Number", np.float32, np.float64)

__all__ = ["Finding", "ImageList", "LstEntry"]

#: Paths that are text at the same time, so that a look at all of them costs no memory.
_BLOCK: Final = 1 << 13
#: Texts of paths that become bytes at the same time.
_BATCH: Final = 1 << 5
#: Facts of a list of which nothing but its entries is known.
_UNKNOWN: Final = {"classes": None, "root": None, "sizes": None, "stamps": None, "findings": ()}


class LstEntry(NamedTuple):
    """Describe one image of a list.

    Args:
        index: the image's id, 0 to 2**63 - 1.
        labels: one float or more.
        path: relative to the list's root, with ``/`` on every system.
    """

    index: int  # type: ignore[assignment]  # shadows tuple.index
    labels: tuple[float, ...]
    path: str

    @property
    def label(self) -> float:
        """Return the first label."""
        return self.labels[0]


class Finding(NamedTuple):
    """Say what was odd, yet understood, in an input; ``line`` counts from 1, 0 where no line is meant."""

    line: int
    message: str


class ImageList(Sequence[LstEntry]):
    """Hold images in list order, with their class names and the root their paths start from.

    Args:
        indexes: [n] ids, int64.
        labels: [n, k] labels, float32, k >= 1.
        paths: n relative paths with ``/``; bytes that are no UTF-8 come as surrogate escapes.
        classes: class names by label, or None where labels are not classes or nobody knows.
        root: the folder or URL that the paths start from, if known.
        sizes: [n] source sizes in bytes, if known.
        stamps: [n] modification times in ns, if known.
        findings: what was odd about the input.

    Raises:
        ValueError: the columns differ in length, an index is negative, a label is an integer that float32 cannot hold, or
            the list has no label column.
    """

    __slots__ = ("_blob", "_offsets", "classes", "findings", "indexes", "labels", "root", "sizes", "stamps")

    def __init__(
        self,
        indexes: ArrayLike,
        labels: ArrayLike,
        paths: Iterable[str],
        *,
        classes: Sequence[str] | None = None,
        root: str | None = None,
        sizes: ArrayLike | None = None,
        stamps: ArrayLike | None = None,
        findings: Iterable[Finding] = (),
    ) -> None:
        """Encode the paths and check that the columns agree."""
        facts = {"classes": classes, "root": root, "sizes": sizes, "stamps": stamps, "findings": findings}
        self._fill(np.array(indexes, np.int64), labels, _encode(list(paths)), facts)

    def _fill(self, indexes: ArrayLike, labels: ArrayLike, paths: tuple[bytes, NDArray[np.int64]], facts: dict[str, Any]) -> None:
        blob, offsets = paths
        numbers = np.asarray(indexes, np.int64).reshape(-1)
        self._assign(_blob=blob, _offsets=offsets, indexes=numbers, labels=_exact_labels(labels), **facts)
        if len(self) and self.indexes.min() < 0:
            msg = f"index {self.indexes.min()}: an index is a whole number from 0 to 2**63 - 1"
            raise ValueError(msg)

    def _assign(self, **columns: Any) -> None:
        """Take every column; those that came from a caller are copied, since a list never changes."""
        for name in ("sizes", "stamps"):
            if columns[name] is not None:
                columns[name] = np.array(columns[name], np.int64).reshape(-1)
        columns["classes"] = None if columns["classes"] is None else tuple(columns["classes"])
        columns["findings"] = tuple(columns["findings"])
        count = len(columns["_offsets"]) - 1
        for name, value in columns.items():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
                if name != "_offsets" and len(value) != count:
                    msg = f"{count} paths but {len(value)} {name}"
                    raise ValueError(msg)
            setattr(self, name, value)

    _blob: bytes
    _offsets: NDArray[np.int64]
    indexes: NDArray[np.int64]
    labels: NDArray[np.float32]
    classes: tuple[str, ...] | None
    root: str | None
    sizes: NDArray[np.int64] | None
    stamps: NDArray[np.int64] | None
    findings: tuple[Finding, ...]

    @classmethod
    def from_entries(cls, entries: Iterable[LstEntry | tuple[int, Sequence[float], str]], **facts: Any) -> ImageList:
        """Return the list of these entries; every entry has the same number of labels.

        Args:
            entries: (index, labels, path) each.
            facts: ``classes``, ``root``, ``sizes``, ``stamps``, ``findings`` as for the class.

        Raises:
            ValueError: the entries differ in their number of labels.
        """
        rows = list(entries)
        widths = {len(row[1]) for row in rows}
        if len(widths) > 1:
            msg = f"every entry needs the same number of labels, these have {sorted(widths)}"
            raise ValueError(msg)
        labels = np.array([row[1] for row in rows], np.float64).reshape(len(rows), widths.pop() if widths else 1)
        return cls([row[0] for row in rows], labels, [row[2] for row in rows], **facts)

    @classmethod
    def from_joined(cls, indexes: ArrayLike, labels: ArrayLike, texts: Sequence[str], **facts: Any) -> ImageList:
        """Return the list whose paths come as texts, each of one path or of several with NUL between them; arrays are taken over.

        Args:
            indexes: as for the class.
            labels: as for the class.
            texts: one at least.
            facts: ``classes``, ``root``, ``sizes``, ``stamps``, ``findings`` as for the class.

        Raises:
            ValueError: as for the class.
        """
        made = object.__new__(cls)
        made._fill(indexes, labels, _cut(texts), {**_UNKNOWN, **facts})
        return made

    @classmethod
    def from_columns(
        cls, indexes: NDArray[np.int64], labels: NDArray[np.float32], blob: bytes, offsets: NDArray[np.int64]
    ) -> ImageList:
        """Return the list that has these columns, which are taken over.

        Args:
            indexes: [n] ids.
            labels: [n, k] labels.
            blob: the paths, end to end, as UTF-8 or a file system's own bytes.
            offsets: [n + 1] where each path starts, and where the last one ends.

        Raises:
            ValueError: as for the class.
        """
        made = object.__new__(cls)
        made._fill(indexes, labels, (blob, offsets), dict(_UNKNOWN))
        return made

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.indexes)

    @overload
    def __getitem__(self, item: int) -> LstEntry: ...
    @overload
    def __getitem__(self, item: slice) -> ImageList: ...
    def __getitem__(self, item: int | slice) -> LstEntry | ImageList:
        """Return one entry, or the list of a slice of them.

        Raises:
            IndexError: the position is outside the list.
        """
        if isinstance(item, slice):
            start, stop, step = item.indices(len(self))
            return self._run(start, max(start, stop)) if step == 1 else self.take(np.arange(start, stop, step))
        position = range(len(self))[item]
        return LstEntry(int(self.indexes[position]), tuple(self.labels[position].tolist()), self.path_at(position))

    def __iter__(self) -> Iterator[LstEntry]:
        """Yield the entries in list order."""
        for start in range(0, len(self), _BLOCK):
            block = slice(start, start + _BLOCK)
            labels = map(tuple, self.labels[block].tolist())
            yield from map(LstEntry._make, zip(self.indexes[block].tolist(), labels, self._texts(block), strict=True))

    def __eq__(self, other: object) -> bool:
        """Tell whether both hold the same entries and class names; roots, sizes and findings do not matter."""
        if not isinstance(other, ImageList):
            return NotImplemented
        return (
            self.classes == other.classes
            and np.array_equal(self.indexes, other.indexes)
            and np.array_equal(self.labels, other.labels)
            and self._blob == other._blob
            and np.array_equal(self._offsets, other._offsets)
        )

    __hash__ = None  # type: ignore[assignment]  # equal by value and large: not meant as a key

    def __repr__(self) -> str:
        """Show the size, the classes and the root."""
        classes = "no class names" if self.classes is None else f"{len(self.classes)} classes"
        return f"<ImageList of {len(self)} images, {classes}, root={self.root!r}>"

    def __getstate__(self) -> dict[str, Any]:
        """Return the columns."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the columns back."""
        self._assign(**state)

    @property
    def label_width(self) -> int:
        """Return the number of labels an entry has."""
        return int(self.labels.shape[1])

    @property
    def paths(self) -> Iterator[str]:
        """Yield the paths in list order."""
        for start in range(0, len(self), _BLOCK):
            yield from self._texts(slice(start, start + _BLOCK))

    def _texts(self, block: slice) -> list[str]:
        """Return the paths of a block, which is not empty."""
        offsets = self._offsets[block.start : block.stop + 1]
        blob = self._blob[offsets[0] : offsets[-1]]
        spaced = np.insert(np.frombuffer(blob, np.uint8), offsets[1:-1] - offsets[0], 0).tobytes()
        texts = spaced.decode("utf-8", "surrogateescape").split("\0")
        if len(texts) == len(offsets) - 1:
            return texts
        ends = (offsets - offsets[0]).tolist()
        return [blob[start:end].decode("utf-8", "surrogateescape") for start, end in pairwise(ends)]

    def path_at(self, position: int) -> str:
        """Return the path at a position, counted from 0."""
        return self.path_bytes_at(position).decode("utf-8", "surrogateescape")

    def path_bytes_at(self, position: int) -> bytes:
        """Return the path at a position as UTF-8 bytes (a file system's own where they are no UTF-8)."""
        place = range(len(self))[position]
        return self._blob[self._offsets[place] : self._offsets[place + 1]]

    def columns(self) -> Iterator[Buffer]:
        """Yield indexes, labels, paths and path ends as little-endian bytes: what makes two lists of entries equal."""
        yield _little(self.indexes, "<i8")
        yield _little(self.labels, "<f4")
        yield self._blob
        yield _little(self._offsets, "<i8")

    def take(self, positions: ArrayLike) -> ImageList:
        """Return the list of the entries at these positions, in that order.

        Args:
            positions: [m] positions counted from 0.

        Raises:
            IndexError: a position is outside the list.
        """
        chosen = np.asarray(positions, np.int64).reshape(-1)
        if len(chosen) and not 0 <= chosen.min() <= chosen.max() < len(self):
            msg = f"positions {chosen.min()} to {chosen.max()} of a list of {len(self)}"
            raise IndexError(msg)
        starts, ends = self._offsets[chosen], self._offsets[chosen + 1]
        offsets = np.zeros(len(chosen) + 1, np.int64)
        np.cumsum(ends - starts, out=offsets[1:])
        blob = b"".join([self._blob[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)])
        return self._with(_blob=blob, _offsets=offsets, **self._rows(chosen))

    def _run(self, start: int, stop: int) -> ImageList:
        """Return the list of the entries from one position to before another, without a look at each."""
        offsets = self._offsets[start : stop + 1]
        blob = self._blob[offsets[0] : offsets[-1]]
        return self._with(_blob=blob, _offsets=offsets - offsets[0], **self._rows(slice(start, stop)))

    def _rows(self, chosen: slice | NDArray[np.int64]) -> dict[str, Any]:
        names = ("indexes", "labels", "sizes", "stamps")
        return {name: None if (column := getattr(self, name)) is None else column[chosen] for name in names}

    def renumber(self) -> ImageList:
        """Return the same list with the indexes 0, 1, 2 ... in list order."""
        return self._with(indexes=np.arange(len(self), dtype=np.int64))

    def replace(self, **facts: Any) -> ImageList:
        """Return the same entries with other ``classes``, ``root``, ``sizes``, ``stamps`` or ``findings``.

        Raises:
            TypeError: another name was given.
            ValueError: a column differs in length.
        """
        if unknown := set(facts) - {"classes", "root", "sizes", "stamps", "findings"}:
            msg = f"cannot replace {', '.join(sorted(unknown))}"
            raise TypeError(msg)
        return self._with(**facts)

    def _with(self, **columns: Any) -> ImageList:
        made = object.__new__(ImageList)
        made._assign(**(self.__getstate__() | columns))
        return made


def _little(column: NDArray[Any], dtype: str) -> Buffer:
    """Return a column's bytes, little-endian; not copied where they are so already."""
    return np.ascontiguousarray(column, dtype).data.cast("B") if column.size else b""


def _encode(paths: list[str]) -> tuple[bytes, NDArray[np.int64]]:
    """Return paths as one blob, and the offsets that each starts at and the last ends at."""
    joined = "\0".join(paths)
    if len(paths) > 1 and joined.count("\0") == len(paths) - 1:
        try:
            return _cut([joined])
        except UnicodeEncodeError:
            pass
    encoded = [path.encode("utf-8", "surrogateescape") for path in paths]
    return b"".join(encoded), np.cumsum([0, *map(len, encoded)], dtype=np.int64)


def _cut(texts: Sequence[str]) -> tuple[bytes, NDArray[np.int64]]:
    """Return the blob and the offsets of paths that have NUL between them."""
    blobs, offsets, base = [], [np.zeros(1, np.int64)], 0
    for start in range(0, len(texts), _BATCH):  # a million folders may hold an image each
        data = "\0".join(texts[start : start + _BATCH]).encode("utf-8", "surrogateescape")
        ends = np.flatnonzero(np.frombuffer(data, np.uint8) == 0)
        ends += base - np.arange(len(ends))
        base += len(data) - len(ends)
        blobs.append(data.replace(b"\0", b""))
        offsets += [ends, np.array([base])]
    return b"".join(blobs), np.concatenate(offsets)


def _exact_labels(labels: ArrayLike) -> NDArray[np.float32]:
    if isinstance(labels, np.ndarray) and labels.dtype == np.float32:  # nothing to lose
        return _table(np.array(labels, np.float32))
    wide = _table(np.asarray(labels, np.float64))
    lost = lost_labels(wide)
    if lost.any():
        msg = f"label {wide[lost][0]:.0f} is lost in float32, which a .rec stores labels in (whole numbers up to 2**24 are safe)"
        raise ValueError(msg)
    return wide.astype(np.float32)


def _table(labels: NDArray[Number]) -> NDArray[Number]:
    table = labels.reshape(-1, 1) if labels.ndim < 2 else labels
    if table.ndim > 2 or not table.shape[1]:
        msg = f"a list needs at least one label for each image: [n] or [n, k] labels, these are {list(table.shape)}"
        raise ValueError(msg)
    return table


def lost_labels(labels: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which labels are whole numbers that float32 cannot hold.

    Args:
        labels: of any shape.
    """
    with np.errstate(over="ignore"):
        exact = labels.astype(np.float32) == labels
    lost: NDArray[np.bool_] = ~exact & (labels == np.floor(labels))
    return lost
