from __future__ import annotations

import errno
import math
import os
import subprocess
import sys

import pytest

import recordio_kit as rk
from recordio_kit._core.imagelist import LstEntry
from recordio_kit._core.lst import format_lst
from recordio_kit._pipeline.filenames import NamePlan, fold, label_name, safe_name, suffix_of
from recordio_kit._pipeline.safe_folder import SafeFolder
from recordio_kit._pipeline.unpack import unpack
from tests.samples import jpeg, png, write_tree
from tests.unit.test_records import faces


def files_below(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def write_records(path, rows, keys=None):
    """Pack (label, id, body) rows."""
    with rk.RecordWriter(path) as writer:
        writer.write_many([rk.pack_record(rk.IRHeader(0, label, number, 0), body) for label, number, body in rows], keys=keys)


def write_lst(path, rows):
    path.write_bytes(format_lst(rk.ImageList.from_entries([LstEntry(*row) for row in rows])))


def test_what_was_packed_is_unpacked_as_it_was(tmp_path):
    photos = write_tree(tmp_path / "photos", {"cat": 5, "a dog": 7})
    (photos / "cat" / "sub").mkdir()
    (photos / "cat" / "sub" / "0000.jpg").write_bytes(png(3))
    (photos / "cat" / "sub" / "0000.jpg").rename(photos / "cat" / "sub" / "0000.png")
    rk.prepare(photos, tmp_path / "out", splits={"train": 0.5, "validation": 0.5})
    for split in ("train", "validation"):
        report = unpack(tmp_path / "out" / split / f"{split}.rec", tmp_path / "again")
        assert (report.renamed, report.notes, report.folders) == (0, (), ("a dog", "cat"))
    assert files_below(tmp_path / "again") == files_below(photos)


def test_a_list_beside_the_file_gives_the_names(tmp_path):
    photos = write_tree(tmp_path / "photos", {"cat": 2, "dog": 2})
    images = rk.make_list(photos)
    rk.write_list(images, tmp_path / "x.lst")
    rk.pack_list(images, tmp_path / "x.rec")
    assert unpack(tmp_path / "x.rec", tmp_path / "again").images == 4
    assert files_below(tmp_path / "again") == files_below(photos)


def test_without_a_list_keys_and_labels_name_the_files(tmp_path):
    write_records(tmp_path / "x.rec", [(10.0, 5, jpeg(1)), (2.0, 6, png(1)), (2.0, 7, b"??")], keys=[100, 5, 6])
    report = unpack(tmp_path / "x.rec", tmp_path / "out")
    assert files_below(tmp_path / "out") == {"02/005.png": png(1), "02/006.bin": b"??", "10/100.jpg": jpeg(1)}
    assert (report.images, report.bytes, report.folders) == (3, len(png(1)) + len(jpeg(1)) + 2, ("02", "10"))


def test_class_names_can_be_given(tmp_path):
    write_records(tmp_path / "x.rec", [(0.0, 0, jpeg(1)), (1.0, 1, jpeg(2)), (7.0, 2, jpeg(3))])
    unpack(tmp_path / "x.rec", tmp_path / "out", classes=["cat", "con"])
    assert sorted(files_below(tmp_path / "out")) == ["7/2.jpg", "cat/0.jpg", "con_/1.jpg"]


@pytest.mark.parametrize(
    ("label", "folder"),
    [
        (math.nan, "nan"),
        (-0.0, "0"),
        (1e30, "1e+30"),
        (0.5, "0.5"),
        (-3.0, "-3"),
        (math.inf, "inf"),
        ([1.0, 0.0, 2.5], "1_0_2.5"),
    ],
)
def test_any_label_makes_a_folder(tmp_path, label, folder):
    write_records(tmp_path / "x.rec", [(label, 0, jpeg(1)), (label, 1, jpeg(2))])
    unpack(tmp_path / "x.rec", tmp_path / "out")
    assert sorted(files_below(tmp_path / "out")) == [f"{folder}/0.jpg", f"{folder}/1.jpg"]


def test_an_insightface_file_gives_one_folder_an_identity(tmp_path):
    payloads, keys = faces()
    with rk.RecordWriter(tmp_path / "x.rec") as writer:
        writer.write_many(payloads, keys=keys)
    unpack(tmp_path / "x.rec", tmp_path / "out")
    assert sorted(files_below(tmp_path / "out")) == ["0/1.jpg", "0/2.jpg", "1/3.jpg", "2/4.jpg", "2/5.jpg", "2/6.jpg"]


@pytest.mark.parametrize(
    "rows",
    [[(1, [0.0], "a/x.jpg")], [(0, [0.0], "a/x.jpg"), (9, [1.0], "b/y.jpg")], [(0, [1.0], "b/x.jpg"), (1, [1.0], "b/y.jpg")]],
)
def test_a_list_of_another_file_is_left_aside(tmp_path, rows):
    write_records(tmp_path / "x.rec", [(0.0, 0, jpeg(1)), (1.0, 1, jpeg(2))])
    write_lst(tmp_path / "x.lst", rows)
    report = unpack(tmp_path / "x.rec", tmp_path / "out")
    assert sorted(files_below(tmp_path / "out")) == ["0/0.jpg", "1/1.jpg"]
    assert "keys" in report.notes[0]


def test_the_suffix_tells_the_format_that_the_bytes_have(tmp_path):
    write_records(tmp_path / "x.rec", [(0.0, 0, jpeg(1)), (0.0, 1, jpeg(2)), (0.0, 2, png(1))])
    write_lst(tmp_path / "names.lst", [(0, [0.0], "a.PNG"), (1, [0.0], "b.JPEG"), (2, [0.0], "c")])
    report = unpack(tmp_path / "x.rec", tmp_path / "out", names=tmp_path / "names.lst")
    assert sorted(files_below(tmp_path / "out")) == ["0/a.jpg", "0/b.JPEG", "0/c.png"]
    assert report.renamed == 2


@pytest.mark.parametrize(
    "path", ["../x.jpg", "a/../../x.jpg", "/etc/x.jpg", "C:\\x.jpg", "C:x.jpg", "..\\x.jpg", "\\\\host\\x.jpg"]
)
def test_a_path_that_leaves_the_folder_stops_before_the_first_file(tmp_path, path):
    write_records(tmp_path / "x.rec", [(0.0, 0, jpeg(1)), (0.0, 1, jpeg(2))])
    write_lst(tmp_path / "x.lst", [(0, [0.0], "fine.jpg"), (1, [0.0], path)])
    with pytest.raises(rk.errors.UnsafePathError):
        unpack(tmp_path / "x.rec", tmp_path / "out")
    assert not (tmp_path / "out").exists()


HOSTILE = [
    "CON",
    "nul.jpg",
    "aux .x",
    "COM1.tar.jpg",
    "a.",
    "a ",
    "...",
    "a:b",
    "a<b>|c?*",
    "x" * 300 + ".jpg",
    "\x01\x1f",
    "é" * 200,
    ".git",
    "\u200b.ssh",
    ".",
    "..",
    "../up",
    "~root",
    "\udcff\ud800",
    "COM¹",
    "LPT1 .txt",
    "con.\u200b",
    "a\u200db",
    "ab",
    "I",
    "\u0131",
    "K",
    "\u212a",
]


def test_hostile_names_become_safe_and_stay_apart(tmp_path):
    write_records(tmp_path / "x.rec", [(float(number), number, jpeg(number)) for number in range(len(HOSTILE))])
    report = unpack(tmp_path / "x.rec", tmp_path / "out", classes=HOSTILE)
    assert len(set(map(fold, report.folders))) == len(HOSTILE)
    assert sorted(os.listdir(tmp_path)) == ["out", "x.idx", "x.rec"]
    for folder in report.folders:
        assert safe_name(folder) == folder
        assert not folder.startswith(".")
        assert len(folder.encode()) < 256
    assert sorted(files_below(tmp_path / "out").values()) == sorted(jpeg(number) for number in range(len(HOSTILE)))


def test_names_that_a_disk_may_hold_equal_are_told_apart(tmp_path):
    names = [
        "a/X.jpg",
        "a/x.jpg",
        "a/caf\u00e9.jpg",
        "a/cafe\u0301.jpg",
        "a/x.jpg/y.jpg",
        "b/x.jpg",
        "a/stra\u00dfe.jpg",
        "a/STRASSE.jpg",
    ]
    rows = [(0.0, number, jpeg(number)) for number in range(len(names))]
    write_records(tmp_path / "x.rec", rows)
    write_lst(tmp_path / "x.lst", [(number, [0.0], name) for number, name in enumerate(names)])
    unpack(tmp_path / "x.rec", tmp_path / "out", classes=["a"])
    found = files_below(tmp_path / "out")
    assert sorted(found) == sorted(
        [
            "a/X.jpg",
            "a/x~1.jpg",
            "a/caf\u00e9.jpg",
            "a/cafe\u0301~3.jpg",
            "a/x.jpg~/y.jpg",
            "a/x~5.jpg",
            "a/stra\u00dfe.jpg",
            "a/STRASSE~7.jpg",
        ]
    )
    assert sorted(found.values()) == sorted(body for _, _, body in rows)
    assert len({fold(name) for name in found}) == len(names)


def test_classes_that_a_disk_may_hold_equal_get_folders_of_their_own(tmp_path):
    write_records(tmp_path / "x.rec", [(0.0, 0, jpeg(1)), (1.0, 1, jpeg(2))])
    assert unpack(tmp_path / "x.rec", tmp_path / "out", classes=["Cat", "cat"]).folders == ("Cat", "cat~1")


def test_nothing_is_replaced_unasked_and_nothing_is_written_before_that_is_known(tmp_path):
    write_records(tmp_path / "x.rec", [(0.0, 0, jpeg(1)), (1.0, 1, jpeg(2))])
    (tmp_path / "out" / "1").mkdir(parents=True)
    (tmp_path / "out" / "1" / "1.jpg").write_bytes(b"mine")
    with pytest.raises(rk.errors.OutputExistsError):
        unpack(tmp_path / "x.rec", tmp_path / "out")
    assert files_below(tmp_path / "out") == {"1/1.jpg": b"mine"}
    unpack(tmp_path / "x.rec", tmp_path / "out", overwrite=True)
    assert files_below(tmp_path / "out") == {"0/0.jpg": jpeg(1), "1/1.jpg": jpeg(2)}


@pytest.mark.parametrize("overwrite", [True, False])
def test_no_link_is_followed(tmp_path, overwrite):
    write_records(tmp_path / "x.rec", [(0.0, 0, jpeg(1))])
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "0").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(rk.errors.UnsafePathError, match="link"):
        unpack(tmp_path / "x.rec", tmp_path / "out", overwrite=overwrite)
    assert os.listdir(tmp_path / "elsewhere") == []


