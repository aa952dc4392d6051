"""From cells to labels: what the rows of a CSV or a mapping say, as numbers and class names.

Strategy: nothing is guessed. A number is what ``.lst`` takes for one, a column is all numbers or all names, and names that
the caller fixed go before both. Pure: how a row is refused (by its line, by its path) is the reader's to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np

from recordio_kit._core.lst import NUMBER, check_classes


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    _Names: TypeAlias = tuple[str, ...] | None

_LARGEST: Final = float(np.finfo(np.float32).max)


class Rows(NamedTuple):
    """Hold what labels are made of.

    Args:
        source: the name of the whole, for messages.
        cells: [n][k] texts or numbers, a row an image, k >= 1.
        columns: the columns' names, if they have any.
        refuse: makes the error about one row.
    """

    source: str
    cells: Sequence[Sequence[object]]
    columns: tuple[str, ...] | None
    refuse: Callable[[int, str], ValueError]


def number_rows(rows: Rows, names: _Names) -> tuple[list[tuple[float, ...]], _Names]:
    """Return each row's labels as numbers, and the class names.

    Args:
        rows: the cells; one column holds numbers or class names, several hold numbers.
        names: class names by label (by column where there are several), or None to take them from the rows.

    Raises:
        ValueError: a row cannot be understood, or the names do not fit.
    """
    if rows.cells and len(rows.cells[0]) > 1:
        return _several(rows, names)
    labels, names = _single(rows, [cells[0] for cells in rows.cells], names)
    return [(label,) for label in labels], names


def _single(rows: Rows, cells: list[object], names: _Names) -> tuple[list[float], _Names]:
    numbers = [_number(cell) for cell in cells]
    for row, (cell, number) in enumerate(zip(cells, numbers, strict=True)):
        if number is None and not isinstance(cell, str):
            raise rows.refuse(row, f"a label must be a finite number, found {cell!r}")
        if cell == "":
            raise rows.refuse(row, "the label is empty")
    if names is not None:
        return _by_names(rows, cells, numbers, names), names
    numeric = [number for number in numbers if number is not None]
    if len(numeric) == len(cells):
        return numeric, None
    if numeric:
        row = next(row for row, number in enumerate(numbers) if (number is None) != (numbers[0] is None))
        msg = f"the label {cells[row]!r} after {cells[0]!r}: all are numbers or all are names; classes= says that all are names"
        raise rows.refuse(row, msg)
    names = tuple(sorted({str(cell) for cell in cells}))
    check_classes(names)
    return _by_names(rows, cells, numbers, names), names


def _by_names(rows: Rows, cells: list[object], numbers: list[float | None], names: tuple[str, ...]) -> list[float]:
    """Return the labels of cells that are all names or, failing that, all numbers of these classes."""
    place: dict[object, float] = {name: float(label) for label, name in enumerate(names)}
    fitting = [number for number in numbers if number is not None and number.is_integer() and 0 <= number < len(names)]
    strange = [row for row, cell in enumerate(cells) if cell not in place]
    if not strange:
        return [place[cell] for cell in cells]
    if len(fitting) == len(cells):
        return fitting
    known = set(fitting)
    row = next((row for row in strange if numbers[row] not in known), strange[0])
    raise rows.refuse(
        row, f"the label {cells[row]!r} is none of the {len(names)} classes; all rows name them, or all number them"
    )


def _several(rows: Rows, names: _Names) -> tuple[list[tuple[float, ...]], _Names]:
    columns = rows.columns
    labels = [_numbers(rows, row) for row in range(len(rows.cells))]
    if names is None:
        if columns is None or any(number not in (0.0, 1.0) for numbers in labels for number in numbers):
            return labels, None
        check_classes(columns)
        return labels, columns
    if len(names) != len(rows.cells[0]) or (columns is not None and set(columns) != set(names)):
        msg = f"{rows.source}: the {len(rows.cells[0])} label columns are not the {len(names)} classes of classes="
        raise ValueError(msg)
    order = range(len(names)) if columns is None else [columns.index(name) for name in names]
    return [tuple([numbers[column] for column in order]) for numbers in labels], names


def _numbers(rows: Rows, row: int) -> tuple[float, ...]:
    numbers = []
    for cell in rows.cells[row]:
        if (number := _number(cell)) is None:
            raise rows.refuse(row, f"a label must be a finite number, found {cell!r}")
        numbers.append(number)
    return tuple(numbers)


def _number(cell: object) -> float | None:
    """Return a cell's number, or None where it holds none that float32 reaches."""
    if isinstance(cell, str):
        cell = float(cell) if NUMBER.fullmatch(cell) else None
    elif isinstance(cell, np.generic):
        cell = cell.item()
    return float(cell) if isinstance(cell, (int, float)) and abs(cell) <= _LARGEST else None
