"""What a row of the fault matrix is, and how its trials are counted.

Strategy: a row is a function of (scale, seed, folder) that returns an ``Outcome``; chance comes from the seed alone. A
trial that breaks a promise, raises an error of any other library (a crash) or takes longer than its limit (a hang) is a
failure with a name, never an abort: the table shows how many went through. Limits are seconds of this process's own work,
which a busy machine does not lengthen; whoever only waits is given a minute more by the clock. A share that misses its mark fails the row as
well. What a row needs of the machine is said at its registration, so that elsewhere it is skipped with the reason.
"""

from __future__ import annotations

import contextlib
import enum
import os
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from recordio_kit.errors import RecordIOKitError


T = TypeVar("T")

#: Failures that a table or a message shows.
_SHOWN = 5
#: What a trial may wait for, above its limit of work, before it counts as hung too.
_WAIT_SECONDS = 60.0


class Scale(enum.Enum):
    """How much is tried: a little, for every commit, or what the pass marks are about."""

    SHORT = "short"
    FULL = "full"

    def of(self, short: T, full: T) -> T:
        """Return what belongs to this scale."""
        return full if self is Scale.FULL else short


class BrokenPromiseError(AssertionError):
    """What a row promises does not hold."""


def expect(condition: object, promise: str) -> None:
    """Raise unless a promise holds; plain asserts have no words outside pytest."""
    if not condition:
        raise BrokenPromiseError(promise)


@contextlib.contextmanager
def expect_error(*kinds: type[BaseException], words: str = "") -> Iterator[None]:
    """Raise unless the block raises one of these, with these words in its message."""
    try:
        yield
    except kinds as error:
        expect(words in str(error), f"the message lacks {words!r}: {error}")
    else:
        names = " or ".join(kind.__name__ for kind in kinds)
        raise BrokenPromiseError(f"no {names} was raised")


@dataclass(frozen=True)
class Outcome:
    """Say what a row's trials came to."""

    trials: int
    passed: int
    figures: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.trials > 0 and not self.failures

    def __str__(self) -> str:
        """Say it in a line."""
        told = [f"{self.passed:,} of {self.trials:,}", *(f"{name} {figure}" for name, figure in self.figures.items())]
        shown = [*self.failures[:_SHOWN], *([f"and {len(self.failures) - _SHOWN} more"] if len(self.failures) > _SHOWN else [])]
        return "; ".join([*told, *self.notes, *shown])


class Trials:
    """Count the trials of a row.

    Args:
        row: its id, part of what chance is drawn from.
        seed: the rest of it.
        limit: seconds of work after which a trial counts as hung.
    """

    def __init__(self, row: str, seed: int, *, limit: float = 10.0) -> None:
        self._row = row
        self._seed = seed
        self._limit = limit
        self._count = self._passed = 0
        self._parts: Counter[str] = Counter()
        self._wholes: Counter[str] = Counter()
        self._marks: dict[str, float] = {}
        self._figures: dict[str, str] = {}
        self._notes: list[str] = []
        self._failures: list[str] = []

    def random(self, name: object = "") -> random.Random:
        """Return the chance of one trial, or of what all trials share: the same at every run and on every machine."""
        return random.Random(f"{self._row}/{self._seed}/{name}")

    @contextlib.contextmanager
    def trial(self, name: str) -> Iterator[None]:
        """Count what happens in the block."""
        self._count += 1
        started, worked = time.monotonic(), time.process_time()
        try:
            yield
        except BrokenPromiseError as error:
            self._failures.append(f"{name}: {error}")
            return
        except RecordIOKitError as error:
            self._failures.append(f"{name}: refused with {type(error).__name__}: {error}")
            return
        except Exception as error:
            self._failures.append(f"{name}: crashed with {type(error).__name__}: {error}")
            return
        took = max(time.process_time() - worked, time.monotonic() - started - _WAIT_SECONDS)
        if took > self._limit:
            self._failures.append(f"{name}: took {took:.1f} s, at most {self._limit:g} s are well")
        else:
            self._passed += 1

    def share(self, name: str, part: int, whole: int, *, mark: float = 1.0) -> None:
        """Add to a share; in the end it must be at least the mark, or the row fails."""
        self._parts[name] += part
        self._wholes[name] += whole
        self._marks[name] = mark

    def figure(self, name: str, value: str) -> None:
        """Keep a number for the table."""
        self._figures[name] = value

    def note(self, text: str) -> None:
        """Keep what else people should know."""
        if text not in self._notes:
            self._notes.append(text)

    def outcome(self) -> Outcome:
        """Return what all of it came to."""
        figures, failures = dict(self._figures), list(self._failures)
        for name, whole in self._wholes.items():
            part, mark = self._parts[name], self._marks[name]
            missing = whole - part
            figures[name] = f"{100 * part / max(whole, 1):.4g} % of {whole:,}" if missing else f"100 % of {whole:,}"
            if part < mark * whole:
                failures.append(f"{name}: {missing} of {whole} are missing, the mark is {100 * mark:g} %")
        return Outcome(self._count, self._passed, figures, tuple(self._notes), tuple(failures))


RowFunction = Callable[[Scale, int, Path], Outcome]


@dataclass(frozen=True)
class Row:
    """Describe a row: its id, the fault, what must come of it, what it needs, and the function that tries it."""

    id: str
    fault: str
    mark: str
    run: RowFunction | None
    needs: tuple[Callable[[], str], ...] = ()

    def missing(self) -> str:
        """Return why the row cannot run here, or nothing."""
        return next((reason for need in self.needs if (reason := need())), "")


ROWS: dict[str, Row] = {}


def row(name: str, fault: str, mark: str, *needs: Callable[[], str]) -> Callable[[RowFunction], RowFunction]:
    """Register a function as a row of the matrix."""

    def register(function: RowFunction) -> RowFunction:
        ROWS[name] = Row(name, fault, mark, function, needs)
        return function

    return register


def posix() -> str:
    """Say why a row that needs POSIX cannot run here."""
    return "needs POSIX" if os.name != "posix" else ""


def linux() -> str:
    """Say why a row that needs Linux cannot run here."""
    return "" if sys.platform.startswith("linux") else "needs Linux"


def superuser() -> str:
    """Say why a row that mounts file systems cannot run here."""
    return linux() or ("" if os.geteuid() == 0 else "needs root, to mount a file system")


def strace() -> str:
    """Say why a row that injects failures into system calls cannot run here."""
    return linux() or ("" if shutil.which("strace") else "needs strace")
