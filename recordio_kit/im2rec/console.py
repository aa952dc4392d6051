"""What the im2rec mode says: MXNet's own lines on stdout, findings on stderr.

Strategy: a finding about one row or image is a line at once; a wart, which may concern many, is counted and said in one
line at the end, with its first examples. Nothing else in this package writes to a stream.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final


if TYPE_CHECKING:
    from typing import TextIO

_EXAMPLES: Final = 3


class Console:
    """Speak, and remember what was lost; ``losses`` counts images and rows that are in no output."""

    def __init__(self) -> None:
        """Start with nothing lost."""
        self.losses = 0
        self._warts: dict[str, list[str]] = {}
        self._counts: dict[str, int] = {}

    def say(self, line: str) -> None:
        """Write a line of MXNet's tool to stdout."""
        _write(sys.stdout, line)

    def report(self, line: str) -> None:
        """Write a line to stderr."""
        _write(sys.stderr, f"im2rec: {line}")

    def lose(self, line: str) -> None:
        """Count one image or row as lost, and say which."""
        self.losses += 1
        self.report(line)

    def wart(self, what: str, example: str, *, lost: int = 0) -> None:
        """Count one case of a wart, to be said at the end.

        Args:
            what: the wart in words; equal words are counted together.
            example: this case.
            lost: how many images or rows it costs.
        """
        self.losses += lost
        self._counts[what] = self._counts.get(what, 0) + 1
        examples = self._warts.setdefault(what, [])
        if len(examples) < _EXAMPLES:
            examples.append(example)

    def say_warts(self) -> None:
        """Say each wart in one line, and forget it."""
        for what, examples in self._warts.items():
            count = self._counts[what]
            more = ", ..." if count > len(examples) else ""
            self.report(f"warning: {what}: {count} ({', '.join(examples)}{more})")
        self._warts.clear()
        self._counts.clear()


def _write(stream: TextIO, line: str) -> None:
    # a name may hold what the stream cannot encode; MXNet's tool would die of it
    encoding = stream.encoding or "utf-8"
    stream.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    stream.flush()
