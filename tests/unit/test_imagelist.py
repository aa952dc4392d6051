from __future__ import annotations

import pickle

import numpy as np
import pytest

from recordio_kit._core.imagelist import Finding, ImageList, LstEntry


def make(**facts):
    return ImageList([5, 3, 9], [0, 1, 1], ["a/1.jpg", "b/ü.jpg", "b/\udcff.jpg"], **facts)


def test_entries_are_seen_through_the_columns():
    images = make(classes=["a", "b"], root="/data")
    assert len(images) == 3
    assert images[0] == LstEntry(5, (0.0,), "a/1.jpg") == (5, (0.0,), "a/1.jpg")
    assert images[-1].path == "b/\udcff.jpg"
    assert images[1].label == 1.0
    assert type(images[1].index) is int
    assert images.path_at(1) == images.path_at(-2) == "b/ü.jpg"
    assert images.path_bytes_at(2) == b"b/\xff.jpg"
    assert images.classes == ("a", "b")
    assert list(images.paths) == [entry.path for entry in images]
    assert repr(images) == "<ImageList of 3 images, 2 classes, root='/data'>"
    assert "no class names" in repr(make())


@pytest.mark.parametrize("position", [3, -4, 10**9])
def test_a_position_outside_the_list_is_an_index_error(position):
    images = make()
    for look in (images.__getitem__, images.path_at, images.path_bytes_at):
        with pytest.raises(IndexError):
            look(position)


@pytest.mark.parametrize("positions", [[3], [0, -1], [-4]])
def test_taking_a_position_outside_the_list_is_an_index_error(positions):
    with pytest.raises(IndexError, match="of a list of 3"):
        make().take(positions)


def test_taking_keeps_the_facts_and_their_columns():
    images = make(classes=["a", "b"], root="/data", sizes=[10, 20, 30], stamps=[1, 2, 3], findings=[Finding(1, "odd")])
    taken = images.take([2, 0, 2])
    assert list(taken) == [images[2], images[0], images[2]]
    assert (taken.sizes.tolist(), taken.stamps.tolist()) == ([30, 10, 30], [3, 1, 3])
    assert (taken.classes, taken.root, taken.findings) == (("a", "b"), "/data", (Finding(1, "odd"),))
    assert len(images.take([])) == 0


def test_renumbering_counts_from_zero_in_list_order():
    images = make()
    again = images.renumber()
    assert [entry.index for entry in again] == [0, 1, 2]
    assert list(again.paths) == list(images.paths)
    assert [entry.index for entry in images] == [5, 3, 9]


def test_replacing_facts_leaves_the_entries_and_the_original():
    images = make()
    other = images.replace(classes=["a", "b"], root="/x", sizes=[1, 2, 3], stamps=[4, 5, 6], findings=[Finding(0, "f")])
    assert list(other) == list(images)
    assert other == make(classes=["a", "b"])
    assert (other.root, other.sizes.tolist(), other.stamps.tolist()) == ("/x", [1, 2, 3], [4, 5, 6])
    assert other.findings == (Finding(0, "f"),)
    assert (images.classes, images.root, images.sizes) == (None, None, None)
    with pytest.raises(TypeError, match="labels"):
        images.replace(labels=[1, 2, 3])
    with pytest.raises(ValueError, match="3 paths but 2 sizes"):
        images.replace(sizes=[1, 2])


def test_lists_are_equal_by_entries_and_class_names_alone():
    assert make() == make(root="/x", sizes=[1, 2, 3], findings=[Finding(1, "odd")])
    assert make() != make(classes=["a", "b"])
    assert make() != make()[:2]
    assert make() != make().renumber()
    assert make() != [*make()]
    assert ImageList([0, 1], [0, 0], ["ab", "c"]) != ImageList([0, 1], [0, 0], ["a", "bc"])
    with pytest.raises(TypeError):
        hash(make())


def test_a_list_never_changes_and_leaves_what_it_was_made_from_alone():
    columns = {name: np.array([1, 2, 3], np.int64) for name in ("indexes", "sizes", "stamps")}
    labels = np.ones((3, 1), np.float32)
    images = ImageList(columns["indexes"], labels, "abc", sizes=columns["sizes"], stamps=columns["stamps"])
    for column in (*columns.values(), labels):
        column[:] = 0
    for some in (images, images[1:], images.replace(root="x"), pickle.loads(pickle.dumps(images))):
        for name in ("indexes", "labels", "sizes", "stamps", "_offsets"):
            with pytest.raises(ValueError, match="read-only"):
                getattr(some, name)[0] = 7
    assert (images.indexes.tolist(), images.sizes.tolist(), images.labels.tolist()) == ([1, 2, 3], [1, 2, 3], [[1], [1], [1]])


