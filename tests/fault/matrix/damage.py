"""Rows C1 to C6 and C13: a ``.rec`` whose bytes are not what they were, and what salvage and verify make of it.

Strategy: damage files in memory, many times, and count the untouched records that come back, without a sidecar, with an
index, with checksums. With checksums nothing may come back that was never written, and verify must name all damage.
"""

from __future__ import annotations

import random
import struct
from collections import Counter
from pathlib import Path

import recordio_kit as rk
from recordio_kit._core.framing import MAGIC, MAGIC_BYTES
from tests.fault.matrix.records import (
    WAYS,
    Damaged,
    Records,
    SidecarKind,
    burst,
    cut,
    damaged_store,
    deletion,
    flip_bit,
    image_record,
    insertion,
    make_records,
    many,
    misdirected_block,
    plain_record,
    random_flip,
    salvage,
    three_kinds,
    zero_run,
)
from tests.fault.matrix.registry import Outcome, Scale, Trials, expect, row


def judge(trials: Trials, records: Records, damage: Damaged, kind: SidecarKind, *, mark: float = 1.0) -> list[bytes]:
    """Salvage a damaged file, hold what is found against what was there, and return it."""
    kept = damage.untouched(records)
    found = salvage(records, damage.data, kind)
    whole = set(found.payloads)
    back = [place for place in kept if records.payloads[place] in whole]
    trials.share(f"untouched recovered, sidecar: {kind},", len(back), len(kept), mark=mark)
    if mark == 1.0:
        expect(len(back) == len(kept), f"untouched records {sorted({*kept} - {*back})} lost after {damage.what}")
    ends = [0, *(edge for part in found.report.lost for edge in part[:2]), len(damage.data)]
    expect(ends == sorted(ends), f"lost ranges overlap or leave the file after {damage.what}: {found.report.lost}")
    if kind == "rkm":
        expect(not Counter(found.payloads) - Counter(records.payloads), f"a record that was never written after {damage.what}")
        wrong = [key for key, payload in zip(found.keys, found.payloads, strict=True) if records.payloads[key] != payload]
        expect(not wrong, f"keys {wrong} have other records than before, after {damage.what}")
    return found.payloads


def judge_detection(records: Records, damage: Damaged) -> None:
    """Expect verify, with checksums, to find the damage where it is."""
    if not damage.ranges:
        return
    report = rk.verify("bad.rec", store=damaged_store(records, damage.data, "rkm"))
    expect(not report.ok, f"verify found nothing after {damage.what}")
    untouched = set(damage.untouched(records))
    # bytes that moved in may by chance be those that were there
    changed = [damage.data[begin:end] != records.data[begin:end] for begin, end in records.extents]
    touched = [extent for place, extent in enumerate(records.extents) if place not in untouched and changed[place]]
    offsets = [finding.offset for finding in report.findings if finding.offset is not None]
    for begin, end in touched:
        expect(any(begin <= offset < end for offset in offsets), f"record at {begin} is not named after {damage.what}")


@row("C1", "one bit flipped in a .rec: small records, images, records full of magics", "0 crashes; untouched 100 %; all named")
def flipped_bits(scale: Scale, seed: int, _workdir: Path) -> Outcome:
    trials = Trials("C1", seed, limit=2)
    for name, records in three_kinds(trials.random()).items():
        for number in range(scale.of(40, 1000)):
            damage = random_flip(records.data, trials.random(f"{name} {number}"))
            with trials.trial(f"{name} {number}"):
                for kind in ("none", "idx", "rkm"):
                    judge(trials, records, damage, kind)
                judge_detection(records, damage)
    return trials.outcome()


_FIELDS_MARK = "untouched 100 %; with .rkm the record named"
#: Where in a frame each field of it is: (first bit, number of bits) from the frame's start; the header's 24 bytes follow.
FIELDS = {"magic": (0, 32), "length": (32, 29), "flag": (61, 3), "header": (64, 192)}


