"""Frames and indexes against files that MXNet 1.9.1 wrote."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from recordio_kit._core.framing import FrameDecoder, decode_at, encode_record, encode_records, find_record_head
from recordio_kit._core.index import format_idx, parse_idx
from recordio_kit.mxrecordio import MXIndexedRecordIO, MXRecordIO


DATA = Path(__file__).parent / "data"
PAYLOADS = [bytes.fromhex(payload) for payload in json.loads((DATA / "raw/payloads.json").read_bytes())["payloads_hex"]]
REC = (DATA / "raw/payloads.rec").read_bytes()
IDX = (DATA / "raw/payloads.idx").read_bytes()
SUMS = re.findall(r"^    ([0-9a-f]{64})  (\S+)$", (DATA / "README.md").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize(("digest", "name"), SUMS, ids=[name for _, name in SUMS])
def test_a_vector_is_the_file_that_mxnet_wrote(digest, name):
    assert hashlib.sha256((DATA / name).read_bytes()).hexdigest() == digest


def test_every_vector_is_vouched_for():
    files = {path.relative_to(DATA).as_posix() for path in DATA.rglob("*") if path.is_file() and path.name != "README.md"}
    assert {name for _, name in SUMS} == files


def test_frames_are_mxnets_byte_for_byte():
    assert b"".join(map(encode_record, PAYLOADS)) == REC
    assert encode_records(PAYLOADS) == (REC, parse_idx(IDX).offsets.tolist())


def test_an_index_is_mxnets_byte_for_byte():
    index = parse_idx(IDX)
    assert index.keys.tolist() == list(range(len(PAYLOADS)))
    assert format_idx(index.keys, index.offsets) == IDX


def test_mxnets_frames_decode_at_their_offsets():
    offsets = parse_idx(IDX).offsets.tolist()
    for payload, offset, end in zip(PAYLOADS, offsets, [*offsets[1:], len(REC)], strict=True):
        assert decode_at(REC, offset) == (payload, end)


@pytest.mark.parametrize("chunk", [1, 7, 4096, len(REC)])
def test_mxnets_frames_decode_from_any_chunking(chunk):
    decoder = FrameDecoder()
    payloads = []
    for start in range(0, len(REC) + chunk, chunk):
        decoder.feed(REC[start : start + chunk])
        while (payload := decoder.next_record()) is not None:
            payloads.append(payload)
    assert payloads == PAYLOADS


def test_record_heads_are_where_mxnet_put_them_and_nowhere_else():
    heads, head = [], find_record_head(REC)
    while head >= 0:
        heads.append(head)
        head = find_record_head(REC, head + 4)
    assert heads == parse_idx(IDX).offsets.tolist()


def test_the_drop_in_reads_mxnets_file_in_order():
    with MXRecordIO(DATA / "raw/payloads.rec", "r") as record:
        assert [record.read() for _ in PAYLOADS] == PAYLOADS
        assert record.read() is None


def test_the_drop_in_reads_mxnets_file_by_key():
    with MXIndexedRecordIO(DATA / "raw/payloads.idx", DATA / "raw/payloads.rec", "r") as record:
        assert record.keys == list(range(len(PAYLOADS)))
        assert [record.read_idx(key) for key in reversed(record.keys)] == PAYLOADS[::-1]


def test_the_drop_in_writes_mxnets_files(tmp_path):
    with MXIndexedRecordIO(tmp_path / "x.idx", tmp_path / "x.rec", "w") as record:
        for key, payload in enumerate(PAYLOADS):
            record.write_idx(key, payload)
    assert (tmp_path / "x.rec").read_bytes() == REC
    assert (tmp_path / "x.idx").read_bytes() == IDX
