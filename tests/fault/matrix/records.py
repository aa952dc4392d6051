"""Record files to damage, ways to damage them, and what must be left of them.

Strategy: payloads are all different, so that each one found again is known for what it is. A ``Damaged`` holds the bytes
and where they differ; from that alone follows which records are untouched.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import recordio_kit as rk
from recordio_kit._core.framing import MAGIC, MAGIC_BYTES
from recordio_kit._storage.memory import MemoryStore


SidecarKind = Literal["none", "idx", "rkm"]


class Records(NamedTuple):
    """A sound file: its payloads, where they start, the end, and its sidecars."""

    payloads: list[bytes]
    data: bytes
    offsets: list[int]
    idx: bytes
    rkm: bytes

    @property
    def extents(self) -> list[tuple[int, int]]:
        return list(pairwise([*self.offsets, len(self.data)]))

    def at(self, offset: int) -> int:
        """Return the position of the record that holds a byte."""
        return next(place for place, (_, end) in enumerate(self.extents) if offset < end)


class Damaged(NamedTuple):
    """A damaged file: its bytes, the ranges of the sound one that are not as they were, and what was done."""

    data: bytes
    ranges: list[tuple[float, float]]
    what: str

    def untouched(self, records: Records) -> list[int]:
        """Return the positions of the records that are as they were."""
        return [
            place
            for place, (begin, end) in enumerate(records.extents)
            if not any(first < end and last > begin for first, last in self.ranges)
        ]


def make_records(payloads: Sequence[bytes]) -> Records:
    store = MemoryStore()
    with rk.RecordWriter("x.rec", store=store, checksums=True) as writer:
        writer.write_many(payloads)
    with rk.RecordReader("x.rec", store=store) as reader:
        offsets = reader.offsets.tolist()
    return Records(list(payloads), store.files["x.rec"], offsets, store.files["x.idx"], store.files["x.rkm"])


def image_record(chance: random.Random, number: int, size: int) -> bytes:
    """Return a record with an image header and a body that looks like a JPEG."""
    return rk.pack_record(
        rk.IRHeader(0, float(number % 10), number, 0), b"\xff\xd8\xff\xe0" + chance.randbytes(size) + b"\xff\xd9"
    )


def plain_record(chance: random.Random, number: int, size: int) -> bytes:
    return number.to_bytes(4, "big") + chance.randbytes(size)


def escaped_record(chance: random.Random, number: int, size: int) -> bytes:
    """Return a record full of magics, near misses and unaligned magics."""
    near = [(MAGIC ^ 1 << chance.randrange(32)).to_bytes(4, "little") for _ in range(2)]
    atoms = [MAGIC_BYTES, MAGIC_BYTES, *near, chance.randbytes(4), chance.randbytes(chance.randrange(1, 8))]
    body = b"".join(chance.choices(atoms, k=1 + size // 8))
    return rk.pack_record(rk.IRHeader(0, 1.0, number, 0), body + number.to_bytes(4, "big"))


def many(make: Callable[[random.Random, int, int], bytes], chance: random.Random, count: int, low: int, high: int) -> Records:
    return make_records([make(chance, number, chance.randint(low, high)) for number in range(count)])


def three_kinds(chance: random.Random) -> Mapping[str, Records]:
    """Return a file of small records, one of images, and one full of magics."""
    return {
        "small": many(plain_record, chance, 60, 0, 60),
        "images": many(image_record, chance, 12, 4_000, 60_000),
        "escaped": many(escaped_record, chance, 40, 0, 300),
    }


def flip_bit(data: bytes, offset: int, bit: int) -> bytes:
    return data[:offset] + bytes([data[offset] ^ 1 << bit]) + data[offset + 1 :]


def overwrite(data: bytes, begin: int, patch: bytes, what: str) -> Damaged:
    """Put other bytes in the place of some; those that are the same by chance count as untouched."""
    patch = patch[: len(data) - begin]
    changed = [place for place, (old, new) in enumerate(zip(data[begin:], patch, strict=False), begin) if old != new]
    ranges: list[tuple[float, float]] = [(changed[0], changed[-1] + 1)] if changed else []
    return Damaged(data[:begin] + patch + data[begin + len(patch) :], ranges, f"{what} at {begin}")


def random_flip(data: bytes, chance: random.Random) -> Damaged:
    offset, bit = chance.randrange(len(data)), chance.randrange(8)
    return Damaged(flip_bit(data, offset, bit), [(offset, offset + 1)], f"bit {bit} of byte {offset}")


def burst(data: bytes, chance: random.Random) -> Damaged:
    length = chance.randint(1, min(4096, len(data)))
    return overwrite(data, chance.randint(0, len(data) - length), chance.randbytes(length), f"{length} random bytes")


def zero_run(data: bytes, chance: random.Random) -> Damaged:
    length = chance.randint(1, min(4096, len(data)))
    return overwrite(data, chance.randint(0, len(data) - length), bytes(length), f"{length} zeros")


def misdirected_block(data: bytes, chance: random.Random) -> Damaged:
    """Put a block of the file where another one was, as a confused disk does."""
    size = 4096 if len(data) > 3 * 4096 else 512
    source, target = chance.sample(range(len(data) // size), 2)
    return overwrite(data, target * size, data[source * size : (source + 1) * size], f"{size} bytes from {source * size}")


def insertion(data: bytes, chance: random.Random) -> Damaged:
    begin, patch = chance.randint(0, len(data)), chance.randbytes(chance.randint(1, 7))
    return Damaged(data[:begin] + patch + data[begin:], [(begin - 0.5, begin + 0.5)], f"{len(patch)} bytes more at {begin}")


def deletion(data: bytes, chance: random.Random) -> Damaged:
    length = chance.randint(1, 7)
    begin = chance.randint(0, len(data) - length)
    return Damaged(data[:begin] + data[begin + length :], [(begin, begin + length)], f"{length} bytes less at {begin}")


def cut(data: bytes, chance: random.Random) -> Damaged:
    begin = chance.randint(0, len(data))
    return Damaged(data[:begin], [(begin, len(data))], f"cut at {begin}")


#: All ways, for files that meet anything.
WAYS = (random_flip, random_flip, burst, zero_run, misdirected_block, insertion, deletion, cut)


class Salvaged(NamedTuple):
    """What a salvage made of a damaged file."""

    report: rk.SalvageReport
    payloads: list[bytes]
    keys: list[int]


def damaged_store(records: Records, data: bytes, kind: SidecarKind) -> MemoryStore:
    store = MemoryStore()
    store.files["bad.rec"] = data
    if kind == "idx":
        store.files["bad.idx"] = records.idx
    elif kind == "rkm":
        store.files["bad.rkm"] = records.rkm
    return store


def salvage(records: Records, data: bytes, kind: SidecarKind) -> Salvaged:
    store = damaged_store(records, data, kind)
    report = rk.salvage("bad.rec", "good.rec", store=store)
    with rk.RecordReader("good.rec", store=store) as reader:
        return Salvaged(report, list(reader), reader.keys.tolist())
