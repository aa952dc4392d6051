"""Targets of whole files in memory: walking through a damaged ``.rec``, and saving what is whole.

Strategy: the input's first two bytes say which sidecar there is and what happens to the file after it was written; the
rest is the file. Every byte belongs to a record or to a lost range. By structure, what is saved is exactly the sound
records; by checksum, no record that was not touched is missing, and none is made up. What is saved is sound.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter

import numpy as np

from recordio_kit._core.framing import MAGIC_BYTES, encode_records
from recordio_kit._core.header import IRHeader, pack_record
from recordio_kit._core.index import format_idx
from recordio_kit._core.sidecar import ENTRY_DTYPE, Sidecar, format_sidecar
from recordio_kit._pipeline.salvage import salvage
from recordio_kit._pipeline.survey import survey
from recordio_kit._storage.memory import MemoryStore


WORDS_SALVAGE = (MAGIC_BYTES, *(MAGIC_BYTES + bytes((size, 0, 0, flag << 5)) for flag in range(4) for size in (0, 4, 9)))
_MAGIC = re.compile(re.escape(MAGIC_BYTES))


def check_salvage(data):
    if len(data) < 2:
        return
    way, place, written = data[0], data[1], data[2:]
    sidecar, change = way & 3, way >> 2 & 3
    begin = place * (len(written) + 1) >> 8
    cut = 1 + (way >> 4 & 7)
    patch = {0: b"", 1: bytes([written[begin] ^ 1 << (cut & 7)]) if begin < len(written) else b"", 2: bytes(cut), 3: b""}[change]
    end = min(len(written), begin + {0: 0, 1: 1, 2: 0, 3: cut}[change])
    store = MemoryStore()
    store.files["bad.rec"] = written[:begin] + patch + written[end:]
    if sidecar == 2:
        _check_by_checksum(store, written, (begin, end) if end > begin or patch else None)
        return
    if sidecar == 1:
        offsets = sorted({match.start() for match in _MAGIC.finditer(written)})
        store.files["bad.idx"] = format_idx(range(len(offsets)), offsets)
    _check_by_structure(store)


def _check_by_structure(store):
    report = salvage("bad.rec", "good.rec", store=store)
    found, good = store.files["bad.rec"], store.files["good.rec"]
    kept, position = [], 0
    for begin, end, _ in report.lost:
        assert position <= begin < end
        kept.append(found[position:begin])
        position = end
    assert position <= len(found)
    assert b"".join((*kept, found[position:])) == good
    assert report.bytes == len(good)
    assert len(_sound_records(store)) == report.records


def _check_by_checksum(store, written, damage):
    store.files["written.rec"] = written
    pieces = [piece for piece in _tiles(store, "written.rec") if piece.damage is None]
    rows = [(piece.begin, key, piece.end - piece.begin, zlib.crc32(piece.frames)) for key, piece in enumerate(pieces)]
    store.files["bad.rkm"] = format_sidecar(Sidecar(np.array(rows, ENTRY_DTYPE), len(written), zlib.crc32(written)))
    report = salvage("bad.rec", "good.rec", store=store)
    found = Counter(_sound_records(store))
    everything = Counter(bytes(piece.frames) for piece in pieces)
    untouched = [piece for piece in pieces if damage is None or piece.end <= damage[0] or piece.begin >= damage[1]]
    assert not found - everything
    assert not Counter(bytes(piece.frames) for piece in untouched) - found
    assert report.records + report.missing == len(pieces)
    assert report.bytes + sum(end - begin for begin, end, _ in report.lost) == len(store.files["bad.rec"])


def _tiles(store, name):
    """Yield the pieces of a file after checking that they leave out no byte and take none twice."""
    data, position = store.files[name], 0
    for piece in survey(store.open(name)):
        assert piece.begin == position < piece.end
        position = piece.end
        if piece.damage is None:
            assert piece.frames == data[piece.begin : piece.end]
        yield piece
    assert position == len(data)


def _sound_records(store):
    pieces = list(_tiles(store, "good.rec"))
    assert all(piece.damage is None for piece in pieces)
    return [bytes(piece.frames) for piece in pieces]


def seeds_salvage():
    image = pack_record(IRHeader(0, 1.0, 7, 0), b"\xff\xd8..\xff\xd9")
    whole, offsets = encode_records([b"abcd" + MAGIC_BYTES + b"e", image, b"", b"last"])
    for way in range(0, 128, 5):
        yield bytes([way, way * 37 & 255]) + whole
    middle = offsets[1]
    for sidecar in range(3):
        yield bytes([sidecar, 0]) + whole[:middle] + b"junk" + whole[middle:]
        yield bytes([sidecar, 0]) + whole[:middle] + b"\1" + whole[middle:] + bytes(20)
        yield bytes([sidecar, 0]) + whole[:-6]
        yield bytes([sidecar, 0]) + whole[: middle + 4] + b"\x13" + whole[middle + 5 :]
        yield bytes([sidecar, 0]) + whole[:middle] + whole[middle + 2 :]
