from __future__ import annotations

import numpy as np
import pytest

from recordio_kit._core.imagelist import Finding, ImageList
from recordio_kit._core.lst import check_classes, check_path, format_classes, format_lst, parse_classes, parse_lst
from recordio_kit.errors import ListSyntaxError, UnsafePathError


BOM = b"\xef\xbb\xbf"


def entries(data):
    return [tuple(entry) for entry in parse_lst(data)]


def test_rows_are_written_as_im2rec_writes_them():
    images = ImageList([7, 2**63 - 1], [3, 0.5], ["cat/1.jpg", "dög/a b.jpg"])
    assert format_lst(images) == "7\t3.000000\tcat/1.jpg\n9223372036854775807\t0.500000\tdög/a b.jpg\n".encode()
    assert format_lst(ImageList([0], [[1, 2, 0.25]], ["a"])) == b"0\t1.000000\t2.000000\t0.250000\ta\n"
    assert format_lst(ImageList([], [], [])) == b""


@pytest.mark.parametrize(
    ("label", "text"),
    [
        (0.0, "0.000000"),
        (-0.0, "0.000000"),
        (-1.5, "-1.500000"),
        (2.0**24, "16777216.000000"),
        (0.1, "0.100000"),
        (1 / 3, "0.33333334"),
        (0.1234567, "0.1234567"),
        (1e-30, "1e-30"),
        (2.0**127, "170141183460469231731687303715884105728.000000"),
    ],
)
def test_labels_are_written_with_six_decimals_where_that_is_exact(label, text):
    assert format_lst(ImageList([0], [label], ["a"])) == f"0\t{text}\ta\n".encode()


def test_zeros_of_both_signs_are_written_alike():
    assert format_lst(ImageList([0, 1], [-0.0, 0.0], "ab")) == b"0\t0.000000\ta\n1\t0.000000\tb\n"


@pytest.mark.parametrize("label", [float("nan"), float("inf"), float("-inf")])
def test_labels_that_are_not_finite_are_not_written(label):
    with pytest.raises(ValueError, match="finite"):
        format_lst(ImageList([0, 1], [1, label], ["a", "b"]))


@pytest.mark.parametrize(
    "path", ["", " a", "a ", "a\tb", "a\nb", "a\rb", "a\0b", "\x0ba", "a\u2028", "\u00a0a", "a\x85", "a\x1f"]
)
def test_a_path_that_a_row_cannot_hold_is_refused_by_its_repr(path):
    with pytest.raises(UnsafePathError) as caught:
        check_path(path)
    assert repr(path) in str(caught.value)
    with pytest.raises(UnsafePathError):
        format_lst(ImageList([0], [0], [path]))


@pytest.mark.parametrize(
    "path",
    ["a b", "a  b", "a\x0bb", "a\x0cb", "a\u2028b", "a\x85b", "a\x1cb", "a\u00a0b", "\udcff", "\ufeffa", "#a", "é", "猫/😀.jpg"],
)
def test_every_other_path_comes_back(path):
    data = format_lst(ImageList([0, 1], [0, 0], [path, "x"]))
    images = parse_lst(data)
    assert list(images.paths) == [path, "x"]
    assert images.findings == ()


