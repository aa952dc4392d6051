"""split_list and kfold_list: what may be asked for, what comes out, and what is refused with which words."""

from __future__ import annotations

import pickle
from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
import pytest

from recordio_kit._core.imagelist import Finding, ImageList
from recordio_kit._core.rounding import allot_groups, round_table
from recordio_kit._core.split import PartReport, kfold_list, part_name, split_list


if TYPE_CHECKING:
    from collections.abc import Iterable

TWO = {"train": 0.7, "validation": 0.3}
THREE = {"train": 0.6, "validation": 0.2, "test": 0.2}


def listed(*counts: int, **facts) -> ImageList:
    """A list of this many images of the classes 0, 1, 2 ..., class by class."""
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    paths = [f"class{label}/{number:03d}.jpg" for number, label in enumerate(labels)]
    return ImageList(range(len(labels)), labels, paths, **facts)


def grouped(*groups: Iterable[int]) -> ImageList:
    """A list whose group g, in the folder ``g``, has images of these labels."""
    rows = [(label, f"{name}/{number}.jpg") for name, labels in enumerate(groups) for number, label in enumerate(labels)]
    return ImageList(range(len(rows)), [label for label, _ in rows], [path for _, path in rows])


def histogram(images: ImageList) -> dict[float, int]:
    return dict(sorted(Counter(images.labels[:, 0].tolist()).items()))


# shares and names


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ({"train": 0.7, "validation": 0.2}, "sum to 0.9, not to 1 or 100 (train=0.7, validation=0.2): add 0.1"),
        ({"train": 0.7, "validation": 0.4}, "sum to 1.1, not to 1 or 100 (train=0.7, validation=0.4): take away 0.1"),
        ({"train": 70, "validation": 29}, "sum to 99, not to 1 or 100 (train=70, validation=29): add 1"),
        ({"train": 0.5, "validation": 0.500000002}, "take away 2e-09"),
        ({}, "none given"),
        ({"train": 1, "test": 0}, "the share of 'test' is 0: give it a number above 0, or leave it out"),
        ({"train": 1.5, "test": -0.5}, "the share of 'test' is -0.5"),
        ({"train": float("nan"), "test": 0.5}, "the share of 'train' is nan"),
        ({"train": float("inf"), "test": 0.5}, "the share of 'train' is inf"),
    ],
)
def test_shares_that_make_no_whole_are_refused_with_the_mend(shares, words):
    with pytest.raises(ValueError, match="share") as caught:
        split_list(listed(10, 10), shares)
    assert words in str(caught.value)


def test_a_share_that_is_no_number_is_refused():
    with pytest.raises(TypeError, match=r"the share of 'train' is a number, not '0.7'"):
        split_list(listed(10, 10), {"train": "0.7", "validation": 0.3})


@pytest.mark.parametrize(
    "shares",
    [
        {"train": 70, "validation": 30},
        {"train": 70.00000002, "validation": 30.00000002},
        {"train": 0.7000000003, "validation": 0.3000000001},
        {"train": np.float64(0.7), "validation": np.float64(0.3)},
    ],
)
def test_shares_of_a_hundred_and_all_but_exact_ones_are_understood(shares):
    assert split_list(listed(10, 20), shares) == split_list(listed(10, 20), TWO)


def test_a_share_means_the_decimal_it_is_written_as():
    parts = split_list(listed(100), {"train": 0.71, "validation": 0.29})
    assert len(parts["validation"]) == 29  # int(100 * 0.29) is 28


def test_thirds_are_thirds():
    assert [len(part) for part in split_list(listed(30), dict.fromkeys("abc", 1 / 3)).values()] == [10, 10, 10]


@pytest.mark.parametrize("name", ["", " ", "a b", "a/b", "..", ".hidden", "end.", "é", "a\n", "C:"])
def test_a_name_that_makes_no_folder_name_is_refused(name):
    with pytest.raises(ValueError, match="cannot name a part: use letters"):
        split_list(listed(10), {"train": 0.5, name: 0.5})


@pytest.mark.parametrize(
    ("given", "meant"), [("val", "validation"), ("valid", "validation"), ("a-1_b.c", "a-1_b.c"), ("Val", "Val")]
)
def test_val_and_valid_mean_validation(given, meant):
    assert part_name(given) == meant
    assert list(split_list(listed(10), {"train": 0.5, given: 0.5})) == ["train", meant]


