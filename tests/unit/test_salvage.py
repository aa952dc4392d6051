from __future__ import annotations

import json
import os

import pytest

import recordio_kit as rk
from recordio_kit._core.framing import MAGIC_BYTES, encode_record, encode_records
from recordio_kit._pipeline.survey import DAMAGE, survey
from recordio_kit._storage.memory import MemoryStore
from tests.samples import jpeg
from tests.unit.test_records import faces


PAYLOADS = [
    b"first record",
    b"",
    bytes(range(256)) * 3,
    MAGIC_BYTES * 3,
    b"odd",
    b"in" + MAGIC_BYTES + b"xx" + MAGIC_BYTES + b"y",
    b"4444",
    rk.pack_record(rk.IRHeader(0, 1.0, 7, 0), jpeg(3)),
    b"\xff" * 77,
    b"the last of ten",
]
DATA, OFFSETS = encode_records(PAYLOADS)
ENDS = [*OFFSETS[1:], len(DATA)]
KINDS = ("none", "idx", "rkm")


def bench(data, kind="none", payloads=PAYLOADS, keys=None):
    """Lay out a sound file with the sidecars of a kind, put other bytes in its place, and salvage those."""
    store = MemoryStore()
    with rk.RecordWriter("bad.rec", index=kind == "idx", checksums=kind == "rkm", store=store) as writer:
        writer.write_many(payloads, keys=keys)
    store.files["bad.rec"] = data
    before = dict(store.files)
    report = rk.salvage("bad.rec", "good.rec", store=store)
    assert before.items() <= store.files.items()
    assert report.bytes == len(store.files["good.rec"])
    assert rk.verify("good.rec", level="structure" if kind != "rkm" else "checksum", store=store).ok
    reader = rk.RecordReader("good.rec", store=store)
    assert report.records == len(reader)
    return report, list(reader), reader.keys.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_file_is_copied_whole_with_its_keys(kind):
    keys = None if kind == "none" else [90, 80, 70, 60, 50, 40, 30, 20, 10, 2**64 - 1]
    report, payloads, kept = bench(DATA, kind, keys=keys)
    assert (payloads, kept, report.lost, report.notes) == (PAYLOADS, keys or list(range(10)), (), ())
    assert report.missing == (0 if kind == "rkm" else None)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_at_any_byte_keeps_every_record_before_it(kind):
    step = 1 if kind == "none" else 7
    for cut in range(0, len(DATA), step):
        report, payloads, _ = bench(DATA[:cut], kind)
        whole = sum(end <= cut for end in ENDS)
        assert payloads == PAYLOADS[:whole], cut
        assert sum(part.end - part.begin for part in report.lost) == cut - [0, *ENDS][whole], cut


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shift", [-1, 1, 2, 3, 4, 7])
@pytest.mark.parametrize("record", [2, 7, 8])
def test_bytes_put_in_or_taken_out_cost_one_record(kind, shift, record):
    middle = (OFFSETS[record] + ENDS[record]) // 2
    data = DATA[:middle] + b"\x55" * shift + DATA[middle:] if shift > 0 else DATA[:middle] + DATA[middle - shift :]
    _, payloads, keys = bench(data, kind)
    expected = PAYLOADS[:record] + PAYLOADS[record + 1 :]
    assert [payload for payload in payloads if payload in PAYLOADS] == expected
    if kind == "rkm":
        assert payloads == expected
        assert keys == [key for key in range(10) if key != record]


@pytest.mark.parametrize("kind", KINDS)
def test_garbage_in_front_behind_and_between_costs_nothing(kind):
    for junk in (b"x", b"abc", b"1234", bytes(16), b"\n" * 4093, MAGIC_BYTES * 5):
        for data in (junk + DATA, DATA + junk, DATA[: OFFSETS[8]] + junk * 3 + DATA[OFFSETS[8] :]):
            report, payloads, _ = bench(data, kind)
            assert payloads == PAYLOADS, junk
            assert sum(part.end - part.begin for part in report.lost) == len(data) - len(DATA)


