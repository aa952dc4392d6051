from __future__ import annotations

import json
from typing import get_args

import pytest

import recordio_kit as rk
from recordio_kit._core.framing import encode_record, encode_records
from recordio_kit._core.index import format_idx
from recordio_kit._pipeline.findings import FindingKind, Findings
from recordio_kit._storage.memory import MemoryStore
from tests.samples import jpeg, write_tree
from tests.unit.test_records import faces


IMAGES = [rk.pack_record(rk.IRHeader(0, float(number), number, 0), jpeg(number)) for number in range(6)]
DATA, OFFSETS = encode_records(IMAGES)
LEVELS = ("structure", "checksum", "decode")


def store_with(payloads=IMAGES, keys=None, **options):
    store = MemoryStore()
    with rk.RecordWriter("x.rec", checksums=True, store=store, **options) as writer:
        writer.write_many(payloads, keys=keys)
    return store


def damaged(place, value=None):
    data = bytearray(DATA)
    data[place] = data[place] ^ 1 if value is None else value
    return bytes(data)


def kinds(report):
    return sorted({finding.kind for finding in report.findings})


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("payloads", [IMAGES, [], [b"", b"no image", b"x" * 100], faces()[0]])
def test_a_sound_file_is_ok(level, payloads):
    if level == "decode" and payloads and len(payloads) == 3:
        payloads = IMAGES[:1]
    report = rk.verify("x.rec", level=level, store=store_with(payloads))
    assert (report.ok, report.findings, report.notes, report.records) == (True, (), (), len(payloads))
    assert str(report).startswith("memory:x.rec: ok")


@pytest.mark.parametrize("level", LEVELS)
def test_without_checksums_structure_decides_and_the_report_says_so(level):
    store = MemoryStore()
    store.files["x.rec"] = DATA
    report = rk.verify("x.rec", level=level, store=store)
    assert (report.ok, report.level) == (True, level)
    assert any("no .rkm" in note for note in report.notes) == (level != "structure")


def test_every_flipped_bit_is_found_with_checksums():
    store = store_with()
    for place in range(0, len(DATA), 37):
        store.files["x.rec"] = damaged(place, DATA[place] ^ 1 << place % 8)
        assert not rk.verify("x.rec", store=store).ok, place


def test_a_flip_in_a_payload_is_named_by_record_key_and_offset():
    store = store_with(keys=[50, 51, 52, 53, 54, 55])
    store.files["x.rec"] = damaged(OFFSETS[3] + 100)
    report = rk.verify("x.rec", store=store)
    (finding,) = report.findings
    assert finding[:4] == ("memory:x.rec", OFFSETS[3], 3, "checksum")
    assert "key 53" in str(finding)
    assert rk.verify("x.rec", level="structure", store=store).ok


@pytest.mark.parametrize(
    ("data", "kind", "offset"),
    [
        (damaged(OFFSETS[2]), "garbage", OFFSETS[2]),
        (damaged(OFFSETS[2] + 7, 0x20), "parts", OFFSETS[2]),
        (damaged(OFFSETS[2] + 6, 0x01), "length", OFFSETS[2]),
        (damaged(OFFSETS[5] + 6, 0x01), "truncated", OFFSETS[5]),
        (DATA[:-1], "truncated", OFFSETS[5]),
        (DATA[: OFFSETS[5] + 5], "truncated", OFFSETS[5]),
        (DATA[: OFFSETS[5] + 2], "garbage", OFFSETS[5]),
        (DATA + bytes(16), "garbage", len(DATA)),
        (b"junk" + DATA, "garbage", 0),
        (b"odd" + DATA, "garbage", 0),
    ],
)
def test_structure_names_each_disease_and_where_it_is(data, kind, offset):
    store = MemoryStore()
    store.files["x.rec"] = data
    report = rk.verify("x.rec", level="structure", store=store)
    assert [(finding.kind, finding.offset) for finding in report.findings if finding.kind != "size"] == [(kind, offset)]
    assert ("size" in kinds(report)) == (len(data) % 4 != 0)
    assert report.records == 5 + (data[-20:] == DATA[-20:] or data.endswith(bytes(16))) * (
        kind == "garbage" and len(data) > len(DATA)
    )


