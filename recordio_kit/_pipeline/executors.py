"""Executors: where the work of a trip runs.

Strategy: trips use ``submit`` and futures only, so any ``concurrent.futures.Executor`` serves. Ours are two. The inline one
runs a task when it is submitted. The supervised one keeps worker processes that never import the caller's ``__main__``
(``python -m recordio_kit._pipeline.worker``), each with one keeper thread and one pair of pipes: a dead worker is an end of
file, a hung one is killed at its deadline, either costs one retry of its task and then a ``WorkerDiedError`` that names it.
No queue is shared, so nothing can be left locked; a worker whose parent is gone reads an end of file and exits.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import struct
import subprocess
import sys
import threading
from collections import deque
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeVar

from recordio_kit.errors import WorkerDiedError


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")

#: A task that runs longer is taken for hung: the slowest sane segment (8 MiB of huge images) needs a small part of it.
DEADLINE_SECONDS: Final = 600.0
#: Windows waits on at most 63 handles; concurrent.futures keeps two of them.
_MOST_WORKERS: Final = 61
#: Each worker keeps one processor busy; a library that starts threads of its own only adds waiting (OpenCV's and NumPy's
#: variables). Memory of one image serves for the next, and is not given back and asked for again (glibc's variables).
_ENVIRONMENT: Final = {
    "OPENCV_FOR_THREADS_NUM": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(8 << 20),
}
_LENGTH: Final = struct.Struct("<Q")


def usable_cpus() -> int:
    """Return how many processors this process may keep busy: its affinity, and the cgroup's quota where there is one."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError, IndexError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()
        count = min(count, max(1, int(quota) // int(period)))
    return min(count, _MOST_WORKERS)


def run_ordered(executor: Executor, calls: Iterable[tuple[Callable[..., T], tuple[Any, ...]]], window: int) -> Iterator[T]:
    """Yield the results of calls in their order, with a bounded number of them under way.

    Args:
        executor: where they run.
        calls: (function, arguments) each; taken as they are needed.
        window: at most this many are submitted and not yet yielded.

    Raises:
        Exception: what the first failing call raised; calls not yet started are cancelled.
    """
    pending: deque[Future[T]] = deque()
    try:
        for function, arguments in calls:
            pending.append(executor.submit(function, *arguments))
            if len(pending) >= window:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


class InlineExecutor(Executor):
    """Run each task in the calling thread when it is submitted."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run the task now and return its finished future."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  # a future carries whatever its task raised
            future.set_exception(error)
        return future


class SupervisedExecutor(Executor):
    """Run tasks in worker processes that are watched.

    Args:
        workers: how many processes.
        deadline: seconds after which a task is taken for hung.
        preload: a module that workers import while they wait for their first task.
    """

    def __init__(self, workers: int, *, deadline: float = DEADLINE_SECONDS, preload: str = "") -> None:
        """Start the keeper threads; each starts its worker."""
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._ending = threading.Event()
        self._keepers = [_Keeper(self._tasks, self._ending, deadline, preload) for _ in range(workers)]
        for keeper in self._keepers:
            keeper.start()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Queue a task; function and arguments must pickle, and the function must not live in ``__main__``.

        Raises:
            RuntimeError: the executor was shut down.
            TypeError: the function lives in ``__main__``, which workers never import.
        """
        if self._ending.is_set():
            msg = "the executor is shut down"
            raise RuntimeError(msg)
        if fn.__module__ == "__main__":
            msg = f"{fn.__qualname__} lives in __main__, which worker processes do not import; move it to a module"
            raise TypeError(msg)
        task = _Task(fn.__qualname__, pickle.dumps((fn, args, kwargs), protocol=5))
        self._tasks.put(task)
        return task.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers: when they are done, or at once with ``cancel_futures``."""
        self._ending.set()
        if cancel_futures:
            with contextlib.suppress(queue.Empty):
                while True:
                    task = self._tasks.get_nowait()
                    if task is not None:
                        task.future.cancel()
            for keeper in self._keepers:
                keeper.kill()
        for _ in self._keepers:
            self._tasks.put(None)
        if wait:
            for keeper in self._keepers:
                keeper.join()

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        """Shut down, at once where the block failed."""
        self.shutdown(cancel_futures=kind is not None)


class _Task:
    """One queued call: its name for messages, its pickle, and the future that its submitter holds."""

    def __init__(self, name: str, message: bytes) -> None:
        self.name = name
        self.message = message
        self.future: Future[Any] = Future()


class _Keeper(threading.Thread):
    """Own one worker process: hand it tasks, wait for answers, replace it when it dies."""

    def __init__(self, tasks: queue.SimpleQueue[_Task | None], ending: threading.Event, deadline: float, preload: str) -> None:
        super().__init__(name="recordio_kit-keeper", daemon=True)
        self._tasks = tasks
        self._ending = ending
        self._deadline = deadline
        self._preload = preload
        self._process: subprocess.Popen[bytes] | None = None
        self._overdue = False

    def run(self) -> None:
        with contextlib.suppress(OSError):  # said when a task needs it
            self._process = _start_worker(self._preload)
        while (task := self._tasks.get()) is not None:
            if task.future.set_running_or_notify_cancel():
                self._serve(task)
        self._end()

    def kill(self) -> None:
        """End the worker now, whatever it does; called from another thread."""
        if self._process is not None:
            self._process.kill()

    def _serve(self, task: _Task) -> None:
        """Answer a task: with the worker's result, or, when two workers died of it, with how the second one did."""
        fate: list[tuple[str, Exception]] = []
        while len(fate) < 2 and not self._stopped(fate):
            try:
                well, result = self._ask(task.message)
            except (EOFError, OSError) as error:
                fate.append((self._bury(), error))
            except Exception as error:  # noqa: BLE001  # an answer that does not unpickle is the task's failure
                task.future.set_exception(error)
                return
            else:
                task.future.set_result(result) if well else task.future.set_exception(result)
                return
        how, cause = fate[-1]
        msg = f"a worker process {how} over {task.name}, {'twice' if len(fate) == 2 else 'when it was stopped'}"
        died = WorkerDiedError(msg)
        died.__cause__ = cause
        task.future.set_exception(died)

    def _stopped(self, fate: list[tuple[str, Exception]]) -> bool:
        return bool(fate) and self._ending.is_set()

    def _ask(self, message: bytes) -> tuple[bool, Any]:
        if self._process is None:
            self._process = _start_worker(self._preload)
        self._overdue = False
        timer = threading.Timer(self._deadline, self._expire, (self._process,))
        timer.daemon = True
        timer.start()
        try:
            write_message(_stream(self._process.stdin), message)
            answer: tuple[bool, Any] = pickle.loads(read_message(_stream(self._process.stdout)))  # noqa: S301  # our own worker's
            return answer
        finally:
            timer.cancel()

    def _expire(self, process: subprocess.Popen[bytes]) -> None:
        self._overdue = True
        process.kill()

    def _bury(self) -> str:
        """Clear the dead worker away and say how it ended."""
        process, self._process = self._process, None
        if process is None:
            return "could not be started"
        process.kill()
        code = process.wait()
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                _stream(stream).close()
        if self._overdue:
            return f"hung (more than {self._deadline:g} s)"
        return f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"

    def _end(self) -> None:
        if self._process is not None:
            with contextlib.suppress(OSError):
                _stream(self._process.stdin).close()  # its end of file: the worker leaves
            self._process.wait()
            _stream(self._process.stdout).close()


def _start_worker(preload: str) -> subprocess.Popen[bytes]:
    # -P: the current folder must not shadow modules. The parent's path may have been changed since it started.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)} | _ENVIRONMENT
    # A group of its own: Ctrl-C is the parent's to handle.
    group: dict[str, Any] = {"creationflags": 0x200} if sys.platform == "win32" else {"process_group": 0}
    return subprocess.Popen(  # noqa: S603  # our own interpreter, and a module's name
        [sys.executable, "-P", "-m", "recordio_kit._pipeline.worker", preload],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        **group,
    )


def _stream(stream: Any) -> BinaryIO:
    checked: BinaryIO = stream
    return checked


def write_message(stream: BinaryIO, message: bytes) -> None:
    """Write a message with its length in front.

    Raises:
        OSError: the other side is gone.
    """
    stream.write(_LENGTH.pack(len(message)))
    stream.write(message)
    stream.flush()


def read_message(stream: BinaryIO) -> bytes:
    """Read a message.

    Raises:
        EOFError: the other side is gone.
    """
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    message = stream.read(_LENGTH.unpack(head)[0])
    if len(message) < _LENGTH.unpack(head)[0]:
        raise EOFError
    return message
