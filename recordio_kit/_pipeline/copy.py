"""Copy a prepared data set between stores, verified on the way.

Strategy: the manifest says what belongs to the data set and what its bytes are; nothing else is copied, and the manifest
comes last, so that a copy that was cut short is incomplete to everybody. Each file is streamed once, and its checksum is that
of the bytes that were handed on. What stands there already is left if it is the same; so a copy that was cut short goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from recordio_kit._core.checksum import crc32_of
from recordio_kit._core.manifest import MANIFEST_NAME, Manifest
from recordio_kit._pipeline.manifests import find_manifest, inspect_file
from recordio_kit._pipeline.report import Progress, resolve_progress
from recordio_kit._storage.base import iter_chunks, read_all, write_all
from recordio_kit._storage.memory import MemoryStore
from recordio_kit._storage.open import open_folder
from recordio_kit.errors import CorruptRecordError, OutputExistsError


if TYPE_CHECKING:
    from recordio_kit._core.manifest import FileInfo
    from recordio_kit._pipeline.report import ProgressCallback
    from recordio_kit._storage.base import Sink, Source, Store
    from recordio_kit._storage.open import Place

__all__ = ["copy"]

_STAGE: Final = "copy"


def copy(source: Place, destination: Place, *, overwrite: bool = False, progress: bool | ProgressCallback | None = None) -> int:
    """Copy a prepared data set: its manifest, and the files that the manifest names.

    Args:
        source: its folder, ``s3://`` prefix, store or ``manifest.json``.
        destination: a folder, ``s3://`` prefix or store.
        overwrite: replace files of another content; the old manifest is withdrawn first.
        progress: None, True for a bar, or a callable that takes ``Progress``, in files.

    Returns:
        Bytes copied; what stood there already is not counted.

    Raises:
        OutputExistsError: other content stands there, or a channel folder holds other files; nothing was changed.
        CorruptRecordError: a file is not what the manifest says; it was not published, nor was the manifest.
        ManifestError: there is no manifest, or it is broken.
        ValueError: source and destination are the same place.
        StorageError: something cannot be read or written; the manifest was not published.
    """
    tell = resolve_progress(progress)
    store, name = find_manifest(source)
    target = open_folder(destination)
    if store is target or (store.uri(name) == target.uri(MANIFEST_NAME) and not isinstance(store, MemoryStore)):
        msg = f"{store.uri(name)} would be copied onto itself"
        raise ValueError(msg)
    data = read_all(store, name)
    manifest = Manifest.from_json(data, source=store.uri(name))
    files = [info for split in manifest.splits.values() for info in split.files]
    missing = _refuse_conflicts(target, manifest, files, data, overwrite=overwrite)
    if missing and overwrite:
        target.delete(MANIFEST_NAME)
    copied = 0
    for count, info in enumerate(missing):
        tell(Progress(_STAGE, count, len(missing) + 1, copied))
        _copy_file(store, target, info, overwrite=overwrite)
        copied += info.bytes
    if not _holds(target, MANIFEST_NAME, data):
        write_all(target, MANIFEST_NAME, data, overwrite=overwrite)
        copied += len(data)
    tell(Progress(_STAGE, len(missing) + 1, len(missing) + 1, copied))
    return copied


def _refuse_conflicts(
    target: Store, manifest: Manifest, files: list[FileInfo], data: bytes, *, overwrite: bool
) -> list[FileInfo]:
    """Return the files that are not there yet, with their content; refuse what stands in their way."""
    missing, taken = [], []
    for info in files:
        stat = target.stat(info.path)
        if stat is None or stat.size != info.bytes or inspect_file(target, info.path) != info:
            missing.append(info)
            taken += [info.path] if stat is not None else []
    if target.stat(MANIFEST_NAME) is not None and not _holds(target, MANIFEST_NAME, data):
        taken.append(MANIFEST_NAME)
    if taken and not overwrite:
        msg = (
            f"{target.uri(taken[0])} exists already with other content; choose another destination or overwrite it (--overwrite)"
        )
        raise OutputExistsError(msg)
    records = {split.record.path for split in manifest.splits.values()}
    for folder in dict.fromkeys(record.rpartition("/")[0] for record in records):
        for name in target.list(f"{folder}/") if folder else ():
            if name not in records:
                msg = f"{target.uri(name)} lies in the folder of a channel, which must hold its .rec alone; move it away"
                raise OutputExistsError(msg)
    return missing


def _holds(target: Store, name: str, data: bytes) -> bool:
    stat = target.stat(name)
    return stat is not None and stat.size == len(data) and read_all(target, name) == data


def _copy_file(store: Store, target: Store, info: FileInfo, *, overwrite: bool) -> None:
    source = store.open(info.path)
    try:
        _refuse_unless(source, source.size == info.bytes, f"{source.size} bytes, the manifest says {info.bytes}")
        sink = target.create(info.path, overwrite=overwrite)
        try:
            _stream(source, sink, info)
            sink.commit()
        except BaseException:
            sink.abort()
            raise
    finally:
        source.close()


def _stream(source: Source, sink: Sink, info: FileInfo) -> None:
    crc32 = 0
    for chunk in iter_chunks(source):
        crc32 = crc32_of(chunk, crc32)
        sink.write(chunk)
    _refuse_unless(source, crc32 == info.crc32, f"CRC-32 {crc32:08x}, the manifest says {info.crc32:08x}")


def _refuse_unless(source: Source, fine: bool, what: str) -> None:
    if not fine:
        msg = f"{what}; 'verify' says where it is damaged, nothing of it was published"
        raise CorruptRecordError(msg, source=source.uri)
