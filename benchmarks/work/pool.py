"""All cores, as cheaply as Python has them: processes forked from a parent that has loaded everything."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.sharedctypes import Synchronized

from recordio_kit._pipeline.executors import usable_cpus


#: Small enough that all cores end together, large enough that handing them out costs nothing.
_RUN = 16


def over_all_cores(work: Callable[[int], None], count: int, cores: int | None = None) -> None:
    """Call a function with each number below ``count``, on all cores that this process may use.

    Args:
        work: inherited by the processes, not sent to them.
        count: how many calls.
        cores: how many; None for all.
    """
    cores = cores or usable_cpus()
    if cores == 1:
        for number in range(count):
            work(number)
        return
    context = multiprocessing.get_context("fork")
    taken = context.Value("q", 0)
    workers = [context.Process(target=_take_runs, args=(work, count, taken)) for _ in range(cores)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise SystemExit(1)


def _take_runs(work: Callable[[int], None], count: int, taken: Synchronized[int]) -> None:
    while True:
        with taken.get_lock():
            start = taken.value
            taken.value = start + _RUN
        if start >= count:
            return
        for number in range(start, min(start + _RUN, count)):
            work(number)