def test_a_link_in_a_files_place_is_replaced_not_followed(tmp_path):
    write_records(tmp_path / "x.rec", [(0.0, 0, jpeg(1))])
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / "out" / "0").mkdir(parents=True)
    (tmp_path / "out" / "0" / "0.jpg").symlink_to(tmp_path / "mine")
    with pytest.raises(rk.errors.OutputExistsError):
        unpack(tmp_path / "x.rec", tmp_path / "out")
    unpack(tmp_path / "x.rec", tmp_path / "out", overwrite=True)
    assert (tmp_path / "mine").read_bytes() == b"mine"
    assert files_below(tmp_path / "out") == {"0/0.jpg": jpeg(1)}


@pytest.mark.parametrize("relative", [True, False])
def test_a_file_in_a_folders_place_is_refused(tmp_path, monkeypatch, relative):
    monkeypatch.setattr("recordio_kit._pipeline.safe_folder._RELATIVE", relative)
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(rk.errors.UnsafePathError):
        SafeFolder(tmp_path).write("a/b.jpg", b"x")


def test_without_folder_handles_links_are_refused_too(tmp_path, monkeypatch):
    monkeypatch.setattr("recordio_kit._pipeline.safe_folder._RELATIVE", False)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(rk.errors.UnsafePathError):
        SafeFolder(tmp_path / "out").write("a/b.jpg", b"x")
    SafeFolder(tmp_path / "out").write("b/c/d.jpg", b"x")
    assert os.listdir(tmp_path / "elsewhere") == []
    assert (tmp_path / "out" / "b" / "c" / "d.jpg").read_bytes() == b"x"


