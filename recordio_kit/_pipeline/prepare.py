"""The main job: a folder of images to lists, splits, ``.rec`` files and a manifest, locally or on S3.

Strategy: refuse first (lists, splits, destination) and touch nothing before all of that is well; then pack every split
into files that nobody sees; then publish them in order, the manifest last, which is the commit. A tree without a manifest
is unfinished. The same work asked for twice finds its own fingerprints and does nothing.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recordio_kit._core.checksum import crc32_of
from recordio_kit._core.lst import format_classes, format_lst
from recordio_kit._core.manifest import MANIFEST_NAME, FileInfo, SplitInfo
from recordio_kit._core.plan import fingerprint
from recordio_kit._images.baseline import baseline
from recordio_kit._pipeline.dataset import list_dataset
from recordio_kit._pipeline.drafting import Unfinished, forget
from recordio_kit._pipeline.filling import describe, fill
from recordio_kit._pipeline.manifests import Manifest, inspect_file
from recordio_kit._pipeline.pack import make_job
from recordio_kit._pipeline.policy import Policy
from recordio_kit._pipeline.report import resolve_progress
from recordio_kit._storage.base import write_all
from recordio_kit._storage.local import LocalStore
from recordio_kit._storage.open import open_folder, refuse_unreadable
from recordio_kit.errors import OutputExistsError


if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from concurrent.futures import Executor
    from typing import Literal

    from recordio_kit._core.imagelist import ImageList
    from recordio_kit._core.split import GroupBy
    from recordio_kit._images.transform import Transform
    from recordio_kit._pipeline.dataset import DataSet
    from recordio_kit._pipeline.policy import OnError
    from recordio_kit._pipeline.report import ProgressCallback
    from recordio_kit._pipeline.work import Job
    from recordio_kit._storage.base import Sink, Store
    from recordio_kit._storage.open import Place


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
    transform: Transform | None = None,
    workers: int | None = None,
    on_error: OnError = "raise",
    max_skipped: float = 0.01,
    check: str | None = None,
    progress: bool | ProgressCallback | None = None,
    executor: Executor | None = None,
    overwrite: bool = False,
    resume: bool = True,
) -> Manifest:
    """Turn a folder of images into what SageMaker, MXNet and DALI train from: the main job.

    Makes lists, splits them, packs each split, and publishes, with the manifest last:
    ``train/train.rec``, ``validation/validation.rec``, ``index/*.idx``, ``index/*.rkm``, ``lists/*.lst``, ``manifest.json``.

    Args:
        root: the folder of images.
        dest: a folder, an ``s3://bucket/prefix/`` URL, or a store.
        splits: shares by name; ``"folders"`` keeps split folders, ``"column"`` the CSV's ``split`` column; None finds out:
            folders or column where there are such, else 70 % train and 30 % validation.
        labels: a CSV or mapping of labels by path, for other layouts than one folder a class.
        classes: class names in label order (a list, a text file, a manifest); None takes the folders'.
        exts: the suffixes that are taken; None means .jpg .jpeg .png.
        ignore: globs of files and folders to leave out.
        follow_links: whether links are taken.
        stratify: keep each class's share in each split.
        group_by: images of one group stay together: a regular expression, a callable, or a mapping.
        seed: another seed, another split.
        small_classes: ``"error"`` or ``"train"``: what becomes of a class with fewer images than splits.
        transform: None stores the files' bytes; ``Reencode(...)`` decodes, resizes and encodes; ``StripMetadata()`` does not.
        workers: processes; 0 works in this one; None decides by the machine and the work.
        on_error: ``"raise"`` or ``"skip"`` bad images.
        max_skipped: the share of bad images, 0 to 1, that ``"skip"`` puts up with.
        check: how closely images are looked at, as for ``pack_list``.
        progress: None, True for a bar, or a callable that takes ``Progress``.
        executor: run there instead of in processes of our own.
        overwrite: replace another data set at the destination.
        resume: take up what an unfinished run has left, and leave for the next what this one has done if it fails; False starts
            over and leaves nothing.

    Returns:
        The manifest, as it was written; the same one, and nothing done, where this very data set stands there already.

    Raises:
        PackError: bad images; nothing is published.
        OutputExistsError: the destination holds something else, or another run is at it; it is as it was.
        ResumeMismatchError: an unfinished run has left something else there, or an image that it packed has changed.
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
        data,
        dest,
        root=root,
        transform=transform,
        check=check,
        policy=policy,
        progress=progress,
        overwrite=overwrite,
        resume=resume,
    )


def pack_dataset(
    data: DataSet,
    dest: Place,
    *,
    root: str | os.PathLike[str],
    transform: Transform | None = None,
    check: str | None = None,
    policy: Policy | None = None,
    progress: bool | ProgressCallback | None = None,
    overwrite: bool = False,
    resume: bool = True,
) -> Manifest:
    """Pack listed splits and publish them with their manifest: the second half of ``prepare``.

    Args:
        data: what ``list_dataset`` returned.
        dest: a folder, an ``s3://bucket/prefix/`` URL, or a store.
        root: the folder that the lists' paths start from.
        transform: None, ``Reencode(...)`` or ``StripMetadata()``.
        check: how closely images are looked at.
        policy: what bad images do, and where the work runs.
        progress: None, True for a bar, or a callable.
        overwrite: replace another data set at the destination.
        resume: take up, and leave, unfinished work.

    Raises:
        RecordIOKitError: as for ``prepare``.
    """
    policy = policy or Policy()
    store = open_folder(dest)
    _refuse_inside(store, root)
    refuse_unreadable(store.uri(MANIFEST_NAME))
    tell = resolve_progress(progress)
    jobs = {name: make_job(images, root, transform, check) for name, images in data.parts.items()}
    effects = next(iter(jobs.values())).options() | {"on_error": policy.on_error, "max_skipped": policy.max_skipped}
    marks = {name: fingerprint(images, effects | {"split": name}) for name, images in data.parts.items()}
    names = {name: f"{name}/{name}.rec" for name in marks}
    if not overwrite and (standing := _standing(store, marks, data.classes)) is not None:
        forget(store, names.values())  # of a run that was killed when all was done
        return standing
    store.probe()
    with contextlib.ExitStack() as undo:
        drafts: dict[str, Unfinished] = {}
        for name, mark in marks.items():
            draft = Unfinished(
                store,
                names[name],
                entries=len(data.parts[name]),
                fingerprint=mark,
                options=effects,
                baseline=baseline(transform),
                resume=resume,
                overwrite=overwrite,
            )
            drafts[name] = undo.enter_context(draft)
        own = {names[name] for name, draft in drafts.items() if overwrite or draft.published}
        _refuse_strangers(store, marks, own)
        packed = {
            name: _pack_split(drafts[name], name, images, job=jobs[name], policy=policy, tell=tell, undo=undo)
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
    return manifest


def _is_whole(store: Store, info: FileInfo) -> bool:
    """Tell whether a file is as its manifest says: by its bytes where they are near, by its size where they cost a download."""
    found = store.stat(info.path)
    if found is None or found.size != info.bytes:
        return False
    return not isinstance(store, LocalStore) or inspect_file(store, info.path) == info


def _refuse_inside(store: Store, root: str | os.PathLike[str]) -> None:
    """Refuse to write among the images: the next run would list what this one wrote."""
    if isinstance(store, LocalStore) and store.root.resolve().is_relative_to(Path(root).resolve()):
        msg = f"{store.root} lies in {os.fspath(root)}, among the images; choose a destination outside it"
        raise ValueError(msg)


def _pack_split(
    draft: Unfinished,
    name: str,
    images: ImageList,
    *,
    job: Job,
    policy: Policy,
    tell: ProgressCallback,
    undo: contextlib.ExitStack,
) -> tuple[SplitInfo, list[Any]]:
    """Pack one split into sealed, invisible files; return what it is and what publishes it."""
    writer = draft.writer(index=f"index/{name}.idx", checksums=f"index/{name}.rkm", fingerprint=draft.fingerprint)
    filled = fill(writer, images, job, policy, stage=f"pack {name}", progress=tell, draft=draft)
    writer.seal()
    info = describe(writer, images, filled, job, draft.fingerprint)
    kept = filled.of(images)
    texts = {"list": (f"lists/{name}.lst", format_lst(kept))}
    if images.classes is not None:
        texts["class_names"] = (f"lists/{name}.classes.txt", format_classes(images.classes))
    publish: list[Any] = [writer.close]
    files: dict[str, FileInfo] = {}
    for field, (path, text) in texts.items():
        sink = _sealed(draft.store, path, text, draft.overwrite)
        undo.callback(sink.abort)
        publish.append(sink.commit)
        files[field] = FileInfo(path=path, bytes=len(text), crc32=crc32_of(text))
    return replace(info, list=files["list"], class_names=files.get("class_names")), publish


def _sealed(store: Store, name: str, data: bytes, overwrite: bool) -> Sink:
    sink = store.create(name, overwrite=overwrite)
    try:
        sink.write(data)
        sink.seal()
    except BaseException:
        sink.abort()
        raise
    return sink


def _refuse_strangers(store: Store, splits: Iterable[str], own: Collection[str]) -> None:
    """Refuse a tree without manifest that holds what is not ours to replace.

    Raises:
        OutputExistsError: naming the first such file.
    """
    for name in splits:
        stray = next((found for found in store.list(f"{name}/") if found not in own), None)
        if stray is not None:
            msg = f"{store.uri('')} has no manifest but holds {stray}; remove what is there, or choose another destination"
            raise OutputExistsError(msg)


def _standing(store: Store, marks: Mapping[str, str], classes: tuple[str, ...] | None) -> Manifest | None:
    """Return the manifest of this very data set if it stands there, whole; None where there is none.

    Raises:
        OutputExistsError: there is another, or this one is not whole; naming what differs.
    """
    if store.stat(MANIFEST_NAME) is None:
        return None
    where = store.uri("")
    hint = "choose another destination, or replace it with overwrite=True (--overwrite)"
    known = Manifest.load(store)
    if known.classes != classes or set(known.splits) != set(marks):
        msg = f"{where} holds another data set (splits {', '.join(sorted(known.splits))}); {hint}"
        raise OutputExistsError(msg)
    for name, split in known.splits.items():
        if split.fingerprint != marks[name]:
            msg = f"{where} holds a data set made from another list or with other options (split {name}); {hint}"
            raise OutputExistsError(msg)
        for info in split.files:
            if not _is_whole(store, info):
                msg = f"{store.uri(info.path)} is not as its manifest says ({info.bytes} bytes); 'verify' tells more; {hint}"
                raise OutputExistsError(msg)
    return known
