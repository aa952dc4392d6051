"""``--list``: the images under a folder, to ``.lst`` files as MXNet 1.9.1 writes them.

Strategy: the walk is ``os.walk`` with names sorted by code point, links followed; each folder that holds an image is a
class, numbered as it is met; ids count up in walk order and stay with their images through Python's own shuffle of seed
100. Chunks and ratios cut by truncation, and what falls off the end is in no list. All of that is kept, and its costs are
said. All lists of a run are written before the first of them appears.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Final, NamedTuple

from recordio_kit._core.lst import check_path
from recordio_kit._storage.local import LocalStore
from recordio_kit.errors import UnsafePathError


if TYPE_CHECKING:
    from collections.abc import Iterator

    from recordio_kit._storage.base import Sink
    from recordio_kit.im2rec.console import Console
    from recordio_kit.im2rec.options import Options

_SEED: Final = 100
_ROOT_CLASS: Final = "."


class _Image(NamedTuple):
    key: int
    path: str
    label: int


def write_lists(options: Options, console: Console) -> None:
    """Write the list of the images under ROOT, whole or cut into chunks and parts.

    Args:
        options: the run's options.
        console: told the classes, and what is lost.

    Raises:
        ValueError: there are no images, or a name is no text; nothing was written.
        StorageError: a list could not be written; those that were published are whole.
    """
    images = _find_images(options, console)
    if options.shuffle:
        random.Random(_SEED).shuffle(images)  # noqa: S311  # MXNet's order, no secret
    store = LocalStore(os.path.dirname(options.prefix))
    stem = os.path.basename(options.prefix)
    sinks: list[Sink] = []
    try:
        for suffix, part in _cut(images, options):
            if suffix is None:
                for image in part:
                    console.wart("images in no list, cut off by the rounding of the ratios", image.path, lost=1)
                continue
            sinks.append(store.create(f"{stem}{suffix}.lst", overwrite=True))
            sinks[-1].write(_format_rows(part))
            sinks[-1].seal()
        for sink in sinks:
            sink.commit()
    except BaseException:
        for sink in sinks:
            sink.abort()
        raise


def _find_images(options: Options, console: Console) -> list[_Image]:
    images: list[_Image] = []
    classes: dict[str, int] = {}
    for folder, name in _walk(options, console):
        suffix = os.path.splitext(name)[1].lower()
        path = name if folder == _ROOT_CLASS else f"{folder}/{name}"
        if suffix not in options.exts:
            console.wart(f"files left out by their ending {suffix or '(none)'}; --exts takes them", path)
        elif not os.path.isfile(os.path.join(options.root, path)):
            console.wart("names that are no readable files, such as broken links, left out", path, lost=1)
        else:
            label = classes.setdefault(folder, len(classes)) if options.recursive else 0
            images.append(_Image(len(images), path, label))
            _warn_name(path, console)
    if not images:
        hint = "" if options.recursive else "; folders below ROOT are walked with --recursive only"
        msg = f"no image with an ending of {' '.join(options.exts)} in {options.root}; nothing was written{hint}"
        raise ValueError(msg)
    if options.recursive:
        for folder, label in classes.items():
            console.say(f"{folder} {label}")
    _warn_classes(classes, options, console)
    return images


def _walk(options: Options, console: Console) -> Iterator[tuple[str, str]]:
    """Yield (folder relative to ROOT, file name) in MXNet's order."""
    if not options.recursive:
        for name in sorted(os.listdir(options.root)):
            if not os.path.isdir(os.path.join(options.root, name)):
                yield _ROOT_CLASS, name
        return

    def refuse(error: OSError) -> None:
        console.lose(f"{error.filename}: cannot be read ({error.strerror}); what is in this folder is left out")

    for path, folders, names in os.walk(options.root, onerror=refuse, followlinks=True):
        folders.sort()
        folder = os.path.relpath(path, options.root).replace(os.sep, "/")
        for name in sorted(names):
            yield folder, name


def _warn_name(path: str, console: Console) -> None:
    if any(part.startswith(".") or part == "__MACOSX" for part in path.split("/")):
        console.wart("hidden files, or files in hidden folders or __MACOSX, are taken as images", path)
    try:
        check_path(path)
    except UnsafePathError:
        console.wart("names with TAB, line break or outer white space, which no .lst can hold: rename them", repr(path), lost=1)


def _warn_classes(classes: dict[str, int], options: Options, console: Console) -> None:
    for ending in options.exts:
        if ending != ending.lower() or not ending.startswith("."):
            console.wart("--exts that match no file; give them with their dot and in lower case", ending)
    if not options.recursive:
        if (path := _image_below(options)) is not None:
            console.wart("images in folders below ROOT are left out and every label is 0; --recursive takes them", path)
        return
    for folder, label in classes.items():
        if folder == _ROOT_CLASS:
            console.wart("images directly in ROOT are a class of their own", f"'.' is label {label}")
        elif "/" in folder:
            console.wart("nested folders are classes of their own", folder)


def _image_below(options: Options) -> str | None:
    for path, _, names in os.walk(options.root):
        if path != options.root:
            for name in names:
                if os.path.splitext(name)[1].lower() in options.exts:
                    return os.path.relpath(os.path.join(path, name), options.root)
    return None


def _cut(images: list[_Image], options: Options) -> Iterator[tuple[str | None, list[_Image]]]:
    """Yield (suffix of the list's name, its images), in MXNet's order; the suffix is None for images in no list."""
    size = (len(images) + options.chunks - 1) // options.chunks
    test = int(size * options.test_ratio)
    train = test + int(size * options.train_ratio)
    for number in range(options.chunks):
        chunk = images[number * size : (number + 1) * size]
        stem = f"_{number}" if options.chunks > 1 else ""
        if options.train_ratio == 1.0:
            yield stem, chunk
            continue
        if options.test_ratio:
            yield f"{stem}_test", chunk[:test]
        yield f"{stem}_val" if options.train_ratio + options.test_ratio < 1.0 else None, chunk[train:]
        yield f"{stem}_train", chunk[test:train]


def _format_rows(images: list[_Image]) -> bytes:
    text = "".join([f"{image.key}\t{image.label:f}\t{image.path}\n" for image in images])
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        around = error.object[max(0, error.start - 40) : error.end + 40]
        msg = f"a file name is no valid text, near {around!r}; nothing was written; rename it"
        raise ValueError(msg) from error