@pytest.mark.parametrize("pair", [("val", "validation"), ("valid", "val"), ("Train", "train")])
def test_two_names_for_one_part_are_refused(pair):
    with pytest.raises(ValueError, match="two parts are named"):
        split_list(listed(10), dict.fromkeys(pair, 0.5))


# what parts hold


def test_parts_come_in_the_order_of_the_shares_and_are_numbered_from_0():
    parts = split_list(listed(10, 20), {"test": 0.1, "train": 0.9})
    assert list(parts) == ["test", "train"]
    assert parts["train"].indexes.tolist() == list(range(27))


def test_parts_keep_what_the_list_knows():
    images = listed(2, 2, classes=["cat", "dog"], root="photos", sizes=[5, 6, 7, 8], stamps=[1, 2, 3, 4])
    images = images.replace(findings=[Finding(1, "odd")])
    part = split_list(images, {"train": 1})["train"]
    known = {path: (size, stamp) for path, size, stamp in zip(images.paths, [5, 6, 7, 8], [1, 2, 3, 4], strict=True)}
    assert (part.classes, part.root, part.findings) == (("cat", "dog"), "photos", (Finding(1, "odd"),))
    assert known == dict(zip(part.paths, zip(part.sizes.tolist(), part.stamps.tolist(), strict=True), strict=True))


def test_each_class_is_divided_by_the_shares():
    parts = split_list(listed(10, 20, 100), TWO)
    assert {name: histogram(part) for name, part in parts.items()} == {
        "train": {0: 7, 1: 14, 2: 70},
        "validation": {0: 3, 1: 6, 2: 30},
    }


def test_fractions_of_classes_add_up_to_the_total():
    parts = split_list(listed(*[5] * 20), {"train": 0.9, "validation": 0.1})
    assert len(parts["validation"]) == 10  # 20 classes that want half an image each
    assert set(histogram(parts["validation"]).values()) == {1}


def test_without_stratification_only_the_total_is_divided():
    parts = split_list(listed(1, 1, 8), {"train": 0.5, "validation": 0.5}, stratify=False)
    assert [len(part) for part in parts.values()] == [5, 5]
    assert [part.worst_class for part in parts.report.parts] == ["", ""]


def test_minus_zero_is_the_class_0():
    images = ImageList(range(4), [0.0, -0.0, 0.0, -0.0], "abcd")
    assert [len(part) for part in split_list(images, {"train": 0.75, "test": 0.25}).values()] == [3, 1]


def test_the_order_is_that_of_the_documented_hash():
    images = listed(20)
    digests = {path: blake2b(b"-7\0" + path.encode(), digest_size=16).digest() for path in images.paths}
    by_luck = sorted(digests, key=lambda path: digests[path][:8])
    parts = split_list(images, TWO, seed=-7)
    assert list(parts["train"].paths) == sorted(by_luck[:14], key=lambda path: digests[path][8:])
    assert list(parts["validation"].paths) == sorted(by_luck[14:], key=lambda path: digests[path][8:])


def test_a_shuffled_part_mixes_classes_and_another_keeps_the_order_of_the_list():
    images = listed(50, 50)
    shuffled, kept = (split_list(images, TWO, shuffle=shuffle)["train"] for shuffle in (True, False))
    assert sorted(shuffled.paths) == list(kept.paths)
    assert len(np.flatnonzero(np.diff(shuffled.labels[:, 0]))) > 10


@pytest.mark.parametrize("seed", [-1, 1, 2**200, np.int64(3)])
def test_any_whole_seed_gives_another_split(seed):
    images = listed(30)
    assert split_list(images, TWO, seed=seed) != split_list(images, TWO)
    assert split_list(images, TWO, seed=seed) == split_list(images, TWO, seed=int(seed))


def test_a_seed_that_is_no_whole_number_is_refused():
    with pytest.raises(TypeError, match="integer"):
        split_list(listed(10), TWO, seed=0.5)


def test_paths_that_are_no_utf8_are_hashed_as_they_are():
    images = ImageList(range(4), [0] * 4, ["a\udcff", "b", "é", "d"])
    parts = split_list(images, {"train": 0.5, "validation": 0.5})
    assert sorted(path for part in parts.values() for path in part.paths) == sorted(images.paths)


