"""``--list``: the images under a folder, to ``.lst`` files as MXNet 1.9.1 writes them.

Strategy: the walk is ``os.walk`` with names sorted by code point, links followed; each folder that holds an image is a
class, numbered as it is met; ids count up in walk order and stay with their images through Python's own shuffle of seed
100. Chunks and ratios cut by truncation, and what falls off the end is in no list. All of that is kept, and its costs are
said. Where nothing about a folder is odd, its files are taken together, else one by one. All lists of a run are written
before the first of them appears.
"""

from __future__ import annotations

import os
import random
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from recordio_kit._core.lst import check_path, check_paths
from recordio_kit._storage.local import LocalStore
from recordio_kit.errors import UnsafePathError


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from recordio_kit._storage.base import Sink
    from recordio_kit.im2rec.console import Console
    from recordio_kit.im2rec.options import Options

_SEED: Final = 100
_ROOT_CLASS: Final = "."
#: Rows that are text at the same time.
_BLOCK: Final = 1 << 13


@dataclass(slots=True)
class _Images:
    """Hold the images' paths and the text of their labels, in the order of their ids."""

    paths: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)


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
    keys = list(range(len(images.paths)))
    if options.shuffle:
        random.Random(_SEED).shuffle(keys)  # noqa: S311  # MXNet's order, no secret
    store = LocalStore(os.path.dirname(options.prefix))
    stem = os.path.basename(options.prefix)
    sinks: list[Sink] = []
    try:
        for suffix, part in _cut(keys, options):
            if suffix is None:
                for key in part:
                    console.wart("images in no list, cut off by the rounding of the ratios", images.paths[key], lost=1)
                continue
            sinks.append(store.create(f"{stem}{suffix}.lst", overwrite=True))
            for start in range(0, len(part), _BLOCK):
                sinks[-1].write(_format_rows(images, part[start : start + _BLOCK]))
            sinks[-1].seal()
        for sink in sinks:
            sink.commit()
    except BaseException:
        for sink in sinks:
            sink.abort()
        raise


def _find_images(options: Options, console: Console) -> _Images:
    images = _Images()
    classes: dict[str, int] = {}
    plain = _plain_names(options.exts)
    for folder, names in _walk(options, console):
        prefix = "" if folder == _ROOT_CLASS else f"{folder}/"
        paths = [prefix + name for name in names]
        if paths and not (plain.fullmatch("/".join([*names, ""]).lower()) and _are_well(options, prefix, names, paths)):
            paths = [path for path in paths if _is_image(options, console, path)]
        if paths:
            label = classes.setdefault(folder, len(classes)) if options.recursive else 0
            images.paths += paths
            images.labels += [f"{label:f}"] * len(paths)
    if not images.paths:
        hint = "" if options.recursive else "; folders below ROOT are walked with --recursive only"
        msg = f"no image with an ending of {' '.join(options.exts)} in {options.root}; nothing was written{hint}"
        raise ValueError(msg)
    if options.recursive:
        for folder, label in classes.items():
            console.say(f"{folder} {label}")
    _warn_classes(classes, options, console)
    return images


def _walk(options: Options, console: Console) -> Iterator[tuple[str, list[str]]]:
    """Yield (folder relative to ROOT, names of what is no folder in it) in MXNet's order."""
    if not options.recursive:
        names = sorted(os.listdir(options.root))
        files = _regular_files(options.root)
        yield _ROOT_CLASS, [name for name in names if name in files or not os.path.isdir(os.path.join(options.root, name))]
        return

    def refuse(error: OSError) -> None:
        console.lose(f"{error.filename}: cannot be read ({error.strerror}); what is in this folder is left out")

    for path, folders, names in os.walk(options.root, onerror=refuse, followlinks=True):
        folders.sort()
        yield os.path.relpath(path, options.root).replace(os.sep, "/"), sorted(names)


def _plain_names(exts: Iterable[str]) -> re.Pattern[str]:
    """Return what fits any number of names in lower case, a ``/`` after each, with these endings and no dot in front."""
    endings = [re.escape(ext) for ext in exts if re.fullmatch(r"\.[^./]*", ext) and ext.isascii()]
    return re.compile(rf"(?:[^./][^/]*(?:{'|'.join(endings) or '(?!)'})/)*+")


def _are_well(options: Options, prefix: str, names: list[str], paths: list[str]) -> bool:
    """Tell whether a folder's files are all regular files whose paths are nothing to speak of."""
    if _is_hidden(prefix) or not _regular_files(os.path.join(options.root, prefix)).issuperset(names):
        return False
    try:
        check_paths(paths)
    except UnsafePathError:
        return False
    return True


def _regular_files(folder: str) -> set[str]:
    """Return the names of a folder's regular files: what its entries tell without a look at each."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file(follow_symlinks=False)}
    except OSError:
        return set()


def _is_image(options: Options, console: Console, path: str) -> bool:
    """Tell whether a file is an image, and say what is to be said about it."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in options.exts:
        console.wart(f"files left out by their ending {suffix or '(none)'}; --exts takes them", path)
    elif not os.path.isfile(os.path.join(options.root, path)):
        console.wart("names that are no readable files, such as broken links, left out", path, lost=1)
    else:
        _warn_name(path, console)
        return True
    return False


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.split("/"))


def _warn_name(path: str, console: Console) -> None:
    if _is_hidden(path):
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


def _cut(keys: list[int], options: Options) -> Iterator[tuple[str | None, list[int]]]:
    """Yield (suffix of the list's name, the ids in it), in MXNet's order; the suffix is None for images in no list."""
    size = (len(keys) + options.chunks - 1) // options.chunks
    test = int(size * options.test_ratio)
    train = test + int(size * options.train_ratio)
    for number in range(options.chunks):
        chunk = keys[number * size : (number + 1) * size]
        stem = f"_{number}" if options.chunks > 1 else ""
        if options.train_ratio == 1.0:
            yield stem, chunk
            continue
        if options.test_ratio:
            yield f"{stem}_test", chunk[:test]
        yield f"{stem}_val" if options.train_ratio + options.test_ratio < 1.0 else None, chunk[train:]
        yield f"{stem}_train", chunk[test:train]


def _format_rows(images: _Images, keys: Sequence[int]) -> bytes:
    paths, labels = images.paths, images.labels
    text = "".join([f"{key}\t{labels[key]}\t{paths[key]}\n" for key in keys])
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        around = error.object[max(0, error.start - 40) : error.end + 40]
        msg = f"a file name is no valid text, near {around!r}; nothing was written; rename it"
        raise ValueError(msg) from error
