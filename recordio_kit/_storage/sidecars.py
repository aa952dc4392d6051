"""Find a ``.rec`` file's sidecars and hold them against it.

Strategy: ``.rkm`` before ``.idx`` (it also has lengths and checksums), beside the file before ``../index/`` (the tree that
``prepare`` makes, and only where ``../manifest.json`` names this file). What is found must fit: sizes and offsets are
checked, a contradiction is an error. Where there is none, the frame heads are scanned and keys are positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recordio_kit._core.index import parse_idx
from recordio_kit._core.manifest import MANIFEST_NAME, Manifest, SplitInfo
from recordio_kit._core.sidecar import MAGIC, parse_sidecar
from recordio_kit._storage.base import read_all
from recordio_kit._storage.scan import scan_heads
from recordio_kit.errors import IndexMismatchError, ManifestError


if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recordio_kit._storage.base import Source, Store

_SUFFIXES = (".rkm", ".idx")


@dataclass(frozen=True, slots=True)
class Layout:
    """Say where a file's records are.

    Args:
        keys: [n] uint64.
        offsets: [n] uint64.
        lengths: [n] bytes on disk, where known.
        crcs: [n] CRC-32 of each record's extent, where known.
    """

    keys: NDArray[np.uint64]
    offsets: NDArray[np.uint64]
    lengths: NDArray[np.uint64] | None = None
    crcs: NDArray[np.uint32] | None = None


def load_layout(store: Store, name: str, source: Source, index: tuple[Store, str] | bool | None) -> Layout | None:
    """Return where a sidecar says that the records of a ``.rec`` are, or None where there is no sidecar.

    Args:
        store: where the file is.
        name: its name there.
        source: the file itself.
        index: the sidecar to use; None (or True) looks for one, False uses none.

    Raises:
        IndexMismatchError: the sidecar is damaged or contradicts the file.
        StorageError: something cannot be read.
    """
    if index is False:
        return None
    found = index if isinstance(index, tuple) else find_sidecar(store, name)
    if found is None:
        return None
    uri = found[0].uri(found[1])
    data = read_all(*found)
    return _from_sidecar(data, uri, source) if data.startswith(MAGIC) else _from_index(data, uri, source)


def scan_layout(source: Source) -> Layout:
    """Return where the records of a ``.rec`` are, by its frame heads; keys are positions.

    Raises:
        FormatError: the file is damaged.
        StorageError: it cannot be read.
    """
    offsets, lengths = scan_heads(source)
    return Layout(np.arange(len(offsets), dtype=np.uint64), offsets, lengths)


def find_sidecar(store: Store, name: str, suffixes: tuple[str, ...] = _SUFFIXES) -> tuple[Store, str] | None:
    """Return the store and name of a file's sidecar, or None.

    Args:
        store: where the ``.rec`` is.
        name: its name there.
        suffixes: which kinds to look for, the best first.
    """
    stem = name.removesuffix(".rec")
    for suffix in suffixes:
        if store.stat(stem + suffix) is not None:
            return store, stem + suffix
    found = find_split(store, name)
    if found is None:
        return None
    root, _, split = found
    for suffix in suffixes:
        info = split.checksums if suffix == ".rkm" else split.index
        if info is not None and root.stat(info.path) is not None:
            return root, info.path
    return None


def find_split(store: Store, name: str) -> tuple[Store, Manifest, SplitInfo] | None:
    """Return the root of the prepared tree that a ``.rec`` stands in, its manifest and the file's split; None if in none.

    Args:
        store: where the ``.rec`` is.
        name: its name there.
    """
    tree = _tree_of(store, name)
    if tree is None:
        return None
    root, inside = tree
    manifest = _manifest_of(root)
    for split in manifest.splits.values():
        if split.record.path == inside:
            return root, manifest, split
    return None


def _tree_of(store: Store, name: str) -> tuple[Store, str] | None:
    """Return the root of the prepared tree that a file stands in, with its name there, where a manifest says so."""
    folder, _, leaf = name.rpartition("/")
    if folder:
        return None if "/" in folder or store.stat(MANIFEST_NAME) is None else (store, name)
    above = store.parent()
    if above is None or above[0].stat(MANIFEST_NAME) is None:
        return None
    return above[0], f"{above[1]}/{leaf}"


def _manifest_of(root: Store) -> Manifest:
    try:
        return Manifest.from_json(read_all(root, MANIFEST_NAME), source=root.uri(MANIFEST_NAME))
    except ManifestError:
        return Manifest(splits={})  # somebody else's manifest.json says nothing of this file


def _from_sidecar(data: bytes, uri: str, source: Source) -> Layout:
    sidecar = parse_sidecar(data, source=uri)
    entries = sidecar.entries
    offsets, lengths = entries["offset"].copy(), entries["length"].astype(np.uint64)
    if sidecar.size != source.size or not np.array_equal(offsets, np.cumsum(lengths) - lengths) or lengths.sum() != source.size:
        msg = f"written for a file of {sidecar.size} bytes, {source.uri} has {source.size}; one of them is not from this run"
        raise IndexMismatchError(msg, source=uri)
    return Layout(entries["key"].copy(), offsets, lengths, entries["crc32"].copy())


def _from_index(data: bytes, uri: str, source: Source) -> Layout:
    index = parse_idx(data, source=uri)
    if not len(index) and source.size:
        msg = f"names no record of {source.uri}, which has {source.size} bytes; rebuild it with 'index'"
        raise IndexMismatchError(msg, source=uri)
    beyond = np.flatnonzero((index.offsets >= np.uint64(source.size)) | (index.offsets & np.uint64(3) != 0))
    if len(beyond):
        row = int(beyond[0])
        msg = (
            f"row {row + 1} points to byte {index.offsets[row]} of {source.uri}, which has {source.size} bytes in 4-byte steps; "
            "rebuild it with 'index'"
        )
        raise IndexMismatchError(msg, source=uri)
    return Layout(index.keys, index.offsets)
