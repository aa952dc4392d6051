"""What came out, as text for people and as plain JSON values."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Any

from benchmarks.memory import Peak
from benchmarks.race import Ratio, Times
from benchmarks.rows import Row


@dataclass(frozen=True, slots=True)
class Result:
    """One row's outcome.

    Args:
        row: which.
        amount: of what, in words.
        times: of its contenders.
        ratios: of its comparisons, where both sides ran.
        equal: peer -> whether its bytes are ours.
    """

    row: Row
    amount: str
    times: Times
    ratios: list[Ratio]
    equal: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limit:
    """One memory figure.

    Args:
        name: of what.
        value: measured.
        unit: its unit.
        limit: what it should stay under; None where nothing was promised.
    """

    name: str
    value: float
    unit: str
    limit: float | None = None


def machine_lines(machine: dict[str, Any]) -> str:
    """Return the machine's facts, one a line."""
    return "\n".join(
        f"{name:<13} {', '.join(f'{key} {told}' for key, told in value.items()) if isinstance(value, dict) else value}"
        for name, value in machine.items()
    )


def row_lines(result: Result) -> str:
    """Return a row: each contender's median, then each comparison's ratio with its spread and target."""
    lines = [f"\n[{result.row.name}] {result.row.title}: {result.amount}"]
    for name, samples in result.times.items():
        walls, cpus = [sample.wall for sample in samples], [sample.cpu for sample in samples]
        spread = f"{min(walls):.2f} to {max(walls):.2f}" if len(walls) > 1 else "1 round"
        lines.append(f"  {name:<34} {statistics.median(walls):8.2f} s  ({spread}; {statistics.median(cpus):.2f} s of CPU)")
    lines += [f"  same bytes as ours: {name}: {told}" for name, told in result.equal.items()]
    lines += [f"  peer / ours: {ratio_words(ratio)}" for ratio in result.ratios]
    return "\n".join(lines)


def ratio_words(ratio: Ratio) -> str:
    """Return a ratio in words."""
    comparison = ratio.comparison
    words = f"{comparison.label:<32} {ratio.median:6.2f}  ({ratio.low:.2f} to {ratio.high:.2f})"
    if comparison.target is None:
        return words
    return f"{words}  target {comparison.target:.2f}: {'met' if ratio.met else 'MISSED'}"


def memory_lines(limits: list[Limit]) -> str:
    """Return the memory figures."""
    lines = ["\n[memory] peak of resident memory"]
    for figure in limits:
        told = f"  {figure.name:<58} {figure.value:8.1f} {figure.unit}"
        if figure.limit is not None:
            told += f"  limit {figure.limit:g}: {'met' if figure.value <= figure.limit else 'MISSED'}"
        lines.append(told)
    return "\n".join(lines)


def peak_limits(peak: Peak, limit: float | None) -> list[Limit]:
    """Return a peak's figures in MB, parent and workers apart.

    Args:
        peak: measured.
        limit: in MB.
    """
    found = [Limit(f"{peak.name}: parent", peak.parent / 1e6, "MB", limit)]
    if peak.worker is not None:
        found.append(Limit(f"{peak.name}: greatest worker", peak.worker / 1e6, "MB", limit))
    return found


def as_json(machine: dict[str, Any], results: list[Result], limits: list[Limit]) -> dict[str, Any]:
    """Return everything as plain JSON values."""
    return {
        "machine": machine,
        "rows": [
            {
                "row": result.row.name,
                "title": result.row.title,
                "amount": result.amount,
                "seconds": {name: [round(sample.wall, 4) for sample in samples] for name, samples in result.times.items()},
                "cpu_seconds": {name: [round(sample.cpu, 3) for sample in samples] for name, samples in result.times.items()},
                "same_bytes": result.equal,
                "ratios": [_ratio(ratio) for ratio in result.ratios],
            }
            for result in results
        ],
        "memory": [
            {"name": figure.name, "value": round(figure.value, 2), "unit": figure.unit, "limit": figure.limit}
            for figure in limits
        ],
    }


def _ratio(ratio: Ratio) -> dict[str, Any]:
    comparison = ratio.comparison
    return {
        "label": comparison.label,
        "ours": comparison.ours,
        "peers": list(comparison.peers),
        "median": round(ratio.median, 4),
        "low": round(ratio.low, 4),
        "high": round(ratio.high, 4),
        "target": None if comparison.target is None else round(comparison.target, 4),
        "met": ratio.met,
    }
