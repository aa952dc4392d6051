"""``.idx`` text: key TAB offset LF, one row a record.

Strategy: two columns of uint64, parsed at once where every byte is a digit, a tab or a line end, and row by row, for a
message with the line, where not. CRLF, spaces for tabs and blank lines are read as Python's, MXNet's and DALI's readers
between them do; anything else is an error, since a wrong offset reads the wrong image. Key order is row order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from recordio_kit.errors import IndexMismatchError


if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

# 20 digits hold 2**64 - 1; Python itself refuses to convert some thousands of them.
_ROW: Final = re.compile(rb"([0-9]{1,20})[ \t]+([0-9]{1,20})[ \t\r]*")
_LIMIT: Final = 1 << 64
_LIMIT_DIGITS: Final = 20
_ROWS_A_PART: Final = 16_384


@dataclass(frozen=True, slots=True)
class RecordIndex:
    """Hold the keys and byte offsets of a file's records, in row order.

    Args:
        keys: [n] uint64.
        offsets: [n] uint64, where each record's first frame starts.
    """

    keys: NDArray[np.uint64]
    offsets: NDArray[np.uint64]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.keys)


def format_idx(keys: ArrayLike, offsets: ArrayLike) -> bytes:
    """Return ``.idx`` bytes.

    Args:
        keys: [n] whole numbers.
        offsets: [n] byte offsets.
    """
    return b"".join(idx_parts(keys, offsets))


def idx_parts(keys: ArrayLike, offsets: ArrayLike) -> Iterator[bytes]:
    """Yield ``.idx`` bytes in pieces, so that millions of rows need no more memory than a few thousand.

    Args:
        keys: [n] whole numbers.
        offsets: [n] byte offsets.
    """
    # With a type named, for numpy makes a float of a list that goes from below 2**63 to above it.
    columns = np.asarray(keys, np.uint64), np.asarray(offsets, np.uint64)
    for start in range(0, max(map(len, columns)), _ROWS_A_PART):
        rows = zip(*(column[start : start + _ROWS_A_PART].tolist() for column in columns), strict=True)
        yield "".join([f"{key}\t{offset}\n" for key, offset in rows]).encode("ascii")


def parse_idx(data: bytes, *, source: str | None = None) -> RecordIndex:
    """Return the index that ``.idx`` bytes hold.

    Args:
        data: the file's bytes.
        source: its name, for messages.

    Raises:
        IndexMismatchError: a row is not two whole numbers below 2**64.
    """
    fields = data.split()
    between = data.translate(None, b"0123456789") + (b"" if data.endswith(b"\n") else b"\n")
    if between != b"\t\n" * (len(fields) // 2) or max(map(len, fields), default=0) >= _LIMIT_DIGITS:
        fields = _fields(data, source)
    numbers = [int(field) for field in fields]
    table = np.array(numbers, np.uint64).reshape(-1, 2)
    return RecordIndex(np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1]))


def first_loose_line(data: bytes) -> int | None:
    """Return the number of the first line that MXNet's Python refuses, though others read it; None if there is none.

    It strips a line, cuts it at tabs, and takes the first two for numbers: a blank line or a space for a tab is an error.

    Args:
        data: bytes that ``parse_idx`` reads.
    """
    if data.translate(None, b"0123456789") == b"\t\n" * data.count(b"\n"):
        return None
    lines = data.removesuffix(b"\n").split(b"\n") if data else []
    for number, line in enumerate(lines, 1):
        fields = line.strip().split(b"\t")
        if len(fields) < 2 or not (fields[0].strip().isdigit() and fields[1].strip().isdigit()):
            return number
    return None


def _fields(data: bytes, source: str | None) -> list[bytes]:
    fields: list[bytes] = []
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        match = _ROW.fullmatch(line)
        if match is None:
            msg = f"line {number}: a row is 'key TAB offset', found {line[:80]!r}; rebuild it with 'index'"
            raise IndexMismatchError(msg, source=source)
        if max(map(int, match.groups())) >= _LIMIT:
            msg = f"line {number}: {line[:80]!r} holds a number that no file offset reaches; rebuild it with 'index'"
            raise IndexMismatchError(msg, source=source)
        fields += match.groups()
    return fields
