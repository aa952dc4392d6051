"""Measuring: whole processes, start-up included, interleaved, and ratios taken within a round.

Strategy: in each round every contender runs once, each time one place later in the order, in an empty folder with the list;
so what else the machine does falls on all. What a contender wrote is removed before the next one starts. A peer that fails is
left out, and said; a failure of ours ends the run.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Contender:
    """One command that does the work of a row.

    Args:
        name: unique in its row.
        command: run in a folder of its own that holds ``all.lst``.
        once: run in the first round only: it is slow, and no target hangs on it.
        ours: whether a failure ends the run.
        environment: variables to add.
    """

    name: str
    command: tuple[str, ...]
    once: bool = False
    ours: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """What one process took.

    Args:
        wall: seconds from start to exit.
        cpu: seconds of all cores, its children's too; 0 where the system does not say.
    """

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Say which of ours is held against which peers.

    Args:
        label: what is compared.
        ours: a contender's name.
        peers: contenders' names; the fastest of a round counts.
        target: what the ratio should reach; None where nothing was promised.
    """

    label: str
    ours: str
    peers: tuple[str, ...]
    target: float | None = None


@dataclass(frozen=True, slots=True)
class Ratio:
    """A comparison's outcome: the peer's time over ours, above 1 where ours is faster.

    Args:
        comparison: of what.
        median: over the rounds.
        low: the smallest round's.
        high: the greatest round's.
    """

    comparison: Comparison
    median: float
    low: float
    high: float

    @property
    def met(self) -> bool | None:
        """Tell whether the target is reached; None without one."""
        return None if self.comparison.target is None else self.median >= self.comparison.target


Times = dict[str, list[Sample]]


def race(contenders: Sequence[Contender], desk: Path, listing: Path | None, rounds: int) -> Times:
    """Return what each contender took in each round.

    Args:
        contenders: to run.
        desk: the folder to make for each of them; there must be none.
        listing: the list to put there; None for none.
        rounds: how often.
    """
    times: Times = {contender.name: [] for contender in contenders}
    entered = list(contenders)
    os.sync() if hasattr(os, "sync") else None
    for number in range(rounds):
        turn = number % len(entered)
        for contender in [*entered[turn:], *entered[:turn]]:
            if number and contender.once:
                continue
            sample = run(contender, desk, listing)
            if sample is None:
                entered.remove(contender)
                del times[contender.name]
            else:
                times[contender.name].append(sample)
    return times


def run(contender: Contender, desk: Path, listing: Path | None) -> Sample | None:
    """Run a contender once; None where it is a peer and fails.

    Args:
        contender: to run.
        desk: as for ``race``.
        listing: as for ``race``.
    """
    prepare_desk(desk, listing)
    before, started = os.times(), time.perf_counter()
    done = subprocess.run(
        contender.command,
        cwd=desk,
        env=environment(contender),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    wall, after = time.perf_counter() - started, os.times()
    shutil.rmtree(desk)
    if done.returncode:
        words = f"{contender.name} failed with {done.returncode}: {done.stderr[-2000:]}"
        if contender.ours:
            sys.exit(words)
        print(words, file=sys.stderr)
        return None
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return Sample(wall, max(spent, 0.0))  # the clocks tick coarsely


def prepare_desk(desk: Path, listing: Path | None) -> None:
    """Make the folder that a contender works in.

    Args:
        desk: to make.
        listing: the list to put there; None for none.
    """
    desk.mkdir()
    if listing is not None:
        shutil.copy(listing, desk / "all.lst")


def environment(contender: Contender) -> dict[str, str]:
    """Return a contender's environment: this one's, with the checkout on Python's path behind what the contender adds.

    Modules may be kept compiled, as they are where programs are installed.
    """
    paths = [contender.environment.get("PYTHONPATH"), str(Path(__file__).parents[1])]
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return inherited | contender.environment | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def compare(comparison: Comparison, times: Times) -> Ratio | None:
    """Return a comparison's ratio over the rounds that both sides ran in; None where one side never did.

    Args:
        comparison: what to hold against what; in each round the fastest of the peers that ran in it.
        times: of a race.
    """
    ratios = []
    for number, own in enumerate(times.get(comparison.ours, ())):
        peers = [times[name][number].wall for name in comparison.peers if len(times.get(name, ())) > number]
        if peers:
            ratios.append(min(peers) / own.wall)
    return Ratio(comparison, statistics.median(ratios), min(ratios), max(ratios)) if ratios else None
