"""The worker process: read a call, run it, answer; leave when the parent is gone.

Strategy: messages are pickles with their length in front, on the file descriptors that were standard input and output;
whatever a codec prints goes to standard error instead. A thread waits for the parent's messages, so an end of file, which
the kernel delivers however the parent died, ends the process even in the middle of a task. Nothing but running calls may
live here; it is started by ``executors.SupervisedExecutor`` alone.
"""

from __future__ import annotations

import gc
import importlib
import os
import pickle
import queue
import signal
import sys
import threading
from typing import BinaryIO

from recordio_kit._pipeline.executors import read_message, write_message


def main() -> None:
    """Serve calls until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    calls, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(calls, inbox), daemon=True).start()
    if sys.argv[1:] and sys.argv[1]:
        importlib.import_module(sys.argv[1])
    gc.freeze()  # what was imported is there to stay; no collection needs to look at it
    while True:
        write_message(answers, _answer(inbox.get()))


def _listen(calls: BinaryIO, inbox: queue.SimpleQueue[bytes]) -> None:
    try:
        while True:
            inbox.put(read_message(calls))
    except (EOFError, OSError):
        sys.stderr.flush()
        os._exit(0)


def _answer(message: bytes) -> bytes:
    try:
        function, arguments, keywords = pickle.loads(message)  # noqa: S301  # the parent's own
        return pickle.dumps((True, function(*arguments, **keywords)), protocol=5)
    except Exception as error:  # noqa: BLE001  # every failure of a call is the caller's to judge
        try:
            message = pickle.dumps((False, error), protocol=5)
            pickle.loads(message)  # noqa: S301  # an error that does not come back would look like a dead worker
        except Exception:  # noqa: BLE001
            return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")), protocol=5)
        return message


if __name__ == "__main__":
    main()
