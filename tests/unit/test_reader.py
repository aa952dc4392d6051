from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import recordio_kit as rk
from recordio_kit._core.framing import encode_record, encode_records
from recordio_kit._core.index import format_idx
from recordio_kit._core.manifest import FileInfo, Manifest, SplitInfo
from recordio_kit._core.sidecar import ENTRY_DTYPE, Sidecar, format_sidecar
from recordio_kit._storage.memory import MemoryStore


MAGIC = b"\x0a\x23\xd7\xce"
PAYLOADS = [b"zero", b"", b"1" * 70_000, MAGIC + b"ab" + MAGIC, MAGIC * 2, b"five!"]
DATA, OFFSETS = encode_records(PAYLOADS)


def files_of(kind, keys=range(6)):
    files = {"x.rec": DATA}
    if kind == "idx":
        files["x.idx"] = format_idx(keys, OFFSETS)
    if kind == "rkm":
        store = MemoryStore()
        with rk.RecordWriter("x.rec", index=False, checksums=True, store=store) as writer:
            writer.write_many(PAYLOADS, keys=keys)
        files = dict(store.files)
    return files


def store_of(files):
    store = MemoryStore()
    store.files.update(files)
    return store


@pytest.fixture(params=["none", "idx", "rkm"])
def reader(request, tmp_path):
    for name, data in files_of(request.param).items():
        (tmp_path / name).write_bytes(data)
    with rk.RecordReader(tmp_path / "x.rec") as opened:
        yield opened


def test_it_is_a_sequence_of_payloads(reader):
    assert len(reader) == 6
    assert list(reader) == PAYLOADS
    assert [reader[place] for place in range(-6, 6)] == PAYLOADS * 2
    assert reader[np.int64(3)] == PAYLOADS[3]
    assert b"five!" in reader
    assert list(reversed(reader)) == PAYLOADS[::-1]


@pytest.mark.parametrize("cut", [slice(None), slice(2, 5), slice(None, None, -1), slice(4, 1, -2), slice(9, 20), slice(-2, None)])
def test_slices_are_those_of_a_list(reader, cut):
    assert reader[cut] == PAYLOADS[cut]


@pytest.mark.parametrize("place", [6, -7, 10**30])
def test_a_position_outside_is_an_index_error(reader, place):
    with pytest.raises(IndexError):
        reader[place]
    with pytest.raises(IndexError):
        reader.view(place)


def test_many_are_returned_as_asked(reader):
    assert reader.read_many([5, 0, -1, 0, 2]) == [PAYLOADS[place] for place in (5, 0, 5, 0, 2)]
    assert reader.read_many([]) == []


def test_views_hold_the_payloads_and_outlive_the_reader(reader):
    views = [reader.view(place) for place in range(6)]
    reader.close()
    assert [view.tobytes() for view in views] == PAYLOADS
    assert all(view.readonly for view in views)


def test_without_keys_of_their_own_records_are_numbered(reader):
    assert reader.keys.tolist() == [0, 1, 2, 3, 4, 5]
    assert reader.read_key(4) == PAYLOADS[4]
    assert reader.offsets.tolist() == OFFSETS


@pytest.mark.parametrize("key", [6, -1, 2**64, 2**70])
def test_a_missing_key_is_a_key_error(reader, key):
    with pytest.raises(KeyError):
        reader.read_key(key)


@pytest.mark.parametrize("kind", ["idx", "rkm"])
def test_keys_are_those_of_the_sidecar(kind):
    keys = [30, 2**64 - 1, 20, 0, 7, 2**53 + 1]
    reader = rk.RecordReader("x.rec", store=store_of(files_of(kind, keys)))
    assert reader.keys.tolist() == keys
    assert [reader.read_key(key) for key in keys] == PAYLOADS
    with pytest.raises(KeyError):
        reader.read_key(1)


def test_threads_share_a_reader(reader):
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(reader.__getitem__, list(range(6)) * 50)) == PAYLOADS * 50


def test_a_copy_by_pickle_reads_and_leaves_the_original_open(reader):
    copy = pickle.loads(pickle.dumps(reader))
    assert (list(copy), list(reader)) == (PAYLOADS, PAYLOADS)
    copy.close()
    assert reader[5] == b"five!"


def test_closing_twice_is_closing_once(reader):
    reader.close()
    reader.close()
    with pytest.raises(rk.errors.StorageError):
        reader[0]


