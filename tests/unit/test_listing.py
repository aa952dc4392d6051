"""Lists from folders: which images are taken, which label they get, and what is refused or told."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from recordio_kit._core.imagelist import ImageList
from recordio_kit._pipeline.listing import make_list, make_split_lists, read_list, split_folders, write_list
from recordio_kit.errors import ListSyntaxError, ManifestError, OutputExistsError, StorageError, UnsafePathError


posix = pytest.mark.skipif(sys.platform == "win32", reason="the file system has no such names or files")


def tree(root, *paths):
    """Make files, each with its path as content; a path that ends in / makes a folder."""
    for path in paths:
        place = root / path
        if path.endswith("/"):
            place.mkdir(parents=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.encode("utf-8", "surrogateescape"))
    return root


def rows(images):
    return [(entry.index, entry.label, entry.path) for entry in images]


def told(images):
    return [finding.message for finding in images.findings]


# What is taken


def test_a_class_is_a_top_folder_and_names_sort_by_code_point(tmp_path):
    images = make_list(tree(tmp_path, "b/1.jpg", "B/2.jpg", "é/3.jpg", "a/4.jpg"))
    assert images.classes == ("B", "a", "b", "é")
    assert rows(images) == [(0, 0.0, "B/2.jpg"), (1, 1.0, "a/4.jpg"), (2, 2.0, "b/1.jpg"), (3, 3.0, "é/3.jpg")]


def test_images_come_by_the_parts_of_their_paths_and_nested_ones_belong_to_their_top_folder(tmp_path):
    images = make_list(
        tree(tmp_path, "cat/b.jpg", "cat/a-b/1.jpg", "cat/a/2.jpg", "cat/a/deep/er/0.jpg", "cat/a.jpg", "dog/1.jpg")
    )
    assert list(images.paths) == ["cat/a/2.jpg", "cat/a/deep/er/0.jpg", "cat/a-b/1.jpg", "cat/a.jpg", "cat/b.jpg", "dog/1.jpg"]
    assert images.labels[:, 0].tolist() == [0, 0, 0, 0, 0, 1]


def test_the_list_knows_its_root_and_each_source_size_and_time(tmp_path, monkeypatch):
    tree(tmp_path, "set/cat/1.jpg", "set/dog/22.jpg")
    os.utime(tmp_path / "set/cat/1.jpg", ns=(5, 1_700_000_000_123_456_700))
    monkeypatch.chdir(tmp_path)
    images = make_list("set")
    assert images.root == str(tmp_path / "set")
    assert images.sizes.tolist() == [len("set/cat/1.jpg"), len("set/dog/22.jpg")]
    assert images.stamps.tolist() == [(tmp_path / "set" / path).stat().st_mtime_ns for path in images.paths]


def test_names_alone_give_the_same_list_without_sizes_and_times(tmp_path):
    tree(tmp_path, "cat/1.jpg", "cat/a/2.jpg", "cat/3.jpg", "dog/1.jpg", "cat/notes.txt")
    known = make_list(tmp_path)
    images = make_list(tmp_path, sizes=False)
    assert images == known
    assert (images.root, images.findings) == (known.root, known.findings)
    assert (images.sizes, images.stamps) == (None, None)


@posix
@pytest.mark.parametrize("sizes", [True, False])
def test_a_folder_that_lets_no_file_be_reached_is_a_storage_error_that_names_one(tmp_path, monkeypatch, sizes):
    tree(tmp_path, "cat/1.jpg", "dog/2.jpg", "dog/3.jpg")
    stat = os.stat

    def guarded(path, **options):
        if Path(path).name == "2.jpg":
            raise PermissionError(13, "Permission denied", path)
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", guarded)
    with pytest.raises(StorageError, match=r"Permission denied.*ignore=") as error:
        make_list(tmp_path, sizes=sizes)
    assert Path(error.value.uri) == tmp_path / "dog/2.jpg"


def test_sizes_and_times_are_the_same_where_the_entries_of_a_folder_hold_them(tmp_path, monkeypatch):
    known = make_list(tree(tmp_path, "cat/1.jpg", "cat/a/22.jpg", "dog/3.jpg"))
    monkeypatch.setattr(sys, "platform", "win32")
    images = make_list(tmp_path)
    assert (images.sizes.tolist(), images.stamps.tolist()) == (known.sizes.tolist(), known.stamps.tolist())


def test_a_path_object_and_a_text_give_the_same_list(tmp_path):
    tree(tmp_path, "cat/1.jpg")
    assert make_list(str(tmp_path)) == make_list(tmp_path)


def test_the_order_of_the_file_system_does_not_matter(tmp_path, monkeypatch):
    tree(tmp_path, *(f"{name}/{number}.jpg" for name in "cab" for number in range(9)))
    expected = make_list(tmp_path)
    scandir = os.scandir

    class Backwards:
        def __init__(self, path):
            self._entries = scandir(path)

        def __enter__(self):
            return reversed(list(self._entries))

        def __exit__(self, *_):
            self._entries.close()

    monkeypatch.setattr(os, "scandir", Backwards)
    assert make_list(tmp_path) == expected


@pytest.mark.parametrize(
    "litter",
    [
        ".DS_Store",
        "cat/._1.jpg",
        ".ipynb_checkpoints/1.jpg",
        "__MACOSX/cat/1.jpg",
        "cat/Thumbs.db",
        "cat/DESKTOP.INI",
        "cat/thumbs.DB",
    ],
)
def test_what_systems_leave_behind_is_left_out_in_silence(tmp_path, litter):
    images = make_list(tree(tmp_path, "cat/1.jpg", litter))
    assert rows(images) == [(0, 0.0, "cat/1.jpg")]
    assert not images.findings


def test_the_default_suffixes_match_in_any_case(tmp_path):
    images = make_list(tree(tmp_path, "cat/1.JPG", "cat/2.jpeg", "cat/3.Png", "cat/x.tar.jpg"))
    assert len(images) == 4


@pytest.mark.parametrize("exts", [("webp",), (".WEBP",), ("*.webp",), "webp"])
def test_suffixes_match_whatever_their_case_and_dot(tmp_path, exts):
    assert list(make_list(tree(tmp_path, "cat/1.webp", "cat/2.WebP"), exts=exts).paths) == ["cat/1.webp", "cat/2.WebP"]


@pytest.mark.parametrize("exts", [(), ("",), ("jpg", ".")])
def test_suffixes_that_say_nothing_are_refused(tmp_path, exts):
    with pytest.raises(ValueError, match="exts="):
        make_list(tree(tmp_path, "cat/1.jpg"), exts=exts)


@pytest.mark.parametrize(
    ("ignore", "kept"),
    [
        (("*.webp",), ["cat/1.jpg", "cat/old/2.jpg", "dog/3.jpg"]),
        (("*.webp", "old"), ["cat/1.jpg", "dog/3.jpg"]),
        (("*.webp", "cat/old/"), ["cat/1.jpg", "dog/3.jpg"]),
        (("*.webp", "cat/*"), None),
        (("cat",), ["dog/3.jpg"]),
        ("cat", ["dog/3.jpg"]),
        (("*.webp", "CAT"), ["cat/1.jpg", "cat/old/2.jpg", "dog/3.jpg"]),
    ],
)
def test_ignored_files_and_folders_are_left_out_by_name_or_path(tmp_path, ignore, kept):
    tree(tmp_path, "cat/1.jpg", "cat/old/2.jpg", "cat/4.webp", "dog/3.jpg")
    if kept is None:
        with pytest.raises(ValueError, match="class folder has no images: cat"):
            make_list(tmp_path, ignore=ignore)
        return
    images = make_list(tmp_path, ignore=ignore)
    assert list(images.paths) == kept
    assert [message for message in told(images) if "ignore=" in message]


def test_files_that_are_no_images_are_told_by_kind(tmp_path):
    images = make_list(tree(tmp_path, "cat/1.jpg", "notes.txt", "cat/b.txt", "cat/a.TXT", "cat/README", "dog.csv"))
    assert told(images) == [
        "3 files that are no images (.txt) were left out, the first is cat/a.TXT",
        "1 file that is no image (no suffix) was left out: cat/README",
        "1 file that is no image (.csv) was left out: dog.csv",
    ]


def test_a_thousand_kinds_of_files_do_not_make_a_thousand_findings(tmp_path):
    images = make_list(tree(tmp_path, "cat/1.jpg", *(f"cat/x.{number}" for number in range(30))))
    assert len(images.findings) == 11
    assert "20 files that are no images (other suffixes)" in told(images)[-1]


# What is refused


@pytest.mark.parametrize(
    "suffix", ["webp", "heic", "HEIF", "gif", "bmp", "tif", "tiff", "avif", "jp2", "jpe", "jfif", "jxl", "ppm", "pgm"]
)
def test_an_image_that_would_be_left_out_is_refused_with_both_ways_out(tmp_path, suffix):
    tree(tmp_path, "cat/1.jpg", f"cat/b.{suffix}", f"cat/a.{suffix}")
    with pytest.raises(ValueError, match=rf"2 image files .* cat/a\.{suffix} \(\.{suffix.lower()} 2\).*--exts.*--ignore"):
        make_list(tmp_path)


def test_images_of_a_suffix_that_was_not_asked_for_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\.jpg 1"):
        make_list(tree(tmp_path, "cat/1.jpg", "cat/2.png"), exts=("png",))


@pytest.mark.parametrize(
    ("beside", "words"), [(["cat/2.jpg"], "beside class folders"), ([], "no class folder"), (["cat/"], "no class folder")]
)
def test_images_outside_class_folders_are_refused(tmp_path, beside, words):
    with pytest.raises(
        ValueError, match=rf"2 images stand in {'no class folder' if not beside else '.*'}.*a\.jpg.*labels="
    ) as error:
        make_list(tree(tmp_path, "b.jpg", "a.jpg", *beside))
    assert words in str(error.value)


def test_an_empty_class_folder_is_refused_because_it_would_shift_labels(tmp_path):
    with pytest.raises(ValueError, match=r"1 class folder has no images: bird; it would shift .*remove it.*classes="):
        make_list(tree(tmp_path, "ant/1.jpg", "bird/deep/", "cat/1.jpg", "bird/notes.txt"))


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        ([], ["0 folders", "0 files", ".jpg, .jpeg, .png"]),
        (["cat/", "dog/a.txt", "dog/b.txt", "c"], ["2 folders", "3 files", ".txt 2, no suffix 1", "exts="]),
        (["train.lst", "train.rec"], [".lst 1", "swapped"]),
    ],
)
def test_a_folder_without_images_says_what_was_seen_there(tmp_path, paths, words):
    with pytest.raises(ValueError, match="holds no images") as error:
        make_list(tree(tmp_path, *paths))
    assert [word for word in [*words, str(tmp_path)] if word not in str(error.value)] == []


def test_a_root_that_is_missing_or_a_file_is_refused_with_the_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tree(tmp_path, "a.lst"))
    with pytest.raises(ValueError, match=r"^images/ does not exist \(looked in .*images\)"):
        make_list("images/")
    with pytest.raises(ValueError, match=r"^a\.lst is no folder \(looked in .*a\.lst\)"):
        make_list("a.lst")


def test_an_s3_root_is_refused_before_anything_else(tmp_path):
    with pytest.raises(ValueError, match="S3 sources are not read yet: copy them first"):
        make_list("s3://bucket/images/")


@posix
@pytest.mark.parametrize("name", ["a\tb.jpg", "a\nb.jpg", "a\rb.jpg"])
def test_a_name_that_no_list_can_hold_is_refused(tmp_path, name):
    with pytest.raises(UnsafePathError, match=r"2 file names cannot stand in a \.lst") as error:
        make_list(tree(tmp_path, f"cat/{name}", f"cat/b{name}", "cat/1.jpg"))
    assert repr(f"cat/{name}") in str(error.value)
    assert "\n" not in str(error.value)


@posix
def test_a_class_folder_that_starts_with_a_space_is_refused(tmp_path):
    with pytest.raises(UnsafePathError, match=r"' cat/1\.jpg'"):
        make_list(tree(tmp_path, " cat/1.jpg"))


def test_a_class_folder_whose_name_no_file_of_names_can_hold_is_refused(tmp_path):
    with pytest.raises(ValueError, match="class 1 has the name"):
        make_list(tree(tmp_path, "ant/1.jpg", "\ufeffcat/1.jpg"))


@posix
def test_odd_names_that_a_list_can_hold_are_taken(tmp_path):
    names = ["a b.jpg", "a\\b.jpg", "a\x0bb.jpg", "a\u2028b.jpg", "\udcff\udcfe.jpg", "x" * 251 + ".jpg", "a;b#c?.jpg"]
    images = make_list(tree(tmp_path, *(f"cat /{name}" for name in names)))
    assert set(images.paths) == {f"cat /{name}" for name in names}
    assert images.classes == ("cat ",)


@posix
def test_pipes_and_sockets_are_refused_by_name_and_not_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tree(tmp_path, "cat/1.jpg") / "cat")  # a socket's path must be short
    os.mkfifo(tmp_path / "cat/pipe.jpg")
    with pytest.raises(UnsafePathError, match=r"neither file nor folder: cat/pipe\.jpg"):
        make_list(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("a.socket")
        with pytest.raises(UnsafePathError, match=r"2 entries are neither files nor folders, the first is cat/a\.socket"):
            make_list(tmp_path)
    assert len(make_list(tmp_path, ignore=["pipe*", "*.socket"])) == 1


def test_a_folder_that_cannot_be_read_is_a_storage_error_that_names_it(tmp_path, monkeypatch):
    tree(tmp_path, "cat/1.jpg", "dog/1.jpg")
    scandir = os.scandir

    def guarded(path):
        if Path(path).name == "dog":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(StorageError, match=r"Permission denied.*ignore=") as error:
        make_list(tmp_path)
    assert error.value.operation == "list"
    assert Path(error.value.uri) == tmp_path / "dog"
    assert isinstance(error.value.__cause__, PermissionError)
    monkeypatch.undo()
    assert len(make_list(tmp_path, ignore=["dog"])) == 1


# Links


@pytest.fixture
def linked(tmp_path):
    """A class with a link to a file and a link to a folder, both outside the root."""
    tree(tmp_path, "set/cat/1.jpg", "out/far.jpg", "out/more/2.jpg")
    try:
        (tmp_path / "set/cat/link.jpg").symlink_to(tmp_path / "out/far.jpg")
        (tmp_path / "set/cat/more").symlink_to(tmp_path / "out/more", target_is_directory=True)
    except OSError:  # pragma: no cover
        pytest.skip("links need a privilege on this system")
    return tmp_path / "set"


def test_links_are_not_followed_but_told(linked):
    images = make_list(linked)
    assert list(images.paths) == ["cat/1.jpg"]
    assert told(images) == [
        "2 links were not followed, the first is cat/link.jpg; give follow_links=True (--follow-links) to take what they lead to"
    ]


def test_links_are_followed_on_demand(linked):
    images = make_list(linked, follow_links=True)
    assert list(images.paths) == ["cat/1.jpg", "cat/link.jpg", "cat/more/2.jpg"]
    assert images.sizes.tolist() == [(linked / path).stat().st_size for path in images.paths]
    assert not images.findings


def test_a_followed_link_to_what_is_no_image_is_told_as_a_file(linked):
    tree(linked.parent, "out/notes.txt")
    (linked / "cat/notes.txt").symlink_to(linked.parent / "out/notes.txt")
    assert told(make_list(linked, follow_links=True)) == ["1 file that is no image (.txt) was left out: cat/notes.txt"]


def test_a_class_behind_a_link_counts_only_if_links_are_followed(linked):
    (linked / "dog").symlink_to(linked / "cat", target_is_directory=True)
    assert make_list(linked).classes == ("cat",)
    assert make_list(linked, follow_links=True).classes == ("cat", "dog")


def test_a_folder_of_links_alone_says_how_to_take_them(linked):
    (linked / "cat/1.jpg").unlink()
    with pytest.raises(ValueError, match=r"2 links.*--follow-links"):
        make_list(linked)


@pytest.mark.parametrize("target", [".", "..", "../.."])
def test_a_link_to_a_folder_above_is_no_loop(linked, target):
    if target == "../..":
        tree(linked, "cat/deep/3.jpg")
    place = linked / ("cat/deep/loop" if target == "../.." else "cat/loop")
    place.symlink_to(target, target_is_directory=True)
    images = make_list(linked, follow_links=True)
    assert list(images.paths) == [
        "cat/1.jpg",
        *(["cat/deep/3.jpg"] if target == "../.." else []),
        "cat/link.jpg",
        "cat/more/2.jpg",
    ]
    assert told(images) == [f"1 folder leads back above itself; left out: {place.relative_to(linked).as_posix()}"]


def test_a_broken_link_is_refused_only_if_links_are_followed(linked):
    (linked / "cat/0.jpg").symlink_to("nowhere.jpg")
    (linked / "cat/self.jpg").symlink_to("self.jpg")
    assert len(make_list(linked)) == 1
    with pytest.raises(UnsafePathError, match=r"2 links lead nowhere, the first is cat/0\.jpg"):
        make_list(linked, follow_links=True)
    assert len(make_list(linked, follow_links=True, ignore=["0.jpg", "self.jpg"])) == 3


@posix
def test_a_deep_tree_needs_no_deep_stack(tmp_path):
    tree(tmp_path, "cat/" + "d/" * 400 + "1.jpg")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(300)
    try:
        images = make_list(tmp_path)
    finally:
        sys.setrecursionlimit(limit)
    assert len(images) == 1


# Class names


def test_given_classes_fix_names_and_order_and_may_lack_images(tmp_path):
    images = make_list(tree(tmp_path, "ant/1.jpg", "cat/2.jpg", "cat/1.jpg", "bird/"), classes=["dog", "cat", "bird", "ant"])
    assert images.classes == ("dog", "cat", "bird", "ant")
    assert rows(images) == [(0, 1.0, "cat/1.jpg"), (1, 1.0, "cat/2.jpg"), (2, 3.0, "ant/1.jpg")]
    assert images.sizes.tolist() == [(tmp_path / path).stat().st_size for path in images.paths]


@pytest.mark.parametrize("kind", ["sequence", "text", "text path", "manifest object", "manifest file", "list"])
def test_classes_come_from_names_files_and_whatever_has_them(tmp_path, kind):
    root = tree(tmp_path / "set", "ant/1.jpg", "cat/2.jpg")
    text = tmp_path / "names.txt"
    text.write_bytes("\ufeffcat\r\nant\r\n\r\n".encode())
    manifest = tmp_path / "manifest.json"
    manifest.write_text(
        '{"format": "recordio_kit manifest", "version": 1, "classes": ["cat", "ant"], "options": {}, "splits": {}}'
    )
    classes = {
        "sequence": ("cat", "ant"),
        "text": str(text),
        "text path": text,
        "manifest object": SimpleNamespace(classes=("cat", "ant")),
        "manifest file": manifest,
        "list": ImageList([0], [0], ["a"], classes=["cat", "ant"]),
    }[kind]
    assert make_list(root, classes=classes).classes == ("cat", "ant")


def test_a_folder_that_is_no_given_class_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"2 folders are none of the classes, the first is ant.*--ignore"):
        make_list(tree(tmp_path, "ant/1.jpg", "bee/", "cat/2.jpg"), classes=["cat"])


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ([], "no class names"),
        (SimpleNamespace(classes=None), "no class names"),
        (["cat", "cat"], "two classes are named 'cat'"),
        (["cat", " "], "class 1"),
        ("missing.txt", "missing.txt does not exist"),
    ],
)
def test_class_names_that_cannot_be_used_are_refused(tmp_path, classes, words):
    with pytest.raises(ValueError, match=words):
        make_list(tree(tmp_path, "cat/1.jpg"), classes=classes)


def test_a_file_of_class_names_that_is_wrong_is_named(tmp_path):
    tree(tmp_path, "set/cat/1.jpg")
    (tmp_path / "names.txt").write_text("cat\n\ndog\n")
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ValueError, match=r"names\.txt: class 1"):
        make_list(tmp_path / "set", classes=tmp_path / "names.txt")
    with pytest.raises(ManifestError, match=r"other\.json"):
        make_list(tmp_path / "set", classes=tmp_path / "other.json")


@pytest.mark.parametrize(
    ("folders", "finding"),
    [
        (["0", "1", "2"], None),
        (["00", "01", "02"], None),
        (["cat", "dog"], None),
        ([str(number) for number in range(12)], "folder '10' has label 2"),
        (["1", "2"], "folder '1' has label 0"),
        (["2", "cat"], "folder '2' has label 0"),
    ],
)
def test_folders_named_by_numbers_that_are_not_their_labels_are_told(tmp_path, folders, finding):
    messages = told(make_list(tree(tmp_path, *(f"{folder}/1.jpg" for folder in folders))))
    assert len(messages) == (finding is not None)
    assert all(message.startswith(finding) for message in messages)


def test_numbers_that_were_put_in_order_are_not_told(tmp_path):
    assert not make_list(tree(tmp_path, "1/1.jpg", "2/1.jpg"), classes=["1", "2"]).findings


# Split folders


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (["train/a/1.jpg", "val/a/1.jpg"], ("train", "val")),
        (["train/a/1.jpg", "validation/", "test/", ".git/", "__MACOSX/", "notes.txt"], ("test", "train", "validation")),
        (["train/a/1.jpg"], ("train",)),
        (["train/a/1.jpg", "other/1.jpg"], ()),
        (["Train/a/1.jpg"], ()),
        (["a.jpg"], ()),
        ([], ()),
    ],
)
def test_a_tree_of_split_folders_is_known_by_their_names(tmp_path, paths, found):
    assert split_folders(tree(tmp_path, *paths)) == found


def test_split_folders_are_not_taken_for_classes_unless_they_were_named_so(tmp_path):
    tree(tmp_path, "train/cat/1.jpg", "val/cat/1.jpg")
    with pytest.raises(ValueError, match=r"split already .*train, val.*--split-from folders"):
        make_list(tmp_path)
    assert make_list(tmp_path, classes=["val", "train"]).classes == ("val", "train")
    assert len(make_list(tmp_path, labels={"train/cat/1.jpg": 0, "val/cat/1.jpg": 1})) == 2


def test_split_lists_share_one_class_map_and_start_at_the_common_root(tmp_path):
    parts = make_split_lists(tree(tmp_path, "val/cat/1.jpg", "train/dog/1.jpg", "train/cat/a/2.jpg", "test/dog/3.jpg", "a.txt"))
    assert list(parts) == ["train", "validation", "test"]
    assert {part: rows(images) for part, images in parts.items()} == {
        "train": [(0, 0.0, "train/cat/a/2.jpg"), (1, 1.0, "train/dog/1.jpg")],
        "validation": [(0, 0.0, "val/cat/1.jpg")],
        "test": [(0, 1.0, "test/dog/3.jpg")],
    }
    assert {images.classes for images in parts.values()} == {("cat", "dog")}
    assert {images.root for images in parts.values()} == {str(tmp_path)}
    assert {part: told(images) for part, images in parts.items()} == {
        "train": ["1 file that is no image (.txt) was left out: a.txt"],
        "validation": ["1 class has no images in validation: dog"],
        "test": ["1 class has no images in test: cat"],
    }


def test_split_lists_take_fixed_classes_and_labels_as_well(tmp_path):
    tree(tmp_path, "train/ant/1.jpg", "train/cat/2.jpg", "val/cat/3.jpg")
    parts = make_split_lists(tmp_path, classes=["cat", "dog", "ant"])
    assert [image.path for image in parts["train"]] == ["train/cat/2.jpg", "train/ant/1.jpg"]
    assert told(parts["validation"]) == ["1 class has no images in validation: ant"]
    table = {"train/ant/1.jpg": [1, 0], "train/cat/2.jpg": [0, 1], "val/cat/3.jpg": [1, 1]}
    assert make_split_lists(tmp_path, labels=table)["validation"].labels.tolist() == [[1, 1]]
    with pytest.raises(ValueError, match="1 class has no images in train: dog"):
        make_split_lists(tmp_path, labels=table | {"train/cat/2.jpg": [1, 0]}, classes=["cat", "dog"])


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        (["train/cat/1.jpg", "val/cat/1.jpg", "val/dog/1.jpg"], "1 class has no images in train: dog"),
        (["train/cat/1.jpg", "train/dog/", "val/dog/1.jpg"], "1 class has no images in train: dog"),
        (["train/cat/1.jpg", "train/dog/", "val/cat/1.jpg"], "1 class folder has no images: dog"),
        (["train/cat/1.jpg", "val/1.jpg"], "no class folder"),
        (["train/cat/1.jpg", "1.jpg"], "beside the split folders: 1.jpg"),
        (["train/cat/1.jpg", "val/"], "has no images in val"),
        (["train/cat/1.jpg", "val/cat/1.jpg", "valid/cat/1.jpg"], "val and valid, which both mean validation"),
        (["val/cat/1.jpg", "test/cat/1.jpg"], "no folder train"),
        (["train/cat/1.jpg", "dog/1.jpg"], "is not split"),
    ],
)
def test_split_folders_that_make_no_sense_are_refused(tmp_path, paths, words):
    with pytest.raises(ValueError, match=words):
        make_split_lists(tree(tmp_path, *paths))


def test_an_image_beside_split_folders_is_not_lost_when_labels_are_given(tmp_path):
    with pytest.raises(ValueError, match="beside the split folders"):
        make_split_lists(tree(tmp_path, "train/1.jpg", "2.jpg"), labels={"train/1.jpg": 0, "2.jpg": 0})


# Files


def sample(**facts):
    return ImageList([3, 1], [[0.0], [1.0]], ["cat/1.jpg", "dog/ö 2.jpg"], **facts)


def test_class_names_travel_beside_the_list(tmp_path):
    write_list(sample(classes=["cat", "dog"]), tmp_path / "new" / "a.b.lst")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.b.classes.txt", "a.b.lst"]
    assert (tmp_path / "new/a.b.lst").read_bytes() == "3\t0.000000\tcat/1.jpg\n1\t1.000000\tdog/ö 2.jpg\n".encode()
    assert (tmp_path / "new/a.b.classes.txt").read_bytes() == b"cat\ndog\n"
    images = read_list(str(tmp_path / "new/a.b.lst"))
    assert images == sample(classes=["cat", "dog"])
    assert images.root is None


def test_writing_the_same_list_again_touches_nothing(tmp_path):
    images = sample(classes=["cat", "dog"])
    write_list(images, tmp_path / "a.lst")
    before = {path.name: path.stat().st_ino for path in tmp_path.iterdir()}
    write_list(images, tmp_path / "a.lst")
    assert {path.name: path.stat().st_ino for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    "other",
    [sample(classes=["cat", "dog"])[:1], sample(classes=["dog", "cat"]), sample()],
    ids=["other rows", "other classes", "no classes"],
)
def test_another_list_is_replaced_only_on_demand(tmp_path, other):
    write_list(sample(classes=["cat", "dog"]), tmp_path / "a.lst")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OutputExistsError, match="overwrite=True"):
        write_list(other, tmp_path / "a.lst")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    write_list(other, tmp_path / "a.lst", overwrite=True)
    assert read_list(tmp_path / "a.lst") == other


def test_a_list_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    with pytest.raises(UnsafePathError):
        write_list(ImageList([0], [0], ["a\tb"], classes=["x"]), tmp_path / "a.lst")
    with pytest.raises(ValueError, match="name"):
        write_list(sample(classes=["a\nb", "c"]), tmp_path / "a.lst")
    assert list(tmp_path.iterdir()) == []


def test_a_list_without_rows_is_well(tmp_path):
    (tmp_path / "a.lst").touch()
    assert len(read_list(tmp_path / "a.lst")) == 0


def test_class_names_of_another_list_are_not_used(tmp_path):
    write_list(sample(), tmp_path / "a.lst")
    (tmp_path / "a.classes.txt").write_text("cat\n")
    images = read_list(tmp_path / "a.lst")
    assert images.classes is None
    assert told(images) == ["a.classes.txt is not used: it names 1 classes, but not all labels are 0 to 0"]


def test_several_labels_keep_their_class_names(tmp_path):
    images = ImageList([0, 1], [[0, 1, 1], [0.5, 0, 0]], ["a.jpg", "b.jpg"], classes=["x", "y", "z"])
    write_list(images, tmp_path / "a.lst")
    assert read_list(tmp_path / "a.lst") == images


def test_a_list_that_cannot_be_read_says_where(tmp_path):
    with pytest.raises(ValueError, match=r"the list .*no\.lst does not exist"):
        read_list(tmp_path / "no.lst")
    with pytest.raises(StorageError, match="not a regular file"):
        read_list(tree(tmp_path, "folder.lst/") / "folder.lst")
    (tmp_path / "a.lst").write_text("0\t0\ta.jpg\nx\t0\tb.jpg\n")
    with pytest.raises(ListSyntaxError, match=r"a\.lst: line 2: the index") as error:
        read_list(tmp_path / "a.lst")
    assert error.value.line == 2
    (tmp_path / "b.lst").write_text("0\t0\ta.jpg\n")
    (tmp_path / "b.classes.txt").write_text("cat\n\ndog\n")
    with pytest.raises(ValueError, match=r"b\.classes\.txt: class 1"):
        read_list(tmp_path / "b.lst")


def test_what_was_odd_about_a_list_is_told(tmp_path):
    (tmp_path / "a.lst").write_bytes(b"\xef\xbb\xbf0\t0\ta.jpg\r\n")
    assert np.array_equal(read_list(tmp_path / "a.lst").indexes, [0])
    assert "byte order mark" in told(read_list(tmp_path / "a.lst"))[0]
