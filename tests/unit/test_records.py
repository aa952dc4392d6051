from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import recordio_kit as rk
from recordio_kit._core.framing import encode_records
from recordio_kit._storage.memory import MemoryStore
from tests.samples import jpeg, png


def store_with(payloads, keys=None, **options):
    store = MemoryStore()
    with rk.RecordWriter("x.rec", store=store, **options) as writer:
        writer.write_many(payloads, keys=keys)
    return store


def image(label, number, body=None):
    return rk.pack_record(rk.IRHeader(0, label, number, 0), jpeg(number) if body is None else body)


PLAIN = [image(float(number % 3), number + 100) for number in range(5)]


def faces(per_identity=(2, 1, 3), *, aligned=True):
    """Payloads and keys as insightface's face2rec2 writes them."""
    images, ranges = [], []
    for identity, count in enumerate(per_identity):
        ranges.append((len(images) + 1, len(images) + 1 + count))
        for _ in range(count):
            label = [identity, 1] if aligned else float(identity)
            images.append(rk.pack_record(rk.IRHeader(0, label, len(images) + 1, 0), jpeg(len(images))))
    first = len(images) + 1
    directory = rk.pack_record(rk.IRHeader(0, [first, first + len(ranges)], 0, 0), b"")
    people = [rk.pack_record(rk.IRHeader(0, pair, first + number, 0), b"") for number, pair in enumerate(ranges)]
    return [*images, directory, *people], [*range(1, first), 0, *range(first, first + len(ranges))]


@pytest.fixture
def reader():
    with rk.ImageReader("x.rec", store=store_with(PLAIN, keys=[5, 4, 3, 2, 1])) as opened:
        yield opened


def test_a_record_has_key_header_body_and_label(reader):
    record = reader[1]
    assert (record.key, record.label, record.body) == (4, 1.0, jpeg(101))
    assert record.header == rk.IRHeader(0, 1.0, 101, 0)


def test_it_is_a_sequence(reader):
    assert (len(reader), reader.dialect, reader.identities) == (5, "plain", None)
    assert [record.key for record in reader] == reader.keys.tolist() == [5, 4, 3, 2, 1]
    assert [reader[place].key for place in (-1, -5, 0)] == [1, 5, 5]
    assert [record.key for record in reader[::-2]] == [1, 3, 5]
    assert [record.key for record in reader.read_many([3, 0, 3])] == [2, 5, 2]
    for place in (5, -6):
        with pytest.raises(IndexError):
            reader[place]


def test_keys_find_records(reader):
    assert [reader.read_key(key).header.id for key in (1, 2, 3, 4, 5)] == [104, 103, 102, 101, 100]
    with pytest.raises(KeyError):
        reader.read_key(0)


def test_images_decode_to_rgb(reader):
    pixels = reader[0].decode()
    assert (pixels.shape, pixels.dtype) == ((20, 24, 3), np.uint8)
    assert np.array_equal(pixels, rk.decode_image(jpeg(100)))


@pytest.mark.parametrize("workers", [1, 3, None])
def test_many_images_decode_in_the_order_asked_for(reader, workers):
    places = [4, 0, 2, 0, -1]
    images = reader.decode_many(places, workers=workers)
    assert [image.tobytes() for image in images] == [reader[place].decode().tobytes() for place in places]


def test_an_image_that_does_not_decode_is_named():
    reader = rk.ImageReader("x.rec", store=store_with([PLAIN[0], image(0.0, 7, b"\xff\xd8 no image")], keys=[10, 11]))
    for read in (reader[1].decode, lambda: reader.decode_many([0, 1])):
        with pytest.raises(rk.errors.ImageError, match="key 11"):
            read()


@pytest.mark.parametrize("checksums", [True, False])
def test_labels_of_a_whole_file(checksums, tmp_path):
    with rk.RecordWriter(tmp_path / "x.rec", checksums=True) as writer:
        writer.write_many(PLAIN)
    with rk.ImageReader(tmp_path / "x.rec", checksums=checksums) as local:
        assert local.labels().tolist() == [0.0, 1.0, 2.0, 0.0, 1.0]
        assert local.labels().dtype == np.float32
    assert rk.ImageReader("x.rec", store=store_with(PLAIN)).labels().tolist() == [0.0, 1.0, 2.0, 0.0, 1.0]


@pytest.mark.parametrize("width", [1, 2, 4])
def test_several_labels_are_columns(width):
    rows = [[float(10 * row + column) for column in range(width)] for row in range(3)]
    reader = rk.ImageReader("x.rec", store=store_with([image(row, number) for number, row in enumerate(rows)]))
    assert reader.labels().tolist() == rows
    assert reader[1].label.tolist() == rows[1]
    assert [header.flag for header, _ in reader.heads()] == [width] * 3


def test_labels_of_different_widths_have_no_common_array():
    reader = rk.ImageReader("x.rec", store=store_with([image([1, 2], 0), image([1, 2, 3], 1)]))
    with pytest.raises(ValueError, match="image 1 has 3 labels"):
        reader.labels()
    assert [record.label.tolist() for record in reader] == [[1, 2], [1, 2, 3]]


