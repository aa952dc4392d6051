from __future__ import annotations

import os

import pytest

import recordio_kit as rk
from recordio_kit._pipeline.copy import copy
from recordio_kit._storage.local import LocalStore
from recordio_kit._storage.memory import MemoryStore
from tests.samples import write_tree


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    rk.prepare(write_tree(folder / "photos", {"cat": 6, "dog": 6}), folder / "out", splits={"train": 0.5, "validation": 0.5})
    return folder / "out"


@pytest.fixture
def source(prepared):
    store = MemoryStore()
    store.files = {path.relative_to(prepared).as_posix(): path.read_bytes() for path in prepared.rglob("*") if path.is_file()}
    return store


def sizes(files):
    return sum(map(len, files.values()))


def test_a_data_set_is_copied_whole(prepared, tmp_path, source):
    assert copy(prepared, tmp_path / "a") == sizes(source.files)
    assert copy(prepared / "manifest.json", str(tmp_path / "b")) == sizes(source.files)
    target = MemoryStore()
    assert copy(LocalStore(tmp_path / "a"), target) == sizes(source.files)
    assert target.files == source.files
    assert rk.verify(tmp_path / "b").ok
    assert rk.verify(target).ok


def test_only_what_the_manifest_names_is_copied(source):
    source.files["notes.txt"] = b"mine"
    target = MemoryStore()
    copy(source, target)
    assert target.files == {name: data for name, data in source.files.items() if name != "notes.txt"}


def test_a_second_copy_copies_nothing(source):
    target = MemoryStore()
    copy(source, target)
    told = []
    assert copy(source, target, progress=told.append) == 0
    assert [(step.done, step.total) for step in told] == [(1, 1)]


def test_a_copy_that_was_cut_short_goes_on(source):
    target = MemoryStore()
    target.files = {"train/train.rec": source.files["train/train.rec"]}
    assert copy(source, target) == sizes(source.files) - len(source.files["train/train.rec"])
    assert target.files == source.files


class _Failing(MemoryStore):
    def create(self, name, *, overwrite=False):
        if name == "lists/validation.lst":
            raise rk.errors.StorageError("no room", uri=name, operation="create")
        return super().create(name, overwrite=overwrite)


def test_the_manifest_comes_last(source):
    target = _Failing()
    with pytest.raises(rk.errors.StorageError, match="no room"):
        copy(source, target)
    assert "train/train.rec" in target.files
    assert "manifest.json" not in target.files


@pytest.mark.parametrize("change", [lambda data: data[:-4], lambda data: data[:-1] + b"\xff", lambda data: data + b"\0\0\0\0"])
def test_a_damaged_file_is_not_published_nor_is_the_manifest(source, change):
    source.files["validation/validation.rec"] = change(source.files["validation/validation.rec"])
    target = MemoryStore()
    with pytest.raises(rk.errors.CorruptRecordError, match=r"validation\.rec.*manifest says"):
        copy(source, target)
    assert {"validation/validation.rec", "manifest.json"}.isdisjoint(target.files)


@pytest.mark.parametrize("name", ["train/train.rec", "index/train.idx", "manifest.json"])
def test_other_content_is_replaced_only_if_asked_for(source, name):
    target = MemoryStore()
    target.files = {name: b"other"}
    with pytest.raises(rk.errors.OutputExistsError, match=name):
        copy(source, target)
    assert target.files == {name: b"other"}
    assert copy(source, target, overwrite=True) == sizes(source.files)
    assert target.files == source.files


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_channel_folder_with_other_files_is_refused(source, overwrite):
    target = MemoryStore()
    target.files = {"train/old.rec": b"mine"}
    with pytest.raises(rk.errors.OutputExistsError, match=r"train/old\.rec"):
        copy(source, target, overwrite=overwrite)
    assert target.files == {"train/old.rec": b"mine"}


def test_an_overwrite_withdraws_the_old_manifest_first(source):
    target = _Failing()
    target.files = {"manifest.json": b"old", "train/train.rec": b"old"}
    with pytest.raises(rk.errors.StorageError):
        copy(source, target, overwrite=True)
    assert "manifest.json" not in target.files


def test_a_data_set_is_never_copied_onto_itself(prepared, source):
    before = {path: path.read_bytes() for path in prepared.rglob("*.json")}
    for place, other in ((prepared, str(prepared) + os.sep), (source, source)):
        with pytest.raises(ValueError, match="itself"):
            copy(place, other, overwrite=True)
    assert {path: path.read_bytes() for path in prepared.rglob("*.json")} == before


def test_a_folder_without_manifest_is_no_data_set(tmp_path):
    with pytest.raises(rk.errors.RecordIOKitError, match="manifest"):
        copy(tmp_path, MemoryStore())


def test_a_manifest_cannot_name_files_outside(source):
    source.files["manifest.json"] = source.files["manifest.json"].replace(b"lists/train.lst", b"../train.lst")
    with pytest.raises(rk.errors.ManifestError, match="below"):
        copy(source, MemoryStore())


def test_progress_counts_files(source):
    told = []
    copy(source, MemoryStore(), progress=told.append)
    assert [step.done for step in told] == [*range(len(source.files) - 1), len(source.files)]
    assert (told[-1].done, told[-1].bytes) == (told[-1].total, sizes(source.files))