def test_a_disk_that_fails_leaves_no_torn_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", full)
    with pytest.raises(rk.errors.StorageError, match="No space left"):
        SafeFolder(tmp_path).write("a/b.jpg", b"x")
    assert os.listdir(tmp_path / "a") == []
    assert files_below(tmp_path) == {}


KILLED = """
import os, sys
from recordio_kit._pipeline.safe_folder import SafeFolder

write = os.write
def half(file, data):
    write(file, data[:len(data) // 2])
    os._exit(9)

with SafeFolder(sys.argv[1], overwrite=sys.argv[2] == "True") as folder:
    folder.write("a/1.jpg", b"whole" * 100)
    os.write = half
    folder.write("a/2.jpg", b"whole" * 100)
"""


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_kill_leaves_no_half_file_under_a_final_name(tmp_path, overwrite):
    if overwrite:
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "2.jpg").write_bytes(b"mine")
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(overwrite)], check=False)
    assert done.returncode == 9
    found = files_below(tmp_path)
    assert {name: data for name, data in found.items() if name.startswith("a/")} == {
        "a/1.jpg": b"whole" * 100,
        **({"a/2.jpg": b"mine"} if overwrite else {}),
    }
    assert [name.split("/")[0] for name in found if not name.startswith("a/")] == [".recordio_kit"]


