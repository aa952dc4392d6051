"""Image headers against what MXNet 1.9.1's pack and unpack made of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from recordio_kit import mxrecordio
from recordio_kit._core.header import IRHeader, pack_record, unpack_record


DATA = Path(__file__).parent / "data" / "irheader"
CASES = json.loads((DATA / "headers.json").read_bytes())


@pytest.mark.parametrize("pack", [pack_record, mxrecordio.pack])
@pytest.mark.parametrize("make_header", [IRHeader, lambda **fields: tuple(fields.values())], ids=["IRHeader", "tuple"])
def test_headers_pack_to_mxnets_bytes(pack, make_header):
    for case in CASES:
        assert pack(make_header(**case["in"]), bytes.fromhex(case["body_hex"])).hex() == case["packed_hex"]


@pytest.mark.parametrize("unpack", [unpack_record, mxrecordio.unpack])
def test_mxnets_bytes_unpack_to_what_mxnet_says(unpack):
    for case in CASES:
        header, body = unpack(bytes.fromhex(case["packed_hex"]))
        assert body.hex() == case["out_body_hex"]
        want = case["out"]
        assert (header.flag, header.id, header.id2) == (want["flag"], want["id"], want["id2"])
        if want["flag"]:
            assert header.label.dtype == np.float32
            assert header.label.tolist() == want["label"]
        else:
            assert isinstance(header.label, float)
            assert header.label == want["label"]


def test_packed_records_make_mxnets_file(tmp_path):
    with mxrecordio.MXIndexedRecordIO(tmp_path / "x.idx", tmp_path / "x.rec", "w") as record:
        for key, case in enumerate(CASES):
            record.write_idx(key, mxrecordio.pack(IRHeader(**case["in"]), bytes.fromhex(case["body_hex"])))
    assert (tmp_path / "x.rec").read_bytes() == (DATA / "headers.rec").read_bytes()
    assert (tmp_path / "x.idx").read_bytes() == (DATA / "headers.idx").read_bytes()
