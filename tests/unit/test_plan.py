from __future__ import annotations

import pickle

import numpy as np
import pytest

from recordio_kit._core.imagelist import Finding, ImageList
from recordio_kit._core.plan import (
    ROW_DTYPE,
    SEGMENT_BYTES,
    SEGMENT_ENTRIES,
    Failure,
    Receipt,
    Segment,
    fingerprint,
    plan_segments,
)


@pytest.mark.parametrize(
    ("sizes", "runs"),
    [
        ([], []),
        ([0], [range(1)]),
        ([1] * SEGMENT_ENTRIES, [range(SEGMENT_ENTRIES)]),
        ([1] * (SEGMENT_ENTRIES + 1), [range(SEGMENT_ENTRIES), range(SEGMENT_ENTRIES, SEGMENT_ENTRIES + 1)]),
        ([SEGMENT_BYTES - 1, 1, 5], [range(2), range(2, 3)]),
        ([SEGMENT_BYTES, SEGMENT_BYTES + 9, 5], [range(1), range(1, 2), range(2, 3)]),
        ([SEGMENT_BYTES // 2] * 4, [range(2), range(2, 4)]),
        ([SEGMENT_BYTES, SEGMENT_BYTES - 1, 1, 5], [range(1), range(1, 3), range(3, 4)]),
        ([0] * 1024, [range(512), range(512, 1024)]),
    ],
)
def test_a_segment_ends_at_8_mib_or_512_entries(sizes, runs):
    assert plan_segments(sizes) == runs


def test_segments_cover_the_list_in_order_whatever_the_sizes():
    sizes = np.random.default_rng(3).integers(0, 3 << 20, 3000)
    runs = plan_segments(sizes)
    assert [position for run in runs for position in run] == list(range(3000))
    for run in runs:
        assert 1 <= len(run) <= SEGMENT_ENTRIES
        assert sizes[run.start : run.stop - 1].sum() < SEGMENT_BYTES


def test_a_longer_list_keeps_the_cuts_of_its_beginning():
    sizes = [700_000] * 100
    assert plan_segments(sizes + [5] * 40)[:8] == plan_segments(sizes)[:8]


def test_a_segment_survives_pickling():
    rows = np.zeros(2, ROW_DTYPE)
    rows["offset"] = [0, 1200]
    receipt = Receipt(
        start=3,
        stop=6,
        length=2400,
        crc32=7,
        rows=rows,
        failures=(Failure(4, "b.jpg", "truncated", "words"),),
        stamps=np.arange(6).reshape(3, 2),
    )
    again = pickle.loads(pickle.dumps(Segment(receipt, [b"bo", b"dy"])))
    assert again.body == [b"bo", b"dy"]
    assert again.receipt.rows.tolist() == rows.tolist()
    assert again.receipt.stamps.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert (again.receipt.start, again.receipt.stop, again.receipt.failures) == (3, 6, receipt.failures)


IMAGES = ImageList([0, 1], [[0], [1]], ["ab", "c"], classes=["x", "y"])
OPTIONS = {"quality": 95, "resize": None}


@pytest.mark.parametrize(
    "other",
    [
        IMAGES.renumber(),
        IMAGES.replace(root="/elsewhere", sizes=[1, 2], stamps=[3, 4], findings=[Finding(1, "odd")], classes=None),
        pickle.loads(pickle.dumps(IMAGES)),
    ],
)
def test_the_fingerprint_is_that_of_the_entries_alone(other):
    assert fingerprint(other, OPTIONS) == fingerprint(IMAGES, OPTIONS)
    assert fingerprint(other, dict(reversed(OPTIONS.items()))) == fingerprint(IMAGES, OPTIONS)


@pytest.mark.parametrize(
    ("images", "options"),
    [
        (IMAGES[:1], OPTIONS),
        (IMAGES[::-1], OPTIONS),
        (ImageList([0, 2], [0, 1], ["ab", "c"]), OPTIONS),
        (ImageList([0, 1], [0, 2], ["ab", "c"]), OPTIONS),
        (ImageList([0, 1], [0, 1], ["a", "bc"]), OPTIONS),
        (ImageList([0, 1], [[0, 0], [1, 0]], ["ab", "c"]), OPTIONS),
        (IMAGES, {}),
        (IMAGES, OPTIONS | {"quality": 94}),
        (IMAGES, OPTIONS | {"crop": True}),
    ],
)
def test_the_fingerprint_differs_with_whatever_alters_bytes(images, options):
    assert fingerprint(images, options) != fingerprint(IMAGES, OPTIONS)


def test_the_fingerprint_is_the_same_on_every_machine():
    # Written down: a resumed run compares it with one from another version of Python, numpy or the processor.
    assert fingerprint(IMAGES, OPTIONS) == "db71d32f06f56864587a522c6a46d97c98289881a6eb8d3ff148b12ae46b8931"