def test_an_empty_file_has_no_labels():
    reader = rk.ImageReader("x.rec", store=store_with([]))
    assert (len(reader), reader.labels().shape, list(reader), reader.dialect) == (0, (0,), [], "plain")


def test_heads_show_the_start_of_each_body(reader, tmp_path):
    (tmp_path / "x.rec").write_bytes(encode_records([image(1.0, 3, png()), image(1.0, 4, b"")])[0])
    with rk.ImageReader(tmp_path / "x.rec") as local:
        assert [start[:4] for _, start in local.heads()] == [b"\x89PNG", b""]
    assert [header.id for header, _ in reader.heads()] == [100, 101, 102, 103, 104]


@pytest.mark.parametrize("payload", [b"", b"short", rk.pack_record(rk.IRHeader(0, [1.0, 2.0], 0, 0), b"")[:-1]])
def test_a_record_that_is_no_image_record_is_named(payload):
    reader = rk.ImageReader("x.rec", store=store_with([PLAIN[0], payload]))
    assert reader[0].label == 0.0
    for read in (lambda: reader[1], reader.labels, lambda: list(reader)):
        with pytest.raises(rk.errors.CorruptRecordError, match="image 1") as caught:
            read()
        assert caught.value.offset == len(encode_records(PLAIN[:1])[0])


def test_a_copy_by_pickle_reads_on(tmp_path):
    with rk.RecordWriter(tmp_path / "x.rec") as writer:
        writer.write_many(faces()[0], keys=faces()[1])
    with rk.ImageReader(tmp_path / "x.rec") as reader:
        assert len(reader) == 6
        with pickle.loads(pickle.dumps(reader)) as copy:
            assert (copy.dialect, copy[5].body) == ("insightface", reader[5].body)


def test_threads_share_a_reader(reader):
    with ThreadPoolExecutor(8) as pool:
        assert [record.key for record in pool.map(reader.__getitem__, [0, 1, 2, 3, 4] * 40)] == [5, 4, 3, 2, 1] * 40


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("dialect", ["auto", "insightface"])
def test_an_insightface_file_counts_images_only(aligned, index, dialect):
    payloads, keys = faces(aligned=aligned)
    reader = rk.ImageReader("x.rec", dialect=dialect, store=store_with(payloads, keys if index else None, index=index))
    assert (reader.dialect, len(reader)) == ("insightface", 6)
    assert reader.keys.tolist() == [record.key for record in reader] == [1, 2, 3, 4, 5, 6]
    assert reader.labels().tolist() == [record.label for record in reader] == [0, 0, 1, 2, 2, 2]
    assert reader.identities.tolist() == [[0, 2], [2, 3], [3, 6]]
    assert [record.body for record in reader] == [jpeg(number) for number in range(6)]
    assert reader.read_key(6).body == reader[-1].body == jpeg(5)
    for key in (0, 7, 9, -1, 2**64):
        with pytest.raises(KeyError):
            reader.read_key(key)


def test_an_insightface_file_is_read_in_key_order_however_it_lies():
    payloads, keys = faces()
    order = np.random.default_rng(1).permutation(len(keys)).tolist()
    reader = rk.ImageReader("x.rec", store=store_with([payloads[place] for place in order], [keys[place] for place in order]))
    assert [record.body for record in reader] == [jpeg(number) for number in range(6)]
    assert reader.identities.tolist() == [[0, 2], [2, 3], [3, 6]]
    assert reader.labels().tolist() == [0, 0, 1, 2, 2, 2]


def test_plain_takes_every_record_of_an_insightface_file():
    payloads, keys = faces()
    reader = rk.ImageReader("x.rec", dialect="plain", store=store_with(payloads, keys))
    assert (len(reader), reader.dialect) == (10, "plain")
    assert reader.read_key(0).label.tolist() == [7, 10]


def doubled(payloads, keys):
    return [image([1, 1], 0), *payloads], [0, *[key + 1 for key in keys]]


@pytest.mark.parametrize(
    ("payloads", "keys"),
    [
        (PLAIN, range(5)),
        ([image([1, 2], 0), image([3, 4], 1)], [0, 1]),
        ([image([1, 2], 0, b""), image([3, 4], 1)], [0, 1]),
        ([image([2, 3], 0, b""), image([3, 4], 1, b"")], [0, 1]),
        doubled(*faces()),
        ([], None),
    ],
)
def test_other_files_are_not_taken_for_insightface(payloads, keys):
    assert rk.ImageReader("x.rec", store=store_with(payloads, keys)).dialect == "plain"
    with pytest.raises(rk.errors.CorruptRecordError, match="'plain'"):
        len(rk.ImageReader("x.rec", dialect="insightface", store=store_with(payloads, keys)))


def test_the_dialect_is_one_of_three():
    with pytest.raises(ValueError, match="dialect"):
        rk.ImageReader("x.rec", dialect="gluon", store=store_with(PLAIN))


def test_checksums_are_checked():
    store = store_with(PLAIN, checksums=True)
    damaged = bytearray(store.files["x.rec"])
    damaged[-9] ^= 1
    store.files["x.rec"] = bytes(damaged)
    assert len(list(rk.ImageReader("x.rec", store=store))) == 5
    with pytest.raises(rk.errors.CorruptRecordError, match="checksum"):
        list(rk.ImageReader("x.rec", checksums=True, store=store))
