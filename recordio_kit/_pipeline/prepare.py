"""The main job: a folder of images to lists, splits, ``.rec`` files and a manifest, locally or on S3.

Strategy: refuse first (lists, splits, destination) and touch nothing before all of that is well; then pack every split
into files that nobody sees; then publish them in order, the manifest last, which is the commit. A tree without a manifest
is unfinished. The same work asked for twice finds its own fingerprints and does nothing.
"""

from __future__ import annotations

import contextlib
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from recordio_kit._core.lst import format_classes, format_lst
from recordio_kit._core.manifest import MANIFEST_NAME, FileInfo, SplitInfo
from recordio_kit._core.plan import fingerprint
from recordio_kit._core.split import split_list
from recordio_kit._pipeline.labels import read_labels
from recordio_kit._pipeline.listing import make_list, make_split_lists, split_folders
from recordio_kit._pipeline.manifests import Manifest
from recordio_kit._pipeline.pack import Policy, describe, fill, make_job
from recordio_kit._pipeline.report import resolve_progress
from recordio_kit._storage.base import write_all
from recordio_kit._storage.open import open_folder, refuse_unreadable
from recordio_kit._storage.writer import RecordWriter
from recordio_kit.errors import OutputExistsError


if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Executor
    from typing import Literal

    from recordio_kit._core.imagelist import Finding, ImageList
    from recordio_kit._core.split import GroupBy, SplitReport
    from recordio_kit._images.transform import Reencode
    from recordio_kit._pipeline.pack import OnError
    from recordio_kit._pipeline.report import ProgressCallback
    from recordio_kit._pipeline.work import Job
    from recordio_kit._storage.base import Sink, Store
    from recordio_kit._storage.open import Place

