"""The images of a run: made when the first row asks for them, removed after the last that needs them."""

from __future__ import annotations

import argparse
import functools
import shutil
from pathlib import Path

from benchmarks.corpus import Corpus, make_digits, make_mosaics, make_photos
from benchmarks.tree import Tree, make_tree


_FEW = 200  # photos whose records are held against the peers', and which mosaics are made of
_LARGE = (4000, 6000)  # height and width of 24 megapixels
_LARGE_COUNT = 8


class Images:
    """Make the images of rows when they are asked for, and remove them when no row needs them any more.

    Args:
        folder: where.
        args: how many, and of what.
    """

    def __init__(self, folder: Path, args: argparse.Namespace) -> None:
        """Start with nothing made."""
        self._folder = folder
        self._args = args
        self._made: dict[str, Corpus | Tree] = {}

    def get(self, name: str) -> Corpus | Tree:
        """Return the images of a name."""
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def discard_but(self, wanted: set[str]) -> None:
        """Remove images that are not wanted; the few photos that others are made of stay."""
        for name in self._made.keys() - wanted:
            del self._made[name]
            shutil.rmtree(self._folder / name)

    @functools.cached_property
    def few(self) -> Corpus:
        """Return photos once each, but not too many of them."""
        return make_photos(self._folder / "few", min(_FEW, self._args.count), self._args.images)

    def _make(self, name: str) -> Corpus | Tree:
        place, args = self._folder / name, self._args
        if name == "tree":
            return make_tree(place / "images", args.files)
        if name == "digits":
            return make_digits(place, args.small_count, args.mnist)
        if name == "camera":
            return make_mosaics(place, args.camera_count, self.few)
        if name == "large":
            return make_mosaics(place, min(_LARGE_COUNT, args.camera_count), self.few, height=_LARGE[0], width=_LARGE[1])
        return make_photos(place, max(1, args.count // 4) if name == "quarter" else args.count, args.images)