@pytest.mark.parametrize("cut", range(0, 25, 3))
def test_two_files_glued_are_both_recovered(cut):
    second = [b"second file", b"", b"its last record"]
    data = DATA[: len(DATA) - cut] + encode_records(second)[0]
    _, payloads, _ = bench(data)
    whole = sum(end <= len(DATA) - cut for end in ENDS)
    assert payloads == PAYLOADS[:whole] + second


@pytest.mark.parametrize("record", range(10))
@pytest.mark.parametrize("bit", [*range(2, 12), 17, 28, 29, 30, 31])
def test_a_flipped_length_or_flag_costs_one_record(record, bit):
    data = bytearray(DATA)
    data[OFFSETS[record] + 4 + bit // 8] ^= 1 << bit % 8
    _, payloads, _ = bench(bytes(data))
    others = PAYLOADS[:record] + PAYLOADS[record + 1 :]
    # the last record's length is not to be told from junk behind it
    assert payloads == others or (record == 9 and payloads[:9] == others)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("record", range(10))
@pytest.mark.parametrize("byte", range(4))
def test_a_damaged_magic_costs_one_record(kind, record, byte):
    data = bytearray(DATA)
    data[OFFSETS[record] + byte] ^= 0x81
    report, payloads, keys = bench(bytes(data), kind)
    assert payloads == PAYLOADS[:record] + PAYLOADS[record + 1 :]
    assert [(part.begin, part.end) for part in report.lost] == [(OFFSETS[record], ENDS[record])]
    if kind != "none":
        assert keys == [key for key in range(10) if key != record]


def test_with_checksums_a_flipped_payload_is_not_presented_as_good():
    data = bytearray(DATA)
    data[OFFSETS[7] + 100] ^= 1
    report, payloads, keys = bench(bytes(data), "rkm")
    assert payloads == PAYLOADS[:7] + PAYLOADS[8:]
    assert keys == [0, 1, 2, 3, 4, 5, 6, 8, 9]
    assert (report.missing, report.lost[0][:2]) == (1, (OFFSETS[7], ENDS[7]))


def test_records_that_the_checksums_do_not_know_are_left_out():
    report, payloads, _ = bench(DATA + encode_record(b"a stranger"), "rkm")
    assert payloads == PAYLOADS
    assert report.lost[0].begin == len(DATA)


def test_checksums_of_another_file_are_said_to_be_that():
    report, payloads, _ = bench(DATA, "rkm", payloads=[b"other"] * 3)
    assert (payloads, report.missing) == ([], 3)
    assert "another file" in str(report)


@pytest.mark.parametrize(("kind", "name"), [("idx", "bad.idx"), ("rkm", "bad.rkm")])
def test_a_sidecar_that_is_damaged_itself_is_left_aside(tmp_path, kind, name):
    with rk.RecordWriter(tmp_path / "bad.rec", index=kind == "idx", checksums=kind == "rkm") as writer:
        writer.write_many(PAYLOADS)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-3] + b"abc")
    report = rk.salvage(tmp_path / "bad.rec", tmp_path / "good.rec")
    assert (report.records, len(report.notes)) == (10, 1)
    assert name in report.notes[0]


def images(ids):
    return [rk.pack_record(rk.IRHeader(0, 1.0, number, 0), jpeg(number % 7)) for number in ids]


def test_without_an_index_keys_are_header_ids():
    data, offsets = encode_records(images([8, 30, 5]))
    assert bench(data[: offsets[1] + 50] + data[offsets[2] :])[2] == [8, 5]


def test_ids_that_are_doubled_are_no_keys():
    assert bench(encode_records(images([8, 8, 5]))[0])[2] == [0, 1, 2]


def test_records_that_a_partial_index_does_not_name_are_recovered_too(tmp_path):
    payloads = images([100, 101, 102, 103])
    data, offsets = encode_records(payloads)
    (tmp_path / "bad.rec").write_bytes(data)
    (tmp_path / "bad.idx").write_bytes(f"7\t{offsets[1]}\n".encode())
    rk.salvage(tmp_path / "bad.rec", tmp_path / "good.rec")
    with rk.RecordReader(tmp_path / "good.rec") as reader:
        assert (reader.keys.tolist(), list(reader)) == ([100, 7, 102, 103], payloads)


