from __future__ import annotations

import math
import operator
import os
import signal
import sys
import time

import pytest

from recordio_kit._pipeline.executors import InlineExecutor, SupervisedExecutor, run_ordered, usable_cpus
from recordio_kit.errors import ImageError, WorkerDiedError
from tests import calls


@pytest.fixture(scope="module")
def pool():
    with SupervisedExecutor(2) as executor:
        yield executor


def test_results_come_in_the_order_of_the_calls(pool):
    assert list(run_ordered(pool, ((math.sqrt, (n * n,)) for n in range(50)), 5)) == list(range(50))


def test_no_more_than_the_window_is_under_way():
    taken = []

    def numbers():
        for n in range(10):
            taken.append(n)
            yield (abs, (n,))

    results = run_ordered(InlineExecutor(), numbers(), 3)
    assert next(results) == 0
    assert taken == [0, 1, 2]
    results.close()


def test_a_failure_is_raised_where_its_result_would_stand(pool):
    results = run_ordered(pool, ((math.sqrt, (n,)) for n in (4, -1, 9)), 3)
    assert next(results) == 2
    with pytest.raises(ValueError, match="math domain"):
        next(results)


@pytest.mark.parametrize("executor", ["inline", "pool"])
def test_errors_keep_their_class_and_facts(executor, pool):
    future = (InlineExecutor() if executor == "inline" else pool).submit(calls.refuse_image, "cat.jpg")
    with pytest.raises(ImageError) as caught:
        future.result()
    assert (caught.value.path, caught.value.reason) == ("cat.jpg", "truncated")


def test_an_error_that_does_not_pickle_comes_back_in_words(pool):
    with pytest.raises(RuntimeError, match="UnpicklableError: the words"):
        pool.submit(calls.raise_unpicklable).result()


def test_what_a_call_prints_does_not_disturb_the_answers(pool):
    assert pool.submit(calls.print_and_return, 7).result() == 7


def test_a_dead_worker_costs_one_retry(pool, tmp_path):
    assert pool.submit(calls.die_once, str(tmp_path / "flag")).result() == "second try"


def test_a_call_that_kills_two_workers_is_an_error_that_says_how(pool):
    with pytest.raises(WorkerDiedError, match="exited with code 3 over _exit, twice"):
        pool.submit(os._exit, 3).result()
    assert pool.submit(operator.add, 1, 2).result() == 3


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_signal_is_named(pool):
    with pytest.raises(WorkerDiedError, match=f"signal {int(signal.SIGKILL)}"):
        pool.submit(calls.kill_self).result()


def test_a_hung_worker_is_ended_at_its_deadline():
    with SupervisedExecutor(1, deadline=0.3) as executor, pytest.raises(WorkerDiedError, match="hung"):
        executor.submit(time.sleep, 60).result()


def test_leaving_by_an_exception_ends_running_workers_at_once():
    started = time.monotonic()
    with pytest.raises(KeyError), SupervisedExecutor(1) as executor:
        executor.submit(operator.add, 1, 2).result()
        executor.submit(time.sleep, 60)
        raise KeyError
    assert time.monotonic() - started < 30


def test_functions_of_main_are_refused_by_name(pool):
    def here():
        pass

    here.__module__ = "__main__"
    here.__qualname__ = "my_transform"
    with pytest.raises(TypeError, match="my_transform lives in __main__"):
        pool.submit(here)


def test_nothing_is_taken_after_shutdown():
    executor = SupervisedExecutor(1)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(abs, 1)


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks for processes in /proc")
def test_workers_leave_when_their_parent_is_killed():
    import subprocess

    script = (
        "import os, time, signal\n"
        "from recordio_kit._pipeline.executors import SupervisedExecutor\n"
        "pool = SupervisedExecutor(2)\n"
        "print(*[pool.submit(os.getpid).result() for _ in range(1)], flush=True)\n"
        "pool.submit(time.sleep, 60)\n"
        "time.sleep(0.2)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    pids = [int(word) for word in done.stdout.split()]
    assert pids
    end = time.monotonic() + 30
    while time.monotonic() < end and any(_alive(pid) for pid in pids):
        time.sleep(0.05)
    assert not [pid for pid in pids if _alive(pid)]


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_at_least_one_processor_is_usable():
    assert 1 <= usable_cpus() <= 61
