"""The drop-in for mxnet.recordio: MXNet's own tests, its behaviour, and the traps that are mended."""

from __future__ import annotations

import copy
import gc
import multiprocessing
import os
import pickle
import random
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from recordio_kit import mxrecordio as recordio
from recordio_kit._images.codec import decode_image
from recordio_kit.errors import (
    CorruptRecordError,
    ImageError,
    IndexMismatchError,
    RecordTooLargeError,
    StorageError,
    TruncatedRecordError,
)


PAYLOADS = [chr(i).encode("utf-8") for i in range(255)]


@pytest.fixture
def rec(tmp_path):
    path = str(tmp_path / "x.rec")
    with recordio.MXRecordIO(path, "w") as writer:
        for payload in PAYLOADS:
            writer.write(payload)
    return path


@pytest.fixture
def indexed(tmp_path):
    paths = str(tmp_path / "i.idx"), str(tmp_path / "i.rec")
    with recordio.MXIndexedRecordIO(*paths, "w") as writer:
        for key, payload in enumerate(PAYLOADS):
            writer.write_idx(key, payload)
    return paths


def read_all(reader):
    return list(iter(reader.read, None))


# --- MXNet's tests/python/unittest/test_recordio.py ---------------------------------------------------------------------


def test_a_writer_completes_when_it_is_dropped(tmp_path):
    path = str(tmp_path / "x.rec")
    writer = recordio.MXRecordIO(path, "w")
    for payload in PAYLOADS:
        writer.write(payload)
    del writer
    gc.collect()
    reader = recordio.MXRecordIO(path, "r")
    for payload in PAYLOADS:
        assert reader.read() == payload


def test_an_indexed_writer_completes_when_it_is_dropped_and_reads_in_any_order(tmp_path):
    paths = str(tmp_path / "x.idx"), str(tmp_path / "x.rec")
    writer = recordio.MXIndexedRecordIO(*paths, "w")
    for key, payload in enumerate(PAYLOADS):
        writer.write_idx(key, payload)
    del writer
    gc.collect()
    reader = recordio.MXIndexedRecordIO(*paths, "r")
    keys = reader.keys
    assert sorted(keys) == list(range(255))
    random.Random(0).shuffle(keys)
    for key in keys:
        assert reader.read_idx(key) == PAYLOADS[key]


def test_labels_of_any_length_come_back_with_content_of_any_length():
    rng = np.random.default_rng(0)
    for size in range(1, 255, 3):
        label = rng.uniform(size=size).astype(np.float32)
        for length in range(0, 255, 5):
            body = rng.bytes(length)
            header, content = recordio.unpack(recordio.pack((0, label, 0, 0), body))
            assert header.flag == size
            assert np.array_equal(header.label, label)
            assert content == body


# --- MXNet's behaviour ----------------------------------------------------------------------------------------------


def test_a_record_without_bytes_is_not_the_end(tmp_path):
    path = tmp_path / "x.rec"
    with recordio.MXRecordIO(path, "w") as writer:
        for payload in (b"", b"a", b""):
            writer.write(payload)
    reader = recordio.MXRecordIO(path, "r")
    assert [reader.read() for _ in range(5)] == [b"", b"a", b"", None, None]


def test_reset_starts_over(rec):
    reader = recordio.MXRecordIO(rec, "r")
    first = [reader.read() for _ in range(3)]
    reader.reset()
    assert [reader.read() for _ in range(3)] == first


def test_reset_empties_what_is_written(indexed):
    writer = recordio.MXIndexedRecordIO(*indexed, "w")
    writer.write_idx(1, b"old")
    writer.reset()
    assert (writer.keys, writer.idx, writer.tell()) == ([], {}, 0)
    writer.write_idx(2, b"new")
    writer.close()
    reader = recordio.MXIndexedRecordIO(*indexed, "r")
    assert {key: reader.read_idx(key) for key in reader.keys} == {2: b"new"}


