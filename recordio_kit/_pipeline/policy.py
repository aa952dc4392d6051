"""What a pack does about bad images, and where its work runs.

Strategy: options are a frozen value, checked when it is made; the choice of an executor is a function of the policy and
the work, never of the result.
"""

from __future__ import annotations

import contextlib
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from recordio_kit._core import plan
from recordio_kit._pipeline.executors import InlineExecutor, SupervisedExecutor, usable_cpus
from recordio_kit._pipeline.work import make_segment


if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor

    from recordio_kit._pipeline.work import Job

OnError: TypeAlias = Literal["raise", "skip"]

#: Measured on x86-64 with Pillow: seconds a source byte and seconds an image. Decoding, resizing and encoding; decoding
#: alone; looking at the structure and copying.
REENCODE_COST: Final = (45e-9, 5e-4)
_DECODE: Final = (10e-9, 1e-4)
_COPY: Final = (1.2e-9, 25e-6)
#: A worker is ready after 0.2 s. Below this much work a pool takes longer than it saves.
WORTH_A_POOL_SECONDS: Final = 1.0
#: From this size on, reading, checksums and writing, which leave the GIL alone, outweigh the rest of copying an image.
_WORTH_A_THREAD_BYTES: Final = 32 << 10
#: Copying is bound by memory and disk, which a few threads fill.
_MOST_THREADS: Final = 4


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
        if self.workers is not None and self.workers < 0:
            msg = f"workers is None or a whole number (0 works in this process), not {self.workers!r}"
            raise ValueError(msg)
        if self.executor is not None and self.workers is not None:
            msg = "give workers or executor, not both"
            raise ValueError(msg)


class Load(NamedTuple):
    """Say how much there is to do: how many images, and about how many bytes they have together."""

    images: int
    bytes: float

    @property
    def segments(self) -> int:
        """Return about how many segments they make."""
        return math.ceil(max(self.images / plan.SEGMENT_ENTRIES, self.bytes / plan.SEGMENT_BYTES))


@contextlib.contextmanager
def pick_executor(policy: Policy, job: Job, load: Load, *, direct: bool) -> Iterator[tuple[Executor, int]]:
    """Yield the executor of a pack and how many segments may be under way in it.

    Args:
        policy: what the caller wants.
        job: what is to be done.
        load: how much that is.
        direct: whether workers write copied images to the destination by themselves.
    """
    if policy.executor is not None:
        yield policy.executor, 2 * usable_cpus() + 2
        return
    workers, threads = policy.workers, 0
    if workers is None:
        workers, threads = _by_the_work(job, load, direct=direct)
    if threads:  # no decoder runs, so nothing can take the process down, and no byte goes through a pipe
        with ThreadPoolExecutor(threads, thread_name_prefix="recordio_kit-reader") as pool:
            yield pool, threads + 2
    elif workers:
        with SupervisedExecutor(min(workers, max(load.segments, 1)), preload=make_segment.__module__) as executor:
            yield executor, 2 * workers + 1
    else:
        yield InlineExecutor(), 1


def _by_the_work(job: Job, load: Load, *, direct: bool) -> tuple[int, int]:
    """Return how many processes the work is worth, and if none, how many threads."""
    reencodes, decodes = job.reencodes, job.check in ("decode", "strict")
    a_byte, an_image = REENCODE_COST if reencodes else _DECODE if decodes else _COPY
    most = min(usable_cpus(), load.segments)
    if most > 1 and not (reencodes or decodes or direct) and load.bytes > load.images * _WORTH_A_THREAD_BYTES:
        return 0, min(most, _MOST_THREADS)
    return (most if most > 1 and load.bytes * a_byte + load.images * an_image > WORTH_A_POOL_SECONDS else 0), 0