def test_parts_survive_pickling():
    parts = split_list(listed(10, 10), TWO)
    copy = pickle.loads(pickle.dumps(parts))
    assert (copy, copy.report) == (parts, parts.report)


# small and empty


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (listed(9, 2), "too few images for 3 parts: class 1 has 2;"),
        (listed(9, 2, classes=["cat", "owl"]), "class owl has 2;"),
        (listed(9, 2, classes=["cat"]), "class 1 has 2;"),
        (ImageList(range(9), [0.25] * 2 + [1] * 7, "abcdefghi"), "class 0.25 has 2;"),
        (listed(1, 9, 2, 2), "class 0 has 1 (and 2 more such); add images"),
    ],
)
def test_a_class_with_fewer_images_than_parts_is_refused_by_name(images, words):
    with pytest.raises(ValueError, match=r'small_classes="train".*stratify=False') as caught:
        split_list(images, THREE)
    assert words in str(caught.value)


def test_small_classes_go_wholly_into_train_when_that_is_asked_for():
    parts = split_list(listed(10, 2), {"test": 0.2, "train": 0.6, "val": 0.2}, small_classes="train")
    assert {name: histogram(part) for name, part in parts.items()} == {
        "test": {0: 2},
        "train": {0: 6, 1: 2},
        "validation": {0: 2},
    }
    assert [(part.wanted, part.worst, part.absent) for part in parts.report.parts] == [(2, 0, 1), (8, 0, 0), (2, 0, 1)]


def test_small_classes_need_a_part_named_train():
    with pytest.raises(ValueError, match='needs a part named "train"; the parts are a, b'):
        split_list(listed(10), {"a": 0.5, "b": 0.5}, small_classes="train")


def test_another_word_for_small_classes_is_refused():
    with pytest.raises(ValueError, match='"error" or "train", not \'skip\''):
        split_list(listed(10, 1), TWO, small_classes="skip")


def test_an_empty_list_is_refused():
    with pytest.raises(ValueError, match="the list is empty"):
        split_list(listed(), TWO)


def test_a_part_that_would_be_empty_is_refused():
    with pytest.raises(ValueError, match=r"'validation' would be empty: its share is 0.20 of 20 images; give it more"):
        split_list(listed(10, 10), {"train": 0.99, "validation": 0.01})


def test_a_part_that_whole_groups_leave_empty_is_refused():
    with pytest.raises(ValueError, match=r"'b' would be empty.*the 2 groups of up to 3 images stay whole"):
        split_list(grouped([0] * 3, [0] * 2), {"a": 0.3, "b": 0.3, "c": 0.4}, group_by="^[0-9]+", stratify=False)


def test_a_list_of_small_classes_alone_leaves_no_validation():
    with pytest.raises(ValueError, match=r"'validation' would be empty: its share is 0.00 of 2 images"):
        split_list(listed(1, 1), TWO, small_classes="train")


# several labels


def test_several_labels_are_divided_by_whole_vectors():
    images = ImageList(range(30), [[0, 1]] * 10 + [[1, 1]] * 20, (f"{number}.jpg" for number in range(30)))
    train = split_list(images, TWO)["train"]
    assert Counter(map(tuple, train.labels.tolist())) == {(0, 1): 7, (1, 1): 14}


def test_rare_label_vectors_are_divided_together():
    labels = [[0, 0, 1]] * 10 + [[number, 1, 0] for number in range(10)]
    images = ImageList(range(20), labels, (f"{number}.jpg" for number in range(20)))
    parts = split_list(images, {"train": 0.55, "validation": 0.45})
    assert [int((part.labels[:, 1] == 1).sum()) in {4, 5, 6} for part in parts.values()] == [True, True]
    assert {part.worst_class for part in parts.report.parts} <= {"0 0 1", "(rare label vectors)"}
    only_rare = split_list(images[10:], {"train": 0.55, "validation": 0.45})
    assert only_rare.report.parts[0].worst_class == "(rare label vectors)"


def test_a_long_label_vector_is_cut_short_in_the_report():
    images = ImageList(range(4), [[1] * 100] * 4, "abcd")
    name = split_list(images, {"train": 0.5, "validation": 0.5}).report.parts[0].worst_class
    assert name.startswith("1 1 1")
    assert len(name) <= 60


