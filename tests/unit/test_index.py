from __future__ import annotations

import numpy as np
import pytest

from recordio_kit._core.index import format_idx, parse_idx
from recordio_kit.errors import IndexMismatchError


TOP = 2**64 - 1


def rows(data):
    index = parse_idx(data)
    assert index.keys.dtype == index.offsets.dtype == np.uint64
    assert len(index) == len(index.keys) == len(index.offsets)
    return list(zip(index.keys.tolist(), index.offsets.tolist(), strict=True))


def test_an_index_is_key_tab_offset_line_feed():
    assert format_idx([3, 1], [0, 52]) == b"3\t0\n1\t52\n"
    assert format_idx([], []) == b""


def test_numbers_on_both_sides_of_2_to_the_63_stay_whole():
    assert format_idx([0, TOP], [2**63, 1]) == b"0\t9223372036854775808\n18446744073709551615\t1\n"
    assert format_idx(np.array([TOP], np.uint64), np.array([5], np.int32)) == b"18446744073709551615\t5\n"


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError):
        format_idx([1, 2], [0])


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"\n", []),
        (b"0\t0\n1\t52\n", [(0, 0), (1, 52)]),
        (b"0\t0\n1\t52", [(0, 0), (1, 52)]),
        (b"0\t0\r\n1\t52\r\n", [(0, 0), (1, 52)]),
        (b"0\t0\n\n1\t52\n \t\r\n\n", [(0, 0), (1, 52)]),
        (b"0 0\n1    52 \n2 \t 104\t\n", [(0, 0), (1, 52), (2, 104)]),
        (b"7\t104\n7\t52\n3\t0\n", [(7, 104), (7, 52), (3, 0)]),
        (b"007\t052\n", [(7, 52)]),
        (b"18446744073709551615\t18446744073709551615\n", [(TOP, TOP)]),
    ],
)
def test_every_spelling_that_other_readers_take_is_read_in_row_order(data, expected):
    assert rows(data) == expected


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"1\n2\t3\t4\n", 1),  # as many fields and tabs as two sound rows
        (b"1\t2\t3\n4\n", 1),
        (b"\t1\n2\t3\n", 1),
        (b"1\t\n2\n", 1),
        (b"0\t0\n1\n", 2),
        (b"0\t0\n\n1\t5x\n", 3),
        (b"0\t0\n1\t-4\n", 2),
        (b"0\t1.0\n", 1),
        (b"0\t1_0\n", 1),
        (b"0\t+1\n", 1),
        ("0\t\uff11\n".encode(), 1),
        (b"\xef\xbb\xbf0\t0\n", 1),
        (b"0\t0\x0b1\t5\n", 1),
        (b"cat\t0\n", 1),
        (b"0\t0\n1\t18446744073709551616\n", 2),
        (b"0\t0\n99999999999999999999\t5\n", 2),
        (b"0\t1" + b"0" * 30 + b"\n", 1),
        (b"0\t" + b"9" * 5000 + b"\n", 1),
        (b"0 \t" + b"9" * 5000 + b"\n", 1),
    ],
)
def test_any_other_row_is_an_error_that_names_its_line(data, line):
    with pytest.raises(IndexMismatchError, match=f"line {line}: ") as caught:
        parse_idx(data, source="x.idx")
    assert caught.value.source == "x.idx"
