from __future__ import annotations

import os
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

import recordio_kit as rk
from recordio_kit._pipeline.executors import InlineExecutor, SupervisedExecutor
from recordio_kit._pipeline.policy import Load, Policy, pick_executor
from recordio_kit._pipeline.work import Job
from recordio_kit._storage.memory import MemoryStore
from tests.image_samples import exif, insert, orientation
from tests.samples import jpeg, png, write_tree


@pytest.fixture
def photos(tmp_path):
    return write_tree(tmp_path / "photos", {"cat": 7, "dog": 9})


def test_records_stand_in_list_order_with_positions_as_keys(photos, tmp_path):
    images = rk.make_list(photos).take([5, 0, 12])
    report = rk.pack_list(images, tmp_path / "x.rec")
    with rk.RecordReader(tmp_path / "x.rec", checksums=True) as records:
        headers = [rk.unpack_record(payload) for payload in records]
        assert records.keys.tolist() == [0, 1, 2]
    assert [(header.id, header.label) for header, _ in headers] == [(5, 0.0), (0, 0.0), (12, 1.0)]
    assert [body for _, body in headers] == [(photos / path).read_bytes() for path in images.paths]
    assert (report.records, report.failures, report.done) == (3, (), True)
    assert sorted(os.listdir(tmp_path)) == ["photos", "x.idx", "x.rec", "x.rkm"]


def test_the_report_knows_labels_and_sizes(photos, tmp_path):
    (photos / "cat" / "tall.jpg").write_bytes(jpeg(99, 50, 10))
    info = rk.pack_list(rk.make_list(photos), tmp_path / "x.rec").info
    assert (info.labels, info.height, info.width) == ({0: 8, 1: 9}, (20, 50), (10, 24))


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("transform", [None, rk.Reencode(short_edge=12)])
def test_workers_do_not_alter_the_bytes(photos, tmp_path, workers, transform, monkeypatch):
    monkeypatch.setattr("recordio_kit._core.plan.SEGMENT_ENTRIES", 3)
    images = rk.make_list(photos)
    for number in (0, workers):
        rk.pack_list(images, tmp_path / f"{number}.rec", workers=number, transform=transform)
    for suffix in ("rec", "idx", "rkm"):
        assert (tmp_path / f"0.{suffix}").read_bytes() == (tmp_path / f"{workers}.{suffix}").read_bytes()


@pytest.mark.parametrize("kind", ["threads", "spawn", "forkserver"])
def test_any_executor_gives_the_same_bytes(photos, tmp_path, kind):
    images = rk.make_list(photos)
    rk.pack_list(images, tmp_path / "0.rec", workers=0)
    with ThreadPoolExecutor(2) if kind == "threads" else ProcessPoolExecutor(1, get_context(kind)) as executor:
        rk.pack_list(images, tmp_path / "1.rec", executor=executor)
    assert (tmp_path / "0.rec").read_bytes() == (tmp_path / "1.rec").read_bytes()


def test_several_labels_follow_the_header(photos, tmp_path):
    listed = rk.make_list(photos)
    images = rk.ImageList(listed.indexes, np.column_stack([listed.labels, 1 - listed.labels]), listed.paths)
    info = rk.pack_list(images, tmp_path / "x.rec", root=photos).info
    with rk.RecordReader(tmp_path / "x.rec") as records:
        header, _ = rk.unpack_record(records[-1])
    assert (header.flag, header.label.tolist()) == (2, [1.0, 0.0])
    assert (info.label_width, info.labels) == (2, {0: 9, 1: 7})


def test_reencoded_images_have_the_asked_size(photos, tmp_path):
    info = rk.pack_list(rk.make_list(photos), tmp_path / "x.rec", transform=rk.Reencode(short_edge=12)).info
    with rk.ImageReader(tmp_path / "x.rec") as images:
        assert {record.decode().shape for record in images} == {(12, 14, 3)}
    assert (info.height, info.width) == ((12, 12), (14, 14))


