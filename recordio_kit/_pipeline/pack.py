"""Pack a list into one ``.rec`` file, and say beforehand what no worker should meet.

Strategy: options and list are judged first, the destination next, and only then is an image read. ``filling`` does the
work; this module is its front for a single file, as ``prepare`` is for a whole data set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from recordio_kit._core.framing import MAGIC
from recordio_kit._core.manifest import SplitInfo
from recordio_kit._core.plan import fingerprint
from recordio_kit._core.sidecar import parse_sidecar
from recordio_kit._images.baseline import baseline
from recordio_kit._images.check import strict_engine_available
from recordio_kit._images.foreign import missing_codec
from recordio_kit._images.info import CHECKS
from recordio_kit._images.transform import TRANSFORMS, Transform
from recordio_kit._pipeline.drafting import Unfinished, has_journal
from recordio_kit._pipeline.filling import describe, fill
from recordio_kit._pipeline.manifests import inspect_file
from recordio_kit._pipeline.policy import Policy
from recordio_kit._pipeline.report import PackReport, ProgressCallback, resolve_progress
from recordio_kit._pipeline.sources import refuse_unsafe_paths
from recordio_kit._pipeline.work import Job
from recordio_kit._storage.base import read_all
from recordio_kit._storage.open import open_file, refuse_unreadable
from recordio_kit.errors import FormatError, OutputExistsError


if TYPE_CHECKING:
    import os
    from concurrent.futures import Executor

    from recordio_kit._core.imagelist import ImageList
    from recordio_kit._pipeline.policy import OnError
    from recordio_kit._storage.base import Store


def make_job(images: ImageList, root: str | os.PathLike[str] | None, transform: Transform | None, check: str | None) -> Job:
    """Return the job of a pack, after refusing what no worker should meet.

    Args:
        images: the list.
        root: the folder its paths start from; None takes the list's own.
        transform: None, a ``Reencode`` or a ``StripMetadata``.
        check: None means ``"decode"`` where images are re-encoded and ``"fast"`` where not.

    Raises:
        ValueError: there is no root, the check is unknown or cannot be done here, or a header would hold a frame magic.
        TypeError: the transform is none of ours.
        UnsafePathError: a path leaves the root.
    """
    place = images.root if root is None else root
    if place is None:
        msg = "where do the list's paths start? give root="
        raise ValueError(msg)
    if transform is not None and type(transform) not in TRANSFORMS:
        kind = type(transform)
        msg = f"transform is None, a recordio_kit.StripMetadata or Reencode, not {kind.__module__}.{kind.__qualname__}"
        raise TypeError(msg)
    reencodes = transform is not None and transform.decodes
    if transform is not None and (problem := missing_codec(transform.formats)) is not None:
        raise ValueError(problem)
    wanted = check or ("decode" if reencodes else "fast")
    if wanted not in CHECKS:
        msg = f"check is one of {', '.join(CHECKS)}, not {wanted!r}"
        raise ValueError(msg)
    if wanted == "strict" and not strict_engine_available():
        msg = "check='strict' needs a codec that reports warnings: pip install 'recordio-kit[fast]'"
        raise ValueError(msg)
    _refuse_bad_columns(images)
    return Job(root=str(place), transform=transform, check=wanted)


def _refuse_bad_columns(images: ImageList) -> None:
    refuse_unsafe_paths(images)
    if (images.indexes < 0).any():
        msg = f"entry {int(np.argmax(images.indexes < 0)) + 1} of the list has a negative index"
        raise ValueError(msg)
    # DALI reads the 24 header bytes as they stand, so none of their words may be a frame magic that gets escaped
    halves = images.indexes.astype("<u8").view("<u4")
    words = images.labels.astype("<f4").view("<u4") if images.label_width == 1 else np.empty(0, "<u4")
    if (halves == MAGIC).any() or (words == MAGIC).any():
        msg = f"an index or label of the list holds the frame magic {MAGIC:#x}, which DALI cannot read in a header; renumber it"
        raise ValueError(msg)


def pack_list(
    images: ImageList,
    dest: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    transform: Transform | None = None,
    workers: int | None = None,
    on_error: OnError = "raise",
    max_skipped: float = 0.01,
    check: str | None = None,
    progress: bool | ProgressCallback | None = None,
    executor: Executor | None = None,
    overwrite: bool = False,
    checksums: bool = True,
    resume: bool = True,
    store: Store | None = None,
) -> PackReport:
    """Pack a list's images into one ``.rec``, with ``.idx`` and ``.rkm`` beside it.

    The bytes depend on the list, the images and the options alone, never on workers or executor. Records stand in list
    order; keys are positions, header ids are list indexes. Where the same pack stands there already, whole, it is left.

    Args:
        images: what to pack.
        dest: the ``.rec``: a path or ``s3://`` URL; with ``store``, a name in it.
        root: the folder that the list's paths start from; None takes the list's own.
        transform: None stores the files' bytes; ``Reencode(...)`` decodes, resizes and encodes; ``StripMetadata()`` does not.
        workers: processes; 0 works in this one; None decides by the machine and the work.
        on_error: ``"raise"`` or ``"skip"`` bad images.
        max_skipped: the share of bad images, 0 to 1, that ``"skip"`` puts up with.
        check: ``"fast"`` (file, format, size limits, complete; the default without transform), ``"decode"`` (the default
            with one), ``"strict"`` (codec warnings are errors) or ``"none"``.
        progress: None, True for a bar, or a callable that takes ``Progress``.
        executor: run there instead of in processes of our own.
        overwrite: replace what stands under the names.
        checksums: write the ``.rkm`` sidecar.
        resume: take up what an unfinished run has left, and leave for the next what this one has done if it fails; False starts
            over and leaves nothing.
        store: where ``dest`` is a name.

    Returns:
        What was made.

    Raises:
        PackError: bad images; nothing is published.
        OutputExistsError: something else stands there, or another run is at it; it is as it was.
        ResumeMismatchError: an unfinished run has left something else there, or an image that it packed has changed.
        StorageError, WorkerDiedError: the environment failed; final names are absent or old.
        ValueError, TypeError, UnsafePathError: the list or an option makes no sense; nothing was done.
    """
    if not len(images):
        msg = "the list is empty: there is nothing to pack"
        raise ValueError(msg)
    policy = Policy(on_error=on_error, max_skipped=max_skipped, workers=workers, executor=executor)
    tell = resolve_progress(progress)
    job = make_job(images, root, transform, check)
    place, name = open_file(dest, store)
    options = job.options() | {"on_error": on_error, "max_skipped": max_skipped}
    mark = fingerprint(images, options)
    stands = not overwrite and place.stat(name) is not None
    if stands and not has_journal(place, name):
        return PackReport(uri=place.uri(name), info=_standing(place, name, images, mark), done=False)
    refuse_unreadable(place.uri(name))
    draft = Unfinished(
        place,
        name,
        entries=len(images),
        fingerprint=mark,
        options=options,
        baseline=baseline(transform),
        resume=resume,
        overwrite=overwrite,
    )
    with draft:
        writer = draft.writer(checksums=checksums, fingerprint=mark)
        packed = fill(writer, images, job, policy, stage=f"pack {name.rpartition('/')[2]}", progress=tell, draft=draft)
        writer.close()
    return PackReport(uri=writer.uri, info=describe(writer, images, packed, job, mark))


def _standing(store: Store, name: str, images: ImageList, mark: str) -> SplitInfo:
    """Return what stands under a name, if it is this very pack and whole.

    Raises:
        OutputExistsError: it is not.
    """
    refusal = OutputExistsError(
        f"{store.uri(name)} exists already and is not this pack; choose another destination or overwrite it (--overwrite)"
    )
    sidecar = name.removesuffix(".rec") + ".rkm"
    if store.stat(sidecar) is None:
        raise refusal
    try:
        known = parse_sidecar(read_all(store, sidecar))
    except FormatError:
        raise refusal from None
    record = inspect_file(store, name)
    if known.fingerprint != mark or (known.size, known.crc32) != (record.bytes, record.crc32):
        raise refusal
    return SplitInfo(record=record, records=len(known.entries), label_width=images.label_width, fingerprint=mark)