def test_an_insightface_file_keeps_its_layout():
    payloads, keys = faces()
    data, offsets = encode_records(payloads)
    broken = bytearray(data)
    broken[offsets[2]] ^= 1
    _, kept, found = bench(bytes(broken), "idx", payloads=payloads, keys=keys)
    assert (kept, found) == (payloads[:2] + payloads[3:], keys[:2] + keys[3:])


@pytest.mark.parametrize("destination", ["bad.rec", "./bad.rec", "link.rec", "hard.rec"])
def test_a_file_is_never_salvaged_onto_itself(tmp_path, monkeypatch, destination):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.rec").write_bytes(DATA)
    (tmp_path / "link.rec").symlink_to("bad.rec")
    os.link(tmp_path / "bad.rec", tmp_path / "hard.rec")
    with pytest.raises(ValueError, match="itself"):
        rk.salvage("bad.rec", destination, overwrite=True)
    assert (tmp_path / "bad.rec").read_bytes() == DATA


def test_nothing_is_replaced_unasked(tmp_path):
    (tmp_path / "bad.rec").write_bytes(DATA)
    (tmp_path / "good.rec").write_bytes(b"old")
    with pytest.raises(rk.errors.OutputExistsError):
        rk.salvage(tmp_path / "bad.rec", tmp_path / "good.rec")
    assert (tmp_path / "good.rec").read_bytes() == b"old"
    assert rk.salvage(tmp_path / "bad.rec", tmp_path / "good.rec", overwrite=True).records == 10


def test_a_report_is_plain_json():
    plain = json.loads(json.dumps(bench(DATA[:-1])[0].to_json()))
    assert (plain["records"], plain["missing"], plain["notes"]) == (9, None, [])
    assert plain["lost"] == [{"begin": OFFSETS[9], "end": len(DATA) - 1, "reason": DAMAGE["truncated"]}]


HOSTILE = {
    "magic words alone": MAGIC_BYTES * (1 << 18),
    "a length of half a gigabyte": MAGIC_BYTES + b"\xff\xff\xff\x1f",
    "empty parts without end": MAGIC_BYTES + b"\0\0\0\x20" + (MAGIC_BYTES + b"\0\0\0\x40") * (1 << 16),
    "first parts alone": (MAGIC_BYTES + b"\0\0\0\x20") * (1 << 14),
    "every record claims to end at the end": b"".join(
        MAGIC_BYTES + (8 * (1 << 14) - 8 * place - 8).to_bytes(4, "little") for place in range(1 << 14)
    ),
    "unaligned heads": b"x" + (MAGIC_BYTES + b"\x10\0\0\0" + b"yyy") * (1 << 14),
}


class _Meter:
    """A source that counts what is read from it."""

    uri = "meter"

    def __init__(self, data):
        self._data, self.size, self.taken = data, len(data), 0

    def read_at(self, offset, length):
        self.taken += length
        assert length <= self.size
        return self._data[offset : offset + length]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_walked_to_their_end_in_linear_time(name):
    source = _Meter(HOSTILE[name])
    position = 0
    for piece in survey(source):
        assert piece.begin == position < piece.end
        position = piece.end
    assert position == source.size
    assert source.taken <= 3 * source.size


def test_large_records_are_found_across_windows(tmp_path):
    payloads = [bytes([number]) * (3_000_000 + number) for number in range(4)]
    data, offsets = encode_records(payloads)
    broken = bytearray(data)
    broken[offsets[1]] ^= 255
    (tmp_path / "bad.rec").write_bytes(broken)
    report = rk.salvage(tmp_path / "bad.rec", tmp_path / "good.rec")
    assert [(part.begin, part.end) for part in report.lost] == [(offsets[1], offsets[2])]
    with rk.RecordReader(tmp_path / "good.rec") as reader:
        assert list(reader) == [payloads[0], *payloads[2:]]
