"""S3 is met from worker processes as from the caller's: stores and readers travel by pickling."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

import recordio_kit as rk
from recordio_kit._pipeline.executors import SupervisedExecutor
from recordio_kit.s3 import S3Store
from tests import calls


@pytest.fixture(params=["supervised", "spawn"])
def executor(request, aws_environment):
    with SupervisedExecutor(1) if request.param == "supervised" else ProcessPoolExecutor(1, get_context("spawn")) as made:
        yield made


def test_a_store_is_written_and_read_from_a_worker(executor, bucket):
    store = S3Store(f"s3://{bucket}/deep/")
    executor.submit(calls.write_records, store, "x.rec", [b"one", b"two"]).result()
    with rk.RecordReader("x.rec", store=store) as records:
        assert list(records) == [b"one", b"two"]
        assert executor.submit(calls.read_positions, records, [1, 0]).result() == [b"two", b"one"]


def test_an_error_of_s3_comes_back_as_it_was(executor, bucket):
    with pytest.raises(rk.errors.StorageError) as caught:
        executor.submit(calls.read_positions, None, [0], S3Store(f"s3://{bucket}/"), "missing.rec").result()
    assert caught.value.uri == f"s3://{bucket}/missing.rec"


def test_a_data_set_is_prepared_on_s3_with_worker_processes(bucket, tmp_path):
    from tests.samples import write_tree

    photos = write_tree(tmp_path / "photos", {"ant": 6, "bee": 6})
    resize = rk.Reencode(short_edge=10)
    rk.prepare(photos, tmp_path / "out", transform=resize, workers=0)
    rk.prepare(photos, f"s3://{bucket}/set/", transform=resize, workers=2)
    for name in ("train", "validation"):
        with rk.RecordReader(f"s3://{bucket}/set/{name}/{name}.rec", checksums=True) as there:
            assert list(there) == list(rk.RecordReader(tmp_path / "out" / name / f"{name}.rec"))
