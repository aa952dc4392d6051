from __future__ import annotations

import json
import os

import numpy as np
import pytest

import recordio_kit as rk
from recordio_kit._storage.memory import MemoryStore
from tests.samples import jpeg, write_tree


SPLITS = {"train": 0.7, "validation": 0.3}


@pytest.fixture
def photos(tmp_path):
    return write_tree(tmp_path / "photos", {"ant": 10, "bee": 20})


def files_below(folder):
    return sorted(
        os.path.relpath(os.path.join(at, name), folder).replace(os.sep, "/") for at, _, names in os.walk(folder) for name in names
    )


def test_the_tree_is_the_one_that_sagemaker_takes(photos, tmp_path):
    manifest = rk.prepare(photos, tmp_path / "out")
    assert files_below(tmp_path / "out") == [
        "index/train.idx", "index/train.rkm", "index/validation.idx", "index/validation.rkm",
        "lists/train.classes.txt", "lists/train.lst", "lists/validation.classes.txt", "lists/validation.lst",
        "manifest.json", "train/train.rec", "validation/validation.rec",
    ]  # fmt: skip
    assert manifest.classes == ("ant", "bee")
    assert {name: (split.records, split.labels) for name, split in manifest.splits.items()} == {
        "train": (21, {0: 7, 1: 14}),
        "validation": (9, {0: 3, 1: 6}),
    }
    assert rk.Manifest.load(tmp_path / "out") == manifest
    assert rk.verify(tmp_path / "out").ok


def test_every_image_is_in_exactly_one_split_as_it_was(photos, tmp_path):
    rk.prepare(photos, tmp_path / "out")
    seen = {}
    for name in SPLITS:
        images = rk.read_list(tmp_path / "out" / "lists" / f"{name}.lst")
        with rk.ImageReader(tmp_path / "out" / name / f"{name}.rec", checksums=True) as reader:
            for entry, record in zip(images, reader, strict=True):
                assert (record.header.id, record.label) == (entry.index, entry.label)
                assert entry.path not in seen
                seen[entry.path] = record.body
    assert seen == {path: (photos / path).read_bytes() for path in rk.make_list(photos).paths}


def test_two_runs_give_the_same_bytes_in_every_file(photos, tmp_path):
    rk.prepare(photos, tmp_path / "a", workers=0)
    rk.prepare(photos, tmp_path / "b", workers=2)
    for name in files_below(tmp_path / "a"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_the_manifest_holds_nothing_of_machine_or_moment(photos, tmp_path):
    rk.prepare(photos, tmp_path / "out", seed=5, transform=rk.Reencode(short_edge=10))
    document = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert document["options"]["seed"] == 5
    assert document["options"]["transform"]["short_edge"] == 10
    assert str(tmp_path) not in json.dumps(document)


def test_the_same_work_twice_does_nothing(photos, tmp_path):
    first = rk.prepare(photos, tmp_path / "out")
    before = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in files_below(tmp_path / "out")}
    assert rk.prepare(photos, tmp_path / "out") == first
    assert {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in files_below(tmp_path / "out")} == before


@pytest.mark.parametrize(
    ("other", "words"),
    [({"seed": 1}, "other options"), ({"splits": {"train": 0.5, "test": 0.5}}, "another data set")],
)
def test_other_work_at_the_same_place_is_refused_or_replaces(photos, tmp_path, other, words):
    rk.prepare(photos, tmp_path / "out")
    before = (tmp_path / "out" / "manifest.json").read_bytes()
    with pytest.raises(rk.errors.OutputExistsError, match=words):
        rk.prepare(photos, tmp_path / "out", **other)
    assert (tmp_path / "out" / "manifest.json").read_bytes() == before
    rk.prepare(photos, tmp_path / "out", overwrite=True, **other)
    assert (tmp_path / "out" / "manifest.json").read_bytes() != before
    assert rk.verify(tmp_path / "out").ok


def test_a_stranger_in_a_channel_folder_is_refused(photos, tmp_path):
    (tmp_path / "out" / "train").mkdir(parents=True)
    (tmp_path / "out" / "train" / "old.rec").write_bytes(b"")
    for overwrite in (False, True):
        with pytest.raises(rk.errors.OutputExistsError, match=r"train/old\.rec"):
            rk.prepare(photos, tmp_path / "out", overwrite=overwrite)


@pytest.mark.parametrize("damage", ["longer", "flipped", "gone"])
def test_a_damaged_data_set_is_not_taken_for_done(photos, tmp_path, damage):
    rk.prepare(photos, tmp_path / "out")
    place = tmp_path / "out" / "train" / "train.rec"
    data = bytearray(place.read_bytes())
    if damage == "gone":
        place.unlink()
    elif damage == "longer":
        place.write_bytes(data + bytes(4))
    else:
        data[500] ^= 1
        place.write_bytes(data)
    with pytest.raises(rk.errors.OutputExistsError, match="not as its manifest says"):
        rk.prepare(photos, tmp_path / "out")


def test_a_bad_image_in_the_last_split_publishes_nothing(photos, tmp_path):
    for folder in ("ant", "bee"):
        for name in os.listdir(photos / folder)[:2]:
            (photos / folder / name).write_bytes(b"")
    with pytest.raises(rk.errors.PackError):
        rk.prepare(photos, tmp_path / "out")
    assert files_below(tmp_path / "out") == []


