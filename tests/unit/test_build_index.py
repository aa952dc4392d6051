from __future__ import annotations

import numpy as np
import pytest

import recordio_kit as rk
from recordio_kit._storage.memory import MemoryStore
from tests.unit.test_records import faces


def store_with(payloads, keys=None):
    store = MemoryStore()
    with rk.RecordWriter("x.rec", store=store) as writer:
        writer.write_many(payloads, keys=keys)
    return store


def images(ids, body=b"body"):
    return [rk.pack_record(rk.IRHeader(0, 1.0, number, 0), body) for number in ids]


def rebuilt(store, **options):
    original = store.files.pop("x.idx")
    assert rk.build_index("x.rec", store=store, **options) == "memory:x.idx"
    return original, store.files["x.idx"]


@pytest.mark.parametrize(
    ("payloads", "keys"),
    [
        (images([0, 1, 2]), None),
        (images([7, 3, 2**64 - 1]), [7, 3, 2**64 - 1]),
        ([b"", b"not", b"images" * 20], None),
        (images([5, 5, 6]), None),
        ([], None),
        faces(),
        faces(aligned=False),
    ],
)
def test_the_rebuilt_index_is_the_original(payloads, keys):
    original, made = rebuilt(store_with(payloads, keys))
    assert made == original


def test_an_insightface_file_without_ids_gets_the_keys_of_its_layout():
    payloads, keys = faces()
    bare = []
    for payload in payloads:
        header, body = rk.unpack_record(payload)
        bare.append(rk.pack_record(header._replace(id=0), body))
    original, made = rebuilt(store_with(bare, keys))
    assert made == original


def test_positions_can_be_asked_for():
    _, made = rebuilt(store_with(images([7, 3]), [7, 3]), keys="position")
    assert made.split(b"\n")[0] == b"0\t0"


@pytest.mark.parametrize("payloads", [images([1, 1]), [b"no header"]])
def test_ids_that_cannot_be_keys_are_refused(payloads):
    store = store_with(payloads)
    del store.files["x.idx"]
    with pytest.raises(ValueError, match="keys='position'"):
        rk.build_index("x.rec", keys="id", store=store)
    assert list(store.files) == ["x.rec"]


def test_an_index_is_replaced_only_if_asked_for(tmp_path):
    with rk.RecordWriter(tmp_path / "x.rec") as writer:
        writer.write_many(images([4, 2]))
    before = (tmp_path / "x.idx").read_bytes()
    with pytest.raises(rk.errors.OutputExistsError):
        rk.build_index(tmp_path / "x.rec")
    assert (tmp_path / "x.idx").read_bytes() == before
    assert rk.build_index(tmp_path / "x.rec", overwrite=True) == str(tmp_path / "x.idx")
    assert rk.RecordReader(tmp_path / "x.rec").keys.tolist() == [4, 2]


def test_the_index_is_written_where_it_is_asked_for(tmp_path):
    with rk.RecordWriter(tmp_path / "x.rec", index=False) as writer:
        writer.write_many(images([4, 2]))
    assert rk.build_index(tmp_path / "x.rec", index=tmp_path / "sub" / "y.idx") == str(tmp_path / "sub" / "y.idx")
    with rk.RecordReader(tmp_path / "x.rec", index=tmp_path / "sub" / "y.idx") as reader:
        assert np.array_equal(reader.keys, [4, 2])


def test_a_damaged_file_gets_no_index():
    store = store_with(images([4, 2]))
    store.files = {"x.rec": store.files["x.rec"][:-1]}
    with pytest.raises(rk.errors.TruncatedRecordError):
        rk.build_index("x.rec", store=store)
    assert list(store.files) == ["x.rec"]


def test_keys_are_of_three_kinds():
    with pytest.raises(ValueError, match="keys is"):
        rk.build_index("x.rec", keys="name", store=store_with([]))
