from __future__ import annotations

import copy
import inspect
import pickle
import re

import pytest

from recordio_kit import errors
from recordio_kit._core.plan import Failure


CLASSES = [getattr(errors, name) for name in errors.__all__]

SAMPLES = [
    errors.RecordIOKitError("broken"),
    errors.FormatError("broken", source="a.rec", offset=12),
    errors.CorruptRecordError("broken", source="a.rec", offset=0),
    errors.TruncatedRecordError("broken", offset=2**63),
    errors.IndexMismatchError("broken", source="a.idx"),
    errors.ListSyntaxError("broken", source="a.lst", line=3),
    errors.ManifestError("broken"),
    errors.RecordTooLargeError("too large"),
    errors.ImageError("broken", path="cat/1.jpg", reason="truncated"),
    errors.PackError("2 bad images", failures=[Failure(1, "a", "truncated", "m"), Failure(2, "b", "empty", "n")]),
    errors.UnsafePathError("unsafe"),
    errors.OutputExistsError("exists"),
    errors.ResumeMismatchError("other options"),
    errors.PreflightError("2 problems", problems=["one", "two"]),
    errors.StorageError("disk full", uri="/data/x.rec", operation="write"),
    errors.WorkerDiedError("killed"),
    errors.SourceChangedError("changed"),
]


def test_the_samples_cover_every_class():
    assert {type(error) for error in SAMPLES} == set(CLASSES)


def test_all_is_sorted_and_holds_every_class_of_the_module():
    assert sorted(errors.__all__) == errors.__all__
    own = [name for name, value in inspect.getmembers(errors, inspect.isclass) if value.__module__ == errors.__name__]
    assert own == errors.__all__


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_every_error_survives_pickling_with_its_attributes(error, protocol):
    again = pickle.loads(pickle.dumps(error, protocol))
    assert type(again) is type(error)
    assert again.__dict__ == error.__dict__
    assert again.args == error.args
    assert str(again) == str(error)
    assert str(copy.copy(error)) == str(error)


def test_notes_and_later_attributes_survive_pickling():
    error = errors.StorageError("disk full", uri="/x")
    error.add_note("while packing")
    error.attempts = 3
    again = pickle.loads(pickle.dumps(error))
    assert again.__notes__ == ["while packing"]
    assert again.attempts == 3


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.FormatError, ValueError),
        (errors.CorruptRecordError, ValueError),
        (errors.TruncatedRecordError, ValueError),
        (errors.IndexMismatchError, ValueError),
        (errors.ListSyntaxError, ValueError),
        (errors.ManifestError, ValueError),
        (errors.RecordTooLargeError, ValueError),
        (errors.ImageError, ValueError),
        (errors.UnsafePathError, ValueError),
        (errors.OutputExistsError, FileExistsError),
        (errors.PreflightError, ValueError),
        (errors.StorageError, OSError),
    ],
)
def test_an_error_is_also_the_builtin_that_people_catch(error, builtin):
    assert issubclass(error, builtin)
    assert issubclass(error, errors.RecordIOKitError)


def test_the_tree_in_the_docstring_is_the_real_one():
    drawn = {}
    parents = {0: "RecordIOKitError"}
    for line in errors.__doc__.splitlines():
        match = re.match(r"    ((?:\|  )*)(?:\|- |`- )(\w+)(?:\((\w+)\))?", line)
        if match:
            depth = len(match[1]) // 3
            parents[depth + 1] = match[2]
            drawn[match[2]] = [parents[depth], *([match[3]] if match[3] else [])]
    real = {cls.__name__: [base.__name__ for base in cls.__bases__] for cls in CLASSES if cls is not errors.RecordIOKitError}
    assert drawn == real


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (errors.FormatError("broken"), "broken"),
        (errors.FormatError("broken", source="a.rec"), "a.rec: broken"),
        (errors.FormatError("broken", offset=0), "at byte 0: broken"),
        (errors.FormatError("broken", source="a.rec", offset=12), "a.rec: at byte 12: broken"),
        (errors.ListSyntaxError("broken", source="a.lst", line=3), "a.lst: line 3: broken"),
        (errors.ListSyntaxError("broken"), "broken"),
        (errors.ImageError("broken", path="cat/1.jpg"), "cat/1.jpg: broken"),
        (errors.ImageError("broken"), "broken"),
        (errors.StorageError("disk full", uri="/x"), "/x: disk full"),
        (errors.StorageError("disk full"), "disk full"),
    ],
)
def test_the_message_starts_with_the_place(error, text):
    assert str(error) == text


def test_attributes_carry_the_facts():
    corrupt = errors.CorruptRecordError("broken", source="a.rec", offset=12)
    assert (corrupt.message, corrupt.source, corrupt.offset) == ("broken", "a.rec", 12)
    syntax = errors.ListSyntaxError("broken", source="a.lst", line=3)
    assert (syntax.source, syntax.line, syntax.offset) == ("a.lst", 3, None)
    image = errors.ImageError("broken", path="cat/1.jpg", reason="truncated")
    assert (image.message, image.path, image.reason) == ("broken", "cat/1.jpg", "truncated")
    assert errors.PackError("bad", failures=[1, 2]).failures == (1, 2)
    assert errors.PreflightError("bad", problems=["a"]).problems == ("a",)
    storage = errors.StorageError("full", uri="/x", operation="write")
    assert (storage.uri, storage.operation) == ("/x", "write")


def test_exit_codes_tell_findings_from_refusals_from_failures():
    codes = {cls: cls.exit_code for cls in CLASSES}
    assert {cls for cls, code in codes.items() if code == 1} == {errors.ImageError, errors.PackError}
    environment = {errors.StorageError, errors.WorkerDiedError, errors.SourceChangedError}
    assert {cls for cls, code in codes.items() if code == 3} == environment
    assert set(codes.values()) == {1, 2, 3}