def test_tell_is_where_the_next_record_starts(tmp_path):
    with recordio.MXIndexedRecordIO(tmp_path / "x.idx", tmp_path / "x.rec", "w") as writer:
        places = [writer.tell()]
        for key in range(5):
            writer.write_idx(key, f"record_{key}".encode())
            places.append(writer.tell())
    assert places == [0, 16, 32, 48, 64, 80]
    assert (tmp_path / "x.idx").read_bytes() == b"0\t0\n1\t16\n2\t32\n3\t48\n4\t64\n"
    with recordio.MXRecordIO(tmp_path / "x.rec", "r") as reader:
        for place in places:
            assert reader.tell() == place
            reader.read()


def test_seek_and_read_idx_move_the_place_of_read(indexed):
    reader = recordio.MXIndexedRecordIO(*indexed, "r")
    reader.seek(100)
    assert [reader.read(), reader.read()] == PAYLOADS[100:102]
    assert [reader.read_idx(7), reader.read()] == PAYLOADS[7:9]


def test_state_is_told_by_mxnets_attributes(rec):
    reader = recordio.MXRecordIO(rec, "r")
    assert (reader.uri, reader.flag, reader.is_open, reader.writable) == (rec, "r", True, False)
    assert reader.pid is not None
    for _ in range(2):
        reader.close()
        assert (reader.is_open, reader.pid) == (False, None)
    reader.open()
    assert reader.read() == PAYLOADS[0]


def test_keys_may_be_of_any_type(tmp_path):
    paths = tmp_path / "x.idx", tmp_path / "x.rec"
    with recordio.MXIndexedRecordIO(*paths, "w", key_type=str) as writer:
        writer.write_idx("ü b", b"1")
        writer.write_idx(7, b"2")
    reader = recordio.MXIndexedRecordIO(*paths, "r", key_type=str)
    assert reader.keys == ["ü b", "7"]
    assert [reader.read_idx(key) for key in reader.keys] == [b"1", b"2"]


def test_negative_and_repeated_keys_are_taken_as_mxnet_takes_them(tmp_path):
    paths = tmp_path / "x.idx", tmp_path / "x.rec"
    with recordio.MXIndexedRecordIO(*paths, "w") as writer:
        for key, payload in ((-1, b"a"), (3, b"b"), (3, b"c")):
            writer.write_idx(key, payload)
    reader = recordio.MXIndexedRecordIO(*paths, "r")
    assert reader.keys == [-1, 3, 3]
    assert [reader.read_idx(key) for key in (-1, 3)] == [b"a", b"c"]


@pytest.mark.parametrize("text", ["0\t0\r\n1\t12\r\n", "0 0\n1 12", "0\t0\n\n1\t12\n\n", "0\t0\t\n1\t12\n"])
def test_an_index_that_other_readers_take_is_taken(tmp_path, rec, text):
    (tmp_path / "x.idx").write_bytes(text.encode())
    reader = recordio.MXIndexedRecordIO(tmp_path / "x.idx", rec, "r")
    assert [reader.read_idx(key) for key in (0, 1)] == PAYLOADS[:2]


# --- images ---------------------------------------------------------------------------------------------------------

BLUE = np.full((4, 6, 3), (255, 0, 0), np.uint8)


@pytest.mark.parametrize(("img_fmt", "signature"), [(".jpg", b"\xff\xd8"), (".JPEG", b"\xff\xd8"), (".png", b"\x89PNG")])
def test_images_are_blue_green_red(img_fmt, signature):
    payload = recordio.pack_img((0, 3.0, 7, 0), BLUE, quality=90, img_fmt=img_fmt)
    header, body = recordio.unpack(payload)
    assert body.startswith(signature)
    assert np.allclose(decode_image(body), (0, 0, 255), atol=2)
    again, image = recordio.unpack_img(payload)
    assert again == header == (0, 3.0, 7, 0)
    assert np.allclose(image, BLUE, atol=2)
    assert np.array_equal(BLUE[0, 0], (255, 0, 0))


