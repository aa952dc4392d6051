"""A folder of very many empty files, for what only looks at names.

Strategy: real files, so that each has an inode to be looked up; empty ones, so that a million of them take no blocks.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


_FOLDERS = 100


@dataclass(frozen=True, slots=True)
class Tree:
    """Files under a root, in class folders.

    Args:
        root: holds the class folders.
        count: how many files.
    """

    root: Path
    count: int


def make_tree(root: Path, count: int) -> Tree:
    """Make empty ``.jpg`` files in 100 class folders.

    Args:
        root: to make.
        count: how many files.
    """
    for folder in range(min(_FOLDERS, count)):
        (root / f"class{folder:03d}").mkdir(parents=True)
    for number in range(count):
        os.close(os.open(root / f"class{number % _FOLDERS:03d}" / f"{number:07d}.jpg", os.O_CREAT | os.O_WRONLY, 0o644))
    return Tree(root, count)
