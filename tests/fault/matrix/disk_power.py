"""Row B6: the power fails, and the disk holds whatever it may hold by then.

Strategy: one run of ``prepare`` is watched (strace) and its calls become a list of writes, syncs, renames and folders made.
After each of them the power may fail. What was synced is there; of what a file got since, any beginning is; of what happened
in a folder since its last sync, any beginning of it is, each folder for itself. In all of these states a final name must be
absent or whole, and a manifest must stand beside all its files; after the last call, everything must be there. To see that
the row can fail, the syncs of each file and folder are left out once, which must show.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.fault.matrix.disk import REPOSITORY
from tests.fault.matrix.registry import Outcome, Scale, Trials, expect, row, strace
from tests.samples import write_tree


class Call(NamedTuple):
    """A call that changes the disk: write, sync, rename, mkdir or unlink; paths are relative to the output's parent."""

    kind: str
    path: str
    target: str = ""
    size: int = 0


_LINE = re.compile(r"^\d+ +(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>\d+)")
_HANDLE = re.compile(r"^\d+<(?P<path>[^>]*)>")
_NAMES = re.compile(r'"([^"]*)"')
_KINDS = {"pwrite64": "write", "fdatasync": "sync", "fsync": "sync", "unlinkat": "unlink", "mkdirat": "mkdir"}


def watch(words: Sequence[str], world: Path) -> list[Call]:
    """Return the calls by which a command changes what is below a folder."""
    log = world.parent / "calls"
    trace = "trace=write,pwrite64,fsync,fdatasync,/^rename,/^mkdir,/^unlink,rmdir"
    watcher = ["strace", "-f", "-qq", "-y", "-s", "0", "-o", str(log), "-e", trace]
    done = subprocess.run(
        [*watcher, sys.executable, "-m", "recordio_kit", *words], capture_output=True, text=True, cwd=REPOSITORY
    )
    expect(done.returncode == 0, done.stderr[-600:])
    calls = []
    for line in log.read_text("utf-8", "replace").splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        name, arguments = match["name"], match["arguments"]
        handle = _HANDLE.match(arguments)
        paths = [handle["path"]] if handle and not name.endswith("at") else _NAMES.findall(arguments)
        if not all(path.startswith(f"{world}/") for path in paths):
            continue
        kind = "rename" if name.startswith("rename") else _KINDS.get(name, name)
        calls.append(Call(kind, *[os.path.relpath(path, world) for path in paths], size=int(match["result"])))
    return calls


def violations(calls: Sequence[Call], chance: random.Random, cuts: int) -> tuple[int, list[str]]:
    """Return how many states there are, and what is wrong with those in which something is."""
    whole: dict[str, int] = {}
    final: dict[str, str] = {}  # what becomes of each temporary file
    for call in calls:
        if call.kind == "write":
            whole[call.path] = whole.get(call.path, 0) + call.size
        elif call.kind == "rename":
            final[call.target] = call.path
    count, wrong = 0, []
    for moment in range(len(calls) + 1):
        for lengths, names in _states(calls[:moment], chance, cuts):
            count += 1
            torn = [name for name, file in names.items() if lengths.get(file, 0) != whole.get(file, 0)]
            alone = [name for name in final if name not in names] if any(name.endswith("manifest.json") for name in names) else []
            lost = [name for name in final if name not in names] if moment == len(calls) else []
            if torn or alone or lost:
                wrong.append(f"after call {moment}: torn {torn}, not beside the manifest {alone}, lost {lost}")
    return count, wrong


def _states(calls: Sequence[Call], chance: random.Random, cuts: int) -> Iterator[tuple[dict[str, int], dict[str, str]]]:
    """Yield what may be on the disk after these calls: the length of each file, and which file has each final name."""
    written: dict[str, int] = {}
    synced: dict[str, int] = {}
    folders: dict[str, list[tuple[bool, Call]]] = {}  # what happened in each, and whether it is durable
    renamed: dict[str, str] = {}
    for call in calls:
        if call.kind == "write":
            written[call.path] = written.get(call.path, 0) + call.size
        elif call.kind == "sync" and call.path in written:
            synced[call.path] = written[call.path]
        elif call.kind == "sync":
            folders[call.path] = [(True, other) for _, other in folders.get(call.path, [])]
        elif call.kind in ("rename", "mkdir"):
            place = call.target or call.path
            folders.setdefault(os.path.dirname(place), []).append((False, call))
            renamed[place] = call.path
    loose = [path for path in written if synced.get(path, 0) < written[path]]
    kept = [range(sum(durable for durable, _ in done), len(done) + 1) for done in folders.values()]
    for choice in itertools.product(*kept):
        there = [call for stop, done in zip(choice, folders.values(), strict=True) for _, call in done[:stop]]
        made = {call.path for call in there if call.kind == "mkdir"}
        known = {call.path for call in calls if call.kind == "mkdir"}
        names = {call.target: call.path for call in there if call.kind == "rename" and _reached(call.target, made, known)}
        for turn in range(cuts if loose else 1):
            # nothing of it, all of it, and anything between
            lengths = dict(written)
            for path in loose:
                low, high = synced.get(path, 0), written[path]
                lengths[path] = (low, high)[turn] if turn < 2 else chance.randint(low, high)
            yield lengths, names


def _reached(name: str, made: set[str], known: set[str]) -> bool:
    """Tell whether all folders above a name are there; those that stood before the run are."""
    folder = os.path.dirname(name)
    while folder:
        if folder in known and folder not in made:
            return False
        folder = os.path.dirname(folder)
    return True


@row(
    "B6",
    "power loss after every call: all states that the disk may be in",
    ">= 1,000 states, 0 wrong; no sync can be spared",
    strace,
)
def power_losses(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("B6", seed, limit=300)
    photos = write_tree(workdir / "photos", {"ant": 8, "bee": 8})
    world = workdir / "world"
    (world / "out").mkdir(parents=True)
    trials.note("the output folder stood there before: the entry of a new one, in the folder above, is not synced")
    calls = watch(["prepare", str(photos), str(world / "out")], world)
    expect(sum(call.kind == "rename" for call in calls) >= 9, f"too few files were seen: {calls}")
    with trials.trial("as it is"):
        count, wrong = violations(calls, trials.random(), scale.of(24, 500))
        trials.figure("states", f"{count:,}")
        expect(not wrong, f"{len(wrong)} states are wrong: {wrong[:2]}")
        expect(count >= 1000, f"only {count} states")
    for path in dict.fromkeys(call.path for call in calls if call.kind == "sync"):
        with trials.trial(f"without the syncs of {path}"):
            rest = [call for call in calls if (call.kind, call.path) != ("sync", path)]
            expect(violations(rest, trials.random(), 4)[1], "nothing shows that they are missing")
    return trials.outcome()
