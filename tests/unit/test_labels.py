"""Labels from CSV files and mappings: what they mean, what is refused, and with which line or path."""

from __future__ import annotations

from pathlib import PurePosixPath

import numpy as np
import pytest

from recordio_kit._pipeline.labels import LabelTable, read_labels
from recordio_kit._pipeline.listing import make_list
from recordio_kit.errors import ListSyntaxError, StorageError


@pytest.fixture
def read(tmp_path):
    """Read labels from the text of a CSV."""

    def read_text(text, classes=None):
        path = tmp_path / "labels.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_labels(path, classes)

    return read_text


def folder(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")
    return root


# One label


def test_class_names_are_numbered_in_the_order_of_their_code_points(read):
    table = read("path,label\na.jpg,dog\nb.jpg,Cat\nc.jpg,dog\n")
    assert table.classes == ("Cat", "dog")
    assert table.labels == {"a.jpg": (1.0,), "b.jpg": (0.0,), "c.jpg": (1.0,)}
    assert table.splits is None
    assert table.groups is None
    assert table.findings == ()


def test_numbers_stay_numbers(read):
    table = read("path,label\na.jpg,3\nb.jpg,-0.5\nc.jpg,1e2\n")
    assert table.classes is None
    assert list(table.labels.values()) == [(3.0,), (-0.5,), (100.0,)]


@pytest.mark.parametrize(
    ("cells", "classes", "labels"),
    [
        (("dog", "cat"), ["dog", "bird", "cat"], [0, 2]),
        (("0", "2"), ["dog", "bird", "cat"], [0, 2]),
        (("1.0", "0"), ["dog", "cat"], [1, 0]),
        (("10", "2"), ["10", "2"], [0, 1]),
        (("7", "7up"), ["7up", "7"], [1, 0]),
    ],
)
def test_given_classes_fix_the_numbers_and_names_go_before_numbers(read, cells, classes, labels):
    table = read(f"path,label\na.jpg,{cells[0]}\nb.jpg,{cells[1]}\n", classes)
    assert [label for (label,) in table.labels.values()] == labels
    assert table.classes == tuple(classes)


@pytest.mark.parametrize(
    "header", ["path,label", "filename,label", "file,label", "image,label", "Path,Label", " path , label ", "path,species"]
)
def test_the_usual_column_names_are_understood(read, header):
    assert read(f"{header}\na.jpg,cat\n").labels == {"a.jpg": (0.0,)}


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfpath,label\r\na.jpg,cat\r\n",
        b"path,label\ra.jpg,cat\r",
        b"path,label\n\na.jpg,cat\n\n",
        b'"path","label"\n"a.jpg","cat"',
        b"label,path\ncat,a.jpg",
        b"path,label\n a.jpg , cat \n",
    ],
)
def test_what_spreadsheets_write_is_understood(read, text):
    assert read(text).labels == {"a.jpg": (0.0,)}
    assert read(text).classes == ("cat",)


def test_a_quoted_path_may_hold_commas_and_names_that_are_no_utf8_survive(read):
    table = read(b'path,label\n"a,""b"".jpg",cat\n\xff.jpg,cat\n')
    assert list(table.labels) == ['a,"b".jpg', "\udcff.jpg"]


def test_columns_that_are_not_used_are_told(read):
    table = read("path,width,label,height\na.jpg,640,cat,480\n")
    assert table.labels == {"a.jpg": (0.0,)}
    assert [finding.message for finding in table.findings] == ["columns beside 'label' that are not used: width, height"]


# Several labels


def test_zeros_and_ones_in_several_columns_are_classes(read):
    table = read("path,cat,dog,tree\na.jpg,1,0,1\nb.jpg,0,0,0\n")
    assert table.classes == ("cat", "dog", "tree")
    assert table.labels == {"a.jpg": (1.0, 0.0, 1.0), "b.jpg": (0.0, 0.0, 0.0)}


