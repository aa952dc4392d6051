"""Lists through files and folders: what is written is read back, and what stands in a tree is listed."""

from __future__ import annotations

import csv
import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordio_kit._core.imagelist import ImageList
from recordio_kit._pipeline.labels import read_labels
from recordio_kit._pipeline.listing import make_list, read_list, write_list


#: What a .lst can hold: any bytes but the signs of the format, without outer white space.
paths = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\t\n\r\0"), min_size=1, max_size=40),
    st.binary(min_size=1, max_size=40).map(lambda data: data.translate(None, b"\t\n\r\0").decode("utf-8", "surrogateescape")),
).filter(lambda path: path and path == path.strip())
#: One line of text each; a byte order mark that leads the first is a mark and no part of a name.
class_names = st.lists(
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\n\r\ufeff"), min_size=1, max_size=20).filter(
        str.strip
    ),
    min_size=1,
    max_size=6,
    unique=True,
)


@contextmanager
def folder():
    with tempfile.TemporaryDirectory() as place:
        yield Path(place)


@given(st.data())
def test_a_list_survives_its_files(data):
    names = data.draw(class_names)
    found = data.draw(st.lists(paths, max_size=6))
    indexes = data.draw(st.lists(st.integers(0, 2**63 - 1), min_size=len(found), max_size=len(found), unique=True))
    labels = data.draw(st.lists(st.integers(0, len(names) - 1), min_size=len(found), max_size=len(found)))
    images = ImageList(indexes, np.reshape(labels, (-1, 1)), found, classes=names)
    with folder() as place:
        write_list(images, place / "a.lst")
        assert read_list(place / "a.lst") == images


@given(st.data(), st.integers(2, 4))
def test_a_list_of_several_labels_survives_its_file(data, width):
    found = data.draw(st.lists(paths, min_size=1, max_size=6))
    row = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=width, max_size=width)
    labels = data.draw(st.lists(row, min_size=len(found), max_size=len(found)))
    images = ImageList(range(len(found)), labels, found)
    with folder() as place:
        write_list(images, place / "a.lst")
        assert read_list(place / "a.lst") == images


#: Names that every file system takes as they are; some hidden, some no images.
names = st.text("abcxyz019-", min_size=1, max_size=3)
files = st.builds(
    lambda parts, hidden, suffix: "/".join(parts) + f"/{hidden}file{suffix}",
    st.lists(names, min_size=1, max_size=4),
    st.sampled_from(["", "", "", "."]),
    st.sampled_from([".jpg", ".png", ".jpeg", ".txt", ""]),
)


@given(st.lists(files, min_size=1, max_size=12))
def test_every_image_of_a_tree_is_listed_once_with_the_label_of_its_top_folder(some):
    tree = {*some, *(path.split("/")[0] + "/0.jpg" for path in some)}
    expected = sorted((path for path in tree if path.endswith("g") and "/." not in path), key=lambda path: path.split("/"))
    classes = sorted({path.split("/")[0] for path in tree})
    with folder() as place:
        for path in tree:
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_bytes(bytes(len(path)))
        images = make_list(place)
        backwards = make_list(place, classes=classes[::-1])
    assert list(images.paths) == expected
    assert images.classes == tuple(classes)
    assert [classes[int(label)] for label in images.labels[:, 0]] == [path.split("/")[0] for path in expected]
    assert images.sizes.tolist() == [len(path) for path in expected]
    assert images.indexes.tolist() == list(range(len(expected)))
    assert list(backwards.paths) == sorted(expected, key=lambda path: -classes.index(path.split("/")[0]))
    assert backwards.sizes.tolist() == [len(path) for path in backwards.paths]


@given(st.dictionaries(paths, st.text("abc ,\"'é\n", min_size=1, max_size=5).map(str.strip).filter(bool), min_size=1, max_size=6))
def test_a_csv_and_a_mapping_say_the_same(labels):
    labels = {path: label.replace("\n", "") or "a" for path, label in labels.items()}
    with folder() as place:
        with open(place / "a.csv", "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            csv.writer(file).writerows([("path", "label"), *labels.items()])
        table = read_labels(place / "a.csv")
    expected = read_labels(labels)
    assert (table.labels, table.classes) == (expected.labels, expected.classes)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems change names or refuse bytes that are no UTF-8")
@given(
    st.lists(
        st.binary(min_size=1, max_size=30).map(lambda name: name.translate(None, b"\t\n\r\0/") + b".jpg"), min_size=1, max_size=5
    )
)
def test_images_with_any_bytes_in_their_names_are_listed_and_survive_the_list(byte_names):
    with folder() as place:
        (place / "cat").mkdir()
        for name in byte_names:
            with open(os.path.join(os.fsencode(place / "cat"), b"x" + name), "wb"):
                pass
        images = make_list(place)
        assert {os.fsencode(path) for path in images.paths} == {b"cat/x" + name for name in byte_names}
        write_list(images, place / "a.lst")
        assert list(read_list(place / "a.lst").paths) == list(images.paths)
