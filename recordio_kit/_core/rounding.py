"""How many images of each class, or which groups of images, go to which part.

Strategy: shares become whole weights (``whole_weights``) and all arithmetic is on Python's integers, in units of one image
divided by the sum of the weights, so every machine finds the same numbers. ``round_table`` is two-way controlled
rounding: each cell *and* each column's total is the floor or the ceiling of its share. ``allot_groups`` keeps groups
whole, deals them out and then improves by moves and swaps. Only counts may live here: no paths, no labels, no lists.
"""

from __future__ import annotations

import math
from fractions import Fraction
from numbers import Real
from typing import TYPE_CHECKING, Final


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: The search over groups ends after this many rounds, each of which looks at this many swaps or at two a group.
_ROUNDS: Final = 16
_SWAPS: Final = 1 << 17
#: In every group's counts, and as the last of a part's deviations: its images of all strata together.
_TOTAL: Final = -1
_NOBODY: Final = -1
_TOLERANCE: Final = Fraction(1, 10**9)
#: Shares of a smaller sum were meant to make 1, of a greater one 100.
_FRACTIONS_END: Final = 10


def whole_weights(shares: Mapping[str, float]) -> dict[str, int]:
    """Return the least whole numbers in the proportions of some shares; a float means the decimal that it prints as.

    Args:
        shares: by name, together 1 (within 1e-9) or 100 (within 1e-7).

    Raises:
        ValueError: a share is not above 0 and finite, or they make another sum.
        TypeError: a share is no number.
    """
    exact: dict[str, Fraction] = {}
    for name, share in shares.items():
        if not isinstance(share, Real):
            msg = f"the share of {name!r} is a number, not {share!r}"
            raise TypeError(msg)
        if not (math.isfinite(share) and share > 0):
            msg = f"the share of {name!r} is {share}: give it a number above 0, or leave it out"
            raise ValueError(msg)
        exact[name] = Fraction(repr(float(share)))
    total = sum(exact.values(), Fraction())
    goal = 1 if total < _FRACTIONS_END else 100
    if abs(total - goal) > goal * _TOLERANCE:
        given = ", ".join([f"{name}={share}" for name, share in shares.items()]) or "none given"
        mend = "add" if total < goal else "take away"
        msg = f"the shares sum to {float(total):.10g}, not to 1 or 100 ({given}): {mend} {abs(float(goal - total)):.10g}"
        raise ValueError(msg)
    common = math.lcm(*[share.denominator for share in exact.values()])
    whole = [int(share * common) for share in exact.values()]
    divisor = math.gcd(*whole)
    return {name: weight // divisor for name, weight in zip(exact, whole, strict=True)}


def round_table(counts: Sequence[int], weights: Sequence[int]) -> list[list[int]]:
    """Divide each count by the weights so that every cell and every column's total is off by less than one.

    Args:
        counts: [c] images of each class.
        weights: [p] whole numbers of at least 1; a part's share is its weight divided by their sum.

    Returns:
        [c][p] whole numbers; row c sums to ``counts[c]``.
    """
    whole = sum(weights)
    table = [[count * weight // whole for weight in weights] for count in counts]
    cycles = _Cycles(whole, len(weights))
    for row, count in zip(table, counts, strict=True):
        cycles.add([count * weight % whole for weight in weights], row)
    # One more row fills every column's sum up to whole images: then no column can keep a fraction either.
    cycles.add([-sum(counts) * weight % whole for weight in weights], [0] * len(weights))
    return table


class _Cycles:
    """Round fractional cells, row by row, by shifting along cycles of them.

    Rows and columns are the nodes of a graph whose edges are the fractional cells. Shifting alternately up and down along
    a cycle changes no sum, and goes on until a cell is whole, which breaks the cycle. Between rows the graph is a forest,
    and since a row with one fractional cell has at least two, it never holds as many rows as there are columns.
    """

    def __init__(self, whole: int, columns: int) -> None:
        self._whole = whole
        self._cells: dict[int, dict[int, int]] = {}  # row -> column -> remainder
        self._holders: list[list[int]] = [[] for _ in range(columns)]  # column -> rows with a remainder there
        self._rounded: dict[int, list[int]] = {}
        self._rows = 0

    def add(self, remainders: Iterable[int], rounded: list[int]) -> None:
        """Round as much as can be; ``rounded`` gains one wherever a remainder, now or later, is rounded up."""
        start, self._rows = self._rows, self._rows + 1
        self._cells[start] = {column: remainder for column, remainder in enumerate(remainders) if remainder}
        self._rounded[start] = rounded
        for column in self._cells[start]:
            self._holders[column].append(start)
        while cycle := self._find(start):
            self._shift(cycle)
        for row in [row for row, cells in self._cells.items() if not cells]:
            del self._cells[row], self._rounded[row]

    def _find(self, start: int) -> list[tuple[int, int]]:
        """Return the cells of a cycle through a row, neighbours sharing a row or a column in turn, or none."""
        own = self._cells[start]
        came: dict[int, tuple[int, int]] = {}  # column -> the row and the column before it that led there
        for first in own:
            came[first] = start, first
            stack = [first]
            while stack:
                column = stack.pop()
                for row in self._holders[column]:
                    for other in self._cells[row] if row != start else ():
                        if other not in came:
                            came[other] = row, column
                            stack.append(other)
                            if other in own:
                                return self._walk_back(start, other, came)
        return []

    @staticmethod
    def _walk_back(start: int, column: int, came: Mapping[int, tuple[int, int]]) -> list[tuple[int, int]]:
        cycle = [(start, column)]
        row, before = came[column]
        while row != start:
            cycle += [(row, column), (row, before)]
            column = before
            row, before = came[column]
        return [*cycle, (start, column)]

    def _shift(self, cycle: list[tuple[int, int]]) -> None:
        """Take the smaller of the two steps that make a cell of the cycle whole."""
        values = [self._cells[row][column] for row, column in cycle]
        rest = [self._whole - value for value in values]
        up, down = min(rest[::2] + values[1::2]), min(values[::2] + rest[1::2])
        step = up if up <= down else -down
        for (row, column), value in zip(cycle, values, strict=True):
            changed = value + step
            step = -step
            if 0 < changed < self._whole:
                self._cells[row][column] = changed
                continue
            self._rounded[row][column] += changed // self._whole
            del self._cells[row][column]
            self._holders[column].remove(row)


def allot_groups(groups: Sequence[Mapping[int, int]], weights: Sequence[int], fixed: Mapping[int, int]) -> list[int]:
    """Give each group to one part, so that parts come near their shares of every stratum and of the total.

    Groups are dealt from large to small (by powers of two of their size; their own order decides within one, so that it
    matters). Each goes where the squared deviations from the shares *of what has been dealt so far* grow least: large and
    small groups both come to every part. Then single moves and swaps follow while they bring the squared deviations down.

    Args:
        groups: [g] images by stratum.
        weights: [p] whole numbers of at least 1; a part's share is its weight divided by their sum.
        fixed: the part of each group that has no choice.

    Returns:
        [g] parts.
    """
    allotment = _Allotment(groups, weights)
    sizes = [sum(group.values()) for group in groups]
    for group in sorted(range(len(groups)), key=lambda group: (group not in fixed, -sizes[group].bit_length())):
        allotment.deal(group, fixed.get(group))
    free = [group for group in range(len(groups)) if group not in fixed]
    # Neighbours hold much the same strata and differ a little in size: swapping them makes the small corrections.
    free.sort(key=lambda group: (max(groups[group], key=groups[group].__getitem__), sizes[group]))
    reach = max(1, _SWAPS // max(1, 2 * len(free)))
    changes, rounds = 1, 0
    while changes and rounds < _ROUNDS:
        changes = sum([allotment.improve(group, free[max(0, at - reach) : at + reach + 1]) for at, group in enumerate(free)])
        rounds += 1
    return allotment.parts


class _Allotment:
    """Hold which group is in which part, and by how much every part is off."""

    def __init__(self, groups: Sequence[Mapping[int, int]], weights: Sequence[int]) -> None:
        self._weights = weights
        self._whole = sum(weights)
        self._groups = [{**group, _TOTAL: sum(group.values())} for group in groups]
        strata = 1 + max((stratum for group in groups for stratum in group), default=_TOTAL)
        # [part][stratum, then total]: images too many, in units of 1 / whole
        self._excess = [[0] * (strata + 1) for _ in weights]
        self.parts = [0] * len(groups)

    def deal(self, group: int, part: int | None) -> None:
        """Put a group into a part, or where it fits best."""
        images = self._groups[group]
        for excess, weight in zip(self._excess, self._weights, strict=True):
            for stratum, count in images.items():
                excess[stratum] -= count * weight
        if part is None:
            costs = [sum([count * excess[stratum] for stratum, count in images.items()]) for excess in self._excess]
            part = costs.index(min(costs))
        self._add(group, part, self._whole)
        self.parts[group] = part

    def improve(self, group: int, partners: Iterable[int]) -> bool:
        """Make the one move or swap of a group that helps most; tell whether there was any."""
        images, home = self._groups[group], self.parts[group]
        moves = {to: self._cost(images, home, to) for to in range(len(self._weights)) if self._differs(images, home, to)}
        choices = [(cost, to, _NOBODY) for to, cost in moves.items()]
        for other in partners if moves else ():
            to, theirs = self.parts[other], self._groups[other]
            if to in moves:
                common = sum([count * theirs.get(stratum, 0) for stratum, count in images.items()])
                choices.append((moves[to] + self._cost(theirs, to, home) - 2 * self._whole * common, to, other))
        cost, to, other = min(choices, default=(0, home, _NOBODY))
        if cost >= 0:
            return False
        self._move(group, to)
        if other != _NOBODY:
            self._move(other, home)
        return True

    def _differs(self, images: Mapping[int, int], home: int, to: int) -> bool:
        """Tell whether two parts are more than one image apart in one of these strata; else no move can help."""
        here, there = self._excess[home], self._excess[to]
        return any(abs(here[stratum] - there[stratum]) > self._whole for stratum in images)

    def _cost(self, images: Mapping[int, int], home: int, to: int) -> int:
        """Return half of what a move adds to the sum of squared deviations, times ``whole``."""
        here, there = self._excess[home], self._excess[to]
        return sum([count * (there[stratum] - here[stratum] + count * self._whole) for stratum, count in images.items()])

    def _move(self, group: int, to: int) -> None:
        self._add(group, self.parts[group], -self._whole)
        self._add(group, to, self._whole)
        self.parts[group] = to

    def _add(self, group: int, part: int, unit: int) -> None:
        excess = self._excess[part]
        for stratum, count in self._groups[group].items():
            excess[stratum] += count * unit
