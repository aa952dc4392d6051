"""Row D9: lines of a ``.lst`` that other parsers guess at.

Strategy: every hostile field stands once in each line of a sound list; the answer is an error with that very line, or,
where the meaning is beyond doubt, exactly that meaning and a finding. A guess is a failure.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recordio_kit._core.lst import parse_lst
from recordio_kit.errors import ListSyntaxError
from tests.fault.matrix.registry import BrokenPromiseError, Outcome, Scale, Trials, expect, row


_INDEXES = ("1_0", "\uff11", "\u0661", "-1", "+1", "1.0", "1e3", "0x10", "1 0", "", "one", str(1 << 63), str(1 << 64), "9" * 400)
_LABELS = (
    "nan", "NaN", "inf", "-inf", "Infinity", "1e400", "-1e400", "1e39", "16777217", "1_0", "\uff11", "\u0663.0", "0x1p3", "1,5", "1.5.2",
    "--1", "+-1", "1e", "e1", ".", "True", "None", "", "1 2", "\u2212" + "1", "1\u00a02", "1f", "9" * 400,
)  # fmt: skip
_PATHS = ("", "a\0b.jpg", "a\rb.jpg")
_ROWS = [f"{number}\t{number % 2}.000000\tclass/{number}.jpg" for number in range(5)]


def _with_row(place: int, text: str) -> bytes:
    rows = [*_ROWS[:place], text, *_ROWS[place + 1 :]]
    return ("\n".join(rows) + "\n").encode("utf-8", "surrogateescape")


def _hostile() -> dict[str, tuple[bytes, int]]:
    """Return lists by what is wrong with them, with the line that must be named."""
    cases = {}
    for place in range(len(_ROWS)):
        line = place + 1
        for field in _INDEXES:
            cases[f"index {field[:30]!r} in line {line}"] = (_with_row(place, f"{field}\t1\tx.jpg"), line)
        for field in _LABELS:
            cases[f"label {field[:30]!r} in line {line}"] = (_with_row(place, f"9\t{field}\tx.jpg"), line)
        for field in _PATHS:
            cases[f"path {field!r} in line {line}"] = (_with_row(place, f"9\t1\t{field}"), line)
        if place:
            cases[f"index 0 again in line {line}"] = (_with_row(place, "0\t1\tx.jpg"), line)
            cases[f"no label in line {line}"] = (_with_row(place, "9\tx.jpg"), line)
            cases[f"2 labels in line {line}"] = (_with_row(place, "9\t1\t2\tx.jpg"), line)
            cases[f"1,000,000 labels in line {line}"] = (_with_row(place, "9\t" + "1\t" * 1_000_000 + "x.jpg"), line)
    cases["UTF-16"] = ("\n".join(_ROWS).encode("utf-16"), 1)
    return cases


def _understood() -> dict[str, bytes]:
    """Return lists that are odd, and mean what the plain one means."""
    text = "\n".join(_ROWS) + "\n"
    return {
        "a byte order mark": b"\xef\xbb\xbf" + text.encode(),
        "CRLF": text.replace("\n", "\r\n").encode(),
        "a blank line": text.replace("\n", "\n\n", 1).encode(),
        "spaces for tabs": text.replace("\t", " ").encode(),
        "spaces around fields": text.replace("\t", " \t ").encode(),
    }


@row(
    "D9", "fields of a .lst that other parsers guess at: 1_0, other digits, nan, 1e400, 2**64, 16777217", "0 guesses; line named"
)
def hostile_lines(scale: Scale, seed: int, _workdir: Path) -> Outcome:
    trials = Trials("D9", seed)
    cases = _hostile()
    for name in sorted(cases) if scale is Scale.FULL else sorted(cases)[::2]:
        data, line = cases[name]
        with trials.trial(name):
            try:
                images = parse_lst(data)
            except ListSyntaxError as error:
                expect(error.line == line, f"line {error.line} is named, line {line} is wrong")
            else:
                raise BrokenPromiseError(f"read as {list(images)[line - 1]}")
    sound = parse_lst(("\n".join(_ROWS) + "\n").encode())
    for name, data in _understood().items():
        with trials.trial(name):
            images = parse_lst(data)
            expect(list(images) == list(sound) and np.array_equal(images.labels, sound.labels), f"read as {list(images)}")
            expect(images.findings, "nothing is said of it")
    return trials.outcome()
