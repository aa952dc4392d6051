"""Frozen splits: people re-run a split and expect the same one, so a change here breaks data sets and is a new major version."""

from __future__ import annotations

from hashlib import sha256

import pytest

from recordio_kit._core.imagelist import ImageList
from recordio_kit._core.split import kfold_list, split_list


IMAGES = ImageList(
    range(24),
    [number % 3 for number in range(24)],
    [f"{'abé'[number % 3]}/clip{number // 4}_{number:02d}.jpg" for number in range(24)],
)
SHARES = {"train": 0.6, "validation": 0.25, "test": 0.15}


def numbers(part: ImageList) -> list[int]:
    return [int(path[-6:-4]) for path in part.paths]


@pytest.mark.parametrize(
    ("options", "frozen"),
    [
        ({}, [[1, 23, 10, 17, 12, 19, 0, 9, 11, 6, 2, 8, 3, 22], [13, 7, 20, 15, 21, 5], [16, 14, 4, 18]]),
        ({"seed": 1}, [[18, 2, 15, 6, 12, 17, 0, 16, 22, 19, 10, 11, 8, 14], [21, 7, 23, 4, 3, 5], [20, 9, 13, 1]]),
        ({"shuffle": False}, [[0, 1, 2, 3, 6, 8, 9, 10, 11, 12, 17, 19, 22, 23], [5, 7, 13, 15, 20, 21], [4, 14, 16, 18]]),
        (
            {"group_by": "clip[0-9]+"},
            [[7, 16, 1, 20, 23, 17, 19, 0, 4, 6, 18, 2, 21, 3, 5, 22], [13, 14, 12, 15], [10, 9, 11, 8]],
        ),
        (
            {"stratify": False, "seed": -5},
            [[22, 9, 19, 7, 23, 18, 14, 5, 8, 21, 6, 11, 16, 12], [0, 3, 2, 10, 13, 17], [20, 15, 1, 4]],
        ),
    ],
)
def test_a_split_stays_what_it_was(options, frozen):
    assert [numbers(part) for part in split_list(IMAGES, SHARES, **options).values()] == frozen


def test_folds_stay_what_they_were():
    assert [numbers(validation) for _, validation in kfold_list(IMAGES, 3)] == [
        [23, 10, 12, 19, 0, 6, 2, 22],
        [13, 7, 1, 17, 9, 11, 8, 3],
        [16, 20, 14, 4, 15, 18, 21, 5],
    ]


def test_a_split_of_many_groups_and_odd_shares_stays_what_it_was():
    labels = [number * number % 7 for number in range(1200)]
    paths = [f"clip{number**3 % 211}/{number}.jpg" for number in range(1200)]
    parts = split_list(
        ImageList(range(1200), labels, paths), {"train": 66.6, "validation": 22.3, "test": 11.1}, group_by="^clip[0-9]+"
    )
    text = "\n".join(f"{name} {path}" for name, part in parts.items() for path in part.paths)
    assert sha256(text.encode()).hexdigest() == "0ba649bf71d09a1d762aed4c1098cf24b0a53bb031655ad65c096f7d4962e5cd"
