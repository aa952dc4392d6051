"""The command line of MXNet's im2rec.py, of 1.9.1 and of the versions before it.

Strategy: argparse with 1.9.1's flags and defaults. Older spellings are rewritten first: ``--train_ratio`` (0.7), ``--list=1``
and ``--shuffle False`` (0.7 to 1.0, where ``--shuffle False`` shuffled; here it means what it says).
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from recordio_kit._images.info import MAX_SIDE


if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

#: The flags without a value, which had one in MXNet 0.7 to 1.0: flag -> what it is called when it is false.
_SWITCHES: Final = {
    "--list": None,
    "--recursive": None,
    "--no-shuffle": None,
    "--shuffle": "--no-shuffle",
    "--pass-through": None,
    "--center-crop": None,
    "--pack-label": None,
}
_WORDS: Final = {"true": True, "false": False}
_DIGITS: Final = {"1": True, "0": False}
_EPILOG: Final = (
    "exit codes: 0 well, 1 images or rows were dropped, 2 refused to start, 3 disk or process failed, 130 interrupted"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Hold one run's options, named as MXNet's flags are; ``prefix`` and ``root`` are absolute."""

    prefix: str
    root: str
    list: bool
    exts: Collection[str]
    chunks: int
    train_ratio: float
    test_ratio: float
    recursive: bool
    shuffle: bool
    pass_through: bool
    resize: int
    center_crop: bool
    quality: int
    num_thread: int
    color: int
    encoding: str
    pack_label: bool

    def __post_init__(self) -> None:
        """Refuse what MXNet's tool would die of or answer with overlapping lists."""
        if self.chunks < 1:
            msg = f"--chunks {self.chunks}: give 1 or more"
            raise ValueError(msg)
        for flag, ratio in (("--train-ratio", self.train_ratio), ("--test-ratio", self.test_ratio)):
            if not (math.isfinite(ratio) and ratio >= 0):
                msg = f"{flag} {ratio}: give a share between 0 and 1"
                raise ValueError(msg)
        if self.resize not in range(MAX_SIDE + 1) and not (self.list or self.pass_through):
            msg = f"--resize {self.resize}: give 0 to {MAX_SIDE:,}"
            raise ValueError(msg)
        if not os.path.isdir(self.root):
            msg = f"ROOT {self.root} is no folder; the arguments are PREFIX ROOT, in this order"
            raise ValueError(msg)


def parse_options(argv: Sequence[str] | None = None) -> Options:
    """Return the options that a command line gives.

    Args:
        argv: the arguments without the program's name; None means the process's.

    Raises:
        SystemExit: the command line is wrong, or asked for help; argparse has said so.
        ValueError: a value is out of range, or ROOT is no folder.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = _parser()
    words = _modern(arguments, _WORDS)
    # "--list 1 out" may name a prefix "1": a digit is a flag's value only where there is an argument too many
    known, surplus = parser.parse_known_args(words)
    values = vars(parser.parse_args(_modern(arguments, _WORDS | _DIGITS)) if surplus else known)
    return Options(**values | {name: os.path.abspath(values[name]) for name in ("prefix", "root")})


def _modern(arguments: Sequence[str], truths: dict[str, bool]) -> list[str]:
    """Rewrite old spellings as 1.9.1's; ``truths`` are the words that may follow a switch as its value."""
    modern: list[str] = []
    rest = list(reversed(arguments))
    while rest:
        flag, equals, value = rest.pop().partition("=")
        if not flag.startswith("--"):
            modern.append(flag + equals + value)
            continue
        flag = flag.replace("_", "-")
        if flag not in _SWITCHES:
            modern.append(flag + equals + value)
            continue
        truth = True
        if equals and value.lower() in _WORDS | _DIGITS:
            truth = (_WORDS | _DIGITS)[value.lower()]
        elif equals:
            modern.append(flag + equals + value)  # argparse words the refusal
            continue
        elif rest and rest[-1].lower() in truths:
            truth = truths[rest.pop().lower()]
        if truth:
            modern.append(flag)
        elif (opposite := _SWITCHES[flag]) is not None:
            modern.append(opposite)
    return modern


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="im2rec",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description="Make an image list, or a record file from image lists, as MXNet's im2rec.py does.",
        epilog=_EPILOG,
    )
    parser.add_argument("prefix", help="path and first letters of the .lst files to write or to pack")
    parser.add_argument("root", help="folder that holds the images")
    lists = parser.add_argument_group("making lists")
    lists.add_argument("--list", action="store_true", help="write PREFIX.lst; without it PREFIX*.lst are packed")
    lists.add_argument("--exts", nargs="+", default=[".jpeg", ".jpg", ".png"], help="file name endings to take, in lower case")
    lists.add_argument("--chunks", type=int, default=1, help="number of lists to cut the images into")
    lists.add_argument("--train-ratio", type=float, default=1.0, help="share of the images for PREFIX_train.lst")
    lists.add_argument("--test-ratio", type=float, default=0, help="share of the images for PREFIX_test.lst")
    lists.add_argument("--recursive", action="store_true", help="walk the folders below ROOT too and give each its own label")
    lists.add_argument("--no-shuffle", dest="shuffle", action="store_false", help="keep the images in the order of their names")
    lists.add_argument("--shuffle", dest="shuffle", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    records = parser.add_argument_group("packing")
    records.add_argument("--pass-through", action="store_true", help="pack the files as they are")
    records.add_argument("--resize", type=int, default=0, help="length of the shorter edge in pixels; 0 keeps the size")
    records.add_argument("--center-crop", action="store_true", help="cut the middle out as a square first")
    records.add_argument("--quality", type=int, default=95, help="JPEG quality 1 to 100, or PNG compression 0 to 9")
    records.add_argument("--num-thread", type=int, default=1, help="processes that encode; the order is always the list's")
    records.add_argument("--color", type=int, default=1, choices=[-1, 0, 1], help="1 colour, 0 grey, -1 as it is, with alpha")
    records.add_argument("--encoding", default=".jpg", choices=[".jpg", ".png"], help="format of the packed images")
    records.add_argument("--pack-label", action="store_true", help="pack all labels of a row; without it the first alone")
    return parser
