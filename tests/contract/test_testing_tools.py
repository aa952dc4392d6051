"""The tools for tests do what they promise."""

from __future__ import annotations

import itertools
import pickle

import pytest
from hypothesis import Phase, find, given, settings

import recordio_kit.testing
from recordio_kit._core.framing import MAGIC_BYTES, aligned_magics
from recordio_kit._core.lst import check_path, format_lst, parse_lst
from recordio_kit._storage.base import read_all, write_all
from recordio_kit._storage.local import LocalStore
from recordio_kit._storage.memory import MemoryStore
from recordio_kit.errors import StorageError
from recordio_kit.testing import FaultyStore, image_lists, labels, paths, payloads


def _work(store):
    write_all(store, "a", b"1")
    write_all(store, "b", read_all(store, "a") + b"2")
    return sorted(store.list())


def test_counting_up_meets_every_operation_once_and_ends():
    failed = []
    for fail_at in itertools.count(1):
        store = FaultyStore(MemoryStore(), fail_at=fail_at)
        try:
            assert _work(store) == ["a", "b"]
        except StorageError as error:
            failed.append((error.operation, error.uri, str(error).partition(": ")[2]))
        if not store.fired:
            break
        operation, name = store.calls[-1]
        assert failed[-1] == (operation, store.uri(name), f"injected fault in operation {fail_at}, {operation}")
    assert [fault[0] for fault in failed] == ["create", "write", "commit", "open", "read", "create", "write", "commit", "list"]


def test_only_the_chosen_operations_count_and_may_fail_for_ever():
    store = FaultyStore(MemoryStore(), fail_at=2, operations={"commit"}, forever=True)
    write_all(store, "a", b"1")
    for _ in range(2):
        with pytest.raises(StorageError, match="injected fault"):
            write_all(store, "b", b"2")
    assert store.calls == [("commit", "a"), ("commit", "b"), ("commit", "b")]
    assert sorted(store.list()) == ["a"]


def test_a_store_that_failed_once_works_again_and_travels():
    store = FaultyStore(MemoryStore(), fail_at=1)
    with pytest.raises(StorageError):
        store.probe()
    store.probe()
    assert _work(pickle.loads(pickle.dumps(store))) == ["a", "b"]


def test_mistakes_in_the_plan_are_told():
    with pytest.raises(ValueError, match="unknown operations"):
        FaultyStore(MemoryStore(), fail_at=1, operations={"fsync"})
    with pytest.raises(ValueError, match="from 1"):
        FaultyStore(MemoryStore(), fail_at=0)


def test_a_parent_counts_and_fails_with_its_store(tmp_path):
    store = FaultyStore(LocalStore(tmp_path / "root"), fail_at=2)
    above, name = store.parent()
    assert above.stat(f"{name}/x") is None
    with pytest.raises(StorageError, match="operation 2, stat"):
        store.stat("x")
    assert above.fired
    assert FaultyStore(MemoryStore(), fail_at=1).parent() is None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Missing'"):
        recordio_kit.testing.Missing  # noqa: B018  # looking is the test


@given(image_lists())
def test_lists_survive_their_text(images):
    assert parse_lst(format_lst(images)) == images


@given(paths())
def test_paths_fit_a_row(path):
    check_path(path)


@pytest.mark.parametrize(
    ("strategy", "condition"),
    [
        (payloads(), lambda data: len(aligned_magics(data)) >= 2),
        (payloads(), lambda data: MAGIC_BYTES in data and not aligned_magics(data)),
        (payloads(), lambda data: data == b""),
        (payloads(), lambda data: len(data) > 150),
        (paths(), lambda path: any("\udc80" <= sign <= "\udcff" for sign in path)),
        (paths(), lambda path: " " in path and "/" in path),
        (paths(), lambda path: not path.isascii()),
        (labels(), lambda label: label != int(label)),
        (labels(), lambda label: label < 0),
        (image_lists(), lambda images: len(images) > 3 and images.label_width == 3),
        (image_lists(), lambda images: len(images) == 0),
    ],
)
def test_the_strategies_reach_what_breaks_readers(strategy, condition):
    find(strategy, condition, settings=settings(phases=[Phase.generate], max_examples=2000))


@given(payloads(max_size=50))
def test_payloads_keep_their_limit(data):
    assert len(data) <= 50
