"""Image lists from folders and from ``.lst`` files, and back to files.

Strategy: ``walk.py`` finds the images, folder names or ``labels.py`` say their labels, and what is decided here is whether
the two make sense together: every class has images, every image has a class, nothing shifts a label unseen. A list that
a caller gets is right or has findings that say what to look at. Order and labels depend on the names alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from recordio_kit._core.imagelist import Finding, ImageList
from recordio_kit._core.lst import check_classes
from recordio_kit._pipeline.class_file import read_class_file
from recordio_kit._pipeline.labels import LabelTable, read_classes, read_labels
from recordio_kit._pipeline.list_files import read_list, write_list
from recordio_kit._pipeline.tally import Tally, tally
from recordio_kit._pipeline.walk import IMAGE_EXTS, Scan, top_folders, walk


if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from recordio_kit._pipeline.labels import LabelSource

__all__ = ["make_list", "make_split_lists", "read_classes", "read_list", "split_folders", "write_list"]

_SPLIT_FOLDERS: Final = frozenset(("train", "val", "valid", "validation", "test"))
#: The order of parts, and so of files and reports.
_PARTS: Final = ("train", "validation", "test")


def make_list(
    root: str | os.PathLike[str],
    *,
    labels: LabelSource | LabelTable | None = None,
    classes: Any = None,
    exts: Iterable[str] = IMAGE_EXTS,
    ignore: Iterable[str] = (),
    follow_links: bool = False,
    sizes: bool = True,
) -> ImageList:
    """List the images of a folder, with one class a folder or with labels from elsewhere.

    The class of an image is its top folder; class names sorted by code point get the labels 0 to n - 1, unless the root
    has a ``.classes.json`` (which ``extract-idx`` writes) that gives folders an order and true names. Images come by
    class, then by path, with indexes from 0. Hidden files, ``__MACOSX``, ``Thumbs.db`` and ``desktop.ini`` do not count.

    Args:
        root: the folder.
        labels: a CSV file or a mapping by path, for other layouts; images then come by path. Every image needs a row.
        classes: names in label order, the path of a text file with one a line, or a manifest; so that data sets agree.
        exts: suffixes of images; neither case nor a leading dot matters.
        ignore: globs (``*.webp``, ``drafts``, ``cat/old/*``) of names or relative paths to leave out.
        follow_links: take what links lead to; otherwise they are left out with a finding.
        sizes: look up each image's size and time, which packing wants; without them only folders are read, in a third of
            the time (on a network far less still).

    Returns:
        The list, with ``root``, ``classes``, with ``sizes`` and ``stamps`` if sizes were looked up, and in ``findings`` what
        was left out or looks odd.

    Raises:
        ValueError: no such folder, no images, an empty class folder (without ``classes``), a folder that is no class,
            images outside class folders, image files with other suffixes, split folders, or labels that do not fit.
        ListSyntaxError: a line of the CSV that cannot be understood.
        UnsafePathError: a name that a ``.lst`` cannot hold, a pipe, socket or device, a broken link that was to be followed.
        StorageError: a folder or file cannot be read.
    """
    names, table = _named(labels, classes)
    known = read_class_file(root) if names is None and table is None else None
    if known is not None:
        names = known.folders
    scan = walk(root, exts=exts, ignore=ignore, follow_links=follow_links, sizes=sizes)
    splits = _all_splits([folder for folder in scan.folders if "/" not in folder])
    if table is None and splits and not set(splits) <= set(names or ()):
        told = ", ".join(splits)
        msg = f"{scan.given} is split already ({told}): keep that with `prepare --split-from folders`, or list one of its folders"
        raise ValueError(msg)
    images = _label(scan, table, names, depth=0, sizes=sizes)
    images = _by_class(images) if table is None else images
    return images if known is None else images.replace(classes=known.names)


def split_folders(root: str | os.PathLike[str], *, ignore: Iterable[str] = (), follow_links: bool = False) -> tuple[str, ...]:
    """Return the folders' names where all of a root's folders are named as splits, else nothing.

    Args:
        root: the folder.
        ignore: as for ``make_list``.
        follow_links: as for ``make_list``.

    Raises:
        ValueError: there is no such folder.
        StorageError: it cannot be read.
    """
    return _all_splits(top_folders(root, ignore=ignore, follow_links=follow_links))


def make_split_lists(
    root: str | os.PathLike[str],
    *,
    labels: LabelSource | LabelTable | None = None,
    classes: Any = None,
    exts: Iterable[str] = IMAGE_EXTS,
    ignore: Iterable[str] = (),
    follow_links: bool = False,
) -> dict[str, ImageList]:
    """List a folder that is split already (``train``, ``val`` | ``valid`` | ``validation``, ``test``), one list a split.

    All lists share one class map, and their paths start at the root, so they begin with the split's folder.

    Args:
        root: the folder of split folders, each with one folder a class.
        labels: as for ``make_list``; paths start at the root.
        classes: as for ``make_list``.
        exts: as for ``make_list``.
        ignore: as for ``make_list``.
        follow_links: as for ``make_list``.

    Returns:
        The lists by part name (``train``, ``validation``, ``test``); what concerns the whole tree is in the first
        one's findings.

    Raises:
        ValueError: as for ``make_list``; or the root is not split, ``train`` or the images of a split are missing, or a
            class has images but none in ``train``.
        ListSyntaxError: as for ``make_list``.
        UnsafePathError: as for ``make_list``.
        StorageError: as for ``make_list``.
    """
    names, table = _named(labels, classes)
    scan = walk(root, exts=exts, ignore=ignore, follow_links=follow_links)
    folders = _part_folders(scan)
    images = _label(scan, table, names, depth=1, sizes=True)
    owners = np.repeat([run.folder.partition("/")[0] for run in scan.runs], [run.size for run in scan.runs])
    parts = {part: images.take(np.flatnonzero(owners == folder)) for part, folder in folders.items()}
    parts = {part: (_by_class(images) if table is None else images).renumber() for part, images in parts.items()}
    for part, folder in folders.items():
        if not parts[part]:
            msg = f"{scan.given} has no images in {folder}; remove that folder"
            raise ValueError(msg)
    lacking = _lacking_classes(parts)
    parts = {part: images.replace(findings=images.findings if part == "train" else ()) for part, images in parts.items()}
    return {part: images.replace(findings=(*images.findings, *lacking[part])) for part, images in parts.items()}


def _named(labels: LabelSource | LabelTable | None, classes: Any) -> tuple[tuple[str, ...] | None, LabelTable | None]:
    """Return the fixed class names and the table of labels; both are read before a large tree is walked."""
    names = None if classes is None else read_classes(classes)
    return names, labels if labels is None or isinstance(labels, LabelTable) else read_labels(labels, names)


def _all_splits(folders: Sequence[str]) -> tuple[str, ...]:
    return tuple(folders) if _SPLIT_FOLDERS.issuperset(folders) else ()


def _part_folders(scan: Scan) -> dict[str, str]:
    """Return each part's folder, ``train`` first."""
    from recordio_kit._core.split import part_name

    tops = [folder for folder in scan.folders if "/" not in folder]
    if not tops or not _all_splits(tops):
        msg = f"{scan.given} is not split: its folders are to be named train, validation (or val, valid) and test"
        raise ValueError(msg)
    folders: dict[str, str] = {}
    for folder in tops:
        if (part := part_name(folder)) in folders:
            msg = f"{scan.given} has {folders[part]} and {folder}, which both mean {part}; keep one"
            raise ValueError(msg)
        folders[part] = folder
    loose = Tally()
    for run in scan.runs:
        if not run.folder:
            loose.add(run.first, run.size)
    if loose:
        told = loose.say("image stands beside the split folders", "images stand beside the split folders")
        msg = f"{scan.given}: {told}; move into one of them, or leave out with ignore= (--ignore)"
        raise ValueError(msg)
    if "train" not in folders:
        msg = f"{scan.given} has no folder train beside {', '.join(tops)}"
        raise ValueError(msg)
    return {part: folders[part] for part in _PARTS if part in folders}


def _label(scan: Scan, table: LabelTable | None, names: tuple[str, ...] | None, *, depth: int, sizes: bool) -> ImageList:
    """Return the whole scan as a list; class folders stand at a depth, where 0 is right below the root."""
    findings = scan.findings()
    labels: Any
    classes: tuple[str, ...] | None
    if table is None:
        labels, classes = _folder_labels(scan, names, depth)
        findings += _misnumbered(classes) if names is None else []
    else:
        aligned = table.align(scan.paths.split("\0"))
        labels, classes = list(aligned.labels.values()), aligned.classes
        findings += aligned.findings
    count = sum(run.size for run in scan.runs)
    return ImageList.from_joined(
        np.arange(count),
        np.reshape(labels, (count, -1)),
        [run.paths for run in scan.runs],
        classes=classes,
        root=scan.root,
        sizes=np.asarray(scan.sizes) if sizes else None,
        stamps=np.asarray(scan.stamps) if sizes else None,
        findings=findings,
    )


def _by_class(images: ImageList) -> ImageList:
    """Return the images by label, and as they come within each."""
    labels = images.labels[:, 0]
    return images if (labels[1:] >= labels[:-1]).all() else images.take(np.argsort(labels, kind="stable")).renumber()


def _folder_labels(scan: Scan, names: tuple[str, ...] | None, depth: int) -> tuple[Any, tuple[str, ...]]:
    """Return the label of each image and the class names."""
    seen: dict[str, int] = {}
    codes: list[int] = []
    loose = Tally()
    for run in scan.runs:
        parts = run.folder.split("/")
        if len(parts) > depth + 1:
            codes.append(seen.setdefault(parts[depth], len(seen)))
        else:
            loose.add(run.first, run.size)
    if loose:
        _refuse_loose(scan, loose, beside=bool(seen))
    folders = {parts[depth] for folder in scan.folders if len(parts := folder.split("/")) == depth + 1}
    if names is None:
        _refuse_empty(scan, folders - seen.keys())
        names = tuple(sorted(seen))
        check_classes(names)
    elif strangers := folders - set(names):
        told = tally(strangers).say("folder is none of the classes", "folders are none of the classes")
        msg = f"{scan.given}: {told}; add to classes= (--classes), or leave out with ignore= (--ignore)"
        raise ValueError(msg)
    place = {name: label for label, name in enumerate(names)}
    return np.repeat(np.array([place[name] for name in seen])[codes], [run.size for run in scan.runs]), names


def _refuse_loose(scan: Scan, loose: Tally, *, beside: bool) -> None:
    told = loose.say("image stands in no class folder", "images stand in no class folder")
    told += " beside class folders" if beside else ""
    msg = f"{scan.given}: {told}; move images into one folder a class, or give labels= (--labels CSV)"
    raise ValueError(msg)


def _refuse_empty(scan: Scan, folders: Iterable[str]) -> None:
    if empty := tally(folders):
        told = empty.say("class folder has no images", "class folders have no images")
        msg = f"{scan.given}: {told}; it would shift all later labels: remove it, or fix the labels with classes= (--classes)"
        raise ValueError(msg)


def _misnumbered(classes: Sequence[str]) -> list[Finding]:
    """Say where folders are named by numbers that are not their labels."""
    numbers = [(label, name) for label, name in enumerate(classes) if name.isascii() and name.isdigit()]
    odd = [f"folder {name!r} has label {label}" for label, name in numbers if int(name) != label]
    if not odd:
        return []
    told = f"{odd[0]}: names are sorted as text, and labels start at 0 ({len(odd)} of {len(numbers)} folders named by a number)"
    return [Finding(0, f"{told}; zeros in front (02) or classes= (--classes) make both the same")]


def _lacking_classes(parts: dict[str, ImageList]) -> dict[str, list[Finding]]:
    """Check that ``train`` has every class that is anywhere, and say which classes the other parts lack."""
    classes = parts["train"].classes or ()
    present = {part: _present(images) if classes else set() for part, images in parts.items()}
    findings: dict[str, list[Finding]] = {}
    for part in parts:
        lacking = set[int]().union(*present.values()) - present[part]
        names = tally(classes[label] for label in lacking)
        told = names.say(f"class has no images in {part}", f"classes have no images in {part}")
        if lacking and part == "train":
            msg = f"{told}; no model can learn that: add images, or remove the class everywhere"
            raise ValueError(msg)
        findings[part] = [Finding(0, told)] if lacking else []
    return findings


def _present(images: ImageList) -> set[int]:
    columns = images.labels
    return set((np.flatnonzero(columns.any(axis=0)) if images.label_width > 1 else np.unique(columns).astype(int)).tolist())
