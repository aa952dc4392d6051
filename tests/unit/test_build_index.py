from __future__ import annotations

import contextlib

import numpy as np
import pytest

import recordio_kit as rk
from recordio_kit._core.framing import encode_record
from recordio_kit._storage.memory import MemoryStore
from tests.samples import write_tree
from tests.unit.test_records import faces


def store_with(payloads, keys=None):
    store = MemoryStore()
    with rk.RecordWriter("x.rec", store=store) as writer:
        writer.write_many(payloads, keys=keys)
    return store


def images(ids, body=b"body"):
    return [rk.pack_record(rk.IRHeader(0, 1.0, number, 0), body) for number in ids]


def len_head(length):
    return encode_record(b"")[:4] + length.to_bytes(4, "little")


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


def test_a_file_with_a_swallowed_record_gets_no_index():
    store = store_with([b"a" * 12, b"b" * 12, b"c" * 5])
    data = store.files["x.rec"]
    store.files = {"x.rec": data[:4] + bytes([12 + 20]) + data[5:]}
    with pytest.raises(rk.errors.CorruptRecordError, match="at byte 20") as refused:
        rk.build_index("x.rec", store=store)
    assert refused.value.offset == 0
    assert list(store.files) == ["x.rec"]


def test_heads_are_looked_for_across_chunks(monkeypatch):
    payloads = [bytes(range(size % 256)) for size in range(0, 400, 7)]
    original, made = rebuilt(store_with(payloads))
    for size in (4, 8, 12, 64):
        monkeypatch.setattr("recordio_kit._pipeline.indexing._CHUNK_BYTES", size)
        store = store_with(payloads)
        assert rebuilt(store) == (original, made)
        data, second = store.files["x.rec"], int(original.split()[3])
        store.files = {"x.rec": data[:second] + len_head(len(data) - second) + data[second:]}
        with pytest.raises(rk.errors.CorruptRecordError, match=f"at byte {second + 8}"):
            rk.build_index("x.rec", store=store)


def test_escaped_magics_are_no_record_heads():
    magic = encode_record(b"")[:4]
    payloads = [magic, magic + bytes(4), b"1234" + magic * 3 + b"\1\0\0\0", b"12" + magic + bytes(6)]
    original, made = rebuilt(store_with(payloads))
    assert made == original


def test_the_keys_of_the_checksums_are_the_files():
    store = MemoryStore()
    with rk.RecordWriter("x.rec", store=store, checksums=True) as writer:
        writer.write_many(images([4, 2, 9]), keys=[30, 10, 20])
    original, made = rebuilt(store)
    assert made == original
    assert rebuilt(store, keys="id")[1].split()[::2] == [b"4", b"2", b"9"]
    other = MemoryStore()
    with rk.RecordWriter("x.rec", store=other, checksums=True) as writer:
        writer.write_many(images([1, 2]), keys=[70, 80])
    for sidecar in (other.files["x.rkm"], store.files["x.rkm"][:-1], b""):
        store.files["x.rkm"] = sidecar  # another file's, or damaged: left aside
        assert rebuilt(store)[1].split()[::2] == [b"4", b"2", b"9"]


