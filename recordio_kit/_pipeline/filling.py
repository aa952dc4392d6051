"""Fill a writer with a list's images: the one path that every pack takes.

Strategy: segments come back in list order within a bounded window (serial is parallel with an in-process executor); the
parent only adds base offsets and writes. Under ``on_error="raise"`` nothing is written after the first bad image, but
checking goes on until 20 are found, so that people mend them in one go. Publishing is the caller's.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from recordio_kit._core.manifest import LARGE_PIXELS, SplitInfo
from recordio_kit._images.engines import is_exact
from recordio_kit._pipeline.executors import SupervisedExecutor
from recordio_kit._pipeline.placing import Segments
from recordio_kit._pipeline.policy import Load, Policy, pick_executor
from recordio_kit._pipeline.report import Progress, ProgressCallback
from recordio_kit._pipeline.sources import SourceSizes
from recordio_kit.errors import PackError


if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from recordio_kit._core.imagelist import ImageList
    from recordio_kit._core.plan import Failure, Receipt, Segment
    from recordio_kit._pipeline.drafting import Unfinished
    from recordio_kit._pipeline.work import Job
    from recordio_kit._storage.writer import RecordWriter

#: Under on_error="raise", checking ends when this many bad images are known.
_ENOUGH_FAILURES: Final = 20
_SHOWN_FAILURES: Final = 3


@dataclass(slots=True)
class Packed:
    """Count what a pack has made so far: the facts that a manifest keeps."""

    stop: int = 0
    lost: list[int] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    height: tuple[int, int] | None = None
    width: tuple[int, int] | None = None
    turned: int = 0
    large: int = 0
    large_bytes: int = 0

    def add(self, receipt: Receipt) -> None:
        """Count a written segment, its failures too."""
        self.failures += receipt.failures
        self.count(receipt)

    def count(self, receipt: Receipt) -> None:
        """Count the rows of a written segment whose failures are known."""
        self.stop = receipt.stop
        rows = receipt.rows
        if len(rows) < receipt.stop - receipt.start:
            self.lost += np.setdiff1d(np.arange(receipt.start, receipt.stop), rows["position"]).tolist()
        self.height = _widen(self.height, rows["height"])
        self.width = _widen(self.width, rows["width"])
        self.turned += int(np.count_nonzero(rows["orientation"] > 1))
        large = rows["height"].astype(np.int64) * rows["width"] > LARGE_PIXELS
        self.large += int(np.count_nonzero(large))
        self.large_bytes += int(rows["length"][large].sum())

    def of(self, images: ImageList) -> ImageList:
        """Return the part of the list that was packed, in order."""
        return images.take(np.delete(np.arange(len(images)), self.lost)) if self.lost else images


def _widen(known: tuple[int, int] | None, values: NDArray[Any]) -> tuple[int, int] | None:
    seen = values[values > 0]
    if not len(seen):
        return known
    low, high = int(seen.min()), int(seen.max())
    return (low, high) if known is None else (min(low, known[0]), max(high, known[1]))


def fill(
    writer: RecordWriter,
    images: ImageList,
    job: Job,
    policy: Policy,
    *,
    stage: str,
    progress: ProgressCallback,
    draft: Unfinished | None = None,
) -> Packed:
    """Pack a list's images into a writer, in list order; the caller seals and publishes.

    Args:
        writer: takes the records, keys = positions.
        images: what to pack.
        job: how.
        policy: what to do about bad images, and where to run.
        stage: the name that progress is told under.
        progress: told after each segment.
        draft: what an earlier run has left of this file, and who is told of each segment that is written.

    Returns:
        What was written and what was left out.

    Raises:
        PackError: images are bad and the policy says that this is too many; the writer should be given up.
        ResumeMismatchError: an image that an earlier run has packed has changed since.
        StorageError, WorkerDiedError: the environment failed; likewise.
    """
    packed = Packed()
    for receipt in () if draft is None else draft.resume(writer, images, job):
        packed.add(receipt)
    start = packed.stop
    sizes = SourceSizes(images, job.root)
    progress(Progress(stage, start, len(images), writer.size, len(packed.failures)))
    # Only our own workers are known to be on this machine, and only bytes that are copied have a length that can be foretold.
    here = policy.executor is None or isinstance(policy.executor, SupervisedExecutor)
    target = writer.target() if here and job.transform is None else None
    load = Load(images=len(images) - start, bytes=sizes.total(start))
    with pick_executor(policy, job, load, direct=target is not None) as (executor, window):
        segments = Segments(executor, window, job=job, images=images, start=start, sizes=sizes, writer=writer, target=target)
        with contextlib.closing(iter(segments)) as made:
            for segment in made:
                receipt = segment.receipt
                packed.failures += receipt.failures
                if policy.on_error == "skip":
                    _refuse_too_many(packed.failures, len(images), policy.max_skipped)
                elif len(packed.failures) >= _ENOUGH_FAILURES:
                    break
                if packed.failures and policy.on_error == "raise":
                    segments.only_judge()
                else:
                    _write(writer, segment)
                    packed.count(receipt)
                    if draft is not None:
                        draft.note(receipt)
                progress(Progress(stage, receipt.stop, len(images), writer.size, len(packed.failures)))
    if packed.failures and policy.on_error == "raise":
        raise pack_error(packed.failures, f"of {len(images)}", "mend them, or leave them out (on_error='skip', --on-error skip)")
    _refuse_lost_classes(images, packed)
    return packed


def _write(writer: RecordWriter, segment: Segment) -> None:
    if segment.placed is None:
        writer.write_framed(segment.body, segment.receipt.rows)
    else:
        writer.place(segment.receipt.rows)


def _refuse_too_many(failures: Sequence[Failure], total: int, share: float) -> None:
    if len(failures) > share * total:
        raise pack_error(failures, f"of {total} (at most {share:.3g} of them may be)", "mend them or raise max_skipped")


def _refuse_lost_classes(images: ImageList, packed: Packed) -> None:
    """Refuse a result that has lost a whole class, or everything, to skipped images."""
    if not packed.failures:
        return
    kept = packed.of(images).labels
    if not len(kept):
        raise pack_error(packed.failures, "and no good one is left", "mend them")
    lost = np.setdiff1d(images.labels, kept) if images.label_width == 1 else np.empty(0)
    if len(lost):
        name = images.classes[int(lost[0])] if images.classes and int(lost[0]) < len(images.classes) else f"{lost[0]:g}"
        raise pack_error(packed.failures, f"and no image of class {name} is left", "mend them, or leave the class out")


def pack_error(failures: Sequence[Failure], where: str, advice: str) -> PackError:
    """Return the error that tells people of bad images.

    Args:
        failures: all that are known.
        where: among how many, or what follows from it.
        advice: what to do.
    """
    count = "1 bad image" if len(failures) == 1 else f"{len(failures)} bad images"
    shown = "; ".join(f"{failure.path}: {failure.message}" for failure in failures[:_SHOWN_FAILURES])
    more = f"; and {len(failures) - _SHOWN_FAILURES} more" if len(failures) > _SHOWN_FAILURES else ""
    return PackError(f"{count} {where}; nothing was published; {advice}. {shown}{more}", failures=failures)


def describe(writer: RecordWriter, images: ImageList, packed: Packed, job: Job, mark: str) -> SplitInfo:
    """Return what a manifest keeps of a sealed writer.

    Args:
        writer: sealed.
        images: the list that was packed.
        packed: what of it was packed.
        job: how.
        mark: the fingerprint.
    """
    files = {info.path.rpartition(".")[2]: info for info in writer.files}
    kept = packed.of(images)
    exact = not job.reencodes or is_exact()
    return SplitInfo(
        record=files["rec"] if "rec" in files else writer.files[0],
        index=files.get("idx"),
        checksums=files.get("rkm"),
        records=len(writer),
        label_width=images.label_width,
        labels=_histogram(kept.labels),
        height=packed.height,
        width=packed.width,
        turned=packed.turned,
        large=packed.large,
        large_bytes=packed.large_bytes,
        im2rec_exact=exact,
        fingerprint=mark,
        failures=tuple(packed.failures),
        keys_are_ids=np.array_equal(kept.indexes, np.arange(len(writer))),
    )


def _histogram(labels: NDArray[np.float32]) -> dict[int, int] | None:
    if labels.shape[1] > 1:
        return dict(enumerate(np.count_nonzero(labels, axis=0).tolist()))
    values, counts = np.unique(labels, return_counts=True)
    if (values < 0).any() or (values != np.floor(values)).any():
        return None
    return dict(zip(values.astype(np.int64).tolist(), counts.tolist(), strict=True))