def test_other_numbers_in_several_columns_are_no_classes(read):
    table = read("path,x,y\na.jpg,0.25,1\nb.jpg,0,1\n")
    assert table.classes is None
    assert table.labels == {"a.jpg": (0.25, 1.0), "b.jpg": (0.0, 1.0)}


def test_given_classes_order_the_columns(read):
    table = read("path,cat,dog\na.jpg,1,0.5\n", ["dog", "cat"])
    assert table.classes == ("dog", "cat")
    assert table.labels == {"a.jpg": (0.5, 1.0)}


def test_columns_that_are_not_the_given_classes_are_refused(read):
    with pytest.raises(ValueError, match=r"labels\.csv: the 2 label columns are not the 2 classes"):
        read("path,cat,dog\na.jpg,1,0\n", ["cat", "bird"])


# Parts and groups


def test_split_and_group_columns_are_kept_by_path(read):
    table = read("path,split,label,group\na.jpg,train,0,p1\nb.jpg,Val,1,p1\nc.jpg,valid,0,p2\nd.jpg,test,0,p 3\n")
    assert table.splits == {"a.jpg": "train", "b.jpg": "validation", "c.jpg": "validation", "d.jpg": "test"}
    assert table.groups == {"a.jpg": "p1", "b.jpg": "p1", "c.jpg": "p2", "d.jpg": "p 3"}
    assert set(table.labels.values()) == {(0.0,), (1.0,)}


def test_split_and_group_are_no_label_columns(read):
    assert read("group,path,cat,split,dog\ng,a.jpg,1,train,0\n").labels == {"a.jpg": (1.0, 0.0)}


# Refusals


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", None, "nothing in it"),
        ("\n\n", None, "nothing in it"),
        ("a.jpg,0\nb.jpg,1\n", 1, "no column is named 'path'"),
        ("path;label\na.jpg;0\n", 1, "with commas between, found 'path;label'"),
        ("path\na.jpg\n", 1, "no column holds labels"),
        ("path,split,group\na.jpg,train,g\n", 1, "no column holds labels"),
        ("path,cat,cat\na.jpg,0,1\n", 1, "two columns have the same name"),
        (",path,cat\n0,a.jpg,1\n", 1, "column 1 has no name; .*index=False"),
        ("path,cat,Unnamed: 0\na.jpg,1,0\n", 1, "column 3 has no name"),
        ("path,label\na.jpg,0\nb.jpg\n", 3, "1 fields, the header has 2"),
        ("path,label\na,b.jpg,0\n", 2, "3 fields"),
        ("path,label\na.jpg,0\n,1\n", 3, "the path is empty"),
        ("path,label\na.jpg,0\nb.jpg,0\n\na.jpg,1\n", 5, "'a.jpg' stands in line 2 already"),
        ("path,label\na.jpg,0\nb.jpg,\n", 3, "the label is empty"),
        ("path,label\na.jpg,cat\nb.jpg,\n", 3, "the label is empty"),
        ("path,label\na.jpg,0\nb.jpg,nan\n", 3, "'nan' after '0'"),
        ("path,label\na.jpg,0\nb.jpg,1_0\n", 3, "'1_0' after '0'"),
        ("path,label\na.jpg,0\nb.jpg,\u0661\n", 3, "after '0'"),
        ("path,label\na.jpg,0\nb.jpg,1e400\n", 3, "'1e400' after '0'"),
        ("path,label\na.jpg,cat\nb.jpg,7\n", 3, "'7' after 'cat'.*classes="),
        ("path,x,y\na.jpg,0,1\nb.jpg,0,inf\n", 3, "finite number, found 'inf'"),
        ("path,x,y\na.jpg,0,1\nb.jpg,0,\n", 3, "finite number, found ''"),
        ("path,label,split\na.jpg,0,train\nb.jpg,0,\n", 3, "'' cannot name a part"),
        ("path,label,split\na.jpg,0,a/b\n", 2, "'a/b' cannot name a part"),
        ("path,label,group\na.jpg,0,\n", 2, "the group is empty"),
        ('path,label\n"a\nb.jpg",0\nc.jpg,x\n', 4, "'x' after '0'"),
        ('path,label\na.jpg,"0" 1\n', 2, "expected after"),
    ],
)
def test_a_row_that_cannot_be_understood_is_refused_with_its_line(read, text, line, words):
    with pytest.raises(ListSyntaxError, match=words) as error:
        read(text)
    assert error.value.line == line
    assert error.value.source.endswith("labels.csv")


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("bird", "'bird' is none of the 2 classes"),
        ("2", "'2' is none"),
        ("-1", "'-1' is none"),
        ("0.5", "'0.5' is none"),
        ("", "the label is empty"),
    ],
)
def test_a_label_that_is_none_of_the_given_classes_is_refused(read, cell, words):
    with pytest.raises(ListSyntaxError, match=words) as error:
        read(f"path,label\na.jpg,0\nb.jpg,{cell}\n", ["cat", "dog"])
    assert error.value.line == 3