def test_iscolor_is_opencvs():
    payload = recordio.pack_img((0, [1.0, 2.0], 7, 0), np.full((4, 6, 4), (9, 8, 7, 6), np.uint8), img_fmt=".png")
    images = {iscolor: recordio.unpack_img(payload, iscolor)[1] for iscolor in (-1, 0, 1)}
    assert {iscolor: image.shape for iscolor, image in images.items()} == {-1: (4, 6, 4), 0: (4, 6), 1: (4, 6, 3)}
    assert images[-1][0, 0].tolist() == [9, 8, 7, 6]
    assert images[1][0, 0].tolist() == [9, 8, 7]


def test_the_quality_of_a_jpeg_is_the_callers():
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    sizes = [len(recordio.pack_img((0, 0, 0, 0), noise, quality=quality)) for quality in (10, 50, 95)]
    assert sizes == sorted(set(sizes))


def test_what_is_no_image_is_refused():
    with pytest.raises(ImageError):
        recordio.unpack_img(recordio.pack((0, 0, 0, 0), b"no image"))
    with pytest.raises(ValueError, match="iscolor"):
        recordio.unpack_img(recordio.pack((0, 0, 0, 0), b""), 2)
    with pytest.raises(ValueError, match="img_fmt"):
        recordio.pack_img((0, 0, 0, 0), BLUE, img_fmt=".bmp")
    with pytest.raises(ValueError, match="uint8"):
        recordio.pack_img((0, 0, 0, 0), BLUE.astype(float))


# --- traps mended ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [bytes, bytearray, memoryview, lambda data: np.frombuffer(data, np.uint16), lambda data: memoryview(data * 2)[::2]]
)
def test_any_bytes_like_object_can_be_written(tmp_path, make):
    buffer = make(b"\x0a\x23\xd7\xce")
    with recordio.MXRecordIO(tmp_path / "x.rec", "w") as writer:
        writer.write(buffer)
    assert recordio.MXRecordIO(tmp_path / "x.rec", "r").read() == memoryview(buffer).tobytes()


@pytest.mark.parametrize("value", ["text", 5, None, [1]])
def test_what_has_no_bytes_is_refused(tmp_path, value):
    with recordio.MXRecordIO(tmp_path / "x.rec", "w") as writer, pytest.raises(TypeError):
        writer.write(value)
    assert (tmp_path / "x.rec").read_bytes() == b""


def test_pickling_leaves_the_original_open_and_the_copy_where_the_original_stood(indexed):
    reader = recordio.MXIndexedRecordIO(*indexed, "r")
    reader.seek(10)
    twins = [pickle.loads(pickle.dumps(reader)), copy.copy(reader)]
    assert reader.read() == PAYLOADS[10]
    for twin in twins:
        assert [twin.read(), twin.read(), twin.read_idx(3)] == [*PAYLOADS[10:12], PAYLOADS[3]]
        assert twin.keys == reader.keys
    assert reader.read() == PAYLOADS[11]


def test_a_closed_reader_stays_closed_in_its_copy(rec):
    reader = recordio.MXRecordIO(rec, "r")
    reader.close()
    twin = pickle.loads(pickle.dumps(reader))
    assert not twin.is_open
    twin.reset()
    assert twin.read() == PAYLOADS[0]


def test_a_writer_is_not_pickled_since_the_copy_would_empty_the_file(indexed):
    writer = recordio.MXIndexedRecordIO(*indexed, "w")
    writer.write_idx(0, b"kept")
    with pytest.raises(TypeError, match="being written"):
        pickle.dumps(writer)
    writer.close()
    assert not pickle.loads(pickle.dumps(writer)).is_open
    assert recordio.MXIndexedRecordIO(*indexed, "r").read_idx(0) == b"kept"


