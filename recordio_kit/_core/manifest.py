"""The manifest: what a prepared data set holds, as values and as canonical JSON.

Strategy: it is written last and *is* the commit: a tree without it is incomplete. It holds no clock time, host, absolute
path or worker count, so two runs of the same work give the same bytes. Reading checks every field that is used, since a
manifest may come from elsewhere. Loading and saving are storage's business, not this module's.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from recordio_kit._core.plan import Failure
from recordio_kit.errors import ManifestError


if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

FORMAT: Final = "recordio_kit manifest"
VERSION: Final = 1
#: What ``SplitInfo.large`` counts: above four megapixels nothing is left to learn for networks of 224 pixels.
LARGE_PIXELS: Final = 4_000_000
MANIFEST_NAME: Final = "manifest.json"
#: Options are nested three deep; from about a thousand on, Python can read JSON that it cannot write.
_MAX_DEPTH: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class FileInfo:
    """Describe one file of the data set.

    Args:
        path: relative to the manifest, with ``/``.
        bytes: its size.
        crc32: CRC-32 (zlib's) of its content.
    """

    path: str
    bytes: int
    crc32: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitInfo:
    """Describe one split: its files, how many records of which labels and sizes they hold, and what was left out.

    Args:
        record: the ``.rec``.
        index: the ``.idx``, if there is one.
        checksums: the ``.rkm``, if there is one.
        list: the ``.lst`` of what was packed, if there is one.
        class_names: the class names beside that list, if there are any.
        records: how many.
        label_width: labels a record has; 1 is a scalar label.
        labels: records by label, where every label is a whole number; with several labels, records whose label is not 0
            by column; else None.
        height: smallest and largest image height in pixels, None where the sizes are not known.
        width: the same across.
        turned: images stored as they were taken, with an EXIF orientation that a reader must turn them by.
        large: images of more than ``LARGE_PIXELS``, which cost a trainer more time to decode than to learn from.
        large_bytes: bytes of their records.
        im2rec_exact: False where re-encoded images are not MXNet's own bytes, since no codec of that machine gave them.
        fingerprint: hex digest of list and output-affecting options.
        failures: the images that were left out.
        keys_are_ids: whether every record's key equals the id in its header.
    """

    record: FileInfo
    index: FileInfo | None = None
    checksums: FileInfo | None = None
    list: FileInfo | None = None
    class_names: FileInfo | None = None
    records: int
    label_width: int = 1
    labels: Mapping[int, int] | None = None
    height: tuple[int, int] | None = None
    width: tuple[int, int] | None = None
    turned: int = 0
    large: int = 0
    large_bytes: int = 0
    im2rec_exact: bool = True
    fingerprint: str = ""
    failures: tuple[Failure, ...] = ()
    keys_are_ids: bool = True

    @property
    def files(self) -> tuple[FileInfo, ...]:
        """Return every file of the split, the ``.rec`` first."""
        return tuple(info for info in (self.record, self.index, self.checksums, self.list, self.class_names) if info is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Describe a prepared data set.

    Args:
        splits: by name; ``train`` and ``validation`` are what SageMaker takes as channels.
        classes: class names by label, or None where labels are not classes or nobody knows.
        options: the output-affecting options of the run that made it, as plain JSON values.
    """

    splits: Mapping[str, SplitInfo]
    classes: tuple[str, ...] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label_width(self) -> int:
        """Return the number of labels a record has."""
        return max((split.label_width for split in self.splits.values()), default=1)

    @property
    def num_classes(self) -> int | None:
        """Return the number of classes: the names', else what the labels show, else None."""
        if self.classes is not None:
            return len(self.classes)
        if self.label_width > 1:
            return self.label_width
        known = [split.labels for split in self.splits.values() if split.labels]
        return max(max(labels) for labels in known) + 1 if known else None

    def to_json(self) -> bytes:
        """Return the canonical JSON: ASCII, sorted keys, two spaces, LF."""
        document = {
            "format": FORMAT,
            "version": VERSION,
            "classes": self.classes,
            "options": dict(self.options),
            "splits": {name: _split_to_plain(split) for name, split in self.splits.items()},
        }
        return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode("ascii")

    @classmethod
    def from_json(cls, data: bytes, *, source: str | None = None) -> Self:
        """Return the manifest that JSON bytes hold.

        Args:
            data: the file's bytes.
            source: its name, for messages.

        Raises:
            ManifestError: it is no manifest, of a newer version, or a field is missing or wrong.
        """
        try:
            document = json.loads(data)
        except (ValueError, RecursionError) as error:
            msg = f"not a JSON document ({error}); a manifest is what 'prepare' or 'manifest' writes"
            raise ManifestError(msg, source=source) from error
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            msg = f"not a manifest of this library: its 'format' is not {FORMAT!r}"
            raise ManifestError(msg, source=source)
        version = document.get("version")
        if type(version) is not int or version != VERSION:  # True and 1.0 equal 1
            msg = f"manifest version {version!r}, this library reads version {VERSION}; update recordio_kit"
            raise ManifestError(msg, source=source)
        try:
            return cls(
                splits={str(name): _split_from_plain(plain) for name, plain in _checked(document["splits"], dict).items()},
                classes=None if document["classes"] is None else tuple(_texts(document["classes"])),
                options=_options(document["options"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            msg = f"broken manifest: {type(error).__name__} {error}; write it again with 'manifest'"
            raise ManifestError(msg, source=source) from error


def _split_to_plain(split: SplitInfo) -> dict[str, Any]:
    return {
        "record": _file_to_plain(split.record),
        "index": _file_to_plain(split.index),
        "checksums": _file_to_plain(split.checksums),
        "list": _file_to_plain(split.list),
        "class_names": _file_to_plain(split.class_names),
        "records": split.records,
        "label_width": split.label_width,
        # as pairs: JSON's sorted keys would put "10" before "2"
        "labels": None if split.labels is None else [[label, split.labels[label]] for label in sorted(split.labels)],
        "height": split.height,
        "width": split.width,
        "turned": split.turned,
        "large": split.large,
        "large_bytes": split.large_bytes,
        "im2rec_exact": split.im2rec_exact,
        "fingerprint": split.fingerprint,
        "failures": [{"index": failure.index, "path": failure.path, "reason": failure.reason} for failure in split.failures],
        "keys_are_ids": split.keys_are_ids,
    }


def _split_from_plain(plain: Any) -> SplitInfo:
    record = _file_from_plain(plain["record"])
    if record is None:
        msg = "a split without its .rec"
        raise ValueError(msg)
    return SplitInfo(
        record=record,
        index=_file_from_plain(plain["index"]),
        checksums=_file_from_plain(plain["checksums"]),
        list=_file_from_plain(plain["list"]),
        class_names=_file_from_plain(plain["class_names"]),
        records=_count(plain["records"]),
        label_width=_count(plain["label_width"], least=1),
        labels=_labels(plain["labels"]),
        height=_range(plain["height"]),
        width=_range(plain["width"]),
        turned=_count(plain["turned"]),
        large=_count(plain["large"]),
        large_bytes=_count(plain["large_bytes"]),
        im2rec_exact=_checked(plain["im2rec_exact"], bool),
        fingerprint=_checked(plain["fingerprint"], str),
        failures=tuple(
            Failure(_count(failure["index"]), _checked(failure["path"], str), _checked(failure["reason"], str), "")
            for failure in _checked(plain["failures"], list)
        ),
        keys_are_ids=_checked(plain["keys_are_ids"], bool),
    )


def _file_to_plain(info: FileInfo | None) -> dict[str, Any] | None:
    return None if info is None else {"path": info.path, "bytes": info.bytes, "crc32": f"{info.crc32:08x}"}


def _file_from_plain(plain: Any) -> FileInfo | None:
    if plain is None:
        return None
    path = _checked(plain["path"], str)
    if any(part in ("", ".", "..") for part in path.split("/")) or any(sign in path for sign in "\0\\:"):
        msg = f"the path {path!r} does not stay below the manifest"
        raise ValueError(msg)
    crc32 = _checked(plain["crc32"], str)
    if not re.fullmatch(r"[0-9a-f]{8}", crc32):
        msg = f"{crc32!r} is no CRC-32"
        raise ValueError(msg)
    return FileInfo(path=path, bytes=_count(plain["bytes"]), crc32=int(crc32, 16))


def _options(plain: Any) -> dict[str, Any]:
    options: dict[str, Any] = _checked(plain, dict)
    if options.get("transform") is not None:
        _checked(options["transform"], dict)
    if not _is_shallow(options, _MAX_DEPTH):
        msg = f"options nested more than {_MAX_DEPTH} deep"
        raise ValueError(msg)
    return options


def _is_shallow(value: Any, levels: int) -> bool:
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not below or (levels > 0 and all(_is_shallow(each, levels - 1) for each in below))


def _labels(plain: Any) -> dict[int, int] | None:
    if plain is None:
        return None
    labels = {_checked(label, int): _count(number) for label, number in _checked(plain, list)}
    if len(labels) != len(plain):
        msg = "a label stands twice in 'labels'"
        raise ValueError(msg)
    return labels


def _range(plain: Any) -> tuple[int, int] | None:
    if plain is None:
        return None
    low, high = _checked(plain, list)
    return _count(low), _count(high, least=low)


def _count(value: Any, *, least: int = 0) -> int:
    if type(value) is not int or value < least:
        msg = f"{value!r} is no count"
        raise ValueError(msg)
    return value


def _texts(values: Any) -> list[str]:
    return [_checked(value, str) for value in _checked(values, list)]


def _checked(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        msg = f"{value!r} where a {kind.__name__} belongs"
        raise TypeError(msg)
    return value
