"""Unpack: the images of a ``.rec`` as files again, one folder a class.

Strategy: all names are planned before the first file is written, so that nothing leaves the target, nothing collides and
nothing is replaced unasked. Class names and file names come from what stands beside the file (a manifest, or the ``.lst`` it
was packed from), but only where they fit every record; else from labels and keys. Image bytes are written as they are.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from recordio_kit._core.lst import parse_classes, parse_lst
from recordio_kit._pipeline.filenames import NamePlan, label_name, safe_name, suffix_of
from recordio_kit._pipeline.records import ImageReader
from recordio_kit._pipeline.report import Progress, resolve_progress
from recordio_kit._pipeline.safe_folder import SafeFolder
from recordio_kit._pipeline.sources import refuse_unsafe
from recordio_kit._storage.base import read_all
from recordio_kit._storage.open import is_url, open_file
from recordio_kit._storage.sidecars import find_split


if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from recordio_kit._core.imagelist import ImageList
    from recordio_kit._pipeline.report import ProgressCallback
    from recordio_kit._storage.base import Store

__all__ = ["UnpackReport", "unpack"]

_TELL_EVERY: Final = 64
_NAN: Final = math.nan
#: A list's folders are left out below a class where they make a path that systems refuse or nobody can remove again.
_MOST_FOLDERS: Final = 32
_MOST_PATH_BYTES: Final = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackReport:
    """Say what an unpack wrote.

    Args:
        uri: the folder.
        images: how many files.
        bytes: their size.
        folders: the class folders, by label.
        renamed: files whose name in the list was changed, to be safe or unique or to fit the image's format.
        notes: what else people should know.
    """

    uri: str
    images: int
    bytes: int
    folders: tuple[str, ...]
    renamed: int
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say it in a line."""
        text = f"{self.uri}: {self.images} images in {len(self.folders)} folders, {self.bytes} bytes"
        return "; ".join([text, *([f"{self.renamed} renamed"] if self.renamed else []), *self.notes])


def unpack(
    path: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    classes: Sequence[str] | None = None,
    names: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    store: Store | None = None,
    progress: bool | ProgressCallback | None = None,
) -> UnpackReport:
    """Write the images of a ``.rec`` into one folder a class.

    Args:
        path: the ``.rec``: a path or ``s3://`` URL; with ``store``, a name in it.
        destination: a local folder; it is made if it is not there.
        classes: class names by label; None takes the manifest's or the list's, else the labels themselves.
        names: the ``.lst`` that the file was packed from; None takes the manifest's or ``x.lst`` beside ``x.rec``. Without
            one, files are named by their keys.
        overwrite: replace files that stand under the names.
        store: where the name stands, if that is not to be told from the path.
        progress: None, True for a bar, or a callable that takes ``Progress``.

    Returns:
        What was written.

    Raises:
        OutputExistsError: a name is taken; nothing was written.
        UnsafePathError: a name of the list leaves the folder, or a link stands in the way; nothing was written, unless the
            link was put there meanwhile.
        FormatError: a record is damaged; what comes before it is written.
        ValueError: the destination is a URL.
        StorageError: something cannot be read or written; what comes before it is written.
    """
    if is_url(destination):
        msg = f"{destination}: images are unpacked into a local folder"
        raise ValueError(msg)
    tell = resolve_progress(progress)
    found, name = open_file(path, store)
    stage = f"unpack {name.rpartition('/')[2]}"
    with SafeFolder(destination, overwrite=overwrite) as target, ImageReader(name, store=found) as reader:
        plan = _Plan(reader, *_look_beside(found, name, classes, names))
        target.refuse_taken(plan.paths)
        written = 0
        for count, (record, file) in enumerate(zip(reader, plan.paths, strict=True)):
            if count % _TELL_EVERY == 0:
                tell(Progress(stage, count, len(reader), written))
            target.write(file, record.body)
            written += len(record.body)
        tell(Progress(stage, len(reader), len(reader), written))
    return UnpackReport(
        uri=target.root,
        images=len(plan.paths),
        bytes=written,
        folders=tuple(plan.folders.values()),
        renamed=plan.renamed,
        notes=tuple(plan.notes),
    )


def _look_beside(
    store: Store, name: str, classes: Sequence[str] | None, names: str | os.PathLike[str] | None
) -> tuple[Sequence[str] | None, ImageList | None]:
    """Return the class names and the list that belong to a ``.rec``, where they are given or found."""
    stem = name.removesuffix(".rec")
    list_place, classes_place = (store, stem + ".lst"), (store, stem + ".classes.txt")
    tree = find_split(store, name)
    if tree is not None:
        root, manifest, split = tree
        classes = manifest.classes if classes is None else classes
        list_place = list_place if split.list is None else (root, split.list.path)
    if names is not None:
        list_place = open_file(names)
    if classes is None and classes_place[0].stat(classes_place[1]) is not None:
        classes = parse_classes(read_all(*classes_place))
    if names is None and list_place[0].stat(list_place[1]) is None:
        return classes, None
    return classes, parse_lst(read_all(*list_place), source=list_place[0].uri(list_place[1]))