def test_padding_that_is_not_zero_is_found():
    data, offsets = encode_records([b"x", b"yy"])
    store = MemoryStore()
    store.files["x.rec"] = data[:9] + b"\0\1\0" + data[12:]
    (finding,) = rk.verify("x.rec", level="structure", store=store).findings
    assert (finding.kind, finding.offset) == ("padding", offsets[0])


def test_a_record_swallowed_by_a_length_is_found():
    data, offsets = encode_records([b"a" * 12, b"b" * 12, b"c"])
    store = MemoryStore()
    store.files["x.rec"] = data[:4] + bytes([12 + 20]) + data[5:]
    report = rk.verify("x.rec", level="structure", store=store)
    assert [(finding.kind, finding.offset) for finding in report.findings] == [("length", offsets[0])]
    assert report.records == 2


@pytest.mark.parametrize(
    ("index", "offset", "word"),
    [
        (format_idx(range(7), [*OFFSETS, OFFSETS[2] + 8]), OFFSETS[2] + 8, "row 7"),
        (format_idx(range(6), [*OFFSETS[:5], 2**64 - 1]), 2**64 - 1, "row 6"),
        (format_idx(range(5), [*OFFSETS[:3], *OFFSETS[4:]]), OFFSETS[3], "record 3"),
        (format_idx([0, 1, 2, 2, 4, 5], OFFSETS), None, "key 2"),
        (format_idx(range(7), [*OFFSETS, OFFSETS[2]]), OFFSETS[2], "row 7"),
        (format_idx(range(6), [*OFFSETS[:5], OFFSETS[5] // 10]), OFFSETS[5] // 10, "row 6"),
        (b"0\t0\nrubbish\n", None, "line 2"),
    ],
)
def test_an_index_that_is_not_the_files_is_found(index, offset, word):
    store = store_with()
    store.files["x.idx"] = index
    report = rk.verify("x.rec", level="structure", store=store)
    assert any(finding.offset == offset and word in finding.message for finding in report.findings)
    assert not report.ok
    assert set(kinds(report)) <= {"index", "key"}


def test_sidecars_that_call_a_record_by_different_keys_are_found():
    store = store_with()
    store.files["x.idx"] = format_idx([0, 1, 3, 2, 4, 5], OFFSETS)
    report = rk.verify("x.rec", level="structure", store=store)
    assert [(finding.kind, finding.offset) for finding in report.findings] == [("key", OFFSETS[2]), ("key", OFFSETS[3])]


def test_checksums_of_another_file_are_found_by_structure_alone():
    store, other = store_with(), store_with(IMAGES[::-1])
    store.files["x.rkm"] = other.files["x.rkm"]
    report = rk.verify("x.rec", level="structure", store=store)
    assert kinds(report) == ["checksum", "extra", "missing"]
    assert any("length" in finding.message for finding in report.findings)


def test_rows_in_another_order_are_well():
    store = store_with()
    store.files["x.idx"] = format_idx([5, 3, 4, 0, 1, 2], [OFFSETS[place] for place in (5, 3, 4, 0, 1, 2)])
    assert rk.verify("x.rec", store=store).ok


def test_a_record_that_is_gone_is_named_by_its_key():
    store = store_with(keys=[9, 8, 7, 6, 5, 4])
    store.files["x.rec"] = DATA[: OFFSETS[5]]
    report = rk.verify("x.rec", store=store)
    assert kinds(report) == ["index", "missing", "size"]
    assert any("key 4" in finding.message and finding.offset == OFFSETS[5] for finding in report.findings)


def test_records_that_the_checksums_do_not_know_are_found():
    store = store_with()
    store.files["x.rec"] = DATA + encode_record(IMAGES[0])
    assert kinds(rk.verify("x.rec", store=store)) == ["extra", "index", "size"]


def test_damaged_checksums_are_a_finding_of_their_own():
    store = store_with()
    store.files["x.rkm"] = store.files["x.rkm"][:-1]
    (finding,) = rk.verify("x.rec", store=store).findings
    assert (finding.source, finding.kind) == ("memory:x.rkm", "index")


def test_a_header_that_does_not_fit_is_found_among_images():
    report = rk.verify("x.rec", store=store_with([*IMAGES, b"no header"]))
    assert [(finding.kind, finding.position) for finding in report.findings] == [("header", 6)]


def test_decoding_finds_what_structure_and_checksums_cannot():
    broken = rk.pack_record(rk.IRHeader(0, 1.0, 9, 0), jpeg(9)[:-40])
    store = store_with([*IMAGES[:2], broken])
    assert rk.verify("x.rec", store=store).ok
    (finding,) = rk.verify("x.rec", level="decode", store=store).findings
    assert (finding.kind, finding.position, finding.offset) == ("image", 2, OFFSETS[2])


def test_findings_are_bounded_and_counted():
    findings = Findings("x.rec")
    for number in range(5000):
        findings.add("index", f"row {number}", offset=number)
    findings.add("key", "twice")
    result = findings.result()
    assert len(findings) == 5001
    assert len(result) == 1002
    assert result[-1].message == "4000 more of kind 'index'"


def test_a_report_is_plain_json():
    store = store_with()
    store.files["x.rec"] = damaged(OFFSETS[2])
    plain = json.loads(json.dumps(rk.verify("x.rec", store=store).to_json()))
    assert (plain["ok"], plain["level"], plain["records"]) == (False, "checksum", 5)
    assert plain["findings"][0]["offset"] == OFFSETS[2]


def test_progress_ends_with_all_records():
    told = []
    rk.verify("x.rec", store=store_with(), progress=told.append)
    assert (told[-1].stage, told[-1].done, told[-1].total, told[-1].bytes) == ("verify x.rec", 6, 6, len(DATA))


def test_what_is_not_there_is_a_storage_error(tmp_path):
    for place in (tmp_path / "x.rec", tmp_path / "nowhere" / "manifest.json", tmp_path, MemoryStore()):
        with pytest.raises(rk.errors.StorageError):
            rk.verify(place)


def test_the_level_is_one_of_three():
    with pytest.raises(ValueError, match="level"):
        rk.verify("x.rec", level="deep", store=store_with())


@pytest.fixture
def tree(tmp_path):
    rk.prepare(write_tree(tmp_path / "photos", {"cat": 8, "dog": 8}), tmp_path / "out", splits={"train": 0.5, "validation": 0.5})
    return tmp_path / "out"


@pytest.mark.parametrize("level", LEVELS)
def test_a_prepared_data_set_is_ok(tree, level):
    for place in (tree, str(tree) + "/", tree / "manifest.json", tree / "train" / "train.rec"):
        report = rk.verify(place, level=level)
        assert report.ok, report.findings
        assert (report.records, report.notes) == (8 if str(place).endswith(".rec") else 16, ())


def flip(path, place=-9):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


DISEASES = {
    "a file is gone": (lambda tree: (tree / "index" / "train.idx").unlink(), "missing"),
    "a record file is gone": (lambda tree: (tree / "train" / "train.rec").unlink(), "missing"),
    "a list was edited": (lambda tree: flip(tree / "lists" / "train.lst"), "checksum"),
    "a list was cut": (lambda tree: (tree / "lists" / "train.lst").write_bytes(b""), "size"),
    "a record was damaged": (lambda tree: flip(tree / "validation" / "validation.rec"), "checksum"),
    "a stranger lies in a channel": (lambda tree: (tree / "train" / "train.idx").write_bytes(b"0\t0\n"), "extra"),
    "a record was added": (
        lambda tree: (tree / "train" / "train.rec").write_bytes(
            (tree / "train" / "train.rec").read_bytes() + encode_record(b"x")
        ),
        "count",
    ),
    "the manifest is gone": (lambda tree: (tree / "manifest.json").unlink(), "missing"),
    "the manifest is broken": (lambda tree: (tree / "manifest.json").write_bytes(b"{"), "manifest"),
}


@pytest.mark.parametrize("disease", DISEASES)
def test_each_disease_of_a_data_set_is_found(tree, disease):
    inflict, kind = DISEASES[disease]
    inflict(tree)
    report = rk.verify(tree)
    assert not report.ok
    assert kind in kinds(report)
    assert set(kinds(report)) <= {word for part in get_args(FindingKind) for word in get_args(part)}
