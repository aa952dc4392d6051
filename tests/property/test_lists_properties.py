from __future__ import annotations

import pickle

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recordio_kit._core.imagelist import ImageList
from recordio_kit._core.lst import format_classes, format_lst, parse_classes, parse_lst
from recordio_kit.errors import ListSyntaxError, UnsafePathError


def as_file_name(text):
    """The same as a file system would give it: surrogate escapes that make up a UTF-8 sequence are that character."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


#: Any bytes, as ``os.fsdecode`` shows them on POSIX.
ANY_PATHS = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.binary(max_size=8).map(lambda name: name.decode("utf-8", "surrogateescape"))
).map(as_file_name)
ODD = st.sampled_from(
    [" ", "\x0b", "\x0c", "\x1c", "\x85", "\u00a0", "\u2028", "\u2029", "\ufeff", "#", "\udcff", "é", "e\u0301", "猫"]
)
UNWRITABLE = dict.fromkeys(map(ord, "\t\n\r\0"))
#: What a row can hold.
ROW_PATHS = (
    st.lists(ODD | ANY_PATHS, min_size=1, max_size=5)
    .map(lambda parts: as_file_name("".join(parts).translate(UNWRITABLE)).strip())
    .filter(bool)
)
LABELS = st.floats(width=32, allow_nan=False, allow_infinity=False) | st.integers(-(2**24), 2**24).map(float)


@st.composite
def rows(draw, paths):
    width = draw(st.integers(1, 3))
    indexes = draw(st.lists(st.integers(0, 2**63 - 1), max_size=8, unique=True))
    return [(index, tuple(draw(LABELS) for _ in range(width)), draw(paths)) for index in indexes]


@given(rows(ANY_PATHS), st.data())
def test_a_list_equals_a_plain_list_of_tuples(model, draw):
    images = ImageList.from_entries(model)
    assert len(images) == len(model)
    assert list(images) == model
    assert list(images.paths) == [path for _, _, path in model]
    assert list(reversed(images)) == model[::-1]
    for position in range(-len(model), len(model)):
        assert images[position] == model[position]
    bounds = st.none() | st.integers(-10, 10)
    cut = slice(draw.draw(bounds), draw.draw(bounds), draw.draw(bounds.filter(lambda step: step != 0)))
    assert list(images[cut]) == model[cut]
    assert images[cut] == ImageList.from_entries(model[cut]) or not model[cut]
    if model:
        positions = draw.draw(st.lists(st.integers(0, len(model) - 1), max_size=12))
        assert list(images.take(positions)) == [model[position] for position in positions]
        assert model[-1] in images
        assert images.index(model[-1]) == model.index(model[-1])
    assert pickle.loads(pickle.dumps(images)) == images
    assert list(images.renumber()) == [(position, *row[1:]) for position, row in enumerate(model)]


@given(rows(ANY_PATHS), rows(ANY_PATHS))
def test_lists_are_equal_when_their_tuples_are(first, second):
    left, right = ImageList.from_entries(first), ImageList.from_entries(second)
    assert (left == right) is (first == second)


@given(rows(ROW_PATHS))
def test_a_list_comes_back_from_its_text_without_a_finding(model):
    images = ImageList.from_entries(model)
    again = parse_lst(format_lst(images))
    assert list(again) == model
    assert again.findings == ()
    assert format_lst(again) == format_lst(images)


@given(rows(ANY_PATHS))
def test_a_path_is_written_so_that_it_comes_back_or_refused(model):
    images = ImageList.from_entries(model)
    try:
        data = format_lst(images)
    except UnsafePathError:
        return
    assert list(parse_lst(data)) == model


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=50))
def test_every_float32_label_comes_back_bit_by_bit(words):
    labels = np.array(words, np.uint32).view(np.float32)
    labels = labels[np.isfinite(labels)]
    images = ImageList(range(len(labels)), labels, ["x"] * len(labels))
    assert np.array_equal(parse_lst(format_lst(images)).labels, labels.reshape(-1, 1))


@given(rows(ROW_PATHS), st.data())
def test_byte_order_marks_line_ends_and_blank_lines_change_no_entry(model, draw):
    lines = format_lst(ImageList.from_entries(model)).split(b"\n")[:-1]
    ends = st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\n \t\n"])
    data = draw.draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + b"".join(line + draw.draw(ends) for line in lines)
    assert list(parse_lst(data)) == model


FIELDS = st.sampled_from(
    ["0", "1", "2", "-1", "1_0", "nan", "1e400", "16777217", "\uff11", "a b.jpg", "", " ", "\ufeff", "\r", "18446744073709551616"]
)
SCRAPS = st.lists(FIELDS | st.sampled_from(["\t", "\t", "\n"]), max_size=20).map("".join).map(str.encode)


def read_or_line(data):
    try:
        return parse_lst(data), None
    except ListSyntaxError as error:
        return None, error.line


@given(st.binary(max_size=80) | SCRAPS)
def test_arbitrary_bytes_are_a_list_or_a_syntax_error_that_names_a_line(data):
    lines = data.count(b"\n") + 1
    images, line = read_or_line(data)
    if images is None:
        assert 1 <= line <= lines
        return
    blank = sum("blank" in finding.message for finding in images.findings)
    assert len(images) + blank == lines - (not data.removeprefix(b"\xef\xbb\xbf").split(b"\n")[-1])
    assert all(1 <= finding.line <= lines for finding in images.findings)
    assert np.isfinite(images.labels).all()
    assert len(set(images.indexes.tolist())) == len(images)


@given(st.binary(max_size=60) | st.text(alphabet="ab \r\n\ufeff", max_size=20).map(str.encode))
def test_arbitrary_bytes_are_class_names_or_a_value_error(data):
    try:
        classes = parse_classes(data)
    except ValueError:
        return
    assert parse_classes(format_classes(classes)) == classes


@given(st.lists(ANY_PATHS, min_size=1, max_size=6))
def test_class_names_come_back_or_are_refused(classes):
    try:
        data = format_classes(classes)
    except ValueError:
        return
    assert parse_classes(data) == tuple(classes)
