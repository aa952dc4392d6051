"""Manifests where they meet storage: load one, or make one for files that others packed.

Strategy: the values and their JSON are ``_core.manifest``'s; this module adds the two ways in. A made manifest describes
the files as they are now: it reads each record once, heads, headers and all.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from recordio_kit._core import manifest as core
from recordio_kit._core.checksum import crc32_of
from recordio_kit._core.header import unpack_record
from recordio_kit._core.manifest import MANIFEST_NAME, FileInfo, SplitInfo
from recordio_kit._images.gate import RECORDS, inspect
from recordio_kit._storage.base import iter_chunks, read_all
from recordio_kit._storage.open import open_file, open_folder
from recordio_kit._storage.scan import iter_records
from recordio_kit._storage.sidecars import find_sidecar
from recordio_kit.errors import ImageError, ManifestError


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from recordio_kit._storage.base import Store
    from recordio_kit._storage.open import Place


class Manifest(core.Manifest):
    """Describe a prepared data set; ``load`` reads one, ``from_records`` makes one."""

    __slots__ = ()

    @classmethod
    def load(cls, place: Place) -> Manifest:
        """Read a manifest.

        Args:
            place: the ``manifest.json``, the folder or ``s3://`` prefix it lies in, or a store.

        Raises:
            ManifestError: there is none, or it is broken.
            StorageError: it cannot be read.
        """
        store, name = find_manifest(place)
        if store.stat(name) is None:
            msg = "there is no manifest here; 'prepare' writes one when all is packed, 'manifest' makes one for other files"
            raise ManifestError(msg, source=store.uri(name))
        return cls.from_json(read_all(store, name), source=store.uri(name))

    @classmethod
    def from_records(
        cls,
        records: Mapping[str, str | os.PathLike[str]],
        *,
        classes: Sequence[str] | None = None,
        root: Place | None = None,
    ) -> Manifest:
        """Make the manifest of ``.rec`` files that exist already, by reading them once.

        Args:
            records: the file of each split: a path or ``s3://`` URL; all of them below one folder or prefix.
            classes: class names by label, if known.
            root: the folder or prefix that the manifest's paths start from; None takes the deepest one they share.

        Returns:
            The manifest, not saved.

        Raises:
            ValueError: no file is given, they share no folder, or there are labels that ``classes`` does not name.
            FormatError: a file is damaged or holds other records than images.
            StorageError: a file cannot be read.
        """
        if not records:
            msg = "name at least one .rec"
            raise ValueError(msg)
        store, names = _below_one_root([os.fspath(place) for place in records.values()], root)
        splits = {}
        for split, name in zip(records, names, strict=True):
            splits[split] = _describe(store, name)
        made = cls(splits=splits, classes=None if classes is None else tuple(classes), options={})
        top = max((max(info.labels) for info in splits.values() if info.labels and info.label_width == 1), default=-1)
        if classes is not None and top >= len(made.classes or ()):
            msg = f"{len(classes)} class names, but the records have labels up to {top}"
            raise ValueError(msg)
        return made


def find_manifest(place: Place) -> tuple[Store, str]:
    """Return the store and name of the manifest that a place means: the file itself, or the one in a folder or prefix.

    Args:
        place: a path, URL or store.
    """
    if isinstance(place, str | os.PathLike) and os.fspath(place).endswith(".json"):
        return open_file(place)
    return open_folder(place), MANIFEST_NAME


def inspect_file(store: Store, name: str) -> FileInfo:
    """Return a file's size and CRC-32 by reading it.

    Raises:
        StorageError: it cannot be read.
    """
    source = store.open(name)
    try:
        crc = 0
        for chunk in iter_chunks(source):
            crc = crc32_of(chunk, crc)
        return FileInfo(path=name, bytes=source.size, crc32=crc)
    finally:
        source.close()


def _below_one_root(places: list[str], root: Place | None) -> tuple[Store, list[str]]:
    found = [open_file(place) for place in places]
    uris = [store.uri(name).replace(os.sep, "/") for store, name in found]
    if root is None:
        root = _shared_folder(uris)
    store = open_folder(root)
    start = store.uri("").replace(os.sep, "/").rstrip("/") + "/"
    for uri in uris:
        if not uri.startswith(start):
            msg = f"{uri} does not lie below {start}"
            raise ValueError(msg)
    return store, [uri.removeprefix(start) for uri in uris]


def _shared_folder(uris: list[str]) -> str:
    """Return the deepest folder above all of these, with its slash."""
    parts = [uri.split("/")[:-1] for uri in uris]
    depth = next((level for level, names in enumerate(zip(*parts, strict=False)) if len(set(names)) > 1), min(map(len, parts)))
    shared = "/".join(parts[0][:depth])
    if shared in ("", "s3:", "s3:/"):
        msg = f"these files share no folder: {', '.join(uris)}"
        raise ValueError(msg)
    return shared + "/"


def _describe(store: Store, name: str) -> SplitInfo:
    source = store.open(name)
    labels: Counter[float] = Counter()
    hot: NDArray[np.int64] | None = None
    sizes: list[tuple[int, int]] = []
    ids_are_positions, count, widths = True, 0, set()
    try:
        for _, payload in iter_records(source):
            header, body = unpack_record(payload)
            widths.add(max(header.flag, 1))
            if len(widths) > 1:
                msg = f"records have {sorted(widths)} labels: this library describes files whose records all have the same number"
                raise ManifestError(msg, source=source.uri)
            if header.flag > 1:
                hot = _count(hot, header.label)
            else:
                labels[float(np.ravel(header.label)[0])] += 1
            ids_are_positions &= header.id == count
            count += 1
            try:
                info = inspect(body, formats=RECORDS)
            except ImageError:
                continue  # what cannot be measured has no part in the range; 'verify --level decode' judges it
            sizes.append((info.height, info.width))
    finally:
        source.close()
    return SplitInfo(
        record=inspect_file(store, name),
        **_sidecars(store, name),
        records=count,
        label_width=max(widths, default=1),
        labels=_whole(labels) if hot is None else dict(enumerate(hot.tolist())),
        height=_range(size[0] for size in sizes) if sizes else None,
        width=_range(size[1] for size in sizes) if sizes else None,
        keys_are_ids=ids_are_positions,
    )


def _sidecars(store: Store, name: str) -> dict[str, Any]:
    found = {}
    for field, suffix in (("index", ".idx"), ("checksums", ".rkm")):
        place = find_sidecar(store, name, (suffix,))
        if place is not None and place[0] is store:
            found[field] = inspect_file(store, place[1])
    return found


def _count(hot: NDArray[np.int64] | None, label: NDArray[np.float32]) -> NDArray[np.int64]:
    seen = np.not_equal(label, 0).astype(np.int64)
    return seen if hot is None else np.add(hot, seen)


def _whole(labels: Counter[float]) -> dict[int, int] | None:
    if any(label < 0 or label != int(label) for label in labels):
        return None
    return {int(label): number for label, number in sorted(labels.items())}


def _range(values: Iterable[int]) -> tuple[int, int]:
    kept = list(values)
    return min(kept), max(kept)
