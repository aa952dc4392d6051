from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

import recordio_kit as rk
from recordio_kit._core.framing import MAGIC_BYTES, encode_records
from recordio_kit._core.index import format_idx
from recordio_kit._storage.memory import MemoryStore


ATOMS = st.one_of(st.just(MAGIC_BYTES), st.binary(max_size=9))
PAYLOADS = st.lists(st.lists(ATOMS, max_size=5).map(b"".join), max_size=8)
KEYS = st.integers(0, 2**64 - 1)


@st.composite
def files(draw):
    """A store with x.rec and some of its sidecars, and the payloads and keys in it."""
    payloads = draw(PAYLOADS)
    keys = draw(st.lists(KEYS, min_size=len(payloads), max_size=len(payloads), unique=True))
    index, checksums = draw(st.booleans()), draw(st.booleans())
    store = MemoryStore()
    with rk.RecordWriter("x.rec", index=index, checksums=checksums, store=store) as writer:
        writer.write_many(payloads, keys=keys)
    return store, payloads, keys if index or checksums else list(range(len(payloads)))


@given(files())
def test_what_is_written_is_read_however_it_is_asked_for(made):
    store, payloads, keys = made
    reader = rk.RecordReader("x.rec", store=store)
    assert (len(reader), reader.keys.tolist()) == (len(payloads), keys)
    assert list(reader) == reader[:] == payloads
    assert [reader[place] for place in range(len(reader))] == payloads
    assert [reader.view(place).tobytes() for place in range(len(reader))] == payloads
    assert [reader.read_key(key) for key in keys] == payloads


@given(files(), st.lists(st.integers(-8, 7), max_size=12), st.slices(8))
def test_many_at_once_are_the_same_as_one_by_one(made, places, cut):
    store, payloads, _ = made
    reader = rk.RecordReader("x.rec", store=store)
    inside = [place for place in places if -len(payloads) <= place < len(payloads)]
    assert reader.read_many(inside) == [payloads[place] for place in inside]
    assert reader[cut] == payloads[cut]
    if inside != places:
        with pytest.raises(IndexError):
            reader.read_many(places)


@given(PAYLOADS, st.data())
def test_any_rows_of_an_index_give_those_records(payloads, data):
    encoded, offsets = encode_records(payloads)
    rows = data.draw(st.lists(st.sampled_from(range(len(payloads))), max_size=10)) if payloads else []
    store = MemoryStore()
    store.files = {"x.rec": encoded, "x.idx": format_idx(rows, [offsets[row] for row in rows])}
    if encoded and not rows:
        with pytest.raises(rk.errors.IndexMismatchError):
            rk.RecordReader("x.rec", store=store)
        return
    reader = rk.RecordReader("x.rec", store=store)
    assert list(reader) == reader[:] == [payloads[row] for row in rows]


@given(PAYLOADS.filter(bool), st.data())
def test_a_wrong_offset_gives_a_record_of_the_file_or_an_error(payloads, data):
    encoded, _ = encode_records(payloads)
    offset = data.draw(st.one_of(st.integers(0, len(encoded) + 8), st.integers(0, 2**64 - 1)))
    store = MemoryStore()
    store.files = {"x.rec": encoded, "x.idx": format_idx([0], [offset])}
    try:
        found = rk.RecordReader("x.rec", store=store)[0]
    except rk.errors.FormatError:
        return
    assert found in payloads


@given(files(), st.data())
def test_with_checksums_damage_is_never_read_as_good(made, data):
    store, payloads, _ = made
    if "x.rkm" not in store.files or not store.files["x.rec"]:
        return
    damaged = bytearray(store.files["x.rec"])
    place = data.draw(st.integers(0, len(damaged) - 1))
    damaged[place] ^= data.draw(st.integers(1, 255))
    store.files["x.rec"] = bytes(damaged)
    reader = rk.RecordReader("x.rec", checksums=True, store=store)
    bad = 0
    for position, payload in enumerate(payloads):
        try:
            assert reader[position] == payload
        except rk.errors.CorruptRecordError:
            bad += 1
    assert bad == 1


@given(st.binary(max_size=200), st.binary(max_size=40), st.binary(max_size=80))
def test_any_bytes_are_read_or_refused_with_an_error_of_ours(data, index, checksums):
    store = MemoryStore()
    store.files = {"x.rec": data, **({"x.idx": index} if index else {}), **({"x.rkm": checksums} if checksums else {})}
    with contextlib.suppress(rk.errors.FormatError):
        list(rk.RecordReader("x.rec", store=store))
    assert rk.verify("x.rec", store=store).records >= 0
