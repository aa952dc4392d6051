from __future__ import annotations

import mmap
import os
import zlib

import numpy as np
import pytest

import recordio_kit as rk
from recordio_kit._core.framing import encode_record, encode_records
from recordio_kit._core.index import format_idx, parse_idx
from recordio_kit._core.sidecar import parse_sidecar
from recordio_kit._storage.memory import MemoryStore


PAYLOADS = [b"", b"a", b"four", b"\x0a\x23\xd7\xce" * 3, b"x" * 1000]


def test_the_file_is_the_framed_payloads_and_the_index_their_offsets(tmp_path):
    with rk.RecordWriter(tmp_path / "x.rec") as writer:
        assert [writer.write(payload) for payload in PAYLOADS] == [0, 1, 2, 3, 4]
    data, offsets = encode_records(PAYLOADS)
    assert (tmp_path / "x.rec").read_bytes() == data
    assert (tmp_path / "x.idx").read_bytes() == format_idx(range(5), offsets)
    assert sorted(os.listdir(tmp_path)) == ["x.idx", "x.rec"]


def test_the_checksum_sidecar_describes_every_record_and_the_whole():
    store = MemoryStore()
    with rk.RecordWriter("x.rec", checksums=True, store=store) as writer:
        writer.write_many(PAYLOADS, keys=[9, 8, 7, 6, 2**64 - 1])
    data, offsets = encode_records(PAYLOADS)
    sidecar = parse_sidecar(store.files["x.rkm"])
    assert (sidecar.size, sidecar.crc32) == (len(data), zlib.crc32(data))
    assert sidecar.entries["offset"].tolist() == offsets
    assert sidecar.entries["key"].tolist() == [9, 8, 7, 6, 2**64 - 1]
    assert sidecar.entries["crc32"].tolist() == [zlib.crc32(encode_record(payload)) for payload in PAYLOADS]
    assert [(info.path, info.bytes, info.crc32) for info in writer.files] == [
        (name, len(store.files[name]), zlib.crc32(store.files[name])) for name in ("x.rec", "x.idx", "x.rkm")
    ]


def test_no_records_make_an_empty_file_that_reads_back():
    store = MemoryStore()
    with rk.RecordWriter("x.rec", checksums=True, store=store):
        pass
    assert store.files["x.rec"] == b""
    assert list(rk.RecordReader("x.rec", checksums=True, store=store)) == []


@pytest.mark.parametrize("keys", [None, [5, 4]])
def test_framed_segments_and_single_records_make_the_same_file(keys):
    one, other = MemoryStore(), MemoryStore()
    with rk.RecordWriter("x.rec", checksums=True, store=one) as writer:
        writer.write_many([b"first", *PAYLOADS[:2]], keys=None if keys is None else [9, *keys])
    body, offsets = encode_records(PAYLOADS[:2])
    rows = np.zeros(2, [("offset", "<u8"), ("length", "<u4"), ("crc32", "<u4")])
    rows["offset"], rows["length"] = offsets, np.diff([*offsets, len(body)])
    rows["crc32"] = [zlib.crc32(encode_record(payload)) for payload in PAYLOADS[:2]]
    with rk.RecordWriter("x.rec", checksums=True, store=other) as writer:
        writer.write(b"first", key=None if keys is None else 9)
        writer.write_framed([body[:5], body[5:]], rows, keys=keys)
    assert one.files == other.files


def test_an_exception_in_the_block_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), rk.RecordWriter(tmp_path / "x.rec", checksums=True) as writer:
        writer.write(b"payload")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_nothing_is_visible_before_close(tmp_path):
    writer = rk.RecordWriter(tmp_path / "x.rec")
    writer.write(b"payload")
    writer.seal()
    assert os.listdir(tmp_path) == [".recordio_kit"]
    writer.close()
    writer.close()
    assert sorted(os.listdir(tmp_path)) == ["x.idx", "x.rec"]


