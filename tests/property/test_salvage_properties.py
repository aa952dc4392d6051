from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

import recordio_kit as rk
from recordio_kit._core.framing import MAGIC_BYTES, decode_at, encode_records
from recordio_kit._pipeline.survey import survey
from recordio_kit._storage.memory import MemoryStore


ATOMS = st.one_of(st.just(MAGIC_BYTES), st.binary(max_size=9), st.binary(min_size=30, max_size=90))
PAYLOADS = st.lists(st.lists(ATOMS, max_size=4).map(b"".join), min_size=1, max_size=8)
SIDECARS = st.sampled_from(["none", "idx", "rkm"])


def salvaged(payloads, data, kind):
    store = MemoryStore()
    with rk.RecordWriter("bad.rec", index=kind == "idx", checksums=kind == "rkm", store=store) as writer:
        writer.write_many(payloads)
    store.files["bad.rec"] = bytes(data)
    report = rk.salvage("bad.rec", "good.rec", store=store)
    reader = rk.RecordReader("good.rec", store=store)
    assert report.records == len(reader)
    assert rk.verify("good.rec", level="structure", store=store).ok
    return report, list(reader), reader.keys.tolist()


def untouched(payloads, damage):
    """Positions of the records none of whose bytes lie in a damaged range."""
    data, offsets = encode_records(payloads)
    ends = [*offsets[1:], len(data)]
    return [
        place
        for place, (begin, end) in enumerate(zip(offsets, ends, strict=True))
        if not any(first < end and last > begin for first, last in damage)
    ]


def is_part_of(few, many):
    rest = iter(many)
    return all(payload in rest for payload in few)


@given(PAYLOADS, SIDECARS, st.data())
def test_flipped_bits_never_cost_an_untouched_record(payloads, kind, draws):
    data = bytearray(encode_records(payloads)[0])
    places = draws.draw(st.lists(st.integers(0, 8 * len(data) - 1), min_size=1, max_size=3, unique=True))
    for place in places:
        data[place // 8] ^= 1 << place % 8
    kept = untouched(payloads, [(place // 8, place // 8 + 1) for place in places])
    _, found, keys = salvaged(payloads, data, kind)
    assert is_part_of([payloads[place] for place in kept], found)
    if kind == "rkm":
        # a flip may turn bytes into a record that is missing elsewhere; then its checksum holds, and it is that record
        assert set(kept) <= set(keys)
        assert found == [payloads[key] for key in keys]


@given(PAYLOADS, SIDECARS, st.data())
def test_a_cut_never_costs_a_whole_record_nor_makes_one(payloads, kind, draws):
    data, _ = encode_records(payloads)
    cut = draws.draw(st.integers(0, len(data)))
    kept = untouched(payloads, [(cut, len(data))])
    assert salvaged(payloads, data[:cut], kind)[1] == [payloads[place] for place in kept]


@given(PAYLOADS, st.data())
def test_with_checksums_no_damage_costs_an_untouched_record_or_makes_one(payloads, draws):
    data = encode_records(payloads)[0]
    begin = draws.draw(st.integers(0, len(data)))
    end = draws.draw(st.integers(begin, len(data)))
    patch = draws.draw(st.binary(max_size=24))
    kept = untouched(payloads, [(begin, end)] if end > begin else [(begin - 0.5, begin + 0.5)] if patch else [])
    _, found, _ = salvaged(payloads, data[:begin] + patch + data[end:], "rkm")
    assert is_part_of([payloads[place] for place in kept], found)
    assert not Counter(found) - Counter(payloads)


@given(PAYLOADS, PAYLOADS)
def test_two_files_in_one_are_one_file(first, second):
    data = encode_records(first)[0] + encode_records(second)[0]
    assert salvaged(first, data, "none")[1] == first + second


@given(st.lists(st.one_of(ATOMS, PAYLOADS.map(lambda payloads: encode_records(payloads)[0])), max_size=6).map(b"".join))
def test_any_bytes_are_cut_into_pieces_that_tile_them(data):
    store = MemoryStore()
    store.files["x"] = data
    position = 0
    for piece in survey(store.open("x")):
        assert piece.begin == position < piece.end
        position = piece.end
        if piece.damage is None:
            assert decode_at(bytes(piece.frames)).end == piece.end - piece.begin
            assert piece.frames == data[piece.begin : piece.end]
    assert position == len(data)