def test_pickling_keeps_everything():
    images = make(classes=["a", "b"], root="/data", sizes=[1, 2, 3], stamps=[4, 5, 6], findings=[Finding(2, "odd")])
    again = pickle.loads(pickle.dumps(images))
    assert again == images
    assert (again.root, again.findings) == (images.root, images.findings)
    assert (again.sizes.tolist(), again.stamps.tolist()) == ([1, 2, 3], [4, 5, 6])


def test_a_slice_crosses_to_a_worker_without_the_rest():
    images = ImageList(range(10_000), [0] * 10_000, [f"{number:040d}" for number in range(10_000)])
    assert len(pickle.dumps(images[100:110])) < 2000


def test_empty_lists_know_their_label_width():
    assert ImageList([], [], []).label_width == 1
    assert ImageList([], np.zeros((0, 3)), []).label_width == 3
    assert ImageList.from_entries([]) == ImageList([], [], [])
    assert ImageList([0], [[1, 2, 3]], ["a"])[:0].label_width == 3


def test_from_entries_takes_tuples_and_facts():
    images = ImageList.from_entries([(0, [1, 2.5], "a"), LstEntry(1, (3.0, 4.0), "b")], classes=["x"], root="r")
    assert list(images) == [(0, (1.0, 2.5), "a"), (1, (3.0, 4.0), "b")]
    assert (images.label_width, images.classes, images.root) == (2, ("x",), "r")
    with pytest.raises(ValueError, match=r"\[1, 2\]"):
        ImageList.from_entries([(0, [1], "a"), (1, [1, 2], "b")])
    with pytest.raises(ValueError, match="at least one label"):
        ImageList.from_entries([(0, [], "a")])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([0], [1, 2], ["a", "b"]), "2 paths but 1 indexes"),
        (([0, 1], [1], ["a", "b"]), "2 paths but 1 labels"),
        (([0, 1], [1, 2, 3, 4], ["a", "b"]), "2 paths but 4 labels"),  # not two labels each
        (([0, 1, 2], np.ones((2, 3)), ["a", "b", "c"]), "3 paths but 2 labels"),  # not the transposed table
        (([0], np.ones((1, 0)), ["a"]), "at least one label"),
        (([0], np.ones((1, 1, 1)), ["a"]), r"these are \[1, 1, 1\]"),
        (([0, -1], [1, 1], ["a", "b"]), "index -1"),
        ((np.array([2**63], np.uint64), [1], ["a"]), "index -9223372036854775808"),
        (([0], [16777217], ["a"]), "label 16777217 is lost"),
        (([0], [1e39], ["a"]), "is lost in float32"),
    ],
)
def test_columns_that_make_no_list_are_refused(columns, message):
    with pytest.raises(ValueError, match=message):
        ImageList(*columns)


@pytest.mark.parametrize("name", ["sizes", "stamps"])
def test_optional_columns_have_the_length_of_the_list(name):
    with pytest.raises(ValueError, match=f"3 paths but 1 {name}"):
        make(**{name: [1]})


def test_labels_that_float32_holds_are_taken_exactly_and_others_are_rounded():
    images = ImageList(range(5), [2**24, 2**30, 0.1, -0.0, float("nan")], "abcde")
    labels = images.labels[:, 0]
    assert labels[:4].tolist() == [2.0**24, 2.0**30, float(np.float32(0.1)), 0.0]
    assert np.isnan(labels[4])


def test_a_path_that_no_file_system_gives_is_a_value_error():
    for paths in (["\ud800"], ["a", "\ud800"]):
        with pytest.raises(ValueError, match="surrogates") as caught:
            ImageList(range(len(paths)), [0] * len(paths), paths)
        assert caught.value.object == "\ud800"


def test_a_hundred_thousand_entries_take_at_most_a_hundred_bytes_each():
    count = 100_000
    numbers = np.arange(count)
    images = ImageList(
        numbers,
        numbers % 1000,
        [f"n{number:08d}/n{number:026d}.JPEG" for number in numbers.tolist()],
        sizes=numbers,
        stamps=numbers,
    )
    assert len(images.path_at(0)) >= 40
    columns = (images.indexes, images.labels, images.sizes, images.stamps, images._offsets)
    assert sum(column.nbytes for column in columns) + len(images._blob) <= 100 * count
