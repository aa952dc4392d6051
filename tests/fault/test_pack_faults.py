"""The environment fails in mid-run: nothing half-written is ever visible."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

import recordio_kit as rk
from recordio_kit._storage.local import LocalStore
from recordio_kit._storage.memory import MemoryStore
from recordio_kit.testing import FaultyStore
from tests.samples import write_tree


@pytest.fixture
def photos(tmp_path):
    return write_tree(tmp_path / "photos", {"ant": 4, "bee": 4})


def clean_run(photos):
    store = MemoryStore()
    rk.prepare(photos, store)
    return store.files


def test_every_single_failure_leaves_names_absent_or_whole(photos):
    whole = clean_run(photos)
    for call in range(1, 500):
        inner = MemoryStore()
        try:
            rk.prepare(photos, FaultyStore(inner, fail_at=call))
        except rk.errors.StorageError:
            for name, data in inner.files.items():
                assert data == whole[name], f"{name} after call {call} failed"
            assert "manifest.json" not in inner.files
        else:
            assert inner.files == whole
            assert call > 20
            return
    pytest.fail("no run got through")


def files_under(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("how", [{}, {"transform": rk.Reencode(short_edge=12)}])
@pytest.mark.parametrize("forever", [False, True])
def test_after_every_single_failure_a_second_run_gives_the_clean_runs_bytes(photos, tmp_path, monkeypatch, how, forever):
    monkeypatch.setattr("recordio_kit._core.plan.SEGMENT_ENTRIES", 2)
    rk.prepare(photos, tmp_path / "clean", **how)
    whole = files_under(tmp_path / "clean")
    for call in range(1, 500):
        out = tmp_path / f"out{call}"
        store = FaultyStore(LocalStore(out), fail_at=call, forever=forever)
        try:
            rk.prepare(photos, store, **how)
        except rk.errors.StorageError:
            finals = {name: data for name, data in files_under(out).items() if not name.startswith(".recordio_kit/")}
            assert finals.items() <= whole.items(), f"after {store.calls[call - 1]}"
            assert "manifest.json" not in finals
            rk.prepare(photos, out, **how)
        assert files_under(out) == whole, f"after {store.calls[-1]}"
        if not store.fired:
            assert {operation for operation, _ in store.calls} >= {"create", "write", "seal", "commit", "note", "probe", "stat"}
            return
    pytest.fail("no run got through")


def test_a_second_run_that_fails_anywhere_can_be_followed_by_a_third(photos, tmp_path, monkeypatch):
    monkeypatch.setattr("recordio_kit._core.plan.SEGMENT_ENTRIES", 2)
    images = rk.make_list(photos)
    rk.pack_list(images, tmp_path / "clean" / "x.rec")
    whole = files_under(tmp_path / "clean")
    for call in range(1, 500):
        out = tmp_path / f"out{call}"
        with pytest.raises(rk.errors.StorageError):  # the seal of the .rec
            rk.pack_list(images, "x.rec", store=FaultyStore(LocalStore(out), fail_at=1, operations={"seal"}))
        store = FaultyStore(LocalStore(out), fail_at=call)
        try:
            rk.pack_list(images, "x.rec", store=store)
        except rk.errors.StorageError:
            finals = {name: data for name, data in files_under(out).items() if not name.startswith(".recordio_kit/")}
            assert finals.items() <= whole.items()
            rk.pack_list(images, "x.rec", store=LocalStore(out))
        assert files_under(out) == whole, f"after {store.calls[-1]}"
        if not store.fired:
            assert "read" in {operation for operation, _ in store.calls}
            return
    pytest.fail("no run got through")


def test_every_single_failure_of_a_replacement_keeps_a_manifest_only_with_its_files(photos):
    for call in range(1, 500):
        inner = MemoryStore()
        rk.prepare(photos, inner)
        try:
            rk.prepare(photos, FaultyStore(inner, fail_at=call), seed=3, overwrite=True)
        except rk.errors.StorageError:
            if "manifest.json" in inner.files:
                assert rk.verify(inner).ok, f"after call {call}"
        else:
            return
    pytest.fail("no run got through")


@pytest.mark.skipif(sys.platform == "win32", reason="a limit of POSIX")
def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path):
    photos = write_tree(tmp_path / "photos", {"ant": 6}, height=200, width=200)
    script = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))\n"
        "from recordio_kit.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "prepare", str(photos), str(tmp_path / "out")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 3, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert "train.rec" in line
    assert os.strerror(errno.EFBIG) in line
    assert not [name for _, _, names in os.walk(tmp_path / "out") for name in names]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_says_so_in_a_line_and_leaves_nothing(tmp_path, number, code):
    photos = write_tree(tmp_path / "photos", {"ant": 300}, height=60, width=60)
    script = (
        "import sys, time\n"
        "from recordio_kit._pipeline.placing import Segments\n"
        "real = Segments.__iter__\n"
        "def slow(self):\n"
        "    for segment in real(self):\n"
        "        print('under way', flush=True)\n"
        "        time.sleep(30)\n"
        "        yield segment\n"
        "Segments.__iter__ = slow\n"
        "from recordio_kit.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    words = [sys.executable, "-c", script, "prepare", str(photos), str(tmp_path / "out"), "--resize", "30", "--workers", "2"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "under way\n"
        process.send_signal(number)
        started = time.monotonic()
        _, said = process.communicate(timeout=60)
    assert time.monotonic() - started < 25
    assert process.returncode == code, said
    assert [line for line in said.splitlines() if line.startswith("error:")] == [
        "error: interrupted; what was not finished is not published"
    ]
    assert "Traceback" not in said
    assert not [name for _, _, names in os.walk(tmp_path / "out") for name in names]


@pytest.mark.parametrize("operation", ["fsync", "replace"])
def test_a_failing_file_system_call_is_a_storage_error(photos, tmp_path, monkeypatch, operation):
    def refuse(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    if operation == "fsync":
        monkeypatch.setattr("recordio_kit._storage.local_sink.full_sync", refuse)
    else:
        monkeypatch.setattr("pathlib.Path.replace", refuse)
    with pytest.raises(rk.errors.StorageError, match="the final name is as it was") as caught:
        rk.pack_list(rk.make_list(photos), tmp_path / "x.rec")
    assert isinstance(caught.value.__cause__, OSError)
    # What was packed is kept, unless it may not have got to the disk, though it can be read.
    assert os.listdir(tmp_path) == ["photos"] if operation == "fsync" else [".recordio_kit", "photos"]
    monkeypatch.undo()
    rk.pack_list(rk.make_list(photos), tmp_path / "x.rec")
    assert sorted(os.listdir(tmp_path)) == ["photos", "x.idx", "x.rec", "x.rkm"]


def test_two_writers_of_one_name_cannot_both_win(tmp_path):
    store = LocalStore(tmp_path)
    first, second = rk.RecordWriter("x.rec", store=store), rk.RecordWriter("x.rec", store=store)
    first.write(b"first")
    second.write(b"second")
    first.close()
    with pytest.raises(rk.errors.OutputExistsError):
        second.close()
    with rk.RecordReader(tmp_path / "x.rec") as records:
        assert list(records) == [b"first"]
    assert sorted(os.listdir(tmp_path)) == ["x.idx", "x.rec"]


def test_an_image_that_changes_while_it_is_read_is_not_packed(photos, tmp_path, monkeypatch):
    real = os.read
    target = photos / "ant" / "0001.jpg"

    def grow(descriptor, length):
        data = real(descriptor, length)
        if os.path.samestat(os.fstat(descriptor), target.stat()):
            with open(target, "ab") as file:
                file.write(b"more")
        return data

    images = rk.make_list(photos)
    monkeypatch.setattr("recordio_kit._pipeline.sources.os.read", grow)
    with pytest.raises(rk.errors.PackError) as caught:
        rk.pack_list(images, tmp_path / "x.rec", workers=0)
    assert [failure.reason for failure in caught.value.failures] == ["changed"]


def test_a_machine_that_runs_out_of_descriptors_ends_the_run_not_the_image(photos, tmp_path, monkeypatch):
    images = rk.make_list(photos)

    def refuse(*_):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    writer_open = os.open
    monkeypatch.setattr(
        "recordio_kit._pipeline.sources.os.open",
        lambda path, *rest: refuse() if str(path).endswith(".jpg") else writer_open(path, *rest),
    )
    with pytest.raises(rk.errors.StorageError, match="cannot read"):
        rk.pack_list(images, tmp_path / "x.rec", workers=0)
    assert os.listdir(tmp_path) == ["photos"]
