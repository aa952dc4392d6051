"""Figures as the markdown that the documentation shows: ``python -m benchmarks.table FIGURES.json [...]``.

Strategy: of several files the last one that has a row counts, so that a row can be measured again by itself.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def table(documents: Sequence[dict[str, Any]]) -> str:
    """Return the tables of these figures.

    Args:
        documents: as ``report.as_json`` makes them.
    """
    rows = {row["row"]: row for document in documents for row in document["rows"]}
    memory = next((document["memory"] for document in reversed(documents) if document["memory"]), [])
    lines = ["| work | ours | beside | | reach |", "|---|---|---|---|---|"]
    for row in rows.values():
        lines += _row(row)
    lines += ["", "| memory, greatest of a process | | limit |", "|---|---|---|"]
    lines += [f"| {figure['name']} | {figure['value']:.0f} {figure['unit']} | {figure['limit'] or ''} |" for figure in memory]
    return "\n".join(lines) + "\n"


def _row(row: dict[str, Any]) -> list[str]:
    lines, said = [], f"**{row['title']}**: {row['amount']}"
    for ratio in row["ratios"]:
        peers = {name: statistics.median(row["seconds"][name]) for name in ratio["peers"] if name in row["seconds"]}
        best = min(peers, key=lambda name: peers[name])
        ours = f"{ratio['ours']}: {statistics.median(row['seconds'][ratio['ours']]):.2f} s"
        reach = "" if ratio["target"] is None else f"{ratio['target']:.3g}{'' if ratio['met'] else ', missed'}"
        spread = f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})"
        lines.append(f"| {said} | {ours} | {ratio['label']}: {peers[best]:.2f} s | {spread} | {reach} |")
        said = ""
    return lines


if __name__ == "__main__":
    sys.stdout.write(table([json.loads(Path(name).read_text("utf-8")) for name in sys.argv[1:]]))
