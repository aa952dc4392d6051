"""The command line: ``python -m tests.fuzz [TARGET ...] [--runs N] [--seconds S] [--corpus DIR] [--keep]``.

Strategy: targets take turns, a slice each, so that each has had its part when time is up; a target that breaks a promise
stops there, and the others go on. One table at the end; 1 is the exit code where anything was found.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from pathlib import Path

from tests.fuzz.kept import write_kept
from tests.fuzz.run import Session
from tests.fuzz.targets import TARGETS


_SLICE_RUNS = 500_000
_SLICE_SECONDS = 120


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz what reads bytes from elsewhere.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--runs", type=int, help="inputs for each target, with those of earlier sessions in this folder")
    parser.add_argument("--seconds", type=float, help="for each target; default: 60 where --runs is not given")
    parser.add_argument("--corpus", type=Path, default=Path(".fuzz"), metavar="DIR", help="what is kept from session to session")
    parser.add_argument("--keep", action="store_true", help="fuzz nothing; put the smallest inputs of DIR into the repository")
    options = parser.parse_args()
    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    if importlib.util.find_spec("atheris") is None:
        print("this needs atheris: pip install atheris (Linux and macOS)", file=sys.stderr)
        return 2
    names = options.targets or list(TARGETS)
    folder = options.corpus.resolve()
    if options.keep:
        for name in names:
            write_kept(name, folder)
        return 0
    seconds = 60.0 if options.seconds is None and options.runs is None else options.seconds
    sessions = [Session(name, folder) for name in names]
    try:
        _take_turns(sessions, options.runs, seconds)
    except KeyboardInterrupt:
        print("interrupted: what the last slice did is not counted", file=sys.stderr)
    totals = [session.total() for session in sessions]
    print(_table(totals))
    for total in totals:
        _print_findings(total)
    return int(any(total.findings or total.failure for total in totals))


def _take_turns(sessions, runs, seconds):
    left = dict.fromkeys(sessions, seconds)
    while left:
        for session in list(left):
            wanted = _SLICE_RUNS if runs is None else min(_SLICE_RUNS, runs - session.total().runs)
            if wanted <= 0 or (seconds is not None and left[session] < 1):
                del left[session]
                continue
            start = time.monotonic()
            done = session.run(wanted, _SLICE_SECONDS if seconds is None else min(left[session], _SLICE_SECONDS))
            if done.end != "done":
                del left[session]
            elif seconds is not None:
                left[session] -= time.monotonic() - start


def _table(totals):
    rows = [("target", "inputs", "inputs/s", "edges", "features", "corpus", "findings")]
    for total in totals:
        rate = f"{total.runs / total.seconds:,.0f}" if total.seconds else "-"
        rows.append((total.target, f"{total.runs:,}", rate, *map(str, (total.cov, total.ft, total.corpus, len(total.findings)))))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join((row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:]))) for row in rows)
    return "\n".join(lines)


def _print_findings(total):
    if total.failure:
        print(f"\n{total.target}: {total.failure}")
    for finding in total.findings:
        print(f"{total.target}: {finding}\n  {finding.read_bytes().hex()}")
        print(f"  again: {sys.executable} -m tests.fuzz.child {total.target} {finding}")


if __name__ == "__main__":
    sys.exit(main())