def test_an_index_with_every_second_line_removed_leaves_every_second_record():
    store = store_of({"x.rec": DATA, "x.idx": format_idx([0, 2, 4], OFFSETS[::2])})
    reader = rk.RecordReader("x.rec", store=store)
    assert len(reader) == 3
    assert list(reader) == [reader[place] for place in range(3)] == reader[:] == PAYLOADS[::2]
    assert reader.read_key(4) == PAYLOADS[4]
    assert [reader.view(place).tobytes() for place in range(3)] == PAYLOADS[::2]
    with pytest.raises(KeyError):
        reader.read_key(1)


def test_the_rows_of_an_index_give_the_order():
    order = [3, 0, 5, 1, 4, 2]
    store = store_of({"x.rec": DATA, "x.idx": format_idx(order, [OFFSETS[place] for place in order])})
    reader = rk.RecordReader("x.rec", store=store)
    assert list(reader) == reader[:] == [PAYLOADS[place] for place in order]
    assert [reader.read_key(key) for key in range(6)] == PAYLOADS


def test_a_doubled_key_is_read_by_position_and_refused_by_key():
    store = store_of(files_of("idx", [0, 1, 1, 3, 4, 5]))
    reader = rk.RecordReader("x.rec", store=store)
    assert list(reader) == PAYLOADS
    with pytest.raises(rk.errors.IndexMismatchError, match="2 rows"):
        reader.read_key(1)


@pytest.mark.parametrize("offset", [len(DATA), len(DATA) + 4, 2, OFFSETS[2] + 1, 2**63, 2**64 - 1])
def test_an_offset_that_no_record_can_have_is_refused_on_opening(offset):
    store = store_of({"x.rec": DATA, "x.idx": format_idx([0, 1], [0, offset])})
    with pytest.raises(rk.errors.IndexMismatchError, match="row 2"):
        rk.RecordReader("x.rec", store=store)


@pytest.mark.parametrize("text", [b"0\t0\n1\n", b"0 x\n", b"0\t99999999999999999999999\n", b"0\t-4\n", b"\xff", b""])
def test_an_index_that_cannot_be_understood_is_refused_on_opening(text):
    with pytest.raises(rk.errors.IndexMismatchError, match="x.idx"):
        rk.RecordReader("x.rec", store=store_of({"x.rec": DATA, "x.idx": text}))


def test_an_index_of_another_file_never_gives_a_wrong_record():
    _, others = encode_records([b"a" * 20, b"b" * 20, b"c" * 20])
    reader = rk.RecordReader("x.rec", store=store_of({"x.rec": DATA, "x.idx": format_idx(range(3), others)}))
    assert reader[0] == PAYLOADS[0]
    with pytest.raises(rk.errors.FormatError):
        reader[1]
    with pytest.raises(rk.errors.FormatError):
        list(reader)


def test_checksums_of_another_file_are_refused_on_opening():
    other = MemoryStore()
    with rk.RecordWriter("x.rec", checksums=True, index=False, store=other) as writer:
        writer.write_many(PAYLOADS[:-1])
    with pytest.raises(rk.errors.IndexMismatchError, match="not from this run"):
        rk.RecordReader("x.rec", store=store_of({"x.rec": DATA, "x.rkm": other.files["x.rkm"]}))


def test_checksums_whose_offsets_contradict_each_other_are_refused():
    entries = np.zeros(2, ENTRY_DTYPE)
    entries["offset"], entries["length"] = [0, 8], [12, len(DATA) - 12]
    store = store_of({"x.rec": DATA, "x.rkm": format_sidecar(Sidecar(entries, len(DATA), 0))})
    with pytest.raises(rk.errors.IndexMismatchError):
        rk.RecordReader("x.rec", store=store)


@pytest.mark.parametrize("place", [0, 3, 17, 40, -1])
def test_a_damaged_checksum_sidecar_is_refused(place):
    files = files_of("rkm")
    damaged = bytearray(files["x.rkm"])
    damaged[place] ^= 4
    with pytest.raises(rk.errors.IndexMismatchError):
        rk.RecordReader("x.rec", store=store_of(files | {"x.rkm": bytes(damaged)}))


@pytest.mark.parametrize("read", [lambda r: r[2], lambda r: r[1:4], list, lambda r: r.view(2), lambda r: r.read_key(2)])
def test_with_checksums_a_flipped_bit_is_found_however_it_is_read(read):
    files = files_of("rkm")
    damaged = bytearray(DATA)
    damaged[OFFSETS[2] + 1000] ^= 1
    store = store_of(files | {"x.rec": bytes(damaged)})
    assert len(rk.RecordReader("x.rec", store=store)[2]) == 70_000
    with pytest.raises(rk.errors.CorruptRecordError, match="record 2 .key 2.") as caught:
        read(rk.RecordReader("x.rec", checksums=True, store=store))
    assert (caught.value.offset, caught.value.source) == (OFFSETS[2], "memory:x.rec")


