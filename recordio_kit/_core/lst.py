"""``.lst`` text: index TAB label[s] TAB path LF, and class names, one a line.

Strategy: writing is strict (UTF-8, LF, labels as ``%f`` where that is exact, else the shortest text that is; a path that
a row cannot hold is refused). Reading is tolerant and outspoken: a byte order mark, CRLF, blank lines and spaces in the
place of tabs are understood and reported as findings with their line; anything else is an error that names the line. No
row is dropped in silence. Text that is as it would be written is read by the block; the first sign of anything else, and
all of it is read row by row. im2rec's own, laxer reader lives in ``recordio_kit.im2rec``.
"""

from __future__ import annotations

import math
import re
from itertools import islice
from typing import TYPE_CHECKING, Final

import numpy as np

from recordio_kit._core.columns import Columns
from recordio_kit._core.imagelist import Finding, ImageList, lost_labels
from recordio_kit.errors import ListSyntaxError, UnsafePathError


if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

_INDEX: Final = re.compile(r"[0-9]{1,19}", re.ASCII)
# float() would also take "nan", "1_0" and other scripts' digits: no list means those.
NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_MAX_INDEX: Final = (1 << 63) - 1
_INDEX_DIGITS: Final = len(str(_MAX_INDEX))
_SIGNS: Final = "\t\n\r\0"
_SPACES: Final = re.compile(" +")
_BOM: Final = "\ufeff"
_ROW: Final = "a row is 'index TAB label TAB path'"
#: Cells that are written at a time, and bytes that are read.
_BLOCK_CELLS: Final = 1 << 14
_BLOCK_BYTES: Final = 1 << 19
_NO_MARKS: Final = bytes(sign for sign in range(256) if sign not in b"\t\n")