@pytest.mark.parametrize(
    ("data", "expected", "findings"),
    [
        (b"0\t1\ta.jpg\n", [(0, (1.0,), "a.jpg")], []),
        (b"0\t1\ta.jpg", [(0, (1.0,), "a.jpg")], []),
        (b"", [], []),
        (BOM, [], [(1, "byte order mark")]),
        (BOM + b"0\t1\ta.jpg\n", [(0, (1.0,), "a.jpg")], [(1, "byte order mark")]),
        (b"0\t1\ta\r\n1\t2\tb\r\n", [(0, (1.0,), "a"), (1, (2.0,), "b")], [(1, "2 lines end in CRLF")]),
        (b"0\t1\ta\n1\t2\tb\r\n", [(0, (1.0,), "a"), (1, (2.0,), "b")], [(2, "1 lines end in CRLF")]),
        (b"\n0\t1\ta\n \t\n1\t2\tb\n\n", [(0, (1.0,), "a"), (1, (2.0,), "b")], [(1, "blank"), (3, "blank"), (5, "blank")]),
        (b"\r\n0\t1\ta\n", [(0, (1.0,), "a")], [(1, "CRLF"), (1, "blank")]),
        (b"0\t1\t a b \n", [(0, (1.0,), "a b")], [(1, "white space around")]),
        (b" 0\t1 \ta\n1\t2\tb\n", [(0, (1.0,), "a"), (1, (2.0,), "b")], [(1, "white space around")]),
        (b"0 1 a.jpg\n", [(0, (1.0,), "a.jpg")], [(1, "spaces for tabs")]),
        (b"0 1 a  b.jpg \r\n", [(0, (1.0,), "a  b.jpg")], [(1, "CRLF"), (1, "spaces for tabs")]),
        (b"0  1   a b.jpg\n", [(0, (1.0,), "a b.jpg")], [(1, "spaces for tabs")]),
        ("0 1 a\u2028b\n".encode(), [(0, (1.0,), "a\u2028b")], [(1, "spaces for tabs")]),
        (b"0 1 2 a.jpg\n1 3 4 b.jpg\n", [(0, (1.0, 2.0), "a.jpg"), (1, (3.0, 4.0), "b.jpg")], [(1, "2 rows")]),
        (b"0 1 2 a.jpg\n1 3 b.jpg\n", [(0, (1.0,), "2 a.jpg"), (1, (3.0,), "b.jpg")], [(1, "2 rows")]),
        (b"0 1 \x1da b\xc2\x85\n", [(0, (1.0,), "a b")], [(1, "1 rows")]),
        (b"0 1 2\n", [(0, (1.0,), "2")], [(1, "1 rows")]),
        (b"0\t1\ta\n1 2 3 b.jpg\n", [(0, (1.0,), "a"), (1, (2.0,), "3 b.jpg")], [(2, "1 rows")]),
        (b"0\t1\t2\ta\n1 2 3 b.jpg\n", [(0, (1.0, 2.0), "a"), (1, (2.0, 3.0), "b.jpg")], [(2, "1 rows")]),
        (b"0\t+1.\ta\n1\t.5\tb\n2\t1e2\tc\n3\t-2E-1\td\n", [(0, (1.0,), "a"), (1, (0.5,), "b"), (2, (100.0,), "c"), (3, (float(np.float32(-0.2)),), "d")], []),
        (b"007\t1\ta\n", [(7, (1.0,), "a")], []),
        (b"0\t1e-400\ta\n", [(0, (0.0,), "a")], []),
    ],
)  # fmt: skip
def test_what_is_odd_yet_clear_is_read_and_reported_with_its_line(data, expected, findings):
    images = parse_lst(data)
    assert [tuple(entry) for entry in images] == expected
    assert [line for line, _ in images.findings] == [line for line, _ in findings]
    assert all(words in finding.message for finding, (_, words) in zip(images.findings, findings, strict=True))
    assert all(type(finding) is Finding for finding in images.findings)


