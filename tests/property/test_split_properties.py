"""Splits: nothing lost, nothing doubled, every class and every total off by less than one, whatever the order."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordio_kit._core.imagelist import ImageList
from recordio_kit._core.rounding import allot_groups, round_table
from recordio_kit._core.split import kfold_list, split_list


@st.composite
def lists(draw, least: int = 8, width: int | None = None) -> ImageList:
    """A list in any order, some of whose images share path and labels; ``sizes`` tells the images apart."""
    columns = draw(st.integers(1, 3)) if width is None else width
    paths = st.text("abé/\udc80", min_size=1, max_size=3)
    row = st.tuples(paths, st.lists(st.integers(-1, 2), min_size=columns, max_size=columns))
    rows = draw(st.lists(row, min_size=least, max_size=40))
    indexes = draw(st.permutations(range(len(rows))))
    return ImageList(indexes, [labels for _, labels in rows], [path for path, _ in rows], sizes=range(len(rows)))


@st.composite
def shares(draw, most: int = 5) -> dict[str, float]:
    """Two shares or more with one to three decimals, by name."""
    whole = draw(st.sampled_from([10, 100, 1000]))
    parts = draw(st.integers(2, most))
    cuts = sorted(draw(st.lists(st.integers(1, whole - 1), min_size=parts - 1, max_size=parts - 1, unique=True)))
    names = ["train", "validation", "test", "extra", "rest"]
    weights = [high - low for low, high in zip([0, *cuts], [*cuts, whole], strict=True)]
    return {name: weight / whole for name, weight in zip(names, weights, strict=False)}


def tried(make):
    """What was made, or None where the request was refused: parts may be empty, classes too small."""
    try:
        return make()
    except ValueError as error:
        if "would be empty" in str(error) or "too few" in str(error):
            return None
        raise


def ids(images: ImageList) -> list[int]:
    return images.sizes.tolist()


def exact_shares(wanted: dict[str, float]) -> list[Fraction]:
    return [Fraction(repr(share)) for share in wanted.values()]


@given(lists(), shares(), st.booleans(), st.booleans(), st.integers())
def test_every_image_is_in_exactly_one_part(images, wanted, stratify, shuffle, seed):
    parts = tried(lambda: split_list(images, wanted, stratify=stratify, shuffle=shuffle, seed=seed, small_classes="train"))
    if parts is not None:
        assert sorted(each for part in parts.values() for each in ids(part)) == sorted(ids(images))
        rows = {
            each: (tuple(labels), path)
            for each, labels, path in zip(ids(images), images.labels.tolist(), images.paths, strict=True)
        }
        for part in parts.values():
            assert [entry.index for entry in part] == list(range(len(part)))
            assert [(entry.labels, entry.path) for entry in part] == [rows[each] for each in ids(part)]


@given(st.lists(st.integers(5, 60), min_size=1, max_size=8), shares(), st.integers())
def test_every_class_and_every_total_is_off_by_less_than_one(counts, wanted, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    images = ImageList(range(len(labels)), labels, [f"{number}.jpg" for number in range(len(labels))])
    parts = tried(lambda: split_list(images, wanted, seed=seed))
    if parts is not None:
        for share, part, told in zip(exact_shares(wanted), parts.values(), parts.report.parts, strict=True):
            got = np.bincount(part.labels[:, 0].astype(int), minlength=len(counts)).tolist()
            off = [has - count * share for has, count in zip(got, counts, strict=True)]
            assert all(abs(one) < 1 for one in [*off, len(part) - len(images) * share])
            assert told.got == len(part)
            assert told.wanted == pytest.approx(float(len(images) * share))
            assert told.worst == pytest.approx(float(off[int(told.worst_class)]))
            assert abs(told.worst) == pytest.approx(float(max(map(abs, off))))


@given(st.lists(st.integers(0, 10**12), max_size=30), st.lists(st.integers(1, 10**18), min_size=1, max_size=9))
def test_rounding_is_controlled_both_ways(counts, weights):
    table = round_table(counts, weights)
    whole = sum(weights)
    assert [sum(row) for row in table] == counts
    for row, count in zip([*table, [sum(column) for column in zip(*table, strict=True)]], [*counts, sum(counts)], strict=False):
        assert all(abs(cell * whole - count * weight) < whole for cell, weight in zip(row, weights, strict=False))


@given(lists(), shares(), st.booleans(), st.integers(), st.randoms())
def test_the_order_of_the_list_does_not_matter(images, wanted, stratify, seed, luck):
    order = luck.sample(range(len(images)), len(images))

    def split(some: ImageList, shuffle: bool):
        return tried(lambda: split_list(some, wanted, stratify=stratify, shuffle=shuffle, seed=seed, small_classes="train"))

    for shuffle in (True, False):
        first, second = split(images, shuffle), split(images.take(order), shuffle)
        assert (first is None) == (second is None)
        if first is not None:
            assert first.report == second.report
            for name, part in first.items():
                assert ids(part) == (ids(second[name]) if shuffle else sorted(ids(second[name])))


@given(lists(width=1), shares(most=3), st.booleans(), st.integers(2, 9), st.randoms())
def test_groups_stay_whole_whatever_the_order_and_whatever_they_are_called(images, wanted, stratify, groups, luck):
    group_of = {path: sum(path.encode("utf-8", "surrogateescape")) % groups for path in images.paths}
    other_names = {path: f"group {groups - group}" for path, group in group_of.items()}
    shuffled = images.take(luck.sample(range(len(images)), len(images)))
    made = [
        tried(lambda some=some, names=names: split_list(some, wanted, stratify=stratify, group_by=names, small_classes="train"))
        for some, names in [(images, group_of), (shuffled, other_names)]
    ]
    assert (made[0] is None) == (made[1] is None)
    if made[0] is not None:
        assert [ids(part) for part in made[0].values()] == [ids(part) for part in made[1].values()]
        held = [{group_of[path] for path in part.paths} for part in made[0].values()]
        assert sum(map(len, held)) == len(set.union(*held)) == made[0].report.groups
        assert sorted(each for part in made[0].values() for each in ids(part)) == sorted(ids(images))


@given(
    st.lists(st.dictionaries(st.integers(0, 2), st.integers(1, 9), min_size=1), min_size=1, max_size=12),
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
    st.dictionaries(st.integers(0, 11), st.integers(0, 2)),
)
def test_no_move_and_no_swap_of_groups_would_come_nearer(groups, weights, homes):
    fixed = {group: part for group, part in homes.items() if group < len(groups) and part < len(weights)}
    parts = allot_groups(groups, weights, fixed)

    def squared(assigned: list[int]) -> Fraction:
        off = np.zeros((len(weights), 4), object)
        for group, part in zip(groups, assigned, strict=True):
            for stratum, count in [*group.items(), (3, sum(group.values()))]:
                off[part, stratum] += count
                off[:, stratum] -= [Fraction(count * weight, sum(weights)) for weight in weights]
        return (off**2).sum()

    assert {group: parts[group] for group in fixed} == fixed
    reached = squared(parts)
    free = [group for group in range(len(groups)) if group not in fixed]
    for group in free:
        for part in range(len(weights)):
            assert squared([*parts[:group], part, *parts[group + 1 :]]) >= reached
        for other in free:
            swapped = parts.copy()
            swapped[group], swapped[other] = parts[other], parts[group]
            assert squared(swapped) >= reached


@given(lists(), st.integers(2, 6), st.booleans(), st.booleans(), st.integers())
def test_every_image_is_validated_once_and_trained_on_otherwise(images, folds, stratify, in_groups, seed):
    group_by = (lambda entry: entry.index % 7) if in_groups else None
    made = tried(lambda: kfold_list(images, folds, stratify=stratify, group_by=group_by, seed=seed))
    if made is not None:
        assert len(made) == folds
        assert sorted(each for _, validation in made for each in ids(validation)) == sorted(ids(images))
        for train, validation in made:
            assert sorted(ids(train) + ids(validation)) == sorted(ids(images))


def test_hash_randomisation_does_not_matter():
    script = (
        "from recordio_kit._core.imagelist import ImageList\n"
        "from recordio_kit._core.split import split_list\n"
        "images = ImageList(range(200), [n % 3 for n in range(200)], [f'{n % 23}/{n}.jpg' for n in range(200)])\n"
        "group = lambda entry: frozenset(entry.path.split('/')[0] + 'abc')\n"
        "for by in (None, '^[0-9]+', group):\n"
        "    for part in split_list(images, {'train': 0.6, 'val': 0.3, 'test': 0.1}, group_by=by).values():\n"
        "        print(list(part.paths))\n"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", script], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert told[0] == told[1]
    assert told[0].count(b"\n") == 9


# scikit-learn as an oracle


def test_class_counts_agree_with_scikit_learn_within_one():
    selection = pytest.importorskip("sklearn.model_selection")
    labels = np.repeat(np.arange(7), [10, 23, 37, 41, 77, 112, 300])
    images = ImageList(range(len(labels)), labels, [f"{number}.jpg" for number in range(len(labels))])
    for share in (0.1, 0.25, 0.3, 0.37):
        splitter = selection.StratifiedShuffleSplit(1, test_size=share, random_state=0)
        _, theirs = next(splitter.split(labels, labels))
        ours = split_list(images, {"train": round(1 - share, 2), "validation": share})["validation"]
        difference = np.bincount(labels[theirs]) - np.bincount(ours.labels[:, 0].astype(int))
        assert np.abs(difference).max() <= 1


@pytest.mark.parametrize(("classes_a_group", "spread"), [(1, 0.5), (3, 1.0)])
def test_grouped_folds_are_as_near_as_those_of_scikit_learn(classes_a_group, spread):
    selection = pytest.importorskip("sklearn.model_selection")
    luck = random.Random(3)
    labels, groups = [], []
    for group in range(3000):
        classes = luck.sample(range(10), classes_a_group)
        size = max(1, round(luck.lognormvariate(1, spread)))
        labels += luck.choices(classes, k=size)
        groups += [group] * size
    images = ImageList(range(len(labels)), labels, [f"{group}/{number}.jpg" for number, group in enumerate(groups)])
    truth, share = np.array(labels), np.bincount(labels) / 5

    def worst(validations) -> float:
        return max(np.abs(np.bincount(classes.astype(int), minlength=10) - share).max() for classes in validations)

    ours = worst([validation.labels[:, 0] for _, validation in kfold_list(images, 5, group_by="^[0-9]+")])
    folds = selection.StratifiedGroupKFold(5, shuffle=True, random_state=0).split(truth, truth, groups)
    theirs = worst([truth[validation] for _, validation in folds])
    assert ours <= 1.5 * theirs + 1