def test_a_closed_writer_takes_no_record():
    store = MemoryStore()
    with rk.RecordWriter("x.rec", store=store) as writer:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        writer.write(b"late")


def test_abort_after_close_keeps_the_file():
    store = MemoryStore()
    with rk.RecordWriter("x.rec", store=store) as writer:
        writer.write(b"a")
    writer.abort()
    assert sorted(store.files) == ["x.idx", "x.rec"]


@pytest.mark.parametrize("taken", ["x.rec", "x.idx", "x.rkm"])
def test_no_file_that_stands_there_is_replaced_unasked(tmp_path, taken):
    (tmp_path / taken).write_bytes(b"old")
    with pytest.raises(rk.errors.OutputExistsError, match=taken):
        rk.RecordWriter(tmp_path / "x.rec")
    assert os.listdir(tmp_path) == [taken]
    assert (tmp_path / taken).read_bytes() == b"old"


def test_overwriting_takes_away_sidecars_that_are_not_the_new_files():
    store = MemoryStore()
    with rk.RecordWriter("x.rec", checksums=True, store=store) as writer:
        writer.write_many([b"old", b"older"])
    with rk.RecordWriter("x.rec", overwrite=True, store=store) as writer:
        writer.write(b"new")
    assert sorted(store.files) == ["x.idx", "x.rec"]
    assert list(rk.RecordReader("x.rec", store=store)) == [b"new"]


def test_a_failed_overwrite_keeps_the_old_files():
    store = MemoryStore()
    with rk.RecordWriter("x.rec", store=store) as writer:
        writer.write(b"old")
    before = dict(store.files)
    with pytest.raises(ZeroDivisionError), rk.RecordWriter("x.rec", overwrite=True, store=store) as writer:
        writer.write(b"new")
        raise ZeroDivisionError
    assert store.files == before


@pytest.mark.parametrize("keys", [[0, 0], [1, 1], [3, 0, 3]])
def test_a_key_is_given_once(keys):
    store = MemoryStore()
    with rk.RecordWriter("x.rec", store=store) as writer:
        writer.write_many([b""] * (len(keys) - 1), keys=keys[:-1])
        with pytest.raises(ValueError, match="is taken"):
            writer.write(b"again", key=keys[-1])
    assert len(rk.RecordReader("x.rec", store=store)) == len(keys) - 1


@pytest.mark.parametrize("key", [-1, 2**64])
def test_a_key_is_64_bits_without_sign(key):
    with pytest.raises(ValueError, match="between 0 and"):
        rk.RecordWriter("x.rec", store=MemoryStore()).write(b"", key=key)


@pytest.mark.parametrize("keys", [[1], [1, 2, 3]])
def test_keys_and_payloads_are_as_many(keys):
    with pytest.raises(ValueError, match="argument 2"):
        rk.RecordWriter("x.rec", store=MemoryStore()).write_many([b"", b""], keys=keys)


def test_a_payload_beyond_the_format_is_refused_before_a_byte_is_written():
    store = MemoryStore()
    with rk.RecordWriter("x.rec", store=store) as writer, pytest.raises(rk.errors.RecordTooLargeError):
        writer.write(mmap.mmap(-1, 2**29))
    assert store.files["x.rec"] == b""


@pytest.mark.parametrize("sign", [";", "#", "?"])
def test_a_path_that_mxnet_cannot_open_is_refused(tmp_path, sign):
    with pytest.raises(rk.errors.UnsafePathError):
        rk.RecordWriter(tmp_path / f"a{sign}b.rec")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("index", "name"), [(True, "d/x.idx"), ("i/y.idx", "i/y.idx"), (False, None)])
def test_the_index_stands_where_it_is_asked_for(index, name):
    store = MemoryStore()
    with rk.RecordWriter("d/x.rec", index=index, store=store) as writer:
        writer.write(b"a")
    assert sorted(store.files) == sorted({"d/x.rec", name} - {None})
    if name:
        assert parse_idx(store.files[name]).offsets.tolist() == [0]