def test_names_and_numbers_of_given_classes_do_not_mix(read):
    with pytest.raises(ListSyntaxError, match=r"line 2: the label '0' .* all rows name them, or all number them"):
        read("path,label\na.jpg,0\nb.jpg,cat\n", ["cat", "dog"])


def test_a_missing_or_unreadable_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"CSV of labels .*no\.csv does not exist"):
        read_labels(tmp_path / "no.csv")
    with pytest.raises(StorageError, match="not a regular file"):
        read_labels(tmp_path)


def test_wrong_labels_are_found_before_a_tree_is_walked(tmp_path):
    with pytest.raises(ValueError, match=r"no\.csv does not exist"):
        make_list(tmp_path / "missing", labels=tmp_path / "no.csv")


# Mappings


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        (2, (2.0,)),
        (0.5, (0.5,)),
        (np.float32(0.5), (0.5,)),
        (np.int64(3), (3.0,)),
        (True, (1.0,)),
        ([1, 0], (1.0, 0.0)),
        ((np.float32(1), 0), (1.0, 0.0)),
        (np.array([1, 0]), (1.0, 0.0)),
        (np.array(4), (4.0,)),
        ("7", (7.0,)),
    ],
)
def test_a_mapping_holds_numbers_sequences_and_arrays(value, labels):
    table = read_labels({"a.jpg": value})
    assert table.labels == {"a.jpg": labels}
    assert table.classes is None


def test_a_mapping_holds_class_names():
    table = read_labels({"a.jpg": "dog", "b.jpg": "cat"})
    assert table.labels == {"a.jpg": (1.0,), "b.jpg": (0.0,)}
    assert table.classes == ("cat", "dog")


def test_several_labels_of_a_mapping_take_given_classes():
    assert read_labels({"a.jpg": [1, 0]}, ["cat", "dog"]).classes == ("cat", "dog")
    with pytest.raises(ValueError, match="the 2 label columns are not the 3 classes"):
        read_labels({"a.jpg": [1, 0]}, ["cat", "dog", "bird"])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("nan"), "finite number, found nan"),
        (float("inf"), "finite number, found inf"),
        (10**400, "finite number"),
        (1e39, "finite number"),
        (None, "finite number, found None"),
        ("cat", "'cat' after 1"),
        ([1, 2], "2 labels, the first path has 1"),
        ([], "0 labels"),
        ([[1]], "finite number"),
    ],
)
def test_a_value_that_is_no_label_is_refused_with_its_path(value, words):
    with pytest.raises(ValueError, match=words) as error:
        read_labels({"a.jpg": 1, "b.jpg": value})
    assert "'b.jpg'" in str(error.value)


def test_paths_that_are_no_text_are_refused():
    with pytest.raises(TypeError, match="not as PurePosixPath"):
        read_labels({PurePosixPath("a.jpg"): 1})


# Rows and images


