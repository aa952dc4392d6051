"""Run rows and show what came of them: a table for people, and the same as markdown for the documentation."""

from __future__ import annotations

import argparse
import faulthandler
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.fault.matrix.registry import ROWS, Outcome, Row, Scale


#: A row that takes longer hangs: every stack is shown, and the process ends.
HANG_SECONDS = {Scale.SHORT: 90, Scale.FULL: 1800}
_HEAD = ("row", "fault", "trials", "result", "pass mark", "seconds")


class Result(NamedTuple):
    """A row that ran, or (without an outcome) did not, and why."""

    row: Row
    outcome: Outcome | None
    seconds: float
    reason: str = ""

    @property
    def ok(self) -> bool:
        return self.outcome is None or self.outcome.ok

    def cells(self) -> tuple[str, ...]:
        """Return the table's row."""
        if self.outcome is None:
            return self.row.id, self.row.fault, "", self.reason, self.row.mark, ""
        result = f"{'pass' if self.outcome.ok else 'FAIL'}: {self.outcome}"
        return self.row.id, self.row.fault, f"{self.outcome.trials:,}", result, self.row.mark, f"{self.seconds:.1f}"


def order(row_id: str) -> tuple[str, int]:
    """Sort rows as the matrix does: A2 before A10."""
    return row_id[0], int(row_id[1:])


def run_row(row: Row, scale: Scale, seed: int, workdir: Path) -> Result:
    """Run one row in a folder of its own."""
    reason = row.missing()
    if reason or row.run is None:
        return Result(row, None, 0.0, f"not run: {reason or 'no function yet'}")
    workdir.mkdir()
    faulthandler.dump_traceback_later(HANG_SECONDS[scale], exit=True)
    started = time.monotonic()
    try:
        outcome = row.run(scale, seed, workdir)
    finally:
        faulthandler.cancel_dump_traceback_later()
    return Result(row, outcome, time.monotonic() - started)


def repeat_line(row: Row, scale: Scale, seed: int) -> str:
    """Return the command that runs a row as it was run."""
    return f"python -m tests.fault {row.id} --seed {seed}{' --full' if scale is Scale.FULL else ''}"


def markdown(results: Sequence[Result]) -> str:
    """Return the table as markdown."""
    rows = [_HEAD, ("---",) * len(_HEAD), *(result.cells() for result in results)]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |\n" for cells in rows)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 where every row that ran has passed, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault", description="Inject every fault of the matrix.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="such as C4, or C for all of a letter; none means all")
    parser.add_argument("--full", action="store_true", help="as often as the pass marks say, not the short set")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other faults (0)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there too")
    args = parser.parse_args(argv)
    wanted = {name for name in sorted(ROWS, key=order) if not args.rows or {name, name[0]} & {*args.rows}}
    if unknown := [name for name in args.rows if not any(name in (known, known[0]) for known in ROWS)]:
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(sorted(ROWS, key=order))}")
    scale = Scale.FULL if args.full else Scale.SHORT
    results = []
    for name in sorted(wanted, key=order):
        with tempfile.TemporaryDirectory(prefix="recordio_kit-") as folder:
            result = run_row(ROWS[name], scale, args.seed, Path(folder) / name)
        results.append(result)
        print(" | ".join(result.cells()), flush=True)
        if not result.ok:
            print(f"    again: {repeat_line(result.row, scale, args.seed)}", flush=True)
    if args.markdown is not None:
        args.markdown.write_text(markdown(results), encoding="utf-8", newline="\n")
    return 0 if all(result.ok for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
