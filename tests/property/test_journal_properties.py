from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recordio_kit._core.checksum import combine_crc32
from recordio_kit._core.journal import JournalHead, format_head, format_receipt, parse_journal
from recordio_kit._core.plan import ROW_DTYPE, Failure, Receipt


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
heads = st.builds(
    JournalHead,
    fingerprint=words,
    options=st.dictionaries(words, st.none() | st.integers() | words, max_size=3),
    baseline=words,
    pid=st.integers(0, 1 << 22),
    host=words,
)


@st.composite
def receipts(draw):
    """Receipts of consecutive segments, from the list's beginning on."""
    made, start = [], 0
    for _ in range(draw(st.integers(0, 4))):
        kept = draw(st.lists(st.booleans(), min_size=1, max_size=6))
        count = sum(kept)
        rows = np.zeros(count, ROW_DTYPE)
        rows["position"] = np.flatnonzero(kept) + start
        for name in ("length", "crc32", "height", "width"):
            rows[name] = draw(st.lists(st.integers(0, 2**32 - 1), min_size=count, max_size=count))
        rows["orientation"] = draw(st.lists(st.integers(1, 8), min_size=count, max_size=count))
        rows["offset"][1:] = np.cumsum(rows["length"][:-1], dtype=np.uint64)
        stamps = draw(
            st.lists(st.tuples(st.integers(-1, 2**40), st.integers(-(2**62), 2**62)), min_size=len(kept), max_size=len(kept))
        )
        failures = tuple(draw(st.builds(Failure, st.integers(0, 2**63 - 1), words, words, words)) for well in kept if not well)
        made.append(
            Receipt(
                start=start,
                stop=start + len(kept),
                length=int(rows["length"].sum(dtype=np.uint64)),
                crc32=combine_crc32(rows["crc32"], rows["length"]),
                rows=rows,
                failures=failures,
                stamps=np.array(stamps, np.int64),
            )
        )
        start += len(kept)
    return made


def plain(receipt):
    facts = (receipt.start, receipt.stop, receipt.length, receipt.crc32, receipt.failures)
    return (*facts, receipt.rows.tolist(), receipt.stamps.tolist())


@given(head=heads, made=receipts(), data=st.data())
def test_a_journal_cut_anywhere_says_what_its_whole_lines_say(head, made, data):
    lines = [format_head(head), *map(format_receipt, made)]
    whole = b"".join(lines)
    length = data.draw(st.integers(0, len(whole)))
    text = parse_journal(whole[:length])
    complete = sum(sum(map(len, lines[: count + 1])) <= length for count in range(len(lines)))
    assert text.head == (head if complete else None)
    assert [plain(receipt) for receipt in text.receipts] == [plain(receipt) for receipt in made[: max(complete - 1, 0)]]
    assert text.ends[-1] == sum(map(len, lines[:complete]))


@given(head=heads, made=receipts(), data=st.data())
def test_a_journal_with_a_changed_byte_is_believed_up_to_that_line(head, made, data):
    lines = [format_head(head), *map(format_receipt, made)]
    whole = bytearray(b"".join(lines))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    sound = 0
    while sum(map(len, lines[: sound + 1])) <= at:
        sound += 1
    text = parse_journal(bytes(whole))
    assert [plain(receipt) for receipt in text.receipts] == [plain(receipt) for receipt in made[: max(sound - 1, 0)]]


@given(head=heads, made=receipts().filter(lambda made: len(made) > 1), data=st.data())
def test_a_line_that_does_not_continue_the_one_before_ends_the_journal(head, made, data):
    skipped = data.draw(st.integers(0, len(made) - 2))
    lines = [format_receipt(receipt) for place, receipt in enumerate(made) if place != skipped]
    text = parse_journal(b"".join([format_head(head), *lines]))
    assert len(text.receipts) == skipped


@given(st.binary(max_size=300))
def test_other_bytes_are_no_journal(data):
    assert parse_journal(data).receipts == ()