def test_with_checksums_sound_records_are_read():
    reader = rk.RecordReader("x.rec", checksums=True, store=store_of(files_of("rkm")))
    assert list(reader) == reader[:] == [reader.view(place).tobytes() for place in range(6)] == PAYLOADS


@pytest.mark.parametrize("kind", ["none", "idx"])
def test_checksums_need_a_sidecar(kind):
    with pytest.raises(ValueError, match="rkm"):
        rk.RecordReader("x.rec", checksums=True, store=store_of(files_of(kind)))


def test_a_named_index_is_used_before_the_one_beside():
    files = files_of("idx") | {"other.idx": format_idx([77], OFFSETS[5:])}
    assert rk.RecordReader("x.rec", index="other.idx", store=store_of(files)).read_key(77) == b"five!"


def test_a_wrong_sidecar_can_be_left_aside():
    reader = rk.RecordReader("x.rec", index=False, store=store_of({"x.rec": DATA, "x.idx": b"junk"}))
    assert (len(reader), list(reader)) == (6, PAYLOADS)


def prepared(split_path="train/train.rec"):
    info = FileInfo(path=split_path, bytes=len(DATA), crc32=0)
    index = FileInfo(path="index/train.idx", bytes=1, crc32=0)
    manifest = Manifest(splits={"train": SplitInfo(record=info, index=index, records=6)})
    return {"train/train.rec": DATA, "index/train.idx": format_idx(range(10, 16), OFFSETS), "manifest.json": manifest.to_json()}


def write_all(root, files):
    for name, data in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(data)


def test_the_index_of_a_prepared_tree_is_found(tmp_path):
    write_all(tmp_path, prepared())
    assert rk.RecordReader(tmp_path / "train" / "train.rec").read_key(12) == PAYLOADS[2]


@pytest.mark.parametrize("manifest", [None, b"{}", prepared("other/train.rec")["manifest.json"]])
def test_an_index_folder_counts_only_where_the_manifest_names_the_file(tmp_path, manifest):
    files = prepared() | {"manifest.json": manifest}
    write_all(tmp_path, {name: data for name, data in files.items() if data is not None})
    assert rk.RecordReader(tmp_path / "train" / "train.rec").keys.tolist() == [0, 1, 2, 3, 4, 5]


def test_opening_writes_nothing(tmp_path):
    (tmp_path / "x.rec").write_bytes(DATA)
    with rk.RecordReader(tmp_path / "x.rec") as reader:
        len(reader)
    assert [path.name for path in tmp_path.iterdir()] == ["x.rec"]


def test_a_file_that_is_not_there_is_a_storage_error(tmp_path):
    with pytest.raises(rk.errors.StorageError, match=r"x\.rec"):
        rk.RecordReader(tmp_path / "x.rec")
    with pytest.raises(rk.errors.StorageError, match="regular"):
        rk.RecordReader(tmp_path)


def test_reading_in_order_yields_what_stands_before_the_damage():
    store = store_of({"x.rec": DATA[: OFFSETS[4] + 9]})
    seen = []
    for read in (lambda reader: [seen.append(payload) for payload in reader], len):
        with pytest.raises(rk.errors.TruncatedRecordError) as caught:
            read(rk.RecordReader("x.rec", store=store))
        assert caught.value.offset == OFFSETS[4]
    assert seen == PAYLOADS[:4]


@pytest.mark.parametrize("record", [0, 2, 3, 5])
def test_damage_is_named_by_file_and_offset(record):
    damaged = bytearray(DATA)
    damaged[OFFSETS[record]] ^= 0xFF
    reader = rk.RecordReader("x.rec", store=store_of({"x.rec": bytes(damaged), "x.idx": format_idx(range(6), OFFSETS)}))
    for read in (lambda: reader[record], lambda: reader[record : record + 1], lambda: reader.view(record)):
        with pytest.raises(rk.errors.CorruptRecordError) as caught:
            read()
        assert (caught.value.source, caught.value.offset) == ("memory:x.rec", OFFSETS[record])
    assert reader[1] == b""


class _Shrinking(MemoryStore):
    """A store whose files lose their second half once they are open."""

    def open(self, name):
        source = super().open(name)
        source._data = source._data[: len(source._data) // 2]
        return source


def test_a_file_that_shrinks_while_it_is_read_is_never_taken_for_whole():
    store = _Shrinking()
    store.files["x.rec"] = encode_record(b"half") * 8
    records = iter(rk.RecordReader("x.rec", index=False, store=store))
    with pytest.raises(rk.errors.TruncatedRecordError, match="writing"):
        for _ in range(8):
            assert next(records) == b"half"