DISEASES = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "missing": lambda path: path.unlink(),
    "not-an-image": lambda path: path.write_bytes(b"just some text, far from an image"),
    "empty": lambda path: path.write_bytes(b""),
    "not-a-file": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("reason", DISEASES)
def test_a_bad_image_stops_everything_and_is_named(photos, tmp_path, reason):
    images = rk.make_list(photos)
    DISEASES[reason](photos / "dog" / "0003.jpg")
    with pytest.raises(rk.errors.PackError, match=r"1 bad image of 16; nothing was published.*dog/0003\.jpg") as caught:
        rk.pack_list(images, tmp_path / "x.rec")
    assert [(failure.index, failure.path, failure.reason) for failure in caught.value.failures] == [(10, "dog/0003.jpg", reason)]
    assert os.listdir(tmp_path) == ["photos"]


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes in the file system")
def test_a_pipe_is_not_waited_on(photos, tmp_path):
    images = rk.make_list(photos)
    (photos / "cat" / "0001.jpg").unlink()
    os.mkfifo(photos / "cat" / "0001.jpg")
    with pytest.raises(rk.errors.PackError) as caught:
        rk.pack_list(images, tmp_path / "x.rec")
    assert [failure.reason for failure in caught.value.failures] == ["not-a-file"]


def test_all_bad_images_up_to_twenty_are_found_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("recordio_kit._core.plan.SEGMENT_ENTRIES", 4)
    photos = write_tree(tmp_path / "photos", {"cat": 60})
    images = rk.make_list(photos)
    for number in range(1, 60, 2):
        (photos / "cat" / f"{number:04d}.jpg").write_bytes(b"")
    with pytest.raises(rk.errors.PackError, match="20 bad images of 60.*and 17 more") as caught:
        rk.pack_list(images, tmp_path / "x.rec")
    assert [failure.index for failure in caught.value.failures] == list(range(1, 40, 2))


def test_skipped_images_are_listed_and_leave_no_gap_in_keys(photos, tmp_path):
    images = rk.make_list(photos)
    (photos / "dog" / "0003.jpg").write_bytes(b"")
    report = rk.pack_list(images, tmp_path / "x.rec", on_error="skip", max_skipped=0.1)
    assert [(failure.path, failure.reason) for failure in report.failures] == [("dog/0003.jpg", "empty")]
    assert "1 images left out" in str(report)
    assert not report.info.keys_are_ids
    with rk.RecordReader(tmp_path / "x.rec") as records:
        assert records.keys.tolist() == list(range(15))
        assert rk.unpack_record(records[10])[0].id == 11


def test_skipping_has_a_limit(photos, tmp_path):
    images = rk.make_list(photos)
    (photos / "dog" / "0003.jpg").write_bytes(b"")
    with pytest.raises(rk.errors.PackError, match=r"at most 0\.01 of them may be.*max_skipped"):
        rk.pack_list(images, tmp_path / "x.rec", on_error="skip")
    assert os.listdir(tmp_path) == ["photos"]


def test_skipping_never_loses_a_class(tmp_path):
    photos = write_tree(tmp_path / "photos", {"cat": 9, "dog": 1})
    images = rk.make_list(photos)
    (photos / "dog" / "0000.jpg").write_bytes(b"")
    with pytest.raises(rk.errors.PackError, match="no image of class dog is left"):
        rk.pack_list(images, tmp_path / "x.rec", on_error="skip", max_skipped=0.5)


def test_the_check_decides_what_gets_in(tmp_path):
    photos = write_tree(tmp_path / "photos", {"cat": 3})
    images = rk.make_list(photos)
    (photos / "cat" / "0001.jpg").write_bytes(b"whatever")
    assert rk.pack_list(images, tmp_path / "x.rec", check="none").records == 3
    broken = bytearray(png(1, 64, 64))
    broken[60:70] = bytes(10)
    (photos / "cat" / "0001.jpg").write_bytes(broken)
    with pytest.raises(rk.errors.PackError):
        rk.pack_list(images, tmp_path / "y.rec", check="decode")


