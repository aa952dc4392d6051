"""How much memory a pack takes: the peak of each process, and what a list's entry adds to it.

Strategy: Linux keeps each process's high-water mark of resident memory (``VmHWM`` in ``/proc/<pid>/status``); it only rises, so
looking every few milliseconds until the process is gone misses at most what it takes in its last moments. The last value read
counts, because a process that has not yet become its program shows its parent's. Pages shared with other processes count in
each. Other systems are not measured.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.race import Contender, environment


_INTERVAL = 0.005
_FEW_ENTRIES = 1000


@dataclass(frozen=True, slots=True)
class Peak:
    """What a pack took at most.

    Args:
        name: what was packed.
        parent: bytes of the process that was started.
        worker: bytes of the greatest of its children; None where it had none.
    """

    name: str
    parent: int
    worker: int | None


def available() -> bool:
    """Tell whether this system says how much memory a process took."""
    return Path("/proc/self/status").exists()


def peak_of(contender: Contender, desk: Path) -> Peak:
    """Run a command and return its peak.

    Args:
        contender: to run.
        desk: its folder.
    """
    with subprocess.Popen(
        contender.command, cwd=desk, env=environment(contender), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        marks: dict[int, int] = {}
        while process.poll() is None:
            for pid in _family(process.pid):
                mark = _high_water(pid)
                if mark:
                    marks[pid] = mark
            time.sleep(_INTERVAL)
    if process.returncode:
        sys.exit(f"{contender.name} failed with {process.returncode}")
    parent = marks.pop(process.pid)
    return Peak(contender.name, parent, max(marks.values(), default=None))


def write_long_list(place: Path, paths: list[str], count: int) -> None:
    """Write a list of any length that names the same few files again and again.

    Args:
        place: the list.
        paths: of the files.
        count: how many entries.
    """
    with place.open("w", encoding="ascii") as file:
        file.writelines(f"{number}\t0.000000\t{paths[number % len(paths)]}\n" for number in range(count))


def bytes_an_entry(root: Path, entries: int, desk: Path) -> tuple[Peak, Peak, float]:
    """Return the peaks of packing a short and a long list of the same small files, and the difference an entry.

    Args:
        root: of small files.
        entries: of the long list.
        desk: the folder to work in.
    """
    paths = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*.jpg"))[:10]]
    peaks = []
    for count in (min(_FEW_ENTRIES, entries), entries):
        write_long_list(desk / "long.lst", paths, count)
        command = (sys.executable, "-m", "recordio_kit", "pack", "long.lst", str(root), "long.rec", "--overwrite")
        peaks.append(peak_of(Contender(f"{count:,} entries", command), desk))
    few, many = peaks
    return few, many, (many.parent - few.parent) / max(1, entries - _FEW_ENTRIES)


def _family(pid: int) -> list[int]:
    """Return a process and its children, and theirs."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text("ascii").split()]
            except OSError:  # it has just ended
                continue
    return found


def _high_water(pid: int) -> int:
    """Return the high-water mark in bytes; 0 where the process has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii", errors="replace")
    except OSError:
        return 0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0")
    return int(line.split()[1]) * 1024
