"""The target of a draft's journal.

Strategy: a journal is read as it is; or, behind a zero byte, each line gets the checksum that it needs, since no fuzzer guesses a
CRC-32. Whatever is read is whole: its receipts are consecutive, agree with themselves, and come back from the writer's text as
they were. Nothing is ever raised.
"""

from __future__ import annotations

import base64

import numpy as np

from recordio_kit._core.checksum import combine_crc32, crc32_of
from recordio_kit._core.journal import JournalHead, format_head, format_receipt, parse_journal
from recordio_kit._core.plan import ROW_DTYPE, Failure, Receipt


WORDS_JOURNAL = (
    b'"start":',
    b'"stop":',
    b'"crc32":',
    b'"rows":"',
    b'"stamps":"',
    b'"failures":[]',
    b"AAAA",
    b"==",
    b"null",
    b"-1",
    b"1e9",
)


def check_journal(data):
    text = parse_journal(b"".join(map(_line, data[1:].split(b"\n"))) if data[:1] == b"\0" else data)
    stop = 0
    assert len(text.ends) == len(text.receipts) + 1
    for receipt in text.receipts:
        assert receipt.start == stop < receipt.stop
        stop = receipt.stop
        assert len(receipt.stamps) == receipt.stop - receipt.start == len(receipt.rows) + len(receipt.failures)
        assert combine_crc32(receipt.rows["crc32"], receipt.rows["length"]) == receipt.crc32
        assert receipt.length == receipt.rows["length"].sum(dtype=np.uint64)
    if text.head is not None:
        again = parse_journal(b"".join([format_head(text.head), *map(format_receipt, text.receipts)]))
        assert again.head == text.head
        assert [_plain(receipt) for receipt in again.receipts] == [_plain(receipt) for receipt in text.receipts]


def _line(text):
    return b"%08x %s\n" % (crc32_of(text), text)


def _plain(receipt):
    facts = (receipt.start, receipt.stop, receipt.length, receipt.crc32, receipt.failures)
    return (*facts, receipt.rows.tolist(), receipt.stamps.tolist())


def seeds_journal():
    head = format_head(JournalHead(fingerprint="0f", options={"check": "fast"}, baseline="", pid=1, host="h"))
    rows = np.zeros(1, ROW_DTYPE)
    rows["length"], rows["crc32"] = 40, 7
    first = Receipt(0, 2, 40, 7, rows, (Failure(1, "b", "empty", "words"),), np.array([[1, 2], [-1, -1]]))
    later = rows.copy()
    later["position"] = 2
    whole = head + format_receipt(first) + format_receipt(Receipt(2, 3, 40, 7, later, (), np.array([[5, 6]])))
    bare = b"\0" + b"\n".join(line[9:] for line in whole.splitlines())
    yield from (
        b"",
        b"\n",
        whole,
        whole[:-1],
        head,
        bare,
        bare.replace(b'"start":2', b'"start":1'),
        bare.replace(b'"stop":3', b'"stop":99999'),
    )
    yield bare.replace(base64.b64encode(b"\1\0\0"), b"!!!!")
    yield from (bare.replace(b'"failures":[]', b'"failures":[[0,1,2,3]]'), b"\0[1]", b"\0{}", b"\0" + b"[" * 400)