def test_threads_share_read_idx(indexed):
    reader = recordio.MXIndexedRecordIO(*indexed, "r")
    keys = reader.keys * 8
    random.Random(0).shuffle(keys)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(reader.read_idx, keys)) == [PAYLOADS[key] for key in keys]


def _read_in_child(reader, queue):
    queue.put([reader.read_idx(9), reader.read(), reader.read()])


def _write_in_child(writer, queue):
    try:
        writer.write(b"from the child")
    except RuntimeError as error:
        queue.put(str(error))
    writer.close()


def run_in_fork(target, record):
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=target, args=(record, queue))
    child.start()
    answer = queue.get()
    child.join()
    assert child.exitcode == 0
    return answer


@pytest.mark.skipif(sys.platform != "linux", reason="fork is safe on Linux only")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_reads_at_its_own_place(indexed):
    reader = recordio.MXIndexedRecordIO(*indexed, "r")
    reader.seek(20)
    assert run_in_fork(_read_in_child, reader) == PAYLOADS[9:12]
    assert reader.read() == PAYLOADS[20]


@pytest.mark.skipif(sys.platform != "linux", reason="fork is safe on Linux only")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_cannot_write_nor_double_what_its_parent_writes(tmp_path):
    path = tmp_path / "x.rec"
    writer = recordio.MXRecordIO(path, "w")
    writer.write(b"before")
    assert "only that one may write it" in run_in_fork(_write_in_child, writer)
    writer.write(b"after")
    writer.close()
    assert read_all(recordio.MXRecordIO(path, "r")) == [b"before", b"after"]


@pytest.mark.parametrize("cut", range(1, 16))
def test_a_file_cut_anywhere_is_an_error_and_not_a_shorter_record(tmp_path, cut):
    path = tmp_path / "x.rec"
    with recordio.MXRecordIO(path, "w") as writer:
        writer.write(b"whole")
        writer.write(b"damaged")
    data = path.read_bytes()
    path.write_bytes(data[:-cut])
    reader = recordio.MXRecordIO(path, "r")
    assert reader.read() == b"whole"
    for _ in range(2):
        with pytest.raises(TruncatedRecordError, match="at byte 16") as caught:
            reader.read()
        assert caught.value.source == str(path)


def test_a_damaged_head_is_an_error_with_its_place(indexed):
    reader = recordio.MXIndexedRecordIO(*indexed, "r")
    place = reader.idx[5]
    with open(indexed[1], "r+b") as file:
        file.seek(place)
        file.write(b"\0")
    with pytest.raises(CorruptRecordError) as caught:
        reader.read_idx(5)
    assert (caught.value.source, caught.value.offset) == (indexed[1], place)
    assert reader.read_idx(6) == PAYLOADS[6]


@pytest.mark.parametrize("offset", ["end", 2**63, 2**64 - 1])
def test_a_key_that_points_behind_the_file_is_an_error_and_not_the_end(tmp_path, rec, offset):
    end = os.path.getsize(rec)
    (tmp_path / "x.idx").write_text(f"0\t{end if offset == 'end' else offset}\n")
    reader = recordio.MXIndexedRecordIO(tmp_path / "x.idx", rec, "r")
    with pytest.raises(IndexMismatchError, match="rebuild"):
        reader.read_idx(0)


@pytest.mark.parametrize("row", ["a\t0", "1\tb", "1", "1\t"])
def test_an_index_row_that_cannot_be_read_is_named(tmp_path, rec, row):
    (tmp_path / "x.idx").write_text(f"0\t0\n{row}\n")
    with pytest.raises(IndexMismatchError, match="line 2"):
        recordio.MXIndexedRecordIO(tmp_path / "x.idx", rec, "r")