def test_nothing_but_the_images_is_left(tmp_path):
    write_records(tmp_path / "x.rec", [(0.0, 0, jpeg(1))])
    unpack(tmp_path / "x.rec", tmp_path / "out")
    assert os.listdir(tmp_path / "out") == ["0"]


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP])
def test_a_disk_without_hard_links_is_written_too(tmp_path, monkeypatch, code):
    def refuse(*_, **__):
        raise OSError(code, "no links here")

    monkeypatch.setattr("os.link", refuse)
    with SafeFolder(tmp_path / "out") as folder:
        folder.write("a/b.jpg", b"x")
        with pytest.raises(rk.errors.OutputExistsError):
            folder.write("a/b.jpg", b"y")
    assert files_below(tmp_path) == {"out/a/b.jpg": b"x"}


def test_a_name_that_is_taken_meanwhile_is_not_replaced(tmp_path):
    with SafeFolder(tmp_path) as folder:
        folder.refuse_taken(["a/b.jpg"])
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "b.jpg").write_bytes(b"mine")
        with pytest.raises(rk.errors.OutputExistsError):
            folder.write("a/b.jpg", b"x")
    assert files_below(tmp_path) == {"a/b.jpg": b"mine"}


def test_a_link_in_place_of_the_state_folder_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".recordio_kit").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with SafeFolder(tmp_path / "out") as folder, pytest.raises(rk.errors.UnsafePathError):
        folder.write("a.jpg", b"x")
    assert os.listdir(tmp_path / "elsewhere") == []


@pytest.mark.parametrize("overwrite", [True, False])
def test_what_stands_in_the_way_is_known_before_the_first_file(tmp_path, overwrite):
    write_records(tmp_path / "x.rec", [(0.0, 0, jpeg(1)), (1.0, 1, jpeg(2))])
    for number, stand in enumerate(
        (
            lambda folder: (folder / "1").symlink_to(tmp_path, target_is_directory=True),
            lambda folder: (folder / "1").symlink_to(tmp_path / "nowhere"),
            lambda folder: (folder / "1").write_bytes(b""),
            lambda folder: (folder / "1" / "1.jpg").mkdir(parents=True),
        )
    ):
        out = tmp_path / f"out{number}"
        out.mkdir()
        stand(out)
        with pytest.raises((rk.errors.UnsafePathError, rk.errors.OutputExistsError)):
            unpack(tmp_path / "x.rec", out, overwrite=overwrite)
        assert os.listdir(out) == ["1"]


def test_a_folder_that_stands_there_in_other_case_is_no_link(tmp_path, monkeypatch):
    monkeypatch.setattr("recordio_kit._pipeline.safe_folder._RELATIVE", False)
    (tmp_path / "Cat").mkdir()
    (tmp_path / "cat").symlink_to(tmp_path / "Cat")  # as a disk without case has it
    monkeypatch.setattr("os.path.normcase", str.lower)
    SafeFolder(tmp_path).write("cat/1.jpg", b"x")
    assert (tmp_path / "Cat" / "1.jpg").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("path", "leaf"),
    [
        ("a/" * 100 + "x.jpg", "x.jpg"),
        ("0/" + "a/" * 40 + "x.jpg", "x.jpg"),
        ("0/" + ("b" * 190 + "/") * 5 + "x.jpg", "x.jpg"),
        ("0/sub/", "sub/0.jpg"),
        ("0/a/./b/x.jpg", "a/b/x.jpg"),
        ("0/.git/hooks/x.jpg", "_.git/hooks/x.jpg"),
        ("0/.jpg", "_.jpg"),
        ("~/x.jpg", "x.jpg"),
        ("0/a:b/nul/x.jpg", "a_b/nul_/x.jpg"),
        ("0\\a\\x.jpg", "a/x.jpg"),
    ],
)
def test_paths_of_a_strangers_list(tmp_path, path, leaf):
    write_records(tmp_path / "x.rec", [(0.0, 0, jpeg(1))])
    (tmp_path / "x.lst").write_text(f"0\t0.000000\t{path}\n")
    unpack(tmp_path / "x.rec", tmp_path / "out")
    assert files_below(tmp_path / "out") == {f"0/{leaf}": jpeg(1)}