#: What most people want, and what the SageMaker examples do.
DEFAULT_SPLITS: Final[Mapping[str, float]] = {"train": 0.7, "validation": 0.3}


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """Say what would be packed: the lists by split, and what decides their bytes.

    Args:
        parts: the list of each split.
        options: the output-affecting options as plain JSON values.
        report: how near the splits came to their shares; None where they were given.
        findings: what was odd about the input.
    """

    parts: Mapping[str, ImageList]
    options: Mapping[str, Any]
    report: SplitReport | None
    findings: tuple[Finding, ...]

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Return the class names that all splits share."""
        return next(iter(self.parts.values())).classes


def list_dataset(
    root: str | os.PathLike[str],
    *,
    splits: Mapping[str, float] | Literal["folders", "column"] | None = None,
    labels: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    classes: Any = None,
    exts: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    follow_links: bool = False,
    stratify: bool = True,
    group_by: GroupBy | None = None,
    seed: int = 0,
    small_classes: Literal["error", "train"] = "error",
) -> DataSet:
    """List a folder's images and split them, without packing: the first half of ``prepare``, and all of a dry run.

    Args:
        root: the folder; one folder a class, or one a split with one a class below, or any layout with ``labels``.
        splits: shares by name; ``"folders"`` keeps the split folders, ``"column"`` the CSV's ``split`` column; None finds
            out: folders or column where there are such, else 70 % train and 30 % validation.
        labels: a CSV or mapping of labels by path, for other layouts than one folder a class.
        classes: class names in label order (a list, a text file, a manifest); None takes the folders'.
        exts: the suffixes that are taken; None means .jpg .jpeg .png.
        ignore: globs of files and folders to leave out.
        follow_links: whether links are taken.
        stratify: keep each class's share in each split.
        group_by: images of one group stay together: a regular expression, a callable, or a mapping.
        seed: another seed, another split.
        small_classes: what happens to a class with fewer images than splits.

    Raises:
        ValueError: the folder or an option makes no sense; the message says which and what to do.
        StorageError: the folder cannot be read.
    """
    walk: dict[str, Any] = {"ignore": ignore, "follow_links": follow_links} | ({} if exts is None else {"exts": exts})
    table = None if labels is None else read_labels(labels, classes=classes)
    if splits is None:
        splits = _detect(root, table)
    if splits == "folders":
        parts = make_split_lists(root, classes=classes, **walk)
        findings = tuple(dict.fromkeys(finding for part in parts.values() for finding in part.findings))
        return DataSet(parts=parts, options={"splits": "folders"}, report=None, findings=findings)
    images = make_list(root, labels=labels, classes=classes, **walk)
    if splits == "column":
        return _split_by_column(images, table)
    if isinstance(splits, str):
        msg = f"splits is a mapping of shares, 'folders' or 'column', not {splits!r}"
        raise ValueError(msg)
    if group_by is None and table is not None and table.groups is not None:
        group_by = table.groups
    made = split_list(images, splits, stratify=stratify, group_by=group_by, seed=seed, small_classes=small_classes)
    options = {
        "splits": {name: repr(float(share)) for name, share in splits.items()},
        "stratify": stratify,
        "seed": seed,
        "small_classes": small_classes,
        "group_by": group_by if isinstance(group_by, str) else None if group_by is None else "by the caller",
    }
    return DataSet(parts=made, options=options, report=made.report, findings=images.findings)


def _detect(root: str | os.PathLike[str], table: Any) -> Mapping[str, float] | Literal["folders", "column"]:
    if table is not None:
        return "column" if table.splits is not None else DEFAULT_SPLITS
    return "folders" if split_folders(root) else DEFAULT_SPLITS


def _split_by_column(images: ImageList, table: Any) -> DataSet:
    if table is None or table.splits is None:
        msg = "splits='column' needs labels= with a CSV that has a 'split' column"
        raise ValueError(msg)
    names = [table.splits[path] for path in images.paths]
    parts = {
        name: images.take([place for place, other in enumerate(names) if other == name]).renumber()
        for name in dict.fromkeys(names)
    }
    return DataSet(parts=parts, options={"splits": "column"}, report=None, findings=images.findings)


def prepare(
    root: str | os.PathLike[str],
    dest: Place,
    *,
    splits: Mapping[str, float] | Literal["folders", "column"] | None = None,
    labels: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    classes: Any = None,
    exts: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    follow_links: bool = False,
    stratify: bool = True,
    group_by: GroupBy | None = None,
    seed: int = 0,
    small_classes: Literal["error", "train"] = "error",
    transform: Reencode | None = None,
    workers: int | None = None,
    on_error: OnError = "raise",
    max_skipped: float = 0.01,
    check: str | None = None,
    progress: bool | ProgressCallback | None = None,
    executor: Executor | None = None,
    overwrite: bool = False,
) -> Manifest:
    """Turn a folder of images into what SageMaker, MXNet and DALI train from: the main job.

    Makes lists, splits them, packs each split, and publishes, with the manifest last:
    ``train/train.rec``, ``validation/validation.rec``, ``index/*.idx``, ``index/*.rkm``, ``lists/*.lst``, ``manifest.json``.

    Args:
        root: the folder of images.
        dest: a folder, an ``s3://bucket/prefix/`` URL, or a store.
        splits, labels, classes, exts, ignore, follow_links, stratify, group_by, seed, small_classes: as for the lists:
            shares by name (None: 70 % train, 30 % validation, or what folders or a CSV column say), labels from a CSV, fixed
            class names, suffixes to take, globs to leave out, links, class shares, groups that stay together, the seed, and
            what becomes of classes with fewer images than splits (``"error"`` or ``"train"``).
        transform, workers, on_error, max_skipped, check, progress, executor, overwrite: as for ``pack_list``.

    Returns:
        The manifest, as it was written; the same one, and nothing done, where this very data set stands there already.

    Raises:
        PackError: bad images; nothing is published.
        OutputExistsError: the destination holds something else; it is as it was.
        StorageError, WorkerDiedError: the environment failed; without a manifest the destination counts as unfinished.
        ValueError, TypeError, UnsafePathError: input or options make no sense; nothing was done.
    """
    data = list_dataset(
        root,
        splits=splits,
        labels=labels,
        classes=classes,
        exts=exts,
        ignore=ignore,
        follow_links=follow_links,
        stratify=stratify,
        group_by=group_by,
        seed=seed,
        small_classes=small_classes,
    )
    policy = Policy(on_error=on_error, max_skipped=max_skipped, workers=workers, executor=executor)
    return pack_dataset(
        data, dest, root=root, transform=transform, check=check, policy=policy, progress=progress, overwrite=overwrite
    )


def pack_dataset(
    data: DataSet,
    dest: Place,
    *,
    root: str | os.PathLike[str],
    transform: Reencode | None = None,
    check: str | None = None,
    policy: Policy | None = None,
    progress: bool | ProgressCallback | None = None,
    overwrite: bool = False,
) -> Manifest:
    """Pack listed splits and publish them with their manifest: the second half of ``prepare``.

    Args and errors: as for ``prepare``.
    """
    policy = policy or Policy()
    store = open_folder(dest)
    refuse_unreadable(store.uri(MANIFEST_NAME))
    tell = resolve_progress(progress)
    jobs = {name: make_job(images, root, transform, check) for name, images in data.parts.items()}
    effects = next(iter(jobs.values())).options() | {"on_error": policy.on_error, "max_skipped": policy.max_skipped}
    marks = {name: fingerprint(images, effects | {"split": name}) for name, images in data.parts.items()}
    if (standing := _standing(store, marks, data.classes, overwrite=overwrite)) is not None:
        return standing
    store.probe()
    with contextlib.ExitStack() as undo:
        packed = {
            name: _pack_split(store, name, images, jobs[name], policy, marks[name], tell, undo, overwrite)
            for name, images in data.parts.items()
        }
        manifest = Manifest(
            splits={name: info for name, (info, _) in packed.items()},
            classes=data.classes,
            options=dict(data.options) | effects,
        )
        if overwrite:
            store.delete(MANIFEST_NAME)  # from here to the end the tree is unfinished
        for _, publish in packed.values():
            for item in publish:
                item()
        write_all(store, MANIFEST_NAME, manifest.to_json(), overwrite=overwrite)
        undo.pop_all()
    return manifest


def _pack_split(
    store: Store,
    name: str,
    images: ImageList,
    job: Job,
    policy: Policy,
    mark: str,
    tell: ProgressCallback,
    undo: contextlib.ExitStack,
    overwrite: bool,
) -> tuple[SplitInfo, list[Any]]:
    """Pack one split into sealed, invisible files; return what it is and what publishes it."""
    writer = RecordWriter(
        f"{name}/{name}.rec",
        index=f"index/{name}.idx",
        checksums=f"index/{name}.rkm",
        store=store,
        fingerprint=mark,
        overwrite=overwrite,
    )
    undo.callback(writer.abort)
    tally = fill(writer, images, job, policy, stage=f"pack {name}", progress=tell)
    writer.seal()
    info = describe(writer, images, tally, mark)
    kept = images.take(tally.positions().astype(np.int64))
    texts = {"list": (f"lists/{name}.lst", format_lst(kept))}
    if images.classes is not None:
        texts["class_names"] = (f"lists/{name}.classes.txt", format_classes(images.classes))
    publish: list[Any] = [writer.close]
    files = {}
    for field, (path, text) in texts.items():
        sink = _sealed(store, path, text, overwrite)
        undo.callback(sink.abort)
        publish.append(sink.commit)
        files[field] = FileInfo(path=path, bytes=len(text), crc32=zlib.crc32(text))
    return replace(info, **files), publish


def _sealed(store: Store, name: str, data: bytes, overwrite: bool) -> Sink:
    sink = store.create(name, overwrite=overwrite)
    try:
        sink.write(data)
        sink.seal()
    except BaseException:
        sink.abort()
        raise
    return sink


def _standing(
    store: Store, marks: Mapping[str, str], classes: tuple[str, ...] | None, *, overwrite: bool
) -> Manifest | None:
    """Return the manifest of this very data set if it stands there, whole; refuse anything else that does.

    Raises:
        OutputExistsError: naming what differs.
    """
    where = store.uri("")
    hint = "choose another destination, or replace it with overwrite=True (--overwrite)"
    if store.stat(MANIFEST_NAME) is None:
        for name in marks:
            stray = next(iter(store.list(f"{name}/")), None)
            if stray is not None and not (overwrite and stray == f"{name}/{name}.rec"):
                msg = f"{where} has no manifest but holds {stray}; remove what is there, or choose another destination"
                raise OutputExistsError(msg)
        return None
    if overwrite:
        return None
    known = Manifest.load(store)
    if known.classes != classes or set(known.splits) != set(marks):
        msg = f"{where} holds another data set (splits {', '.join(sorted(known.splits))}); {hint}"
        raise OutputExistsError(msg)
    for name, split in known.splits.items():
        if split.fingerprint != marks[name]:
            msg = f"{where} holds a data set made from another list or with other options (split {name}); {hint}"
            raise OutputExistsError(msg)
        for info in split.files:
            found = store.stat(info.path)
            if found is None or found.size != info.bytes:
                msg = f"{store.uri(info.path)} is not as its manifest says ({info.bytes} bytes); 'verify' tells more; {hint}"
                raise OutputExistsError(msg)
    return known