# groups


def paths_by_part(parts) -> dict[str, set[str]]:
    return {name: set(part.paths) for name, part in parts.items()}


def test_groups_stay_whole_and_fill_the_shares():
    images = grouped(*[[0, 0, 1]] * 10)
    parts = split_list(images, TWO, group_by="^[0-9]+")
    folders = {name: {path.split("/")[0] for path in part.paths} for name, part in parts.items()}
    assert folders["train"].isdisjoint(folders["validation"])
    assert [histogram(part) for part in parts.values()] == [{0: 14, 1: 7}, {0: 6, 1: 3}]


def test_pattern_function_and_mapping_say_the_same():
    images = grouped(*[[0] * (number % 4 + 1) for number in range(12)])
    whole = paths_by_part(split_list(images, TWO, group_by="^[0-9]+"))
    assert whole == paths_by_part(split_list(images, TWO, group_by="^([0-9]+)/([0-9]+)"))
    assert whole == paths_by_part(split_list(images, TWO, group_by=lambda entry: int(entry.path.split("/")[0])))
    assert whole == paths_by_part(split_list(images, TWO, group_by={path: path.split("/")[0] for path in images.paths}))


@pytest.mark.parametrize(
    ("group_by", "words"),
    [
        ("^1[0-9]*/", "3 of 4 images have no group, the first is '0/0.jpg': '^1[0-9]*/' is not found in the path"),
        ("(1)?/", "3 of 4 images have no group"),
        ({"0/0.jpg": "a", "2/0.jpg": "b", "3/0.jpg": "b"}, "1 of 4 images have no group, the first is '1/0.jpg': the mapping"),
        (lambda entry: None if entry.index > 1 else entry.index, "2 of 4 images have no group, the first is '2/0.jpg'"),
        ("(", "group_by is no regular expression: '('"),
    ],
)
def test_images_without_a_group_are_refused_with_the_first_and_how_many(group_by, words):
    with pytest.raises(ValueError, match="group") as caught:
        split_list(grouped([0], [0], [0], [0]), TWO, group_by=group_by)
    assert words in str(caught.value)


def test_a_class_with_fewer_groups_than_parts_is_refused():
    with pytest.raises(ValueError, match="too few groups for 2 parts: class 1 has 1;"):
        split_list(grouped([0], [0, 1, 1, 1], [0]), TWO, group_by="^[0-9]+")


def test_groups_with_a_small_class_go_to_train_and_the_others_make_up_for_it():
    images = grouped([0, 0, 1, 1], *[[0]] * 8)
    parts = split_list(images, {"train": 0.5, "validation": 0.5}, group_by="^[0-9]+", small_classes="train")
    assert histogram(parts["train"]) == {0: 5, 1: 2}
    assert histogram(parts["validation"]) == {0: 5}


def test_without_stratification_groups_balance_the_total():
    images = grouped([0] * 6, [1] * 3, [2] * 3)
    parts = split_list(images, {"a": 0.5, "b": 0.5}, group_by="^[0-9]+", stratify=False)
    assert sorted(len(part) for part in parts.values()) == [6, 6]


def test_the_seed_matters_for_groups_that_all_differ_in_size():
    images = grouped(*[[0] * size for size in range(40, 60)])
    trains = {frozenset(split_list(images, TWO, group_by="^[0-9]+", seed=seed)["train"].paths) for seed in range(5)}
    assert len(trains) > 1


def test_large_groups_come_to_every_part():
    images = grouped(*[[0] * 50] * 10, *[[0]] * 500)
    parts = split_list(images, TWO, group_by="^[0-9]+")
    sizes = Counter(path.split("/")[0] for path in parts["validation"].paths)
    assert sum(size == 50 for size in sizes.values()) == 3


def test_swaps_mend_what_no_move_can():
    # Dealt as 23 against 19: to move any group would overshoot.
    sizes = [11, 10, 9, 7, 5]
    parts = allot_groups([{0: size} for size in sizes], [1, 1], {})
    assert [sum(size for size, part in zip(sizes, parts, strict=True) if part == side) for side in (0, 1)] == [21, 21]