def test_a_failed_write_leaves_no_half_record(tmp_path, monkeypatch):
    writer = recordio.MXRecordIO(tmp_path / "x.rec", "w")
    writer.write(b"whole")

    class FullDisk:
        def __init__(self, file):
            self.file, self.truncate, self.seek, self.close = file, file.truncate, file.seek, file.close

        def write(self, data):
            if len(data) > 4:
                return self.file.write(data[:4])
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(writer._file, "_file", FullDisk(writer._file._file))
        with pytest.raises(StorageError, match="No space left"):
            writer.write(b"12345678")
    writer.write(b"again")
    writer.close()
    assert read_all(recordio.MXRecordIO(tmp_path / "x.rec", "r")) == [b"whole", b"again"]


# --- misuse ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["a", "rb", "", "R"])
def test_flags_but_r_and_w_are_refused(tmp_path, flag):
    with pytest.raises(ValueError, match="Invalid flag"):
        recordio.MXRecordIO(tmp_path / "x.rec", flag)
    assert not (tmp_path / "x.rec").exists()


def test_a_file_that_is_not_there_is_an_error(tmp_path, rec):
    with pytest.raises(StorageError):
        recordio.MXRecordIO(tmp_path / "none.rec", "r")
    with pytest.raises(StorageError):
        recordio.MXIndexedRecordIO(tmp_path / "none.idx", rec, "r")
    with pytest.raises(StorageError):
        recordio.MXRecordIO(tmp_path / "none" / "x.rec", "w")


def test_urls_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="RecordWriter"):
        recordio.MXRecordIO("s3://bucket/x.rec", "w")


def test_reading_a_writer_and_writing_a_reader_are_refused(rec, tmp_path):
    with pytest.raises(RuntimeError, match="reading only"):
        recordio.MXRecordIO(rec, "r").write(b"")
    with pytest.raises(RuntimeError, match="writing only"):
        recordio.MXRecordIO(tmp_path / "y.rec", "w").read()


def test_a_closed_file_is_refused(indexed):
    reader = recordio.MXIndexedRecordIO(*indexed, "r")
    reader.close()
    for use in (reader.read, reader.tell, lambda: reader.read_idx(0), lambda: reader.write(b"")):
        with pytest.raises(ValueError, match="closed"):
            use()


def test_a_missing_key_is_a_key_error(indexed):
    reader = recordio.MXIndexedRecordIO(*indexed, "r")
    for use in (reader.read_idx, reader.seek):
        with pytest.raises(KeyError):
            use(1000)


def test_a_key_that_no_row_can_hold_is_refused(tmp_path):
    with recordio.MXIndexedRecordIO(tmp_path / "x.idx", tmp_path / "x.rec", "w", key_type=str) as writer:
        with pytest.raises(ValueError, match="tab"):
            writer.write_idx("a\tb", b"")
        assert writer.tell() == 0


def test_a_record_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("recordio_kit._core.framing.MAX_PAYLOAD", 8)
    with recordio.MXRecordIO(tmp_path / "x.rec", "w") as writer, pytest.raises(RecordTooLargeError):
        writer.write(b"123456789")
    assert (tmp_path / "x.rec").read_bytes() == b""


def test_header_bytes_that_are_cut_off_are_an_error():
    with pytest.raises(CorruptRecordError):
        recordio.unpack(b"123")
    with pytest.raises(CorruptRecordError):
        recordio.unpack(recordio.pack((0, [1, 2, 3], 0, 0), b"")[:-1])


# --- beyond one read-ahead ------------------------------------------------------------------------------------------


def test_large_records_and_long_files_are_read_whole(tmp_path):
    rng = random.Random(0)
    payloads = [rng.randbytes(size) for size in (300_000, 10, 65_536 - 8, 65_536, 1, 0, 200_000, 65_535)]
    paths = tmp_path / "x.idx", tmp_path / "x.rec"
    with recordio.MXIndexedRecordIO(*paths, "w") as writer:
        for key, payload in enumerate(payloads):
            writer.write_idx(key, payload)
    reader = recordio.MXIndexedRecordIO(*paths, "r")
    assert read_all(reader) == payloads
    assert [reader.read_idx(key) for key in range(len(payloads))] == payloads