@row("C2", "one bit flipped in magic, length, flag, padding or image header; a length that ends at a later head", _FIELDS_MARK)
def flipped_fields(scale: Scale, seed: int, _workdir: Path) -> Outcome:
    trials = Trials("C2", seed, limit=2)
    records = many(image_record, trials.random(), 40, 1, 200)
    for number in range(scale.of(150, 5000)):
        field = ("magic", "length", "flag", "padding", "header")[number % 5]
        with trials.trial(f"{field} {number}"):
            damage = _flip_field(records, field, trials.random(number))
            for kind in ("none", "idx", "rkm"):
                judge(trials, records, damage, kind)
            judge_detection(records, damage)
            if field != "header":
                seen = not rk.verify("bad.rec", level="structure", store=damaged_store(records, damage.data, "none")).ok
                trials.share(f"{field} seen by structure alone", seen, 1, mark=0.0 if field == "length" else 1.0)
    # 64 bytes each, so that one bit more in a length makes a record end where the next one, or a later one, does
    even = make_records([plain_record(trials.random("even"), number, 52) for number in range(40)])
    for offset in even.offsets[: scale.of(8, 31)]:
        for bit in (6, 7, 8):
            if even.offsets[-1] >= offset + (1 << bit):
                damage = Damaged(
                    flip_bit(even.data, offset + 4 + bit // 8, bit % 8), [(offset + 4, offset + 6)], f"bit {bit} at {offset}"
                )
                with trials.trial(f"swallowing, {damage.what}"):
                    for kind in ("none", "idx", "rkm"):
                        judge(trials, even, damage, kind)
                    judge_detection(even, damage)
                    seen = not rk.verify("bad.rec", level="structure", store=damaged_store(even, damage.data, "none")).ok
                    expect(seen, f"structure does not show {damage.what}")
    return trials.outcome()


def _flip_field(records: Records, field: str, chance: random.Random) -> Damaged:
    padded = [place for place, payload in enumerate(records.payloads) if len(payload) % 4]
    place = chance.choice(padded if field == "padding" else range(len(records.payloads)))
    begin, end = records.extents[place]
    if field == "padding":
        bit = 8 * (end - chance.randint(1, -len(records.payloads[place]) % 4)) + chance.randrange(8)
    else:
        first, count = FIELDS[field]
        bit = 8 * begin + first + chance.randrange(count)
    flipped = flip_bit(records.data, bit // 8, bit % 8)
    return Damaged(flipped, [(bit // 8, bit // 8 + 1)], f"{field} of record {place}, bit {bit % 8} of byte {bit // 8}")


@row("C3", "a flip that makes or kills a magic; a chain of parts broken at each link", "untouched 100 %; with .rkm 0 invented")
def magics(scale: Scale, seed: int, _workdir: Path) -> Outcome:
    trials = Trials("C3", seed, limit=2)
    chance = trials.random()
    near = [struct.pack("<I", MAGIC ^ 1 << bit) for bit in range(32)]
    atoms = [MAGIC_BYTES, *near[::3]]
    payloads = [b"".join([struct.pack("<I", n), *chance.choices(atoms, k=chance.randint(1, 6))]) + b"x" * n for n in range(30)]
    records = make_records([*payloads, b"ab", struct.pack("<I", 99) + MAGIC_BYTES * 3 + b"end"])
    words = struct.unpack(f"<{len(records.data) // 4}I", records.data)
    flips = [(4 * place, bit) for place, word in enumerate(words) for bit in range(32) if word ^ MAGIC in (0, 1 << bit)]
    for offset, bit in flips if scale is Scale.FULL else chance.sample(flips, 150):
        place = offset + bit // 8
        damage = Damaged(flip_bit(records.data, place, bit % 8), [(place, place + 1)], f"bit {bit} of the word at {offset}")
        with trials.trial(damage.what):
            for kind in ("none", "idx", "rkm"):
                judge(trials, records, damage, kind)
            judge_detection(records, damage)
    for damage in _broken_chains(records):
        with trials.trial(damage.what):
            for kind in ("none", "idx", "rkm"):
                judge(trials, records, damage, kind)
            judge_detection(records, damage)
    return trials.outcome()


def _broken_chains(records: Records) -> list[Damaged]:
    """Return the file with each part's flag of its last record set to every other value, and with each part cut out."""
    data, begin = records.data, records.offsets[-1]
    heads = [place for place in range(begin, len(data), 4) if data[place : place + 4] == MAGIC_BYTES]
    broken = []
    for head, following in zip(heads, [*heads[1:], len(data)], strict=True):
        broken.append(Damaged(data[:head] + data[following:], [(head, following)], f"no part at {head}"))
        for flag in range(8):
            top = data[head + 7] & 0x1F | flag << 5
            if top != data[head + 7]:
                flagged = data[: head + 7] + bytes([top]) + data[head + 8 :]
                broken.append(Damaged(flagged, [(head + 7, head + 8)], f"flag {flag} at {head}"))
    return broken


def _judge_marks(
    scale: Scale, seed: int, row_id: str, ways: dict[str, tuple[object, int]], marks: dict[SidecarKind, float]
) -> Outcome:
    """Try ways of damage on all three kinds of files, each sidecar with a mark of its own."""
    trials = Trials(row_id, seed, limit=5)
    for name, records in three_kinds(trials.random()).items():
        for way, (damage_of, count) in ways.items():
            for number in range(count):
                damage = damage_of(records.data, trials.random(f"{name} {way} {number}"))  # type: ignore[operator]
                with trials.trial(f"{name} {way} {number}"):
                    for kind, mark in marks.items():
                        judge(trials, records, damage, kind, mark=mark)
                    judge_detection(records, damage)
    return trials.outcome()


@row(
    "C4",
    "a burst or a run of zeros of 1 to 4,096 bytes; a block of the file in another one's place",
    "untouched: with .idx or .rkm 100 %, without >= 99.9 %",
)
def bursts(scale: Scale, seed: int, _workdir: Path) -> Outcome:
    count = scale.of(20, 1000)
    ways = {"burst": (burst, count), "zeros": (zero_run, count), "block": (misdirected_block, count)}
    return _judge_marks(scale, seed, "C4", ways, {"none": 0.999, "idx": 1.0, "rkm": 1.0})


@row("C5", "a .rec cut at every byte", "every whole record before the cut; the torn one named with its bytes")
def every_cut(scale: Scale, seed: int, _workdir: Path) -> Outcome:
    trials = Trials("C5", seed, limit=2)
    files = {
        "10 records": many(image_record, trials.random("10"), 10, 0, 40),
        "60 records": many(plain_record, trials.random("60"), 60, 0, scale.of(40, 160)),
    }
    for name, records in files.items():
        for size in range(0, len(records.data) + 1, scale.of(5, 1)):
            damage = Damaged(records.data[:size], [(size, len(records.data))], f"cut at {size}")
            with trials.trial(f"{name} {damage.what}"):
                _judge_cut(trials, records, damage)
    return trials.outcome()


def _judge_cut(trials: Trials, records: Records, damage: Damaged) -> None:
    kept = damage.untouched(records)
    for kind in ("none", "idx", "rkm"):
        found = judge(trials, records, damage, kind)
        expect(found == [records.payloads[place] for place in kept], "more than was whole, or in another order")
    size, start = len(damage.data), records.extents[len(kept)][0] if len(kept) < len(records.payloads) else len(records.data)
    report = rk.verify("bad.rec", level="structure", store=damaged_store(records, damage.data, "none"))
    torn = [finding for finding in report.findings if finding.offset is not None]
    expect(len(torn) == (size > start), f"{len(torn)} torn records")
    if torn:
        expect(torn[0].offset == start and f"{size - start} bytes" in torn[0].message, f"not named: {torn[0]}")
    expect(any(finding.kind == "size" for finding in report.findings) == bool(size % 4), "a size that is no multiple of 4")


@row("C6", "1 to 7 bytes put in or taken out", "untouched: with .rkm 100 %, without >= 99 %")
def shifts(scale: Scale, seed: int, _workdir: Path) -> Outcome:
    count = scale.of(25, 1000)
    ways = {"more": (insertion, count), "less": (deletion, count), "cut": (cut, scale.of(10, 100))}
    return _judge_marks(scale, seed, "C6", ways, {"none": 0.99, "idx": 0.99, "rkm": 1.0})


@row("C13", "any of this to a file of 500 records", "0 crashes; untouched 100 % and 0 invented with .rkm, >= 99.9 % without")
def anything(scale: Scale, seed: int, _workdir: Path) -> Outcome:
    trials = Trials("C13", seed, limit=5)
    records = many(image_record, trials.random(), 500, 0, 1500)
    for number in range(scale.of(12, 2000)):
        chance = trials.random(number)
        damage = chance.choice(WAYS)(records.data, chance)
        with trials.trial(f"{number}, {damage.what}"):
            judge(trials, records, damage, "none", mark=0.999)
            judge(trials, records, damage, "rkm")
            judge_detection(records, damage)
    return trials.outcome()
