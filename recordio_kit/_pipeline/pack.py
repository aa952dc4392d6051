"""Pack a list into a ``.rec``: cut it into segments, have them made, commit them in order.

Strategy: ``fill`` is the one path (serial is parallel with an in-process executor): segments come back in list order
within a bounded window, the parent only adds base offsets and writes. ``pack_list`` wraps it for a single file,
``prepare`` for a whole data set. Under ``on_error="raise"`` nothing is written after the first bad image, but checking goes
on until 20 are found, so that people mend them in one go.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np

from recordio_kit._core.framing import MAGIC
from recordio_kit._core.manifest import SplitInfo
from recordio_kit._core.plan import Failure, fingerprint, plan_segments
from recordio_kit._core.sidecar import parse_sidecar
from recordio_kit._images.check import CHECKS, strict_engine_available
from recordio_kit._images.transform import Reencode
from recordio_kit._pipeline.executors import InlineExecutor, SupervisedExecutor, run_ordered, usable_cpus
from recordio_kit._pipeline.report import PackReport, Progress, ProgressCallback, resolve_progress
from recordio_kit._pipeline.sources import refuse_unsafe, source_size
from recordio_kit._pipeline.work import Job, make_segment
from recordio_kit._storage.base import read_all
from recordio_kit._storage.open import open_file
from recordio_kit._storage.writer import RecordWriter
from recordio_kit.errors import FormatError, OutputExistsError, PackError, UnsafePathError


if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from concurrent.futures import Executor

    from numpy.typing import NDArray

    from recordio_kit._core.imagelist import ImageList
    from recordio_kit._storage.base import Store

OnError: TypeAlias = Literal["raise", "skip"]

#: Under on_error="raise", checking ends when this many bad images are known.
_ENOUGH_FAILURES: Final = 20
#: Measured: starting a worker costs about a third of a second; decoding, resizing and encoding cost about 20 ns a source
#: byte and 0.1 ms an image. Below a second of work a pool takes longer than it saves.
_SECONDS_A_BYTE: Final = 20e-9
_SECONDS_AN_IMAGE: Final = 1e-4
_WORTH_A_POOL_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Say what a pack does about bad images and where it runs.

    Args:
        on_error: ``"raise"`` publishes nothing where an image is bad; ``"skip"`` leaves it out and reports it.
        max_skipped: the share of bad images, 0 to 1, above which ``"skip"`` fails as well.
        workers: how many processes; None means what the machine allows and the work is worth.
        executor: where to run instead of processes of our own.
    """

    on_error: OnError = "raise"
    max_skipped: float = 0.01
    workers: int | None = None
    executor: Executor | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.on_error not in ("raise", "skip"):
            msg = f"on_error is 'raise' or 'skip', not {self.on_error!r}"
            raise ValueError(msg)
        if not 0 <= self.max_skipped <= 1:
            msg = f"max_skipped is a share from 0 to 1, not {self.max_skipped!r}"
            raise ValueError(msg)
        if self.workers is not None and (not isinstance(self.workers, int) or self.workers < 0):
            msg = f"workers is None or a whole number (0 works in this process), not {self.workers!r}"
            raise ValueError(msg)
        if self.executor is not None and self.workers is not None:
            msg = "give workers or executor, not both"
            raise ValueError(msg)


