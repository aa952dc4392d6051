"""Run pieces of Python in a process of its own and measure their time and memory.

Strategy: the process works on a tiny input first, so that what is measured is the work and not the imports. Time is the
process's own work, which a busy machine does not lengthen. Peak memory is Linux's own count (``VmHWM``), set back before
each job; ``ru_maxrss`` would not do, since it begins with what the parent had.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.fault.matrix.registry import expect


_FRAME = """
import gc, json, sys, time
import recordio_kit as rk

{setup}

def memory(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))

tiny, jobs = json.load(sys.stdin)
for job in tiny:
    work(*job)
for job in jobs:
    gc.collect()
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before, started = memory("VmHWM"), time.process_time()
    try:
        said = work(*job)
    except rk.errors.RecordIOKitError as error:
        said = f"{{type(error).__name__}}: {{error}}"
    print(json.dumps([time.process_time() - started, (memory("VmHWM") - before) / 1024, said]), flush=True)
"""


class Measured(NamedTuple):
    """What a job took, in seconds of work and MiB above what the process had, and what it said."""

    seconds: float
    mib: float
    said: str


def measure(setup: str, tiny: Sequence[object], jobs: Sequence[object], *, timeout: float = 1500) -> list[Measured]:
    """Run ``work`` with each of several lists of arguments.

    Args:
        setup: code that defines ``work``, a function of JSON values that returns text.
        tiny: what it is warmed up with; these must not raise.
        jobs: what it is measured with; one of our own errors is what it says then.
        timeout: seconds after which it hangs.
    """
    done = subprocess.run(
        [sys.executable, "-c", _FRAME.format(setup=setup)],
        input=json.dumps([tiny, jobs]),
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=Path(__file__).parents[3],
    )
    expect(done.returncode == 0, f"the process ended with {done.returncode}: {done.stderr[-1000:]}")
    return [Measured(*json.loads(line)) for line in done.stdout.splitlines()]
