from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from recordio_kit._core.index import format_idx, parse_idx
from recordio_kit.errors import IndexMismatchError


WORDS = st.integers(0, 2**64 - 1) | st.integers(0, 100)
ROWS = st.lists(st.tuples(WORDS, WORDS), max_size=20)


def read(data):
    index = parse_idx(data)
    return list(zip(index.keys.tolist(), index.offsets.tolist(), strict=True))


@given(ROWS)
def test_an_index_comes_back(rows):
    data = format_idx([key for key, _ in rows], [offset for _, offset in rows])
    assert read(data) == rows
    assert read(data.removesuffix(b"\n")) == rows


@given(ROWS, st.data())
def test_separators_line_ends_and_blank_lines_do_not_matter(rows, draw):
    gaps = st.sampled_from(["\t", " ", " \t "])
    ends = st.sampled_from(["\n", "\r\n", " \n", "\n\n", "\n \r\n"])
    text = "".join(f"{key}{draw.draw(gaps)}{offset}{draw.draw(ends)}" for key, offset in rows)
    assert read(text.encode()) == rows


@given(st.text(alphabet="019\t\t\n\n \rx-", max_size=60))
def test_near_misses_are_read_row_by_row_or_refused(text):
    lines = [line for line in text.split("\n") if line.strip()]
    sound = [re.fullmatch(r"(\d{1,20})[ \t]+(\d{1,20})[ \t\r]*", line) for line in lines]
    pairs = [(int(match[1]), int(match[2])) for match in sound if match]
    try:
        assert read(text.encode()) == pairs
        assert all(sound)
    except IndexMismatchError:
        assert not all(sound) or max(map(max, pairs)) >= 2**64


@given(st.binary(max_size=100) | st.text(alphabet="0123456789\t\n\u0661\uff11", max_size=60).map(str.encode))
def test_arbitrary_bytes_are_an_index_or_a_format_error(data):
    try:
        rows = read(data)
    except IndexMismatchError:
        return
    assert read(format_idx([key for key, _ in rows], [offset for _, offset in rows])) == rows
