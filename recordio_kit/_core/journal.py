"""Journals of unfinished packs: lines of text, each with its own checksum, to values and back.

Strategy: the first line says what is being packed and by whom, each further line is the receipt of one committed segment. A
line is the CRC-32 of its JSON in eight hex digits, a space, and the JSON; numbers by the record or entry are columns in
base64. A run that dies may tear the last line, and a machine that loses power may lose or garble more, so reading stops at
the first line that is not whole or does not continue the one before, and what stands behind it counts for nothing. Whether
the bytes that a receipt describes are there is for who holds the draft.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from recordio_kit._core.checksum import combine_crc32, crc32_of
from recordio_kit._core.plan import ROW_DTYPE, Failure, Receipt


if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

#: Goes up whenever an older reader would misunderstand a line.
VERSION: Final = 1
#: What a journal keeps of a row: the rest follows from the order of rows.
_ROW: Final = np.dtype(
    [("place", "<u2"), ("length", "<u4"), ("crc32", "<u4"), ("height", "<u4"), ("width", "<u4"), ("orientation", "u1")]
)
_MOST_ENTRIES: Final = 1 << 16
_KEPT: Final = ("length", "crc32", "height", "width", "orientation")


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalHead:
    """Say what a draft is made from, and who is at it.

    Args:
        fingerprint: of the list and the options that alter bytes.
        options: those options, as plain JSON values, to say what differs.
        baseline: what decides the codec's bytes, beyond the options; empty where no codec is used.
        pid: the process that works on it.
        host: the machine that it runs on.
    """

    fingerprint: str
    options: Mapping[str, Any]
    baseline: str
    pid: int
    host: str


@dataclass(frozen=True, slots=True)
class JournalText:
    """Hold what a journal says.

    Args:
        head: its first line; None where that is not whole.
        receipts: of consecutive segments, from the list's beginning on.
        ends: [receipts + 1] bytes up to and with the head and each receipt.
    """

    head: JournalHead | None
    receipts: tuple[Receipt, ...]
    ends: tuple[int, ...]


def format_head(head: JournalHead) -> bytes:
    """Return a journal's first line."""
    fields = {
        "journal": VERSION,
        "fingerprint": head.fingerprint,
        "options": dict(head.options),
        "baseline": head.baseline,
        "pid": head.pid,
        "host": head.host,
    }
    return _line(fields)


def format_receipt(receipt: Receipt) -> bytes:
    """Return the line of a committed segment."""
    rows = np.empty(len(receipt.rows), _ROW)
    rows["place"] = receipt.rows["position"] - np.uint64(receipt.start)
    for name in _KEPT:
        rows[name] = receipt.rows[name]
    fields = {
        "start": receipt.start,
        "stop": receipt.stop,
        "crc32": receipt.crc32,
        "rows": base64.b64encode(rows.tobytes()).decode("ascii"),
        "stamps": base64.b64encode(receipt.stamps.astype("<i8").tobytes()).decode("ascii"),
        "failures": [list(failure) for failure in receipt.failures],
    }
    return _line(fields)


def parse_journal(data: bytes) -> JournalText:
    """Return what a journal's bytes say, as far as they are whole.

    Args:
        data: the file's bytes, whatever they are.
    """
    lines = data.split(b"\n")[:-1]
    head = _head(_fields(lines[0])) if lines else None
    if head is None:
        return JournalText(None, (), (0,))
    receipts: list[Receipt] = []
    ends = [len(lines[0]) + 1]
    for line in lines[1:]:
        receipt = _receipt(_fields(line), receipts[-1].stop if receipts else 0)
        if receipt is None:
            break
        receipts.append(receipt)
        ends.append(ends[-1] + len(line) + 1)
    return JournalText(head, tuple(receipts), tuple(ends))


def _line(fields: Mapping[str, Any]) -> bytes:
    text = json.dumps(fields, separators=(",", ":"), sort_keys=True).encode("ascii")
    return b"%08x %s\n" % (crc32_of(text), text)


def _fields(line: bytes) -> dict[str, Any]:
    """Return a line's values; none where it is not whole."""
    text = line[9:]
    if line[:9] != b"%08x " % crc32_of(text):
        return {}
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _head(fields: dict[str, Any]) -> JournalHead | None:
    if fields.pop("journal", None) != VERSION:
        return None
    kinds = {"fingerprint": str, "options": dict, "baseline": str, "pid": int, "host": str}
    if fields.keys() != kinds.keys() or any(type(fields[name]) is not kind for name, kind in kinds.items()):
        return None
    return JournalHead(**fields)


def _receipt(fields: dict[str, Any], start: int) -> Receipt | None:
    """Return the receipt that continues at a position, if this is one."""
    try:
        stop, crc32 = fields["stop"], fields["crc32"]
        if type(stop) is not int or fields["start"] != start or not start < stop <= start + _MOST_ENTRIES:
            return None
        kept = _column(fields["rows"], _ROW)
        stamps = _column(fields["stamps"], np.dtype("<i8")).reshape(stop - start, 2).astype(np.int64)
        failures = tuple(_failure(*failure) for failure in fields["failures"])
    except (KeyError, TypeError, ValueError):
        return None
    places = kept["place"].astype(np.int64)
    rises = (np.diff(places) > 0).all() and (not len(places) or places[-1] < stop - start)
    if not rises or len(kept) + len(failures) != stop - start or combine_crc32(kept["crc32"], kept["length"]) != crc32:
        return None
    rows = np.zeros(len(kept), ROW_DTYPE)
    rows["position"] = places + start
    for name in _KEPT:
        rows[name] = kept[name]
    rows["offset"][1:] = np.cumsum(kept["length"][:-1], dtype=np.uint64)
    return Receipt(start, stop, int(kept["length"].sum(dtype=np.uint64)), crc32, rows, failures, stamps)


def _failure(index: int, path: str, reason: str, message: str) -> Failure:
    if [type(index), type(path), type(reason), type(message)] != [int, str, str, str]:
        msg = "no failure"
        raise TypeError(msg)
    return Failure(index, path, reason, message)


def _column(text: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(text, validate=True), dtype)