@pytest.mark.parametrize("leaf", ["", "."])
def test_an_image_of_no_known_format_and_no_name_gets_its_key(tmp_path, leaf):
    write_records(tmp_path / "x.rec", [(0.0, 0, b"??")])
    (tmp_path / "x.lst").write_text(f"0\t0.000000\t0/sub/{leaf}\n")
    unpack(tmp_path / "x.rec", tmp_path / "out")
    assert files_below(tmp_path / "out") == {"0/sub/0": b"??"}


def test_long_labels_that_begin_alike_get_folders_of_their_own(tmp_path):
    rows = [([0.125] * 60 + [float(number)], number, jpeg(number)) for number in range(3)]
    write_records(tmp_path / "x.rec", rows)
    report = unpack(tmp_path / "x.rec", tmp_path / "out")
    assert len(set(report.folders)) == 3
    assert all(len(folder) < 256 for folder in report.folders)
    assert sorted(files_below(tmp_path / "out").values()) == sorted(body for _, _, body in rows)


def test_names_are_not_counted_from_the_start_again_and_again(monkeypatch):
    calls = []
    monkeypatch.setattr("recordio_kit._pipeline.filenames.fold", lambda path: calls.append(path) or fold(path))
    plan = NamePlan()
    names = [plan.claim("a/x.jpg", "7") for _ in range(1000)]
    plan.claim("b", "1")
    names += [plan.claim(f"b/{number}", "7") for number in range(1000)]
    assert len(set(map(fold, names))) == 2000
    assert len(calls) < 10_000


def test_images_are_unpacked_to_a_local_folder(tmp_path):
    with pytest.raises(ValueError, match="local"):
        unpack(tmp_path / "x.rec", "s3://bucket/prefix/")


def test_progress_counts_images(tmp_path):
    write_records(tmp_path / "x.rec", [(0.0, number, jpeg(number)) for number in range(70)])
    told = []
    unpack(tmp_path / "x.rec", tmp_path / "out", progress=told.append)
    assert [step.done for step in told] == [0, 64, 70]
    assert (told[-1].total, told[-1].stage) == (70, "unpack x.rec")


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a.jpg", "a.jpg"),
        ("con", "con_"),
        ("Aux.b.c", "Aux_.b.c"),
        ("a. ", "a_"),
        ("", "_"),
        ("consul", "consul"),
        (".x", "_.x"),
        ("a\udc80", "a_"),
    ],
)
def test_safe_names(name, safe):
    assert safe_name(name) == safe == safe_name(safe)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a\u200db", "ab"),
        ("a\u0131", "AI"),
        ("\u212a", "k"),
        ("\u00e9", "E\u0301"),
        ("\ufb01", "FI"),
        ("\ufeffx", "X"),
        ("\u1e9e", "ss"),
    ],
)
def test_names_that_some_disk_holds_equal(one, other):
    assert fold(one) == fold(other)


def test_a_long_name_keeps_its_suffix():
    assert safe_name("é" * 300 + ".jpeg").endswith("é.jpeg")
    assert len(safe_name("é" * 300 + ".jpeg").encode()) <= 255


def test_labels_sort_as_numbers():
    assert [label_name(value, 3) for value in (0.0, 7.0, 10.0, 100.0)] == ["000", "007", "010", "100"]


def test_a_file_is_never_given_anothers_folder():
    plan = NamePlan()
    assert [plan.claim(path, "9") for path in ("a/b", "a/b/c", "a", "A/B", "x")] == ["a/b", "a/b~/c", "a~9", "A/B~9", "x"]


def test_formats_are_told_by_their_bytes():
    assert [suffix_of(body)[:1] for body in (jpeg(), png(), b"RIFF....WEBP", b"GIF89a", b"nothing", b"")] == [
        (".jpg",),
        (".png",),
        (".webp",),
        (".gif",),
        (),
        (),
    ]
