from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import recordio_kit as rk
from recordio_kit._core import plan
from recordio_kit._core.header import IRHeader, pack_record
from recordio_kit._core.plan import plan_segments
from recordio_kit._pipeline.executors import SupervisedExecutor
from recordio_kit._pipeline.work import Job, make_segment
from recordio_kit._storage.memory import MemoryStore
from recordio_kit.testing import payloads


@pytest.fixture(scope="module")
def pools():
    """Executors of one and of three worker processes, started once."""
    with SupervisedExecutor(1) as one, SupervisedExecutor(3) as three:
        yield one, three


# check="none" takes any bytes for an image, so sources can be adversarial: empty ones are the only bad ones
sources = st.lists(st.tuples(payloads(), st.integers(0, 5)), min_size=1, max_size=25)


@settings(max_examples=25)
@given(sources=sources)
def test_segments_made_apart_and_put_together_are_what_one_writer_writes(sources):
    with tempfile.TemporaryDirectory() as folder:
        images = on_disk(Path(folder), sources)
        job = Job(root=folder, transform=None, check="none")
        apart = [make_segment(job, run.start, images[run.start : run.stop]) for run in cut(len(images), 4)]
        store = MemoryStore()
        with rk.RecordWriter("x.rec", store=store) as writer:
            for entry, (data, _) in zip(images, sources, strict=True):
                if data:
                    writer.write(pack_record(IRHeader(0, entry.label, entry.index, 0), data))
        assert b"".join(piece for segment in apart for piece in segment.body) == store.files["x.rec"]
        assert [failure.index for segment in apart for failure in segment.receipt.failures] == [
            position for position, (data, _) in enumerate(sources) if not data
        ]


@settings(max_examples=15)
@given(sources=sources, entries=st.integers(1, 6))
def test_no_worker_one_worker_and_three_give_identical_files(pools, sources, entries):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "SEGMENT_ENTRIES", entries)
        images = on_disk(Path(folder), sources)
        results = []
        for executor in (None, *pools):
            store = MemoryStore()
            try:
                rk.pack_list(
                    images, "x.rec", root=folder, store=store, check="none", on_error="skip", max_skipped=1,
                    **({"workers": 0} if executor is None else {"executor": executor}),
                )  # fmt: skip
            except rk.errors.PackError as error:
                results.append(error.failures)
            else:
                results.append(store.files)
        assert results[0] == results[1] == results[2]


@given(st.lists(st.integers(0, 3 * plan.SEGMENT_BYTES), max_size=1500))
def test_runs_cover_the_list_and_end_where_they_should(sizes):
    runs = plan_segments(np.array(sizes, np.int64))
    assert [position for run in runs for position in run] == list(range(len(sizes)))
    for run in runs:
        before_last = sum(sizes[run.start : run.stop - 1])
        assert 0 < len(run) <= plan.SEGMENT_ENTRIES
        assert before_last < plan.SEGMENT_BYTES
        assert run is runs[-1] or len(run) == plan.SEGMENT_ENTRIES or before_last + sizes[run.stop - 1] >= plan.SEGMENT_BYTES


def cut(count, step):
    return [range(start, min(start + step, count)) for start in range(0, count, step)]


def on_disk(folder, sources):
    for number, (data, _) in enumerate(sources):
        (folder / f"{number}.jpg").write_bytes(data)
    labels = [label for _, label in sources]
    return rk.ImageList(range(len(sources)), labels, [f"{number}.jpg" for number in range(len(sources))])
