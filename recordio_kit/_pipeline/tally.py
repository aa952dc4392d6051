"""Counting paths for messages: how many there are, and one of them by name.

Strategy: a message about a million files names the first and counts the rest, so no more than that is kept. Which one is
the first never depends on the order of counting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Kinds that a message tells one by one; the rarer ones are summed up.
MOST_KINDS: Final = 10


@dataclass(slots=True)
class Tally:
    """Count paths and keep the one that sorts first; falsy while there are none."""

    count: int = 0
    first: str = ""

    def __bool__(self) -> bool:
        return self.count > 0

    def add(self, path: str, count: int = 1) -> None:
        """Count one more path, or several of which this is the first."""
        self.first = min(self.first, path) if self.count else path
        self.count += count

    def say(self, one: str, many: str) -> str:
        """Return the words for one or many with the count and the first path, which is quoted unless it is plain text."""
        first = plain(self.first)
        return f"1 {one}: {first}" if self.count == 1 else f"{self.count} {many}, the first is {first}"


def plain(text: str) -> str:
    """Return a name as it is, or quoted where it could be misread: signs that do not print, outer white space."""
    return text if text.isprintable() and text == text.strip() else repr(text)


def tally(paths: Iterable[str]) -> Tally:
    """Return the tally of these paths."""
    made = Tally()
    for path in paths:
        made.add(path)
    return made


def total(tallies: Iterable[Tally]) -> Tally:
    """Return the tally of all paths that these have counted."""
    made = Tally()
    for part in tallies:
        made.add(part.first, part.count)
    return made


def by_count(tallies: Mapping[str, Tally]) -> list[tuple[str, Tally]]:
    """Return kinds and their tallies, the most frequent kind first."""
    return sorted(tallies.items(), key=lambda item: (-item[1].count, item[0]))


def counts(tallies: Mapping[str, Tally]) -> str:
    """Return file suffixes with their counts, such as ``.txt 3, no suffix 1``."""
    kinds = [f"{plain(suffix) or 'no suffix'} {tally.count}" for suffix, tally in by_count(tallies)]
    return ", ".join(kinds[:MOST_KINDS]) + (", ..." if len(kinds) > MOST_KINDS else "")