def test_the_same_pack_twice_does_nothing(photos, tmp_path):
    images = rk.make_list(photos)
    rk.pack_list(images, tmp_path / "x.rec")
    before = (tmp_path / "x.rec").stat().st_mtime_ns
    again = rk.pack_list(images, tmp_path / "x.rec")
    assert (again.done, again.records) == (False, 16)
    assert (tmp_path / "x.rec").stat().st_mtime_ns == before


def test_another_pack_under_the_same_name_is_refused_or_replaces(photos, tmp_path):
    images = rk.make_list(photos)
    rk.pack_list(images, tmp_path / "x.rec")
    other = images.take([3, 1, 2])
    with pytest.raises(rk.errors.OutputExistsError, match="--overwrite"):
        rk.pack_list(other, tmp_path / "x.rec")
    assert rk.pack_list(other, tmp_path / "x.rec", overwrite=True).records == 3
    with rk.RecordReader(tmp_path / "x.rec", checksums=True) as records:
        assert len(list(records)) == 3


@pytest.mark.parametrize("path", ["../secret.jpg", "/etc/passwd", "a/../../b.jpg", "C:\\x.jpg", "\\\\host\\x.jpg", "a\0b"])
def test_a_list_cannot_reach_outside_its_root(tmp_path, path):
    images = rk.ImageList([0], [0.0], [path])
    with pytest.raises(rk.errors.UnsafePathError, match=r"entry 1 of the list"):
        rk.pack_list(images, tmp_path / "x.rec", root=tmp_path)


@pytest.mark.parametrize(("index", "label"), [(0xCED7230A, 0.0), (1, np.array([0xCED7230A], "<u4").view("<f4")[0])])
def test_headers_that_dali_cannot_read_are_refused(photos, tmp_path, index, label):
    with pytest.raises(ValueError, match="DALI"):
        rk.pack_list(rk.ImageList([index], [label], ["cat/0000.jpg"]), tmp_path / "x.rec", root=photos)