def test_skipped_images_are_in_the_manifest_and_not_in_the_list(photos, tmp_path):
    (photos / "bee" / "0000.jpg").write_bytes(b"")
    manifest = rk.prepare(photos, tmp_path / "out", on_error="skip", max_skipped=0.2)
    (bad,) = [failure for split in manifest.splits.values() for failure in split.failures]
    assert (bad.path, bad.reason) == ("bee/0000.jpg", "empty")
    listed = [path for name in SPLITS for path in rk.read_list(tmp_path / "out" / "lists" / f"{name}.lst").paths]
    assert len(listed) == 29
    assert "bee/0000.jpg" not in listed
    assert [failure.path for split in rk.Manifest.load(tmp_path / "out").splits.values() for failure in split.failures] == [
        "bee/0000.jpg"
    ]


def test_split_folders_are_kept_and_val_means_validation(tmp_path):
    for name, count in (("train", 4), ("val", 2)):
        write_tree(tmp_path / "photos" / name, {"ant": count, "bee": count})
    manifest = rk.prepare(tmp_path / "photos", tmp_path / "out")
    assert {name: split.labels for name, split in manifest.splits.items()} == {"train": {0: 4, 1: 4}, "validation": {0: 2, 1: 2}}
    assert manifest.options["splits"] == "folders"


def test_a_csv_gives_labels_and_splits(tmp_path):
    (tmp_path / "photos").mkdir()
    rows = ["path,sky,sea,split"]
    for number in range(6):
        (tmp_path / "photos" / f"{number}.jpg").write_bytes(jpeg(number))
        rows.append(f"{number}.jpg,{number % 2},1,{'test' if number == 5 else 'train'}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    manifest = rk.prepare(tmp_path / "photos", tmp_path / "out", labels=tmp_path / "labels.csv")
    assert {name: split.records for name, split in manifest.splits.items()} == {"train": 5, "test": 1}
    assert (manifest.label_width, manifest.classes, manifest.splits["train"].labels) == (2, ("sky", "sea"), {0: 2, 1: 5})
    with rk.ImageReader(tmp_path / "out" / "test" / "test.rec") as images:
        assert np.array_equal(images[0].label, [1.0, 1.0])


def test_groups_stay_together(tmp_path):
    photos = write_tree(tmp_path / "photos", {"ant": 40})
    for number in range(40):
        (photos / "ant" / f"{number:04d}.jpg").rename(photos / "ant" / f"s{number // 4}-{number}.jpg")
    rk.prepare(photos, tmp_path / "out", group_by=r"s(\d+)-")
    groups = [{path.split("-")[0] for path in rk.read_list(tmp_path / "out" / "lists" / f"{name}.lst").paths} for name in SPLITS]
    assert groups[0].isdisjoint(groups[1])


def test_a_store_takes_the_tree_and_classes_carry_over(photos, tmp_path):
    store = MemoryStore()
    manifest = rk.prepare(photos, store)
    assert "train/train.rec" in store.files
    other = write_tree(tmp_path / "other", {"bee": 4})
    assert rk.prepare(other, MemoryStore(), classes=manifest).splits["train"].labels == {1: 3}


@pytest.mark.parametrize("name", ["a;b", "a#b", "a?b"])
def test_places_that_mxnet_cannot_open_are_refused(photos, tmp_path, name):
    with pytest.raises(rk.errors.UnsafePathError):
        rk.prepare(photos, tmp_path / name)


def test_manifest_from_records_describes_what_others_packed(photos, tmp_path):
    made = rk.prepare(photos, tmp_path / "out")
    found = rk.Manifest.from_records({name: tmp_path / "out" / name / f"{name}.rec" for name in SPLITS}, classes=["ant", "bee"])
    for name in SPLITS:
        assert found.splits[name].record == made.splits[name].record
        assert found.splits[name].labels == made.splits[name].labels
        assert found.splits[name].height == made.splits[name].height
    with pytest.raises(ValueError, match="labels up to 1"):
        rk.Manifest.from_records({"train": tmp_path / "out" / "train" / "train.rec"}, classes=["ant"])


def test_a_csv_from_windows_gives_splits_and_groups(tmp_path):
    rows = ["path,label,split,group"]
    for number in range(4):
        (tmp_path / "photos" / "deep").mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / "deep" / f"{number}.jpg").write_bytes(jpeg(number))
        rows.append(f"deep\\{number}.jpg,{number % 2},{'test' if number > 1 else 'train'},g{number // 2}")
    (tmp_path / "labels.csv").write_text("\r\n".join(rows))
    by_column = rk.prepare(tmp_path / "photos", tmp_path / "a", labels=tmp_path / "labels.csv")
    assert {name: split.records for name, split in by_column.splits.items()} == {"train": 2, "test": 2}
    assert list(by_column.splits) == ["train", "test"]
    shares = {"train": 0.5, "test": 0.5}
    rk.prepare(tmp_path / "photos", tmp_path / "b", labels=tmp_path / "labels.csv", splits=shares, stratify=False)
    groups = {tuple(rk.read_list(tmp_path / "b" / "lists" / f"{name}.lst").paths) for name in shares}
    assert {tuple(sorted(path for path in part)) for part in groups} == {
        ("deep/0.jpg", "deep/1.jpg"),
        ("deep/2.jpg", "deep/3.jpg"),
    }


def test_classes_that_are_called_like_splits_are_classes_when_said_so(tmp_path):
    photos = write_tree(tmp_path / "photos", {"test": 4, "train": 4})
    manifest = rk.prepare(photos, tmp_path / "out", classes=["train", "test"], splits=None)
    assert manifest.splits["train"].labels == {0: 3, 1: 3}