GOOD = b"0\t1\ta\n"


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        (GOOD + b"1\t1_0\tb\n", 2, "finite number, found '1_0'"),
        (GOOD + "1\t\uff11\tb\n".encode(), 2, "finite number"),
        (GOOD + "\uff11\t1\tb\n".encode(), 2, "the index must be"),
        (GOOD + "1\t\u0661\tb\n".encode(), 2, "finite number"),
        (GOOD + b"1\tnan\tb\n", 2, "finite number"),
        (GOOD + b"1\tinf\tb\n", 2, "finite number"),
        (GOOD + b"1\t-Infinity\tb\n", 2, "finite number"),
        (GOOD + b"1\t1e400\tb\n", 2, "finite number"),
        (GOOD + b"1\t1e39\tb\n", 2, "label 1e39 is lost"),
        (GOOD + b"1\t16777217\tb\n", 2, "label 16777217 is lost"),
        (GOOD + b"1\t16777217.000000\tb\n", 2, "is lost"),
        (b"0\t1\t2\ta\n1\t1\t16777217\tb\n2\tx\ty\n", 3, "finite number"),
        (b"0\t1\t2\ta\n1\t1\t16777217\tb\n", 2, "label 16777217 is lost"),
        (GOOD + b"1\t0x10\tb\n", 2, "finite number"),
        (GOOD + b"1\t\tb\n", 2, "finite number, found ''"),
        (GOOD + b"1\t1,5\tb\n", 2, "finite number"),
        (GOOD + b"1\t" + b"9" * 200_000 + b"x\tb\n", 2, "finite number"),
        (GOOD + b"-1\t1\tb\n", 2, "the index must be"),
        (GOOD + b"1.0\t1\tb\n", 2, "the index must be"),
        (GOOD + b"1_0\t1\tb\n", 2, "the index must be"),
        (GOOD + b"0x1\t1\tb\n", 2, "the index must be"),
        (GOOD + b"9223372036854775808\t1\tb\n", 2, "the index must be"),
        (GOOD + b"18446744073709551616\t1\tb\n", 2, "the index must be"),
        (GOOD + b"9" * 5000 + b"\t1\tb\n", 2, "the index must be"),
        (GOOD + b"\t1\tb\n", 2, "the index must be"),
        (GOOD + b"1\t1\tb\n0\t1\tc\n", 3, "index 0 stands in line 1 already"),
        (GOOD + b"\n1\t1\tb\n00\t1\tc\n", 4, "index 00 stands in line 1 already"),
        (GOOD + b"1\tb\n", 2, "found 2 fields"),
        (GOOD + b"1\t1\t\n", 2, "the path '' cannot be used"),
        (GOOD + b"1\t1\tb\0c\n", 2, "cannot be used"),
        (GOOD + b"1\t1\tb\rc\n", 2, "cannot be used"),
        (GOOD + b"1\t1\t2\tb\n", 2, "2 labels, the rows before have 1"),
        (GOOD + b"1\t1\tb\t\n", 2, "finite number, found 'b'"),
        (b"#comment\n" + GOOD, 1, "found 1 fields"),
        (GOOD + b"1 b\n", 2, "found 2 fields"),
        (b"0\ta\n1 2 b\n", 1, "found 2 fields"),
        (b"0 1 a\n1 b\n", 2, "found 2 fields"),
        (b"0\t1\t2\ta\n1 3 b\n", 2, "1 labels, the rows before have 2"),
        (b"0\tx\ta\n1 b\n", 1, "finite number"),
        (b"0 x a\n", 1, "finite number, found 'x'"),
        (b"a b c\n", 1, "the index must be"),
        (b"path,label\na.jpg,1\n", 1, "found 1 fields"),
        ("0\t1\ta\n".encode("utf-16"), 1, ""),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", 1, ""),
    ],
)
def test_a_row_that_could_be_guessed_at_is_an_error_with_its_line(data, line, message):
    with pytest.raises(ListSyntaxError, match=f"^x.lst: line {line}: ") as caught:
        parse_lst(data, source="x.lst")
    assert caught.value.line == line
    assert message in str(caught.value)


def test_no_labels_are_an_error_and_very_many_are_read():
    with pytest.raises(ListSyntaxError, match=r"line 1: .*found 2 fields"):
        parse_lst(b"0\tcat/1.jpg\n")
    wide = parse_lst(b"0\t" + b"1\t" * 10_000 + b"a\n")
    assert wide.label_width == 10_000
    assert parse_lst(b"").label_width == 1


def test_a_long_list_without_tabs_is_read_in_one_go():
    count = 20_000
    data = b"".join(b"%d %d photo %d.jpg\n" % (number, number % 10, number) for number in range(count))
    images = parse_lst(data)
    assert len(images) == count
    assert images[-1] == (count - 1, ((count - 1) % 10,), f"photo {count - 1}.jpg")


@pytest.mark.parametrize(
    ("classes", "text"),
    [
        (["cat"], "cat\n"),
        (["b", "a", " c d "], "b\na\n c d \n"),
        (["ü", "\u2028x", "\udcff"], b"\xc3\xbc\n\xe2\x80\xa8x\n\xff\n".decode("utf-8", "surrogateescape")),
    ],
)
def test_class_names_are_written_one_a_line_and_come_back(classes, text):
    data = format_classes(classes)
    assert data == text.encode("utf-8", "surrogateescape")
    assert parse_classes(data) == tuple(classes)
    assert parse_classes(BOM + data.replace(b"\n", b"\r\n") + b"\r\n\n") == tuple(classes)
    assert parse_classes(data.removesuffix(b"\n")) == tuple(classes)


@pytest.mark.parametrize("classes", [[""], ["a", "  "], ["a\nb"], ["a\rb"], ["\ufeffa"], ["a", "b", "a"]])
def test_class_names_that_would_not_come_back_are_refused(classes):
    with pytest.raises(ValueError, match=r"class \d has the name|two classes are named 'a'"):
        check_classes(classes)
    with pytest.raises(ValueError):
        format_classes(classes)


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\na\n", b"a\n\nb\n", b"a\nb\na\n", b"a\rb\n"])
def test_class_lists_with_gaps_or_doubles_are_refused(data):
    with pytest.raises(ValueError):
        parse_classes(data)
