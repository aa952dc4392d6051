"""Verify: is a ``.rec``, or a whole prepared data set, what it should be?

Strategy: findings are data; nothing is raised for damage, only for what cannot be read at all. A single file is held
against its sidecars; a data set is held against its manifest, file by file: sizes, checksums, record counts, and nothing else
in the channel folders, as SageMaker demands. Whoever will read it may be named: then its rules (``consumers``) are held against
each ``.rec`` too. Files are streamed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from recordio_kit._core.checksum import crc32_of
from recordio_kit._core.manifest import MANIFEST_NAME, Manifest
from recordio_kit._pipeline.consumers import CONSUMERS, FileFacts, judge_channels, rules_for
from recordio_kit._pipeline.findings import Findings, Level, VerifyFinding, VerifyReport
from recordio_kit._pipeline.indexing import build_index
from recordio_kit._pipeline.record_check import RecordCheck, read_sidecars
from recordio_kit._pipeline.report import resolve_progress
from recordio_kit._storage.base import Store, iter_chunks, read_all
from recordio_kit._storage.open import is_url, open_file, open_folder
from recordio_kit._storage.sidecars import find_sidecar, find_split
from recordio_kit.errors import ManifestError, StorageError


if TYPE_CHECKING:
    from collections.abc import Sequence

    from recordio_kit._core.manifest import FileInfo, SplitInfo
    from recordio_kit._pipeline.consumers import Consumer, Rules
    from recordio_kit._pipeline.report import ProgressCallback
    from recordio_kit._storage.open import Place

__all__ = ["VerifyFinding", "VerifyReport", "build_index", "verify"]

_LEVELS = ("structure", "checksum", "decode")


def verify(
    place: Place,
    *,
    level: Level = "checksum",
    consumer: Consumer | None = None,
    store: Store | None = None,
    progress: bool | ProgressCallback | None = None,
) -> VerifyReport:
    """Check a ``.rec``, or a prepared data set, and say what is wrong with it.

    Args:
        place: a ``.rec``; or a ``manifest.json``, its folder, ``s3://`` prefix or store. With ``store``, a name in it.
        level: ``"structure"`` checks frames, headers and sidecars; ``"checksum"`` (where there are checksums) also every
            byte; ``"decode"`` also decodes every image.
        consumer: who will read it: ``"sagemaker"`` (image classification), ``"mxnet"`` (ImageRecordIter), ``"gluon"``
            (RecordFileDataset), ``"dali"`` or ``"insightface"``. What it would stumble over in a sound file is then found
            too, with the kind ``"consumer"``.
        store: where the name stands, if that is not to be told from the place.
        progress: None, True for a bar, or a callable that takes ``Progress``.

    Returns:
        What was found; ``ok`` if nothing.

    Raises:
        StorageError: there is nothing, or it cannot be read.
        ValueError: the level or the consumer is unknown.
    """
    if level not in _LEVELS:
        msg = f"level is one of {', '.join(_LEVELS)}, not {level!r}"
        raise ValueError(msg)
    if consumer is not None and consumer not in CONSUMERS:
        msg = f"consumer is one of {', '.join(CONSUMERS)}, or None, not {consumer!r}"
        raise ValueError(msg)
    tell = resolve_progress(progress)
    if isinstance(place, Store):
        return _Verification(place, level, consumer, tell).data_set(MANIFEST_NAME)
    text = os.fspath(place)
    if store is None and _is_folder(text):
        return _Verification(open_folder(text), level, consumer, tell).data_set(MANIFEST_NAME)
    found, name = open_file(text, store)
    run = _Verification(found, level, consumer, tell)
    return run.data_set(name) if name.endswith(".json") else run.record(name)


def _is_folder(text: str) -> bool:
    return not text.endswith((".rec", ".json")) if is_url(text) else os.path.isdir(text)


class _Verification:
    """Collect what is found in the files of one store."""

    def __init__(self, store: Store, level: Level, consumer: Consumer | None, tell: ProgressCallback) -> None:
        self._store = store
        self._level = level
        self._consumer = consumer
        self._tell = tell
        self._findings: list[VerifyFinding] = []
        self._notes: list[str] = []
        self._records = self._bytes = 0

    def record(self, name: str) -> VerifyReport:
        """Verify one ``.rec`` by itself."""
        findings = Findings(self._store.uri(name))
        index, checksums = (find_sidecar(self._store, name, (suffix,)) for suffix in (".idx", ".rkm"))
        self._check(name, findings, index, checksums, alone=True)
        if checksums is None and self._level != "structure":
            self._notes.append("no .rkm: its bytes could not be held against checksums")
        self._findings += findings.result()
        return self._report(name)

    def data_set(self, name: str) -> VerifyReport:
        """Verify what a manifest describes."""
        findings = Findings(self._store.uri(name))
        manifest = self._read_manifest(name, findings)
        if manifest is not None and self._consumer == "sagemaker":
            judge_channels(manifest, findings)
        self._findings += findings.result()
        for split in {} if manifest is None else manifest.splits.values():
            for info in split.files:
                findings = Findings(self._store.uri(info.path))
                if self._has_size(info, findings):
                    if info is split.record:
                        self._check_split(split, findings)
                    else:
                        self._check_file(info, findings)
                self._findings += findings.result()
            self._refuse_strangers(split)
        return self._report(name)

    def _read_manifest(self, name: str, findings: Findings) -> Manifest | None:
        if self._store.stat(name) is None:
            if next(iter(self._store.list()), None) is None:
                msg = "there is nothing here to verify"
                raise StorageError(msg, uri=self._store.uri(""), operation="open")
            findings.add("missing", "no manifest: the data set is not finished, or none; to verify a .rec alone, name it")
            return None
        try:
            return Manifest.from_json(read_all(self._store, name))
        except ManifestError as error:
            findings.add("manifest", error.message)
            return None

    def _has_size(self, info: FileInfo, findings: Findings) -> bool:
        """Tell whether a file is there; a wrong size is a finding, but the file is worth a look."""
        stat = self._store.stat(info.path)
        if stat is None:
            findings.add("missing", "the manifest names this file, it is not here")
            return False
        if stat.size != info.bytes:
            findings.add("size", f"{stat.size} bytes, the manifest says {info.bytes}")
        return True

    def _check_split(self, split: SplitInfo, findings: Findings) -> None:
        places = [
            (self._store, info.path) if info is not None and self._store.stat(info.path) is not None else None
            for info in (split.index, split.checksums)
        ]
        check = self._check(split.record.path, findings, *places)
        if len(check) != split.records:
            findings.add("count", f"{len(check)} sound records, the manifest says {split.records}")
        if self._level != "structure" and check.crc32 != split.record.crc32:
            findings.add("checksum", f"CRC-32 {check.crc32:08x}, the manifest says {split.record.crc32:08x}")

    def _check_file(self, info: FileInfo, findings: Findings) -> None:
        self._bytes += info.bytes
        if self._level == "structure":
            return
        source, crc32 = self._store.open(info.path), 0
        try:
            for chunk in iter_chunks(source):
                crc32 = crc32_of(chunk, crc32)
        finally:
            source.close()
        if crc32 != info.crc32:
            findings.add("checksum", f"CRC-32 {crc32:08x}, the manifest says {info.crc32:08x}")

    def _check(
        self,
        name: str,
        findings: Findings,
        index: tuple[Store, str] | None,
        checksums: tuple[Store, str] | None,
        *,
        alone: bool = False,
    ) -> RecordCheck:
        sidecars = read_sidecars(index, checksums, findings)
        rules = None if self._consumer is None else rules_for(self._consumer, findings)
        source = self._store.open(name)
        try:
            check = RecordCheck(source, sidecars, self._level, findings, rules)
            check.run(self._tell, f"verify {name.rpartition('/')[2]}")
        finally:
            source.close()
        self._records += len(check)
        self._bytes += source.size
        if rules is not None:
            rules.judge(self._surroundings(name, index, check, rules, alone=alone))
        return check

    def _surroundings(
        self, name: str, index: tuple[Store, str] | None, check: RecordCheck, rules: Rules, *, alone: bool
    ) -> FileFacts:
        """Return the facts of a file and of what stands beside it; nothing that the rules do not need is looked for."""
        folder, slash, _ = name.rpartition("/")
        tree = find_split(self._store, name) if "manifest" in rules.needs else None
        beside = None if index is None else index[0].uri(index[1])
        properties = folder + slash + "property"
        has_properties = "properties" in rules.needs and self._store.stat(properties) is not None
        names = [] if tree is None else [split for split, info in tree[1].splits.items() if info is tree[2]]
        return FileFacts(
            uri=self._store.uri(name),
            offsets=check.offsets,
            index=check.sidecars.index,
            index_found=index is not None,
            index_beside=beside == self._store.uri(name.removesuffix(".rec") + ".idx"),
            loose_line=check.sidecars.loose_line,
            strangers=self._strangers(name) if "strangers" in rules.needs and alone else (),
            properties=read_all(self._store, properties) if has_properties else None,
            num_classes=None if tree is None or tree[1].classes is None else len(tree[1].classes),
            split=names[0] if names else None,
        )

    def _refuse_strangers(self, split: SplitInfo) -> None:
        """Find what else lies in a channel's folder, since SageMaker hands all of it to the training."""
        for name in self._strangers(split.record.path) if "/" in split.record.path else ():
            message = "lies in the folder of a channel, which must hold its .rec alone"
            self._findings.append(VerifyFinding(self._store.uri(name), None, None, "extra", message))

    def _strangers(self, name: str) -> Sequence[str]:
        """Return what else lies in a file's folder and below it."""
        folder, slash, _ = name.rpartition("/")
        return [other for other in self._store.list(folder + slash) if other != name]

    def _report(self, name: str) -> VerifyReport:
        return VerifyReport(
            uri=self._store.uri(name),
            level=self._level,
            consumer=self._consumer,
            records=self._records,
            bytes=self._bytes,
            findings=tuple(self._findings),
            notes=tuple(self._notes),
        )