class _Plan:
    """Hold the path of every image, safe and unique."""

    def __init__(self, reader: ImageReader, classes: Sequence[str] | None, images: ImageList | None) -> None:
        self.notes: list[str] = []
        self.renamed = 0
        labels = reader.labels()
        self._classes = classes
        self._digits = _digits(labels)
        self._files = NamePlan()
        seen = dict.fromkeys(map(_label, np.unique(labels, axis=0).tolist())) if len(labels) else {}
        #: Class names as people know them, and as folders, by label.
        self._titles = {label: self._title(label) for label in seen}
        folders = NamePlan()
        self.folders = {label: folders.claim(safe_name(title), label_name(label, 1)) for label, title in self._titles.items()}
        self.paths = list(self._paths(reader, labels, images))

    def _title(self, label: Any) -> str:
        if self._classes is not None and isinstance(label, float) and label in range(len(self._classes)):
            return self._classes[int(label)]
        return label_name(label, self._digits)

    def _paths(self, reader: ImageReader, labels: NDArray[np.float32], images: ImageList | None) -> Iterator[str]:
        ids, formats = array("Q"), []
        for header, start in reader.heads():
            ids.append(header.id)
            formats.append(suffix_of(start))
        rows = None if images is None else _match(images, np.array(ids, np.uint64), labels)
        if images is not None and rows is None:
            self.notes.append("the .lst does not name every record with its label, so files are named by their keys")
        digits = len(str(reader.keys.max())) if len(reader) else 1
        for place, (suffixes, key) in enumerate(zip(formats, reader.keys.tolist(), strict=True)):
            label, mark = _label(labels[place].tolist()), f"{key:0{digits}d}"
            if images is None or rows is None:
                yield self._files.claim(f"{self.folders[label]}/{mark}{suffixes[0] if suffixes else '.bin'}", mark)
            else:
                yield self._from_list(images.path_at(int(rows[place])), label, suffixes, mark)

    def _from_list(self, path: str, label: Any, suffixes: tuple[str, ...], mark: str) -> str:
        """Return the name that the list has for an image, below the folder of its class."""
        refuse_unsafe(path)
        *folders, leaf = path.replace("\\", "/").split("/")
        title = self._titles[label]
        below = folders[folders.index(title) + 1 :] if title in folders else []
        wanted = "/".join([self.folders[label], *below, leaf])
        stem, dot, suffix = leaf.rpartition(".")
        if suffixes and dot + suffix.lower() not in suffixes:
            leaf = (stem or leaf or mark) + suffixes[0]
        leaf = safe_name(mark if leaf in ("", ".") else leaf)
        safe = [safe_name(part) for part in below if part not in ("", ".")]
        path = "/".join([self.folders[label], *safe, leaf])
        if len(safe) > _MOST_FOLDERS or len(path.encode()) > _MOST_PATH_BYTES:
            path = f"{self.folders[label]}/{leaf}"
        path = self._files.claim(path, mark)
        self.renamed += path != wanted
        return path


def _label(row: Any) -> Any:
    """Return a label as something to look up by: a float or a tuple, with one NaN for all."""
    if isinstance(row, list):
        return tuple(_label(value) for value in row)
    return _NAN if math.isnan(row) else row


def _digits(labels: NDArray[np.float32]) -> int:
    whole = labels[np.isfinite(labels)]
    return len(str(int(np.abs(whole).max()))) if len(whole) and np.abs(whole).max() < 1 << 24 else 1


def _match(images: ImageList, ids: NDArray[np.uint64], labels: NDArray[np.float32]) -> NDArray[np.int64] | None:
    """Return the list's row of each record, or None unless every record's id is in the list, with the record's label."""
    order = np.argsort(images.indexes, kind="stable")
    ordered = images.indexes[order].astype(np.uint64)
    if not len(ordered):
        return None
    rows = order[np.minimum(np.searchsorted(ordered, ids), len(ordered) - 1)]
    wide = labels.reshape(len(labels), -1)
    fits = wide.shape[1] == images.label_width and np.array_equal(images.indexes[rows].astype(np.uint64), ids)
    return rows if fits and np.array_equal(images.labels[rows], wide, equal_nan=True) else None
