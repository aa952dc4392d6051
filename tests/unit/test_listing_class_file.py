from __future__ import annotations

import json

import pytest

import recordio_kit as rk
from recordio_kit._pipeline.class_file import ClassFile, read_class_file, write_class_file
from tests.samples import write_tree


def test_true_names_and_order_come_from_the_class_file(tmp_path):
    write_tree(tmp_path, {"0_a": 1, "2_c": 2})
    write_class_file(tmp_path, ClassFile(("0_a", "1_b", "2_c"), ("A/a", "B", "C c")))
    images = rk.make_list(tmp_path)
    assert images.classes == ("A/a", "B", "C c")
    assert images.labels[:, 0].tolist() == [0, 2, 2]


def test_given_classes_win_over_the_class_file(tmp_path):
    write_tree(tmp_path, {"x": 1, "y": 1})
    write_class_file(tmp_path, ClassFile(("x", "y"), ("X", "Y")))
    assert rk.make_list(tmp_path, classes=["y", "x"]).classes == ("y", "x")


def test_no_class_file_is_no_matter(tmp_path):
    assert read_class_file(tmp_path) is None


@pytest.mark.parametrize(
    "document",
    ["", "[]", "{}", '{"classes": []}', '{"classes": [{"folder": "a"}]}', json.dumps({"classes": [{"folder": 1, "name": ""}]})],
)
def test_another_file_of_that_name_is_refused(tmp_path, document):
    write_tree(tmp_path, {"x": 1})
    (tmp_path / ".classes.json").write_text(document)
    with pytest.raises(ValueError, match="remove it"):
        rk.make_list(tmp_path)