@dataclass(slots=True)
class Tally:
    """Count what a pack has made so far: the facts that a manifest keeps."""

    kept: list[NDArray[np.uint64]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    height: tuple[int, int] | None = None
    width: tuple[int, int] | None = None

    def add(self, rows: NDArray[Any]) -> None:
        """Count the rows of a written segment."""
        self.kept.append(rows["position"].astype(np.uint64))
        self.height = _widen(self.height, rows["height"])
        self.width = _widen(self.width, rows["width"])

    def positions(self) -> NDArray[np.uint64]:
        """Return the list positions of what was packed, in order."""
        return np.concatenate([np.empty(0, np.uint64), *self.kept])


def _widen(known: tuple[int, int] | None, values: NDArray[Any]) -> tuple[int, int] | None:
    seen = values[values > 0]
    if not len(seen):
        return known
    low, high = int(seen.min()), int(seen.max())
    return (low, high) if known is None else (min(low, known[0]), max(high, known[1]))


def make_job(images: ImageList, root: str | os.PathLike[str] | None, transform: Reencode | None, check: str | None) -> Job:
    """Return the job of a pack, after refusing what no worker should meet.

    Args:
        images: the list.
        root: the folder its paths start from; None takes the list's own.
        transform: None or a ``Reencode``.
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
    if transform is not None and type(transform) is not Reencode:
        kind = type(transform)
        msg = f"transform is None or a recordio_kit.Reencode, not {kind.__module__}.{kind.__qualname__}"
        raise TypeError(msg)
    wanted = check or ("fast" if transform is None else "decode")
    if wanted not in CHECKS:
        msg = f"check is one of {', '.join(CHECKS)}, not {wanted!r}"
        raise ValueError(msg)
    if wanted == "strict" and not strict_engine_available():
        msg = "check='strict' needs a codec that reports warnings: pip install simplejpeg"
        raise ValueError(msg)
    _refuse_bad_columns(images)
    return Job(root=str(place), transform=transform, check=wanted)


def _refuse_bad_columns(images: ImageList) -> None:
    for position, path in enumerate(images.paths):
        try:
            refuse_unsafe(path)
        except UnsafePathError as error:
            msg = f"entry {position + 1} of the list: {error}"
            raise UnsafePathError(msg) from None
    if (images.indexes < 0).any():
        msg = f"entry {int(np.argmax(images.indexes < 0)) + 1} of the list has a negative index"
        raise ValueError(msg)
    # DALI reads the 24 header bytes as they stand, so none of their words may be a frame magic that gets escaped
    halves = images.indexes.astype("<u8").view("<u4")
    words = images.labels.astype("<f4").view("<u4") if images.label_width == 1 else np.empty(0, "<u4")
    if (halves == MAGIC).any() or (words == MAGIC).any():
        msg = f"an index or label of the list holds the frame magic {MAGIC:#x}, which DALI cannot read in a header; renumber it"
        raise ValueError(msg)


@contextlib.contextmanager
def pick_executor(policy: Policy, job: Job, sizes: NDArray[np.int64], runs: int) -> Iterator[tuple[Executor, int]]:
    """Yield the executor of a pack and how many segments may be under way in it.

    Args:
        policy: what the caller wants.
        job: what is to be done.
        sizes: [n] source sizes in bytes.
        runs: how many segments there are.
    """
    if policy.executor is not None:
        yield policy.executor, 2 * usable_cpus() + 2
        return
    workers = policy.workers
    if workers is None:
        seconds = float(sizes.sum()) * _SECONDS_A_BYTE + len(sizes) * _SECONDS_AN_IMAGE
        decodes = job.transform is not None or job.check in ("decode", "strict")
        workers = min(usable_cpus(), runs) if decodes and seconds > _WORTH_A_POOL_SECONDS else 0
    if workers <= 0 or (policy.workers is None and workers == 1):
        yield InlineExecutor(), 1
        return
    with SupervisedExecutor(min(workers, max(runs, 1))) as executor:
        yield executor, 2 * workers + 1


def fill(
    writer: RecordWriter, images: ImageList, job: Job, policy: Policy, *, stage: str, progress: ProgressCallback
) -> Tally:
    """Pack a list's images into a writer, in list order; the caller seals and publishes.

    Args:
        writer: takes the records, keys = positions.
        images: what to pack.
        job: how.
        policy: what to do about bad images, and where to run.
        stage: the name that progress is told under.
        progress: told after each segment.

    Returns:
        What was written and what was left out.

    Raises:
        PackError: images are bad and the policy says that this is too many; the writer should be aborted.
        StorageError, WorkerDiedError: the environment failed; likewise.
    """
    sizes = images.sizes
    if sizes is None:
        sizes = np.array([source_size(job.root, path) for path in images.paths], np.int64)
    runs = plan_segments(sizes)
    calls = ((make_segment, (job, run.start, images[run.start : run.stop])) for run in runs)
    tally = Tally()
    written = 0
    progress(Progress(stage, 0, len(images)))
    with pick_executor(policy, job, sizes, len(runs)) as (executor, window), contextlib.closing(
        run_ordered(executor, calls, window)
    ) as segments:
        for segment in segments:
            tally.failures += segment.receipt.failures
            if policy.on_error == "skip":
                _refuse_too_many(tally.failures, len(images), policy.max_skipped)
            elif len(tally.failures) >= _ENOUGH_FAILURES:
                break
            if not tally.failures or policy.on_error == "skip":
                writer.write_framed(segment.body, segment.receipt.rows)
                tally.add(segment.receipt.rows)
                written += segment.receipt.length
            progress(Progress(stage, segment.receipt.stop, len(images), written, len(tally.failures)))
    if tally.failures and policy.on_error == "raise":
        raise pack_error(tally.failures, f"of {len(images)}; nothing was published. Mend them, or leave them out with")
    _refuse_lost_classes(images, tally)
    return tally


def _refuse_too_many(failures: list[Failure], total: int, share: float) -> None:
    if len(failures) > share * total:
        raise pack_error(failures, f"of {total}, more than {share:.3g} of them (max_skipped); nothing was published. Mend them, or")


def pack_error(failures: list[Failure], rest: str) -> PackError:
    """Return the error that tells people of bad images."""
    shown = "; ".join(f"{failure.path}: {failure.message}" for failure in failures[:3])
    more = f"; and {len(failures) - 3} more" if len(failures) > 3 else ""
    count = f"{len(failures)} bad image{'' if len(failures) == 1 else 's'}"
    advice = "--on-error skip" if rest.endswith("with") else "raise --max-skipped"
    msg = f"{count} {rest} {advice}: {shown}{more}"
    return PackError(msg, failures=failures)


def _refuse_lost_classes(images: ImageList, tally: Tally) -> None:
    """Refuse a result that has lost a whole class, or everything, to skipped images."""
    if not tally.failures:
        return
    kept = images.labels[tally.positions().astype(np.int64)]
    if not len(kept):
        raise pack_error(tally.failures, "and no good one is left; nothing was published. Mend them, or")
    if images.label_width == 1:
        lost = np.setdiff1d(images.labels, kept)
        if len(lost):
            name = images.classes[int(lost[0])] if images.classes and int(lost[0]) < len(images.classes) else f"{lost[0]:g}"
            raise pack_error(tally.failures, f"and none is left of class {name}; nothing was published. Mend them, or")


def describe(writer: RecordWriter, images: ImageList, tally: Tally, mark: str) -> SplitInfo:
    """Return what a manifest keeps of a sealed writer.

    Args:
        writer: sealed.
        images: the list that was packed.
        tally: what of it was packed.
        mark: the fingerprint.
    """
    files = {info.path.rpartition(".")[2]: info for info in writer.files}
    kept = images.labels[tally.positions().astype(np.int64)]
    return SplitInfo(
        record=files["rec"] if "rec" in files else writer.files[0],
        index=files.get("idx"),
        checksums=files.get("rkm"),
        records=len(writer),
        label_width=images.label_width,
        labels=_histogram(kept),
        height=tally.height,
        width=tally.width,
        fingerprint=mark,
        failures=tuple(tally.failures),
        keys_are_ids=np.array_equal(
            images.indexes[tally.positions().astype(np.int64)], np.arange(len(writer), dtype=np.int64)
        ),
    )


def _histogram(labels: NDArray[np.float32]) -> dict[int, int] | None:
    if labels.shape[1] > 1:
        return dict(enumerate(np.count_nonzero(labels, axis=0).tolist()))
    values, counts = np.unique(labels, return_counts=True)
    if (values < 0).any() or (values != np.floor(values)).any():
        return None
    return dict(zip(values.astype(np.int64).tolist(), counts.tolist(), strict=True))


def pack_list(
    images: ImageList,
    dest: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    transform: Reencode | None = None,
    workers: int | None = None,
    on_error: OnError = "raise",
    max_skipped: float = 0.01,
    check: str | None = None,
    progress: bool | ProgressCallback | None = None,
    executor: Executor | None = None,
    overwrite: bool = False,
    checksums: bool = True,
    store: Store | None = None,
) -> PackReport:
    """Pack a list's images into one ``.rec``, with ``.idx`` and ``.rkm`` beside it.

    The bytes depend on the list, the images and the options alone, never on workers or executor. Records stand in list
    order; keys are positions, header ids are list indexes. Where the same pack stands there already, whole, it is left.

    Args:
        images: what to pack.
        dest: the ``.rec``: a path or ``s3://`` URL; with ``store``, a name in it.
        root: the folder that the list's paths start from; None takes the list's own.
        transform: None stores the files' bytes; ``Reencode(...)`` decodes, resizes and encodes.
        workers: processes; 0 works in this one; None decides by the machine and the work.
        on_error: ``"raise"`` or ``"skip"`` bad images.
        max_skipped: the share of bad images, 0 to 1, that ``"skip"`` puts up with.
        check: ``"fast"`` (file, format, size limits, complete; the default without transform), ``"decode"`` (the default
            with one), ``"strict"`` (codec warnings are errors) or ``"none"``.
        progress: None, True for a bar, or a callable that takes ``Progress``.
        executor: run there instead of in processes of our own.
        overwrite: replace what stands under the names.
        checksums: write the ``.rkm`` sidecar.
        store: where ``dest`` is a name.

    Returns:
        What was made.

    Raises:
        PackError: bad images; nothing is published.
        OutputExistsError: something else stands there; it is as it was.
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
    mark = fingerprint(images, job.options() | {"on_error": on_error, "max_skipped": max_skipped})
    if not overwrite and place.stat(name) is not None:
        return PackReport(uri=place.uri(name), info=_standing(place, name, images, mark), done=False)
    writer = RecordWriter(name, checksums=checksums, overwrite=overwrite, store=place, fingerprint=mark)
    with writer:
        tally = fill(writer, images, job, policy, stage=f"pack {name.rpartition('/')[2]}", progress=tell)
        writer.seal()
    return PackReport(uri=writer.uri, info=describe(writer, images, tally, mark))


def _standing(store: Store, name: str, images: ImageList, mark: str) -> SplitInfo:
    """Return what stands under a name, if it is this very pack and whole.

    Raises:
        OutputExistsError: it is not.
    """
    from recordio_kit._pipeline.manifests import inspect_file

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