def test_a_flat_folder_is_listed_by_path_with_the_labels_of_its_csv(tmp_path):
    folder(tmp_path / "set", "b.jpg", "a.jpg", "more/c.jpg")
    (tmp_path / "labels.csv").write_text("path,label\nmore/c.jpg,cat\nb.jpg,cat\na.jpg,dog\n")
    images = make_list(tmp_path / "set", labels=tmp_path / "labels.csv")
    assert [(entry.index, entry.label, entry.path) for entry in images] == [
        (0, 1.0, "a.jpg"),
        (1, 0.0, "b.jpg"),
        (2, 0.0, "more/c.jpg"),
    ]
    assert images.classes == ("cat", "dog")
    assert images.sizes.tolist() == [1, 1, 1]


def test_several_labels_and_findings_reach_the_list(tmp_path):
    folder(tmp_path / "set", "a.jpg", "b.jpg", "notes.txt")
    (tmp_path / "labels.csv").write_text("path,cat,dog\nb.jpg,1,1\na.jpg,0,1\n")
    images = make_list(tmp_path / "set", labels=str(tmp_path / "labels.csv"))
    assert images.labels.tolist() == [[0, 1], [1, 1]]
    assert images.classes == ("cat", "dog")
    (tmp_path / "labels.csv").write_text("path,label,size\nb.jpg,1,9\na.jpg,0,9\n")
    images = make_list(tmp_path / "set", labels=tmp_path / "labels.csv")
    assert [".txt" in finding.message or "size" in finding.message for finding in images.findings] == [True, True]


def test_a_table_that_was_read_before_serves_as_labels(tmp_path):
    table = read_labels({"a.jpg": "cat"})
    assert make_list(folder(tmp_path, "a.jpg"), labels=table).classes == ("cat",)


def test_rows_and_images_that_do_not_meet_are_refused_with_counts(tmp_path):
    folder(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    with pytest.raises(
        ValueError, match=r"labels=: 1 row names no image: x\.jpg; 2 images have no row, the first is b\.jpg .*ignore="
    ):
        make_list(tmp_path, labels={"a.jpg": 0, "x.jpg": 0})
    assert len(make_list(tmp_path, labels={"a.jpg": 0}, ignore=["[bc].jpg"])) == 1
    with pytest.raises(ValueError, match=r"2 rows name no image, the first is \.\./a\.jpg"):
        make_list(tmp_path, labels={"a.jpg": 0, "b.jpg": 0, "c.jpg": 0, "../a.jpg": 0, "/etc/passwd": 0})


def test_a_label_that_float32_loses_is_refused(tmp_path):
    with pytest.raises(ValueError, match="16777217"):
        make_list(folder(tmp_path, "a.jpg"), labels={"a.jpg": 16777217})


@pytest.mark.parametrize("path", ["cat\\1.jpg", ".\\cat\\1.jpg", "./cat/1.jpg", "cat//1.jpg"])
def test_paths_as_other_systems_write_them_are_understood(path):
    table = LabelTable(source="x.csv", labels={path: (1.0,)}, splits={path: "train"}, groups={path: "g"}).align(["cat/1.jpg"])
    assert (table.labels, table.splits, table.groups) == ({"cat/1.jpg": (1.0,)}, {"cat/1.jpg": "train"}, {"cat/1.jpg": "g"})


def test_a_backslash_that_a_file_name_has_is_kept():
    table = LabelTable(source="x.csv", labels={"a\\b.jpg": (1.0,), "a/b.jpg": (2.0,)})
    assert table.align(["a/b.jpg", "a\\b.jpg"]).labels == {"a/b.jpg": (2.0,), "a\\b.jpg": (1.0,)}


def test_two_rows_for_one_image_are_refused():
    with pytest.raises(ValueError, match=r"x\.csv: 'a/b\.jpg' and 'a\\\\b\.jpg' are the same image"):
        LabelTable(source="x.csv", labels={"a/b.jpg": (1.0,), "a\\b.jpg": (2.0,)}).align(["a/b.jpg"])


def test_an_aligned_table_has_the_order_of_the_images():
    table = read_labels({"b": 1, "a": 2}).align(iter(["a", "b"]))
    assert list(table.labels.items()) == [("a", (2.0,)), ("b", (1.0,))]
