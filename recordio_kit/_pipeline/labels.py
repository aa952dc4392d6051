"""Labels from elsewhere than folder names: CSV files, mappings, and the class names that fix their numbers.

Strategy: a CSV and a mapping become the same rows of cells, and one set of rules turns those into numbers, so that both
refuse alike and each refusal names its line or its path. Nothing is guessed: a number is what ``.lst`` takes for one, and
a column that is partly numbers is an error. Whether the rows and the images of a folder belong together is asked once,
in ``LabelTable.align``. Folders are not walked here.
"""

from __future__ import annotations

import csv
import io
import os
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np

from recordio_kit._core.imagelist import Finding
from recordio_kit._core.lst import check_classes, parse_classes
from recordio_kit._pipeline.numbering import Rows, number_rows
from recordio_kit._pipeline.tally import plain, tally
from recordio_kit._storage.base import read_all
from recordio_kit._storage.open import open_file
from recordio_kit.errors import ListSyntaxError


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: A label as a mapping gives it: a number, several, or a class name.
Label: TypeAlias = "float | str | Sequence[float]"
#: Where labels come from: a CSV file or labels by path.
LabelSource: TypeAlias = "str | os.PathLike[str] | Mapping[str, Label]"

_PATH_COLUMNS: Final = ("path", "filename", "file", "image")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelTable:
    """Hold what a CSV or a mapping says about images, by path.

    Args:
        source: the file's name, for messages.
        labels: one number or more for each path; every path has as many.
        classes: class names by label, or by column where there are several; None where labels are not classes.
        splits: the part that each path belongs to, if the CSV says.
        groups: what must stay together, likewise.
        findings: what was odd about the source.
    """

    source: str
    labels: Mapping[str, tuple[float, ...]]
    classes: tuple[str, ...] | None = None
    splits: Mapping[str, str] | None = None
    groups: Mapping[str, str] | None = None
    findings: tuple[Finding, ...] = ()

    def align(self, paths: Iterable[str]) -> LabelTable:
        """Return the same table by these paths, in their order; backslashes in a row mean ``/`` where no file has such a name.

        Args:
            paths: every image there is.

        Raises:
            ValueError: a row names no image, an image has no row, or two rows name one image.
        """
        keys = dict.fromkeys(paths, "")
        strays = []
        for key in self.labels:
            path = key if key in keys else posixpath.normpath(key.replace("\\", "/"))
            if path not in keys:
                strays.append(key)
            elif keys[path]:
                msg = f"{self.source}: {keys[path]!r} and {key!r} are the same image"
                raise ValueError(msg)
            else:
                keys[path] = key
        told = [tally(strays).say("row names no image", "rows name no image")] if strays else []
        if bare := [path for path, key in keys.items() if not key]:
            told.append(tally(bare).say("image has no row", "images have no row"))
        if told:
            msg = f"{self.source}: {'; '.join(told)} (paths start below the root; ignore= (--ignore) leaves images out)"
            raise ValueError(msg)
        return replace(
            self,
            labels={path: self.labels[key] for path, key in keys.items()},
            splits=self.splits and {path: self.splits[key] for path, key in keys.items()},
            groups=self.groups and {path: self.groups[key] for path, key in keys.items()},
        )


def read_file(place: str | os.PathLike[str], what: str) -> bytes:
    """Return a small file's bytes.

    Args:
        place: its path or URL.
        what: what it is, for the message.

    Raises:
        ValueError: there is none.
        StorageError: it cannot be read.
    """
    store, name = open_file(place)
    if store.stat(name) is None:
        msg = f"the {what} {os.fspath(place)} does not exist (looked for {store.uri(name)})"
        raise ValueError(msg)
    return read_all(store, name)


def read_classes(source: Any) -> tuple[str, ...]:
    """Return the class names that a caller fixed, in label order.

    Args:
        source: the names, something that has them as ``.classes`` (a manifest, a list), or the path of a text file with
            one name a line or of a ``manifest.json``.

    Raises:
        ValueError: there are none, one is empty or holds a line break, or two are equal.
        ManifestError: a manifest that cannot be read.
        StorageError: the file cannot be read.
    """
    if isinstance(source, (str, os.PathLike)):
        data = read_file(source, "file of class names")
        name = os.fspath(source)
        if data.lstrip().startswith(b"{"):
            from recordio_kit._core.manifest import Manifest

            return read_classes(Manifest.from_json(data, source=name))
        try:
            return parse_classes(data)
        except ValueError as error:
            msg = f"{name}: {error}"
            raise ValueError(msg) from error
    names = tuple(getattr(source, "classes", source) or ())
    if not names:
        msg = "classes= holds no class names"
        raise ValueError(msg)
    check_classes(names)
    return names


def read_labels(source: LabelSource, classes: Any = None) -> LabelTable:
    """Return the labels of a CSV file or a mapping.

    A CSV needs a header with a column ``path`` (``filename``, ``file`` and ``image`` mean the same) and either a column
    ``label``, of numbers or of class names, or one column a label. ``split`` and ``group`` are optional columns.

    Args:
        source: the file, UTF-8 with commas, or a mapping from path to a number, several numbers or a class name.
        classes: class names in label order, as for ``read_classes``; None sorts the names that occur.

    Raises:
        ListSyntaxError: a line of the CSV that cannot be understood.
        ValueError: there is no such file, or a value of the mapping that cannot be understood.
        StorageError: the file cannot be read.
    """
    names = None if classes is None else read_classes(classes)
    if isinstance(source, Mapping):
        return _from_mapping(source, names)
    return _from_csv(read_file(source, "CSV of labels"), os.fspath(source), names)