def test_fixed_groups_stay_where_they_are():
    parts = allot_groups([{0: 1}, {0: 5}, {0: 4}], [1, 1], {1: 1, 0: 1})
    assert parts == [1, 1, 0]


# reports


def test_the_report_says_how_near_each_part_came():
    report = split_list(listed(10, 15, classes=["cat", "dog"]), {"train": 0.75, "validation": 0.25}).report
    train, validation = report.parts
    assert (train.name, train.wanted, train.got + validation.got) == ("train", 18.75, 25)
    assert train.worst == -validation.worst
    assert 0 < abs(train.worst) < 1
    assert train.worst_class in {"cat", "dog"}
    assert (report.groups, report.largest_group, report.largest_group_images) == (0, "", 0)


@pytest.mark.parametrize(
    ("report", "line"),
    [
        (PartReport("train", 700, 700, 0.04, "cat"), "train: 700 images, 700.0 wanted"),
        (PartReport("test", 7.25, 8, -1.26, "cat"), "test: 8 images, 7.2 wanted; class cat is farthest off, by -1.3"),
        (
            PartReport("a", 7, 7, 0.3, "cat", 2),
            "a: 7 images, 7.0 wanted; class cat is farthest off, by +0.3; classes without an image here: 2",
        ),
    ],
)
def test_a_part_is_reported_in_one_line(report, line):
    assert str(report) == line


def test_a_report_has_a_line_a_part_and_one_about_groups():
    plain = split_list(listed(10, 10), TWO).report
    assert str(plain) == "train: 14 images, 14.0 wanted\nvalidation: 6 images, 6.0 wanted"
    report = split_list(grouped([0] * 3, [0] * 7), TWO, group_by="^[0-9]+").report
    assert str(report).splitlines()[2] == "2 groups kept whole; the largest, 1, has 7 images"


# k-fold


def test_folds_are_equal_shares_of_every_class():
    folds = kfold_list(listed(10, 20), 5)
    assert [histogram(validation) for _, validation in folds] == [{0: 2, 1: 4}] * 5
    assert [histogram(train) for train, _ in folds] == [{0: 8, 1: 16}] * 5


def test_the_lists_of_a_fold_are_numbered_from_0_and_keep_the_order_if_asked():
    images = listed(6, 6)
    for train, validation in kfold_list(images, 3, shuffle=False):
        assert (train.indexes.tolist(), validation.indexes.tolist()) == (list(range(8)), list(range(4)))
        assert list(train.paths) == sorted(train.paths)


def test_one_image_can_be_left_out_at_a_time():
    folds = kfold_list(listed(7), 7)
    assert sorted(path for _, validation in folds for path in validation.paths) == sorted(listed(7).paths)


@pytest.mark.parametrize(("images", "folds"), [(listed(5), 1), (listed(5), 6), (listed(), 2), (listed(5), -1)])
def test_fewer_than_two_folds_or_more_than_images_are_refused(images, folds):
    with pytest.raises(ValueError, match=f"folds are 2 or more, up to the number of images, here {len(images)}; not {folds}"):
        kfold_list(images, folds)


def test_a_small_class_stops_folds_or_stays_in_every_train_list():
    images = listed(6, 2)
    with pytest.raises(ValueError, match="too few images for 3 parts: class 1 has 2"):
        kfold_list(images, 3)
    for train, validation in kfold_list(images, 3, small_classes="train"):
        assert (histogram(train), histogram(validation)) == ({0: 4, 1: 2}, {0: 2})


def test_a_group_with_a_small_class_stays_in_every_train_list():
    images = grouped([0, 0, 0, 1], *[[0]] * 6)
    for train, validation in kfold_list(images, 3, group_by="^[0-9]+", small_classes="train"):
        assert (histogram(train), histogram(validation)) == ({0: 7, 1: 1}, {0: 2})


def test_more_folds_than_groups_are_refused():
    with pytest.raises(ValueError, match=r"'fold [1-3]' would be empty.*2 groups"):
        kfold_list(grouped([0, 0], [0, 0]), 3, group_by="^[0-9]+", stratify=False)


# rounding


def test_a_table_without_rows_or_fractions_is_well():
    assert round_table([], [1, 2]) == []
    assert round_table([3, 6], [1, 2]) == [[1, 2], [2, 4]]
    assert round_table([3, 6], [7]) == [[3], [6]]
