"""Which byte ranges to read together.

Strategy: a pure plan, so that policy (how big a gap is worth reading, how big a read may get) has one home: the caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple


if TYPE_CHECKING:
    from collections.abc import Sequence


class Run(NamedTuple):
    """One read: the bytes from ``start`` to ``stop``, and the positions (in the caller's sequence) of the extents in it."""

    start: int
    stop: int
    members: list[int]


def coalesce(extents: Sequence[tuple[int, int]], *, max_gap: int, max_bytes: int) -> list[Run]:
    """Merge near extents into few reads.

    Args:
        extents: (start, stop) byte offsets, in any order; equal or overlapping ones are well.
        max_gap: bytes between two extents that are read along rather than skipped.
        max_bytes: where a read ends even if the next extent is near; a single larger extent is still one read.

    Returns:
        Reads in the order of their offsets; each extent is a member of exactly one.
    """
    runs: list[Run] = []
    for member in sorted(range(len(extents)), key=lambda place: extents[place]):
        start, stop = extents[member]
        if runs and start - runs[-1].stop <= max_gap and max(stop, runs[-1].stop) - runs[-1].start <= max_bytes:
            last = runs[-1]
            runs[-1] = Run(last.start, max(last.stop, stop), last.members)
            last.members.append(member)
        else:
            runs.append(Run(start, stop, [member]))
    return runs
