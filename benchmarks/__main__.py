"""``python -m benchmarks``: time every row, interleaved, and print ratios with spread.

A figure is the wall-clock time of a whole process, start-up included, with the page cache warm. In each round every contender
runs once; a ratio is taken within a round, peer over ours, so that what else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.contenders import Contender, rows
from benchmarks.corpus import make_corpus


def main() -> int:
    """Run the benchmarks."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Pack beside the peers that are present.")
    parser.add_argument("--images", type=Path, help="a folder of photos; default: made ones")
    parser.add_argument("--count", type=int, default=1000, help="images in the corpus (1000)")
    parser.add_argument("--rounds", type=int, default=5, help="times that each command runs (5)")
    parser.add_argument("--rows", nargs="+", help="which rows; default: all")
    parser.add_argument("--json", type=Path, help="write the figures there")
    args = parser.parse_args()
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    with tempfile.TemporaryDirectory(prefix="recordio_kit-bench-") as place:
        folder = Path(place)
        root = make_corpus(folder, args.count, args.images)
        subprocess.run(
            [sys.executable, "-m", "recordio_kit", "im2rec", "all", str(root), "--list", "--recursive"],
            cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        table = {
            name: race(contenders, folder, args.rounds, environment)
            for name, contenders in rows(root).items()
            if args.rows is None or name in args.rows
        }
    machine = f"{os.cpu_count()} CPUs, Python {platform.python_version()}, {platform.machine()}"
    print(f"{args.count} images, {args.rounds} rounds, {machine}")
    for name, times in table.items():
        show(name, times)
    if args.json:
        args.json.write_text(json.dumps({"count": args.count, "seconds": table}, indent=1) + "\n", encoding="ascii")
    return 0


def race(contenders: list[Contender], folder: Path, rounds: int, environment: dict[str, str]) -> dict[str, list[float]]:
    """Return the seconds of each contender in each round; a first round, which warms the cache, does not count."""
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for number in range(rounds + 1):
        for contender in contenders:
            desk = folder / "desk"
            desk.mkdir()
            shutil.copy(folder / "all.lst", desk / "all.lst")
            started = time.perf_counter()
            done = subprocess.run(contender.command, cwd=desk, env=environment, capture_output=True, text=True, check=False)
            took = time.perf_counter() - started
            if done.returncode:
                sys.exit(f"{contender.name} failed:\n{done.stderr}")
            if number:
                seconds[contender.name].append(took)
            shutil.rmtree(desk)
    return seconds


def show(name: str, seconds: dict[str, list[float]]) -> None:
    """Print one row: medians, and each peer's ratio to ours with its smallest and largest round."""
    ours = next(iter(seconds.values()))
    print(f"\n{name}")
    for contender, times in seconds.items():
        ratios = [peer / own for peer, own in zip(times, ours, strict=True)]
        spread = f"{statistics.median(ratios):6.2f}x ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"  {contender:<30} {statistics.median(times):8.2f} s   {spread}")


if __name__ == "__main__":
    sys.exit(main())
