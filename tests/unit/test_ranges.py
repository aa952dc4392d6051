from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordio_kit._core.ranges import coalesce


@pytest.mark.parametrize(
    ("extents", "runs"),
    [
        ([], []),
        ([(0, 10)], [(0, 10, [0])]),
        ([(0, 10), (10, 20)], [(0, 20, [0, 1])]),
        ([(0, 10), (15, 20)], [(0, 20, [0, 1])]),
        ([(0, 10), (16, 20)], [(0, 10, [0]), (16, 20, [1])]),
        ([(10, 20), (0, 10)], [(0, 20, [1, 0])]),
        ([(0, 10), (0, 10)], [(0, 10, [0, 1])]),
        ([(0, 90), (5, 6)], [(0, 90, [0, 1])]),
        ([(0, 60), (60, 100), (100, 101)], [(0, 100, [0, 1]), (100, 101, [2])]),
        ([(0, 500), (500, 501)], [(0, 500, [0]), (500, 501, [1])]),
    ],
)
def test_near_extents_are_read_together(extents, runs):
    assert coalesce(extents, max_gap=5, max_bytes=100) == runs


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 50)), max_size=20), st.integers(0, 30), st.integers(1, 120))
def test_each_extent_lies_in_exactly_one_read_of_bounded_size(pairs, max_gap, max_bytes):
    extents = [(start, start + length) for start, length in pairs]
    runs = coalesce(extents, max_gap=max_gap, max_bytes=max_bytes)
    assert sorted(member for run in runs for member in run.members) == list(range(len(extents)))
    assert [run.start for run in runs] == sorted(run.start for run in runs)
    for run in runs:
        inside = [extents[member] for member in run.members]
        assert (run.start, run.stop) == (min(start for start, _ in inside), max(stop for _, stop in inside))
        assert run.stop - run.start <= max_bytes or len(run.members) == 1
