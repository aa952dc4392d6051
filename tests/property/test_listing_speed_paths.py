"""What is done by the block or by the folder gives what is done one by one."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recordio_kit import im2rec
from recordio_kit._core import imagelist, lst
from recordio_kit._core.imagelist import ImageList
from recordio_kit._pipeline import walk
from recordio_kit._pipeline.listing import make_list
from recordio_kit.errors import ListSyntaxError, UnsafePathError
from recordio_kit.im2rec import listing as im2rec_listing


def as_file_name(text):
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


#: Any bytes, whole characters, halves of characters that meet at the seams, and the signs that formats are made of.
PATHS = st.lists(
    st.sampled_from(
        ["\t", "\n", "\r", "\0", " ", "\x85", "\u2028", "\ufeff", "é", "猫", "\udce7", "\udc8c", "\udcab", "a", "b.jpg"]
    )
    | st.binary(max_size=4).map(lambda data: data.decode("utf-8", "surrogateescape")),
    max_size=5,
).map(lambda parts: as_file_name("".join(parts)))
LABELS = st.floats(width=32, allow_nan=False, allow_infinity=False) | st.integers(-(2**24), 2**24).map(float)
BLOCKS = st.integers(1, 7)


@st.composite
def lists(draw, paths=PATHS):
    width = draw(st.integers(1, 3))
    indexes = draw(st.lists(st.integers(0, 2**63 - 1), max_size=12, unique=True))
    labels = draw(st.lists(st.lists(LABELS, min_size=width, max_size=width), min_size=len(indexes), max_size=len(indexes)))
    found = draw(st.lists(paths, min_size=len(indexes), max_size=len(indexes)))
    return ImageList(indexes, np.reshape(labels, (len(indexes), width)), found), found


def small_blocks(size):
    return patch.multiple(lst, _BLOCK_CELLS=size, _BLOCK_BYTES=size), patch.object(imagelist, "_BLOCK", size)


# Lists


@given(lists(), BLOCKS, st.data())
def test_paths_in_blocks_are_the_paths_one_by_one(made, size, data):
    images, paths = made
    encoded = [path.encode("utf-8", "surrogateescape") for path in paths]
    assert [images.path_bytes_at(place) for place in range(len(images))] == encoded
    with patch.object(imagelist, "_BLOCK", size):
        assert list(images.paths) == paths
        assert list(images) == [images[place] for place in range(len(images))]
    bounds = st.none() | st.integers(-14, 14)
    cut = slice(data.draw(bounds), data.draw(bounds))
    again = images.take(range(*cut.indices(len(images))))
    assert [*map(bytes, images[cut].columns())] == [*map(bytes, again.columns())]


@given(st.lists(PATHS.map(lambda path: path.replace("\0", "")), min_size=1, max_size=8), st.integers(1, 2), st.data())
def test_paths_that_come_joined_are_the_same_list(paths, size, data):
    cut = data.draw(st.integers(0, len(paths)))
    texts = ["\0".join(part) for part in (paths[:cut], paths[cut:]) if part]
    with patch.object(imagelist, "_BATCH", size):
        joined = ImageList.from_joined(range(len(paths)), [0] * len(paths), texts, root="r")
    assert joined == ImageList(range(len(paths)), [0] * len(paths), paths)
    assert joined.root == "r"


# Text


def row_by_row(images):
    """The rows of a list, each made and checked alone."""
    rows = []
    for entry in images:
        lst.check_path(entry.path)
        labels = "".join(f"{lst._format_label(label)}\t" for label in entry.labels)
        rows.append(f"{entry.index}\t{labels}{entry.path}\n")
    return "".join(rows).encode("utf-8", "surrogateescape")


def outcome(call, *args):
    try:
        return call(*args)
    except (ListSyntaxError, UnsafePathError) as error:
        return type(error), str(error)


@given(lists(), BLOCKS)
def test_text_in_blocks_is_the_text_row_by_row(made, size):
    images, _ = made
    cells, paths = small_blocks(size)
    with cells, paths:
        assert outcome(lst.format_lst, images) == outcome(row_by_row, images)


@given(lists(PATHS.map(lambda path: path.translate(dict.fromkeys(map(ord, "\t\n\r\0"))).strip() or "x")), BLOCKS)
def test_what_was_written_is_read_by_the_block(made, size):
    images, _ = made
    data = lst.format_lst(images)
    with patch.object(lst, "_BLOCK_BYTES", size):
        again = lst._parse_blocks(data)
    # 19 digits may be more than 2**63 - 1, which is looked at row by row
    plain = len(images) > 0 and int(images.indexes.max()) < 10**18
    assert (again is not None) is plain
    assert again is None or (again == images and again.findings == ())


FIELDS = st.sampled_from([
    "0", "1", "2", "007", "-1", "1_0", "nan", "1e400", "1e39", "16777217", "9223372036854775808", "\uff11", "²",
    "a b", "a ", "", " ", "\ufeff", "\r", "\0", "\udcff", "\u2028", "a\u2028", "猫",
])  # fmt: skip
ROWS = st.lists(
    st.lists(FIELDS, min_size=1, max_size=5).map("\t".join) | st.tuples(FIELDS, FIELDS, FIELDS).map("\t".join), max_size=6
)


@given(ROWS.map("\n".join), st.sampled_from(["", "\n"]), BLOCKS)
@example("0\t1\ta\n1\t1\t\tb\n\t1\tc", "\n", 1)
@example("0\t1\ta\n0\t1\tb", "\n", 7)
@example("\t1\ta\n12\t1\tb", "\n", 7)
def test_text_that_is_read_by_the_block_is_what_its_rows_say(text, end, size):
    data = (text + end).encode("utf-8", "surrogateescape")
    with patch.object(lst, "_BLOCK_BYTES", size):
        found = outcome(lst.parse_lst, data)
        by_block = lst._parse_blocks(data)
    assert found == outcome(lst._parse_rows, data, None)
    assert by_block is None or by_block.findings == found.findings == ()


# Folders

ENDS = st.sampled_from(
    ["", ".jpg", ".JPG", ".jPeG", ".png", ".txt", ".tar.jpg", ".", "..", ".ΑΣ", ".\u212apg", "jpg", ".db", ".jpg "]
)
NAMES = st.builds(
    lambda start, stem, end: start + stem + end,
    st.sampled_from(["", "", "", "", ".", "..", " ", "-"]),
    st.sampled_from(
        ["", "a", "b", "Σ", "ΑΣ", "İ", "thumbs", "Desktop", "__MACOSX", "desktop.ini", "Thumbs.db", "\x7f", "\u3000", "\udcff"]
    ),
    ENDS,
).filter(lambda name: name not in {"", ".", ".."})
EXTS = st.lists(
    st.sampled_from(["jpg", ".JPG", "jpeg", "png", "db", "ini", "g", "tar.jpg", "ας", "ΑΣ", "a/b", "kpg"]), min_size=1, max_size=3
)


@given(st.lists(NAMES, max_size=6, unique=True), EXTS)
@example(["x.a", "b.jpg"], ["a/b", "jpg"])
@example(["Thumbs.db", "a.db"], ["db"])
def test_a_folder_is_taken_whole_exactly_when_each_of_its_files_is_an_image(names, exts):
    suffixes = walk._suffixes(exts)
    fits = walk._plain_names(suffixes).fullmatch("/".join([*names, ""]).lower())
    alone = [name[0] != "." and name.lower() not in walk._LITTER and name.lower().endswith(suffixes) for name in names]
    assert bool(fits) is all(alone)


@given(
    st.lists(NAMES, max_size=6, unique=True),
    st.lists(st.sampled_from([".jpg", ".png", "jpg", "", ".", ".tar.jpg", ".JPG", ".ας"]), min_size=1, max_size=3),
)
def test_im2rec_takes_a_folder_whole_only_when_each_of_its_files_ends_well(names, exts):
    if im2rec_listing._plain_names(exts).fullmatch("/".join([*names, ""]).lower()):
        assert all(os.path.splitext(name)[1].lower() in exts and name[0] != "." for name in names)


def test_im2rec_takes_nothing_for_granted_in_a_folder_that_cannot_be_read_again(tmp_path):
    assert im2rec_listing._regular_files(str(tmp_path / "gone")) == set()


@given(st.lists(st.sampled_from(["a.jpg", "b.JPG", "c.png"]), min_size=1, unique=True))
def test_im2rec_takes_plain_folders_whole(names):
    assert im2rec_listing._plain_names([".jpg", ".png"]).fullmatch("/".join([*names, ""]).lower())


def listed(root, **options):
    """The list or the refusal, without what the option that leaves nothing out could change."""
    try:
        images = make_list(root, **options)
    except (ValueError, UnsafePathError) as error:
        return type(error), str(error)
    return [*map(bytes, images.columns())], images.classes, images.sizes.tolist(), images.stamps.tolist(), images.findings


@pytest.mark.skipif(sys.platform != "linux", reason="other systems change names or refuse bytes that are no UTF-8")
@given(st.lists(st.tuples(st.sampled_from(["cat", "dog", "cat/deep", " cow", ""]), NAMES), min_size=1, max_size=8))
def test_a_tree_taken_by_the_folder_is_the_tree_taken_file_by_file(files):
    with tempfile.TemporaryDirectory() as place:
        for number, (folder, name) in enumerate(files):
            path = Path(place, "set", folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(number))
        root = f"{place}/set"
        # a pattern makes the walk ask for each name
        assert listed(root) == listed(root, ignore=["no such name"])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems change names or refuse bytes that are no UTF-8")
@given(
    st.lists(st.tuples(st.sampled_from(["cat", "dog", "cat/deep", ".hid", "."]), NAMES), min_size=1, max_size=8), st.booleans()
)
def test_im2rec_says_and_writes_of_whole_folders_what_it_does_of_each_file(files, recursive):
    def run(place, stem):
        said = []
        with (
            patch.object(im2rec.Console, "report", lambda _, line: said.append(line)),
            patch.object(im2rec.Console, "say", lambda _, line: said.append(line)),
        ):
            code = im2rec.main(["--list", *(["--recursive"] if recursive else []), f"{place}/{stem}", f"{place}/set"])
        found = Path(place, f"{stem}.lst")
        return code, said, found.read_bytes() if found.exists() else None

    with tempfile.TemporaryDirectory() as place:
        for folder, name in files:
            path = Path(place, "set", folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        whole = run(place, "a")
        with patch.object(im2rec_listing, "_are_well", lambda *_: False):
            assert run(place, "b") == whole