class Mine:
    pass


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"transform": Mine()}, TypeError, "Reencode, not .*Mine"),
        ({"check": "deep"}, ValueError, "check is one of"),
        ({"on_error": "ignore"}, ValueError, "on_error"),
        ({"max_skipped": 2}, ValueError, "max_skipped"),
        ({"workers": -1}, ValueError, "workers"),
        ({"progress": 3}, TypeError, "progress"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_any_work(photos, tmp_path, options, error, words):
    with pytest.raises(error, match=words):
        rk.pack_list(rk.make_list(photos), tmp_path / "x.rec", **options)
    assert os.listdir(tmp_path) == ["photos"]


def test_workers_and_executor_together_are_refused():
    with pytest.raises(ValueError, match="not both"), ThreadPoolExecutor(1) as executor:
        Policy(workers=2, executor=executor)


def test_an_empty_list_and_a_list_without_root_are_refused(tmp_path):
    with pytest.raises(ValueError, match="empty"):
        rk.pack_list(rk.ImageList([], [], []), tmp_path / "x.rec", root=tmp_path)
    with pytest.raises(ValueError, match="root="):
        rk.pack_list(rk.ImageList([0], [0.0], ["x.jpg"]), tmp_path / "x.rec")


def test_progress_never_falls_and_ends_at_the_total(photos, tmp_path, monkeypatch):
    monkeypatch.setattr("recordio_kit._core.plan.SEGMENT_ENTRIES", 4)
    told = []
    rk.pack_list(rk.make_list(photos), tmp_path / "x.rec", progress=told.append)
    assert [step.done for step in told] == [0, 4, 8, 12, 16]
    assert {(step.stage, step.total, step.failures) for step in told} == {("pack x.rec", 16, 0)}
    assert told[-1].bytes == (tmp_path / "x.rec").stat().st_size


def test_progress_true_draws_a_bar(photos, tmp_path, capsys):
    rk.pack_list(rk.make_list(photos), tmp_path / "x.rec", progress=True)
    assert "pack x.rec" in capsys.readouterr().err


def test_a_store_takes_the_file_in_place_of_a_folder(photos):
    store = MemoryStore()
    rk.pack_list(rk.make_list(photos), "a/x.rec", store=store, checksums=False)
    assert sorted(store.files) == ["a/x.idx", "a/x.rec"]


def test_paths_that_mxnet_cannot_open_are_refused(photos, tmp_path):
    for sign in ";#?":
        with pytest.raises(rk.errors.UnsafePathError, match="MXNet cannot open"):
            rk.pack_list(rk.make_list(photos), tmp_path / f"x{sign}y.rec")


@pytest.mark.parametrize(
    ("how", "bytes_each", "count", "expected", "direct"),
    [
        ((None, "fast"), 110_000, 10_000, "threads", False),
        ((None, "fast"), 110_000, 10_000, "processes", True),
        ((None, "fast"), 900, 10_000, "nothing", True),
        ((None, "fast"), 900, 1_000_000, "processes", True),
        ((None, "strict"), 110_000, 10_000, "processes", True),
        ((rk.Reencode(short_edge=256), "decode"), 110_000, 10_000, "processes", True),
        ((rk.Reencode(short_edge=256), "decode"), 110_000, 20, "nothing", True),
    ],
)
def test_work_runs_where_it_is_done_soonest(monkeypatch, *, how, bytes_each, count, expected, direct):
    monkeypatch.setattr("recordio_kit._pipeline.policy.usable_cpus", lambda: 4)
    job = Job(root="", transform=how[0], check=how[1])
    with pick_executor(Policy(), job, Load(images=count, bytes=bytes_each * count), direct=direct) as (executor, window):
        kinds = {ThreadPoolExecutor: "threads", SupervisedExecutor: "processes", InlineExecutor: "nothing"}
        assert kinds[type(executor)] == expected
        assert window >= 1


def test_threads_give_the_same_file(photos, tmp_path, monkeypatch):
    images = rk.make_list(photos)
    rk.pack_list(images, tmp_path / "alone.rec", workers=0)
    monkeypatch.setattr("recordio_kit._core.plan.SEGMENT_ENTRIES", 2)
    monkeypatch.setattr("recordio_kit._pipeline.policy._WORTH_A_THREAD_BYTES", 1)
    monkeypatch.setattr("recordio_kit._pipeline.policy.usable_cpus", lambda: 3)
    rk.pack_list(images, tmp_path / "threads.rec")
    for suffix in (".rec", ".idx", ".rkm"):
        assert (tmp_path / f"threads{suffix}").read_bytes() == (tmp_path / f"alone{suffix}").read_bytes()


def test_the_report_says_what_resizing_would_save(tmp_path):
    for name, data in (
        ("a/large.jpg", jpeg(1, 2000, 2010)),
        ("a/turned.jpg", insert(jpeg(3), exif(orientation(6)))),
        ("b/plain.jpg", jpeg(2)),
    ):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
    images = rk.make_list(tmp_path / "in")
    report = rk.pack_list(images, tmp_path / "x.rec")
    assert (report.info.turned, report.info.large) == (1, 1)
    turned_remark, large_remark = report.remarks
    assert "1 of 3 images carry an EXIF orientation" in turned_remark
    assert "1 of 3 images have more than 4 megapixels" in large_remark
    assert "--resize 256" in large_remark
    upright = rk.pack_list(images, tmp_path / "y.rec", transform=rk.Reencode(short_edge=64))
    assert upright.remarks == []


def test_a_machine_without_exact_codecs_says_so(photos, tmp_path, monkeypatch):
    monkeypatch.setattr("recordio_kit._pipeline.filling.is_exact", lambda: False)
    images = rk.make_list(photos)
    assert rk.pack_list(images, tmp_path / "x.rec").remarks == []
    (remark,) = rk.pack_list(images, tmp_path / "y.rec", transform=rk.Reencode(short_edge=8)).remarks
    assert "not im2rec-exact" in remark
