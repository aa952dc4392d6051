from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from recordio_kit._core.sidecar import BLOCK_ENTRIES, ENTRY_DTYPE, Sidecar, format_sidecar, parse_sidecar
from recordio_kit.errors import IndexMismatchError


def sidecar(count, **facts):
    entries = np.zeros(count, ENTRY_DTYPE)
    for number, name in enumerate(ENTRY_DTYPE.names):
        entries[name] = np.arange(count) * 10 + number
    return Sidecar(entries, size=2**40, crc32=0xFFFFFFFF, **facts)


@pytest.mark.parametrize("count", [0, 1, BLOCK_ENTRIES - 1, BLOCK_ENTRIES, BLOCK_ENTRIES + 1, 3 * BLOCK_ENTRIES])
@pytest.mark.parametrize("fingerprint", ["", "ab" * 32])
def test_a_sidecar_comes_back(count, fingerprint):
    known = sidecar(count, fingerprint=fingerprint)
    read = parse_sidecar(format_sidecar(known))
    assert np.array_equal(read.entries, known.entries)
    assert (read.size, read.crc32, read.fingerprint) == (2**40, 0xFFFFFFFF, fingerprint)


def test_the_layout_is_the_documented_one():
    data = format_sidecar(sidecar(1))
    head = b"RKM1\r\n\x1a\n" + struct.pack("<QQI", 1, 2**40, 0xFFFFFFFF) + bytes(32)
    body = struct.pack("<QQII", 0, 1, 2, 3)
    blocks = struct.pack("<I", zlib.crc32(body))
    assert data == head + struct.pack("<I", zlib.crc32(head)) + body + blocks + struct.pack("<I", zlib.crc32(blocks))


@pytest.mark.parametrize("count", [0, 2])
def test_a_flip_of_any_bit_and_a_cut_at_any_byte_are_seen(count):
    data = format_sidecar(sidecar(count, fingerprint="cd" * 32))
    damaged = [data[:cut] for cut in range(len(data))]
    damaged += [bytes([*data[: bit // 8], data[bit // 8] ^ 1 << bit % 8, *data[bit // 8 + 1 :]]) for bit in range(8 * len(data))]
    for broken in [*damaged, data + b"\0", data.replace(b"\r\n", b"\n")]:
        with pytest.raises(IndexMismatchError, match=r"^x\.rkm: ") as caught:
            parse_sidecar(broken, source="x.rkm")
        assert caught.value.source == "x.rkm"
