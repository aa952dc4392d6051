"""Lists at rest: ``a.lst``, and its class names in ``a.classes.txt`` beside it.

Strategy: both files are whole or absent, class names are published before the list that needs them, and names that belong
to another list are never read as this one's. What the two formats look like is ``_core/lst.py``'s to know.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from recordio_kit._core.imagelist import Finding
from recordio_kit._core.lst import format_classes, format_lst, parse_classes, parse_lst
from recordio_kit._pipeline.labels import read_file
from recordio_kit._storage.base import read_all, write_all
from recordio_kit._storage.open import open_file
from recordio_kit.errors import OutputExistsError


if TYPE_CHECKING:
    from recordio_kit._core.imagelist import ImageList
    from recordio_kit._storage.base import Store


def read_list(path: str | os.PathLike[str]) -> ImageList:
    """Read a ``.lst`` and, from ``<stem>.classes.txt`` beside it if there is one, its class names.

    Args:
        path: the list's path or URL.

    Returns:
        The list; what was odd about the file is in its ``findings``.

    Raises:
        ListSyntaxError: a row that cannot be understood.
        ValueError: there is no such file, or the class names cannot be understood.
        StorageError: a file cannot be read.
    """
    images = parse_lst(read_file(path, "list"), source=os.fspath(path))
    store, name = open_file(path)
    beside = _classes_name(name)
    if store.stat(beside) is None:
        return images
    try:
        classes = parse_classes(read_all(store, beside))
    except ValueError as error:
        msg = f"{store.uri(beside)}: {error}"
        raise ValueError(msg) from error
    labels = images.labels
    if images.label_width == 1 and not ((labels == np.floor(labels)) & (labels >= 0) & (labels < len(classes))).all():
        told = f"{beside} is not used: it names {len(classes)} classes, but not all labels are 0 to {len(classes) - 1}"
        return images.replace(findings=(*images.findings, Finding(0, told)))
    return images.replace(classes=classes)


def write_list(images: ImageList, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a ``.lst`` and, where class names are known, ``<stem>.classes.txt`` beside it; the same content is left alone.

    Args:
        images: the list.
        path: the list's path or URL.
        overwrite: whether other content may be replaced, or removed where class names of an older list would stay.

    Raises:
        UnsafePathError: a path cannot stand in a ``.lst``.
        ValueError: a class name is no line of text.
        OutputExistsError: other content stands there; nothing was changed.
        StorageError: a file cannot be written; it is as it was.
    """
    store, name = open_file(path)
    beside = _classes_name(name)
    files = {beside: format_classes(images.classes)} if images.classes else {}
    files[name] = format_lst(images)
    stale = beside not in files and store.stat(beside) is not None
    changed = [other for other, data in files.items() if not _holds(store, other, data)]
    if not overwrite:
        for other in [*changed, *([beside] if stale else [])]:
            if store.stat(other) is not None:
                msg = f"{store.uri(other)} exists and differs; choose another name, or overwrite it (overwrite=True, --overwrite)"
                raise OutputExistsError(msg)
    if stale:
        store.delete(beside)
    for other in changed:
        write_all(store, other, files[other], overwrite=overwrite)


def _classes_name(name: str) -> str:
    return os.path.splitext(name)[0] + ".classes.txt"


def _holds(store: Store, name: str, data: bytes) -> bool:
    found = store.stat(name)
    return found is not None and found.size == len(data) and read_all(store, name) == data