def _from_mapping(source: Mapping[str, Label], names: tuple[str, ...] | None) -> LabelTable:
    paths = list(source)
    if strange := set(map(type, paths)) - {str}:
        msg = f"labels= has paths as text with '/', not as {strange.pop().__name__}"
        raise TypeError(msg)

    def refuse(row: int, message: str) -> ValueError:
        return ValueError(f"labels= at {paths[row]!r}: {message}")

    cells = [_cells(value) for value in source.values()]
    for row, values in enumerate(cells):
        if not values or len(values) != len(cells[0]):
            raise refuse(row, f"{len(values)} labels, the first path has {len(cells[0])}")
    labels, classes = number_rows(Rows("labels=", cells, None, refuse), names)
    return LabelTable(source="labels=", labels=dict(zip(paths, labels, strict=True)), classes=classes)


def _cells(value: object) -> list[object]:
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    return [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)


def _from_csv(data: bytes, source: str, names: tuple[str, ...] | None) -> LabelTable:
    (first, header), *numbered = _parse(data, source)
    lines = [line for line, _ in numbered]
    rows = [cells for _, cells in numbered]

    def refuse(row: int, message: str) -> ValueError:
        return ListSyntaxError(message, source=source, line=lines[row])

    layout = _layout(header, source, first)
    seen: dict[str, int] = {}
    for row, cells in enumerate(rows):
        if not (path := cells[layout.path]):
            raise refuse(row, "the path is empty")
        if path in seen:
            raise refuse(row, f"{path!r} stands in line {lines[seen[path]]} already")
        seen[path] = row
    columns = tuple(header[column] for column in layout.labels)
    labels, classes = number_rows(
        Rows(source, [[cells[column] for column in layout.labels] for cells in rows], columns, refuse), names
    )
    unused = [plain(header[column]) for column in layout.unused]
    return LabelTable(
        source=source,
        labels=dict(zip(seen, labels, strict=True)),
        classes=classes,
        splits=None if layout.split is None else _texts(seen, rows, layout.split, refuse, part=True),
        groups=None if layout.group is None else _texts(seen, rows, layout.group, refuse, part=False),
        findings=(Finding(first, f"columns beside 'label' that are not used: {', '.join(unused)}"),) if unused else (),
    )


def _parse(data: bytes, source: str) -> list[tuple[int, list[str]]]:
    """Return the rows of a CSV with the line each ends in, the header first."""
    reader = csv.reader(io.StringIO(data.decode("utf-8-sig", "surrogateescape"), newline=""), strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            if cells and rows and len(cells) != len(rows[0][1]):
                msg = f"{len(cells)} fields, the header has {len(rows[0][1])}"
                raise ListSyntaxError(msg, source=source, line=reader.line_num)
            if cells:
                rows.append((reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise ListSyntaxError(str(error), source=source, line=reader.line_num) from error
    if not rows:
        msg = "nothing in it; the first line names the columns, such as path,label"
        raise ListSyntaxError(msg, source=source)
    return rows


class _Layout(NamedTuple):
    """Say which column holds what."""

    path: int
    labels: list[int]
    split: int | None
    group: int | None
    unused: list[int]


def _layout(header: list[str], source: str, line: int) -> _Layout:
    place = {name.lower(): column for column, name in enumerate(header)}
    path = next((place[name] for name in _PATH_COLUMNS if name in place), -1)
    split, group, label = place.get("split"), place.get("group"), place.get("label")
    rest = [column for column in range(len(header)) if column not in (path, split, group, label)]
    nameless = [column for column in rest if not header[column] or header[column].startswith("Unnamed:")]
    problem = ""
    if len(set(header)) < len(header):
        problem = "two columns have the same name"
    elif path < 0:
        problem = f"no column is named 'path'; the first line names the columns, with commas between, found {','.join(header)!r}"
    elif label is None and not rest:
        problem = "no column holds labels; name it 'label', or have one column a label"
    elif label is None and nameless:
        problem = f"column {nameless[0] + 1} has no name; pandas leaves row numbers out with index=False"
    if problem:
        raise ListSyntaxError(problem, source=source, line=line)
    return _Layout(path, rest, split, group, []) if label is None else _Layout(path, [label], split, group, rest)


def _texts(
    paths: Iterable[str], rows: list[list[str]], column: int, refuse: Callable[[int, str], ValueError], *, part: bool
) -> dict[str, str]:
    """Return a text column by path; parts go by the names that splits have."""
    from recordio_kit._core.split import part_name

    texts = {}
    for row, path in enumerate(paths):
        text = rows[row][column]
        try:
            texts[path] = part_name(text.lower()) if part else text
        except ValueError as error:
            raise refuse(row, str(error)) from error
        if not text:
            raise refuse(row, "the group is empty")
    return texts
