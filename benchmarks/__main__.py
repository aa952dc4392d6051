"""``python -m benchmarks``: measure the rows beside the peers that are present, and print ratios with their spread.

Strategy: images are made when the first row that needs them comes and removed after the last; everything lies under one
temporary folder. Before a row is timed, its commands run once on a handful of images, so that interpreters and imports are warm;
the images themselves have just been written, so they are in the page cache.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine, memory, plot, report
from benchmarks.corpus import head, make_digits
from benchmarks.equality import verify_row
from benchmarks.images import Images
from benchmarks.peers import find_peers
from benchmarks.race import Contender, compare, race, run
from benchmarks.rows import FAST_MODULES, Row, Setting, rows
from benchmarks.tree import Tree, make_tree
from recordio_kit._pipeline.executors import usable_cpus


MEMORY = "memory"
_HANDFUL = 4
_MEMORY_LIMIT_MB, _ENTRY_LIMIT_BYTES = 250, 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks."""
    args = _parse(arguments)
    peers = find_peers()
    facts = machine.describe(peers)
    print(report.machine_lines(facts), flush=True)
    with tempfile.TemporaryDirectory(prefix="recordio_kit-bench-", dir=args.temp) as place:
        folder = Path(place)
        setting = Setting(peers, usable_cpus(), _hide_engines(folder, facts["engines"]))
        store = Images(folder, args)
        results: list[report.Result] = []
        limits: list[report.Limit] = []
        table = [row for row in rows(setting) if args.rows is None or row.name in args.rows]
        for number, row in enumerate(table):
            result = _measure(row, store, folder, args.rounds)
            if result is not None:
                results.append(result)
                print(report.row_lines(result), flush=True)
                _save(args, facts, results, limits)
            store.discard_but({later.images for later in table[number + 1 :]})
        if (args.rows is None or MEMORY in args.rows) and memory.available():
            limits += _memory(store, folder, args)
            print(report.memory_lines(limits), flush=True)
            _save(args, facts, results, limits)
    return 0


def _save(args: argparse.Namespace, facts: dict[str, Any], results: list[report.Result], limits: list[report.Limit]) -> None:
    """Write what is known so far, so that a run that ends early leaves what it measured."""
    if args.json:
        args.json.write_text(json.dumps(report.as_json(facts, results, limits), indent=1) + "\n", encoding="utf-8")
    if args.plot:
        caption = f"{facts['cpus']} cores, {facts['cpu']}; {facts['python']}; rounds: {args.rounds}"
        args.plot.write_text(plot.draw(results, caption), encoding="utf-8")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure recordio_kit beside the peers that are present. MXNET_PYTHON names an interpreter with MXNet 1.9.1, "
        "IM2REC_CPP its compiled im2rec, BENCH_PEERS_PYTHON an interpreter with webdataset and mosaicml-streaming.",
    )
    known = [row.name for row in rows(Setting(find_peers(), 2, None))]
    parser.add_argument(
        "--rows", nargs="+", choices=[*known, MEMORY], metavar="ROW", help=f"of {', '.join(known)}, {MEMORY}; all"
    )
    parser.add_argument("--rounds", type=int, default=3, help="times that each command runs (3)")
    parser.add_argument("--images", type=Path, metavar="DIR", help="a folder of JPEG photos; default: drawn ones")
    parser.add_argument("--mnist", type=Path, metavar="DIR", help="a folder of small JPEGs; default: drawn digits")
    parser.add_argument("--count", type=int, default=10_000, help="photos (10,000)")
    parser.add_argument("--camera-count", type=int, default=60, metavar="N", help="photos of 12 megapixels (60)")
    parser.add_argument("--small-count", type=int, default=60_000, metavar="N", help="digits (60,000)")
    parser.add_argument("--files", type=int, default=1_000_000, metavar="N", help="files to list (1,000,000)")
    parser.add_argument(
        "--entries", type=int, default=1_000_000, metavar="N", help="entries of the list in the memory row (1,000,000)"
    )
    parser.add_argument("--temp", type=Path, metavar="DIR", help="where to work; needs about 6 GB at full size (the system's)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw the ratios there")
    return parser.parse_args(arguments)


def _measure(row: Row, store: Images, folder: Path, rounds: int) -> report.Result | None:
    desk = folder / "desk"
    equal = {}
    if row.name == "resize":
        equal = verify_row(row, store.few, desk, ("im2rec.py", "im2rec (C++)"))
    images = store.get(row.images)
    handful = make_tree(folder / "handful", _HANDFUL) if isinstance(images, Tree) else head(images, folder / "handful", _HANDFUL)
    listing = None if isinstance(handful, Tree) else handful.list
    warm = {contender.name for contender in row.contenders(handful) if run(contender, desk, listing) is not None}
    shutil.rmtree(folder / "handful")
    entered = [contender for contender in row.contenders(images) if contender.name in warm]
    if not entered:
        return None
    if isinstance(images, Tree):
        amount = f"{images.count:,} files"
        run(entered[0], desk, None)  # warms the system's cache of names
    else:
        amount = f"{images.count:,} images, {images.bytes / 1e6:,.0f} MB"
    times = race(entered, desk, None if isinstance(images, Tree) else images.list, rounds)
    ratios = [ratio for comparison in row.comparisons if (ratio := compare(comparison, times)) is not None]
    return report.Result(row, amount, times, ratios, equal)


def _memory(store: Images, folder: Path, args: argparse.Namespace) -> list[report.Limit]:
    limits: list[report.Limit] = []
    desk = folder / "desk"
    desk.mkdir()
    large = store.get("large")
    for name, flags in {"resize": (), "resize, --antialias": ("--antialias",)}.items():
        command = (sys.executable, "-m", "recordio_kit", "pack", str(large.root.parent / "all.lst"), str(large.root), "x.rec")
        told = f"24 megapixels, {name}"
        options = ("--resize", "256", "--workers", str(usable_cpus()), "--overwrite", *flags)
        peak = memory.peak_of(Contender(told, (*command, *options)), desk)
        limits += report.peak_limits(peak, _MEMORY_LIMIT_MB)
    small = make_digits(folder / "entries", 10, args.mnist)
    few, many, entry = memory.bytes_an_entry(small.root, args.entries, desk)
    limits += report.peak_limits(few, None)[:1] + report.peak_limits(many, None)[:1]
    limits.append(report.Limit("a list's entry, of the parent's peak", entry, "bytes", _ENTRY_LIMIT_BYTES))
    return limits


def _hide_engines(folder: Path, engines: dict[str, str]) -> Path | None:
    """Make modules that look like missing ones, so that the default install is measured too; None where none is to hide."""
    if set(engines.values()) <= {"pillow", "numpy", "none"}:
        return None
    place = folder / "baseline"
    place.mkdir()
    for module in FAST_MODULES:
        (place / f"{module}.py").write_text(f"raise ModuleNotFoundError('hidden', name={module!r})\n", encoding="ascii")
    return place


if __name__ == "__main__":
    sys.exit(main())