def test_a_prepared_tree_gets_its_index_where_its_manifest_has_it(tmp_path):
    photos = write_tree(tmp_path / "photos", {"cat": 6, "dog": 6})
    (photos / "cat" / "0001.jpg").write_bytes(b"no image")
    rk.prepare(photos, tmp_path / "out", splits={"train": 0.5, "validation": 0.5}, on_error="skip", max_skipped=0.5)
    for with_checksums in (True, False):
        for split in ("train", "validation"):
            index = tmp_path / "out" / "index" / f"{split}.idx"
            original = index.read_bytes()
            index.unlink()
            if not with_checksums:
                index.with_suffix(".rkm").unlink()
            assert rk.build_index(tmp_path / "out" / split / f"{split}.rec") == str(index)
            assert index.read_bytes() == original
            assert [path.name for path in (tmp_path / "out" / split).iterdir()] == [f"{split}.rec"]


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (b"0\t0\n1\t18446744073709551615\n", "row 2 points to byte 18446744073709551615"),
        (b"0\t0\n1\t42\n", "row 2 points to byte 42"),
        (b"0\t0\n1\t0\n", "2 rows have the offset 0"),
        (b"0\t0\n0\t40\n", "2 rows have the key 0"),
        (b"0\t0\n1", "line 2"),
        (b"0\t-1\n", "line 1"),
        (b"0\t1" + b"0" * 30 + b"\n", "line 1"),
        (b"0\t" + b"9" * 10_000, "line 1"),
        (b"\xff\xfe0\t0\n", "line 1"),
        (b"\0" * 100, "line 1"),
        (None, ""),
    ],
)
def test_an_index_that_stands_there_is_looked_at_but_never_used(index, words):
    store = store_with(images([4, 2]), keys=[4, 2])
    original = store.files["x.idx"]
    store.files["x.idx"] = original if index is None else index
    with pytest.raises(rk.errors.OutputExistsError) as refused:
        rk.build_index("x.rec", store=store)
    assert words in str(refused.value)
    assert ("damaged" in str(refused.value)) == (index is not None)
    assert store.files["x.idx"] == (original if index is None else index)
    rk.build_index("x.rec", store=store, overwrite=True)
    assert store.files["x.idx"] == original


@pytest.mark.parametrize(
    "row", [b"3\t%d", b"3 %d", b"3\t%d\t", b"3", b"", b"\t\t", b"3\t+%d", b"3\t0x10", b"3\t1e3", b"-3\t%d", b"3\t-%d"]
)
@pytest.mark.parametrize("shift", [-4, 0, 4, 1, 10**30, 2**64 - 1])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"", b"\n\n"])
def test_whatever_an_index_says_the_rebuilt_one_is_the_original(row, shift, end):
    store = store_with(images(range(6)))
    original = store.files["x.idx"]
    rows = original.splitlines()
    offset = int(rows[3].split()[1])
    rows[3] = row.replace(b"%d", str(offset + shift).encode())
    store.files["x.idx"] = end.join(rows)
    try:
        with rk.RecordReader("x.rec", store=store) as reader:
            [reader[place] for place in range(len(reader))]
    except rk.errors.RecordIOKitError:
        assert not rk.verify("x.rec", store=store).ok
    rk.build_index("x.rec", store=store, overwrite=True)
    assert store.files["x.idx"] == original
    assert rk.verify("x.rec", store=store).ok


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        bytes(23),
        bytes(24),
        b"\1" + bytes(23),
        b"\xff" * 24,
        b"\xff" * 40,
        b"\2\0\0\0" + bytes(28),
        b"\2\0\0\0" + b"\xff" * 28,
    ],
)
def test_headers_of_any_kind_are_no_foreign_error(payload):
    for payloads in ([payload], [payload, payload], [*images([0, 1]), payload], [payload, *images([0, 1])]):
        store = store_with(payloads)
        del store.files["x.idx"]
        rk.build_index("x.rec", store=store)
        for consumer in (None, "sagemaker", "mxnet", "gluon", "dali", "insightface"):
            rk.verify("x.rec", store=store, consumer=consumer, level="decode")
        with contextlib.suppress(rk.errors.RecordIOKitError), rk.ImageReader("x.rec", store=store) as reader:
            list(reader)


HOSTILE = {
    "a length beyond the end": len_head(2**29 - 1),
    "parts that go nowhere": encode_record(b"")[:4]
    + bytes([0, 0, 0, 0x20])
    + (encode_record(b"")[:4] + bytes([0, 0, 0, 0x40])) * 20_000,
    "nothing but magics": encode_record(b"")[:4] * 100_000,
    "every record ends at the end": b"".join(len_head(8 * left) for left in range(9_999, -1, -1)),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_sizes_get_no_index(data):
    store = MemoryStore()
    store.files["x.rec"] = data
    with pytest.raises(rk.errors.FormatError):
        rk.build_index("x.rec", store=store)
    report = rk.verify("x.rec", store=store, consumer="mxnet")
    assert not report.ok
    assert list(store.files) == ["x.rec"]


def test_keys_are_of_three_kinds():
    with pytest.raises(ValueError, match="keys is"):
        rk.build_index("x.rec", keys="name", store=store_with([]))
