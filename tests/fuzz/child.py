"""One target under libFuzzer, in a process of its own: ``python -m tests.fuzz.child TARGET [libFuzzer's own arguments]``.

Strategy: the target's own modules alone are instrumented, by importing them under atheris's hook. Warnings are errors. An
input may take so much address space and processor time and no more: of the processor's time and not the clock's, so that
a process that was stopped for a while has not hung.
"""

from __future__ import annotations

import contextlib
import gc
import shlex
import signal
import sys
import time
import warnings
from pathlib import Path

from tests.fuzz.targets import TARGETS, load


#: What an input of some kilobytes may allocate at the very most.
_ROOM_BYTES = 512 << 20
_SECONDS = 20


class _Guard:
    """Call a target, and end a call that takes too long."""

    def __init__(self, check):
        self.check = check
        self.count = 0
        self.seen = (0, 0.0)

    def __call__(self, data):
        self.count += 1
        self.check(data)

    def look(self, *_):
        number, since = self.seen
        now = time.process_time()
        if number != self.count:
            self.seen = (self.count, now)
        elif now - since > _SECONDS:
            raise TimeoutError(f"one input took more than {_SECONDS} seconds")


def main():
    import atheris

    name, *arguments = sys.argv[1:]
    with atheris.instrument_imports(include=["recordio_kit"], exclude=_others(TARGETS[name].instrumented)):
        target = load(name)
    for seed in target.seeds():  # what is imported late is imported before the room is measured
        with contextlib.suppress(Exception):  # libFuzzer will find it again
            target.check(seed)
    gc.collect()
    gc.freeze()
    warnings.simplefilter("error")
    guard = _Guard(target.check)
    signal.signal(signal.SIGPROF, guard.look)
    signal.setitimer(signal.ITIMER_PROF, 1, 1)
    _limit_memory()
    # libFuzzer's merge hands its own name to a shell, to start itself again
    atheris.Setup([f"{shlex.quote(sys.executable)} -m tests.fuzz.child {name}", *arguments], guard)
    atheris.Fuzz()


def _others(instrumented):
    """Return the names of all other modules of the library, since atheris can only be told what to leave out."""
    package = Path(__file__).parents[2] / "recordio_kit"
    inside = (path.relative_to(package).with_suffix("").parts for path in package.rglob("*.py"))
    names = {".".join(part for part in parts if part != "__init__") for parts in inside} - set(instrumented)
    return [f"recordio_kit.{name}".rstrip(".") for name in names]


def _limit_memory():
    if sys.platform != "linux":
        return
    import resource

    used = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _ROOM_BYTES, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