def format_lst(images: ImageList) -> bytes:
    """Return the list as ``.lst`` bytes.

    Args:
        images: the list; its paths may hold anything but TAB, LF, CR, NUL and outer white space (im2rec strips it).

    Raises:
        UnsafePathError: a path cannot stand in a row.
        ValueError: a label is not finite.
    """
    if not np.isfinite(images.labels).all():
        msg = "a .lst holds finite labels; this list has NaN or infinity among them"
        raise ValueError(msg)
    texts = {value: _format_label(value) for value in np.unique(images.labels).tolist()}
    count = max(1, _BLOCK_CELLS // (images.label_width + 2))
    paths = images.paths
    blocks = []
    for start in range(0, len(images), count):
        block = slice(start, start + count)
        labels = [map(texts.__getitem__, column) for column in images.labels[block].T.tolist()]
        names = list(islice(paths, count))
        check_paths(names)
        rows = map("\t".join, zip(map(str, images.indexes[block].tolist()), *labels, names, strict=True))
        blocks.append(("\n".join(rows) + "\n").encode("utf-8", "surrogateescape"))
    return b"".join(blocks)


def check_paths(paths: list[str]) -> None:
    """Refuse the first of these paths that a ``.lst`` row cannot hold.

    Args:
        paths: the path column.

    Raises:
        UnsafePathError: as ``check_path`` says.
    """
    text = "".join(paths)
    odd = not all(paths) or any(sign in text for sign in _SIGNS) or list(map(str.strip, paths)) != paths
    for path in paths if odd else ():
        check_path(path)


def check_path(path: str) -> None:
    """Refuse a path that a ``.lst`` row cannot hold.

    Args:
        path: the path column.

    Raises:
        UnsafePathError: it is empty, holds TAB, LF, CR or NUL, or starts or ends with white space.
    """
    if not path or path != path.strip() or any(sign in path for sign in _SIGNS):
        msg = f"the file name {path!r} cannot stand in a .lst (TAB, line breaks, NUL, outer white space): rename the file"
        raise UnsafePathError(msg)


def _format_label(value: float) -> str:
    text = f"{value + 0.0:f}"  # not -0.000000: the sign of a zero label means nothing
    return text if np.float32(text) == np.float32(value) else str(np.float32(value))


def parse_lst(data: bytes, *, source: str | None = None) -> ImageList:
    """Return the list that ``.lst`` bytes hold; what was odd about them is in its ``findings``.

    Args:
        data: the file's bytes.
        source: its name, for messages.

    Raises:
        ListSyntaxError: a row cannot be understood, two rows share an index, or rows differ in their number of labels.
    """
    images = _parse_blocks(data)
    return _parse_rows(data, source) if images is None else images


def _parse_blocks(data: bytes) -> ImageList | None:
    """Return the list of text that is as ``format_lst`` writes it, None where there is anything to find or to refuse."""
    if not data.endswith(b"\n") or b"\r" in data or b"\0" in data:
        return None
    tabs = data.count(b"\t", 0, data.index(b"\n"))
    made = Columns()
    start = 0
    while start < len(data):
        stop = data.find(b"\n", start + _BLOCK_BYTES) + 1 or len(data)
        columns = _parse_block(data[start:stop], tabs)
        if columns is None or lost_labels(columns[1]).any():
            return None
        made.add(columns[0], columns[1].astype(np.float32), columns[2])
        start = stop
    images = made.images()
    ordered = np.sort(images.indexes)
    return None if (ordered[1:] == ordered[:-1]).any() else images


def _parse_block(data: bytes, tabs: int) -> tuple[NDArray[np.int64], NDArray[np.float64], list[str]] | None:
    marks = data.translate(None, _NO_MARKS)
    count = marks.count(b"\n")
    if tabs < 2 or marks != (b"\t" * tabs + b"\n") * count:
        return None
    cells = data.decode("utf-8", "surrogateescape")[:-1].replace("\n", "\t").split("\t")
    indexes, paths = cells[:: tabs + 1], cells[tabs :: tabs + 1]
    digits = "".join(indexes)
    if not (all(indexes) and digits.isdigit() and digits.isascii() and max(map(len, indexes)) < _INDEX_DIGITS):
        return None
    if not all(paths) or list(map(str.strip, paths)) != paths:
        return None
    columns = [cells[place :: tabs + 1] for place in range(1, tabs)]
    numbers = {text: float(text) if NUMBER.fullmatch(text) else math.nan for text in set().union(*columns)}
    labels = np.column_stack([list(map(numbers.__getitem__, column)) for column in columns])
    return (np.array(list(map(int, indexes)), np.int64), labels, paths) if np.isfinite(labels).all() else None


def _parse_rows(data: bytes, source: str | None) -> ImageList:
    text = data.decode("utf-8", "surrogateescape")
    findings: list[Finding] = []
    if text.startswith(_BOM):
        findings.append(Finding(1, "starts with a byte order mark; left out"))
        text = text.removeprefix(_BOM)
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    carriage = [number for number, line in enumerate(lines, 1) if line.endswith("\r")]
    if carriage:
        findings.append(Finding(carriage[0], f"{len(carriage)} lines end in CRLF; read as LF"))
    rows: list[tuple[int, list[str]]] = []
    spaced: list[tuple[int, list[str]]] = []
    widths: set[int] = set()
    for number, line in enumerate(lines, 1):
        row = line.strip(" \t\r\v\f")
        if not row:
            findings.append(Finding(number, "a blank line; left out"))
            continue
        fields = line.removesuffix("\r").split("\t")
        if len(fields) == 1:
            rows.append((number, [row]))
            spaced.append(rows[-1])
            continue
        stripped = [field.strip() for field in fields]
        if stripped != fields:
            findings.append(Finding(number, "white space around a field; left out"))
        rows.append((number, stripped))
        widths.add(max(len(fields) - 2, 1))
    if spaced:
        findings.append(Finding(spaced[0][0], f"{len(spaced)} rows have spaces for tabs; read as index, labels, path"))
        _split_spaced([fields for _, fields in spaced], widths)
    return _columns(rows, findings, source)


def _split_spaced(rows: list[list[str]], widths: set[int]) -> None:
    """Split each row without tabs: into as many labels as the other rows have, or as all of these could have."""
    if len(widths) != 1:
        widths = {max(min(_numbers_ahead(_SPACES.split(row)[1:-1]) for (row,) in rows), 1)}
    (width,) = widths
    for fields in rows:
        fields[:] = map(str.strip, _SPACES.split(fields[0], width + 1))


def _numbers_ahead(fields: Sequence[str]) -> int:
    return next((place for place, field in enumerate(fields) if not NUMBER.fullmatch(field)), len(fields))


def _columns(rows: list[tuple[int, list[str]]], findings: list[Finding], source: str | None) -> ImageList:
    width = len(rows[0][1]) - 2 if rows else 1
    indexes: dict[int, int] = {}
    labels: list[list[float]] = []
    paths: list[str] = []
    for number, fields in rows:
        problem = _problem(fields, width, indexes)
        if problem:
            raise ListSyntaxError(problem, source=source, line=number)
        indexes[int(fields[0])] = number
        labels.append([float(field) for field in fields[1:-1]])
        paths.append(fields[-1])
    table = np.array(labels, np.float64).reshape(len(rows), width)
    lost = np.argwhere(lost_labels(table))
    if len(lost):
        place, column = lost[0].tolist()
        number, fields = rows[place]
        msg = f"label {fields[1 + column]} is lost in float32, which a .rec stores labels in"
        raise ListSyntaxError(msg, source=source, line=number)
    return ImageList(list(indexes), table, paths, findings=findings)


def _problem(fields: list[str], width: int, seen: dict[int, int]) -> str:
    """Say what is wrong with a row, or return no text."""
    if len(fields) < 3:
        return f"{_ROW}, found {len(fields)} fields"
    index, *labels, path = fields
    if not _INDEX.fullmatch(index) or int(index) > _MAX_INDEX:
        return f"the index must be a whole number from 0 to {_MAX_INDEX}, found {index!r}"
    if int(index) in seen:
        return f"index {index} stands in line {seen[int(index)]} already; indexes must be unique"
    for label in labels:
        if not NUMBER.fullmatch(label) or not math.isfinite(float(label)):
            return f"a label must be a finite number, found {label!r}"
    if len(labels) != width:
        return f"{len(labels)} labels, the rows before have {width}"
    return "" if path and "\0" not in path and "\r" not in path else f"the path {path!r} cannot be used"


def format_classes(classes: Sequence[str]) -> bytes:
    """Return class names as text, one a line, in label order.

    Args:
        classes: names without line breaks.

    Raises:
        ValueError: a name is empty, holds a line break or starts with a byte order mark, or two are equal.
    """
    check_classes(classes)
    return "".join([f"{name}\n" for name in classes]).encode("utf-8", "surrogateescape")


def parse_classes(data: bytes) -> tuple[str, ...]:
    """Return the class names of a text that has one a line; a byte order mark, CRLF and blank lines at the end are well.

    Args:
        data: the file's bytes.

    Raises:
        ValueError: a line in between is blank, or two names are equal.
    """
    text = data.decode("utf-8", "surrogateescape").removeprefix(_BOM)
    classes = tuple(line.removesuffix("\r") for line in text.rstrip("\r\n").split("\n"))
    check_classes(classes)
    return classes


def check_classes(classes: Iterable[str]) -> None:
    """Refuse class names that are empty, doubled, hold a line break or start with a byte order mark.

    Args:
        classes: the names in label order.

    Raises:
        ValueError: naming the offender.
    """
    seen: set[str] = set()
    for label, name in enumerate(classes):
        if not name.strip() or name.startswith(_BOM) or "\n" in name or "\r" in name:
            msg = f"class {label} has the name {name!r}; a name is one line of text"
            raise ValueError(msg)
        if name in seen:
            msg = f"two classes are named {name!r}"
            raise ValueError(msg)
        seen.add(name)
