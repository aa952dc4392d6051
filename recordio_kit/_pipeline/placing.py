"""Segments in list order, each where it belongs in the destination's unfinished file.

Strategy: at most a window of segments is under way, in number and in bytes. Where the destination lets workers write by
themselves and a segment's length can be told from its sources' sizes, each is given the place that it will have if all before
it come out as foretold; its bytes then pass through no pipe. One that does not (a body that holds a magic, a bad image) comes
back as bytes, those that were placed behind it are read back before anything is written over them, and foretelling starts
anew. Once nothing more is to be written, images are only judged.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from recordio_kit._core import plan
from recordio_kit._core.frame_run import framed_size
from recordio_kit._pipeline.work import Slot, make_segment
from recordio_kit.errors import WorkerDiedError


if TYPE_CHECKING:
    from collections.abc import Generator
    from concurrent.futures import Executor, Future

    from recordio_kit._core.imagelist import ImageList
    from recordio_kit._core.plan import Segment
    from recordio_kit._pipeline.sources import SourceSizes
    from recordio_kit._pipeline.work import Job
    from recordio_kit._storage.base import Target
    from recordio_kit._storage.writer import RecordWriter

#: Sources under way at a time, but for one segment that is larger by itself.
_WINDOW_BYTES: Final = 256 << 20


class Segments:
    """Make the segments of a list in an executor and yield them in list order.

    Args:
        executor: where they are made.
        window: at most this many are under way.
        job: how.
        images: the list.
        start: the first entry that is not packed yet.
        sizes: of the sources.
        writer: takes them; whoever iterates writes each one before asking for the next.
        target: what workers may write with; None takes all bytes through this process.
    """

    def __init__(
        self,
        executor: Executor,
        window: int,
        *,
        job: Job,
        images: ImageList,
        start: int,
        sizes: SourceSizes,
        writer: RecordWriter,
        target: Target | None,
    ) -> None:
        """Start nothing yet."""
        self._executor = executor
        self._window = window
        self._job = job
        self._images = images
        self._sizes = sizes
        self._start_of_next = start
        self._weight = 0
        self._writer = writer
        self._target = target
        self._next = writer.size
        self._under_way: deque[tuple[range, int, Future[Segment]]] = deque()
        self._keep = True

    def only_judge(self) -> None:
        """Say that nothing more will be written: segments not yet started bring no bytes."""
        self._keep = False
        self._target = None

    def __iter__(self) -> Generator[Segment]:
        """Yield the segments; what is under way is cancelled when the iteration ends early.

        Raises:
            StorageError, WorkerDiedError: the environment failed; all segments before were yielded.
        """
        try:
            while self._start():
                segment = self._take()
                if self._stands(segment):
                    yield segment
                else:
                    yield from self._bring_back(segment)
                    self._next = self._writer.size
        finally:
            for *_, future in self._under_way:
                future.cancel()

    def _start(self) -> bool:
        """Fill the window; tell whether anything is under way."""
        while (start := self._start_of_next) < len(self._images) and len(self._under_way) < self._window:
            sizes = self._sizes.run(start, min(start + plan.SEGMENT_ENTRIES, len(self._images)))
            sizes = sizes[: plan.cut_segment(sizes)]
            weight = int(sizes.sum())
            if self._under_way and self._weight + weight > _WINDOW_BYTES:
                break
            run = range(start, start + len(sizes))
            slot = None
            if self._target is not None:
                length = framed_size(sizes, self._images.label_width)
                slot = Slot(self._target, self._next, length)
                self._next += length
            entries = self._images[run.start : run.stop]
            future = self._executor.submit(make_segment, self._job, run.start, entries, slot, keep=self._keep)
            self._under_way.append((run, weight, future))
            self._weight += weight
            self._start_of_next = run.stop
        return bool(self._under_way)

    def _take(self) -> Segment:
        run, weight, future = self._under_way.popleft()
        self._weight -= weight
        try:
            return future.result()
        except WorkerDiedError as error:
            msg = (
                f"{error}: entries {run.start + 1} to {run.stop} of the list ({self._images.path_at(run.start)} to "
                f"{self._images.path_at(run.stop - 1)}); nothing was published. Run again, with --workers 0 to see the image"
            )
            raise WorkerDiedError(msg) from error

    def _stands(self, segment: Segment) -> bool:
        return (self._target is None and segment.placed is None) or segment.placed == self._writer.size

    def _bring_back(self, segment: Segment) -> Generator[Segment]:
        """Yield a segment that is not where it was foretold, and all that are under way behind it, with their bytes."""
        late, failure = [self._with_bytes(segment)], None
        while self._under_way and failure is None:
            try:
                late.append(self._with_bytes(self._take()))
            except Exception as error:  # noqa: BLE001  # raised again when all before it are written
                failure = error
        yield from late
        if failure is not None:
            raise failure

    def _with_bytes(self, segment: Segment) -> Segment:
        if segment.placed is None:
            return segment
        return replace(segment, body=(self._writer.read_at(segment.placed, segment.receipt.length),), placed=None)
