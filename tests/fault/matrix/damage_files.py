"""Rows C7, C8 and C10 to C12: files with more behind them, indexes that lie, headers that lie, and files still growing.

Strategy: as for ``damage``, but each case has an answer of its own. A reader may refuse or be right; a wrong record is
never well, unless verify names the index that led to it.
"""

from __future__ import annotations

import contextlib
import io
import random
import stat
import struct
import subprocess
import sys
from pathlib import Path

import recordio_kit as rk
from recordio_kit._core.framing import encode_record
from recordio_kit._pipeline.unpack import unpack
from recordio_kit._storage.memory import MemoryStore
from recordio_kit.cli import main
from tests.fault.matrix.mxnet import read_with_mxnet
from tests.fault.matrix.records import WAYS, Records, damaged_store, image_record, make_records, many, plain_record, salvage
from tests.fault.matrix.registry import Outcome, Scale, Trials, expect, row
from tests.samples import jpeg


@row("C7", "zeros, junk or a second .rec behind the end", "verify exits with 1; every record back; the region named")
def appendices(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("C7", seed, limit=5)
    chance = trials.random()
    records, other = (many(image_record, chance, 30, 0, 300) for _ in range(2))
    tails = {f"{size} zeros": bytes(size) for size in (1, 4, 16, 4096)}
    tails |= {f"{size} bytes of junk": chance.randbytes(size) for size in (1, 7, 16, 1000)}
    tails |= {"a second .rec": other.data, "half a second .rec": other.data[: len(other.data) // 2]}
    for name, tail in tails.items():
        path = workdir / "x.rec"
        path.write_bytes(records.data + tail)
        path.with_suffix(".rkm").write_bytes(records.rkm)
        with trials.trial(name):
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                expect(main(["verify", str(path)]) == 1, "verify does not exit with 1")
            checked = salvage(records, records.data + tail, "rkm")
            expect(checked.payloads == records.payloads, "records of another file, or too few")
            lost = [part[:2] for part in checked.report.lost]
            expect(lost == [(len(records.data), len(path.read_bytes()))], f"the region is not named: {lost}")
            plain = salvage(records, records.data + tail, "none").payloads
            whole = "second" in name  # without a sidecar, two files in one are a file
            expect(plain[:30] == records.payloads and (len(plain) > 30) == whole, f"{len(plain)} records without sidecar")
    return trials.outcome()


@row(
    "C8",
    "an .idx that is cut, doubled, shifted, unsorted, of other text, or missing",
    "refused, right, or named; index restores it",
)
def indexes(scale: Scale, seed: int, _workdir: Path) -> Outcome:
    trials = Trials("C8", seed, limit=2)
    records = many(image_record, trials.random(), 60, 0, 300)
    cases = _index_cases(records, trials.random("cases"), scale.of(40, 400))
    for name, (text, right) in cases.items():
        with trials.trial(name):
            store = damaged_store(records, records.data, "none")
            if text is not None:
                store.files["bad.idx"] = text
            wrong, refused = _read_by_key(records, store)
            expect(not (right and refused), f"a sound index is refused: {refused}")
            if wrong:
                found = rk.verify("bad.rec", level="structure", store=store).findings
                expect(
                    any(finding.kind == "index" for finding in found), f"keys {wrong} give other records, and verify is silent"
                )
            trials.share("read right or refused at once", not wrong, 1, mark=0.0)
            rk.build_index("bad.rec", overwrite=True, store=store)
            expect(store.files["bad.idx"] == records.idx, "the index is not restored")
    return trials.outcome()


def _read_by_key(records: Records, store: MemoryStore) -> tuple[list[int], str]:
    """Return the keys that give other records than they should, and the first refusal."""
    wrong, refused = [], ""
    try:
        with rk.RecordReader("bad.rec", store=store) as reader:
            for key in reader.keys.tolist():
                try:
                    if key >= len(records.payloads) or reader.read_key(key) != records.payloads[key]:
                        wrong.append(key)
                except rk.errors.FormatError as error:
                    refused = refused or str(error)
    except rk.errors.IndexMismatchError as error:
        refused = str(error)
    return wrong, refused


def _index_cases(records: Records, chance: random.Random, count: int) -> dict[str, tuple[bytes | None, bool]]:
    """Return indexes by what is wrong with them, and whether they are still to be read."""
    text = records.idx
    rows = text.splitlines(keepends=True)
    cases: dict[str, tuple[bytes | None, bool]] = {
        "missing": (None, True),
        "empty": (b"", False),
        "CRLF": (text.replace(b"\n", b"\r\n"), True),
        "no line end at the end": (text[:-1], True),
        "blank line behind": (text + b"\n", True),
        "blank line inside": (b"".join(rows[:30]) + b"\n" + b"".join(rows[30:]), True),
        "spaces for tabs": (text.replace(b"\t", b" "), True),
        "from behind": (b"".join(rows[::-1]), True),
        "text": (b"this is no index\n", False),
    }
    for turn in range(count):
        place = chance.randrange(1, len(rows))
        key, offset = map(int, rows[place].split())
        size = len(records.data)
        lies = (offset - 4, offset + 4, offset + 1, size, size + 4 * chance.randrange(1 << 40), -offset, 10**30, (1 << 64) - 1)
        lie = lies[turn % len(lies)]
        changed = [*rows[:place], f"{key}\t{lie}\n".encode(), *rows[place + 1 :]]
        cases[f"row {place} points to {lie}"] = (b"".join(changed), False)
        other = chance.choice([row for row in rows if row is not rows[place]]).split()[1]
        changed[place] = b"%d\t%s\n" % (key, other)
        cases[f"row {place} points to the record at {other.decode()}"] = (b"".join(changed), False)
        end = chance.randrange(len(text))
        cases[f"cut at {end}"] = (text[:end], False)
        twice = [*rows[:place], f"{key - 1}\t{offset}\n".encode(), *rows[place + 1 :]]
        cases[f"key {key - 1} twice"] = (b"".join(twice), False)
    return cases


@row("C10", "image headers that lie: short, too many labels, NaN, a second id, any bytes", "0 errors but ours")
def headers(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("C10", seed, limit=5)
    for number in range(scale.of(100, 3000)):
        chance = trials.random(number)
        store = MemoryStore()
        with rk.RecordWriter("x.rec", store=store) as writer:
            writer.write_many([_lying_record(chance) for _ in range(chance.randint(1, 4))])
        with trials.trial(str(number)):
            for use in (_use_reader, _use_verify, _use_unpack):
                try:
                    use(store, workdir / f"out{number}")
                except (rk.errors.FormatError, rk.errors.ImageError):
                    continue
                except ValueError as error:  # labels of several widths in one file: no damage, but no table either
                    expect("another number" in str(error), f"ValueError: {error}")
    return trials.outcome()


def _lying_record(chance: random.Random) -> bytes:
    header = struct.pack(
        "<IfQQ",
        chance.choice([0, 1, 2, 5, 1000, 0xFFFFFFFF]),
        chance.choice([0.0, -0.0, 3.0, float("nan"), float("inf"), 1e30]),
        chance.choice([0, 1, 7, (1 << 64) - 1]),
        chance.choice([0, 0, 1, (1 << 64) - 1]),
    )
    body = chance.choice([b"", jpeg(), jpeg()[:200], chance.randbytes(chance.randrange(40))])
    labels = struct.pack("<2f", *chance.choices([0.0, 1.0, float("nan"), -1e9], k=2))
    return chance.choice([chance.randbytes(chance.randrange(24)), header + body, header + labels + body])


def _use_reader(store: MemoryStore, _out: Path) -> None:
    with rk.ImageReader("x.rec", store=store) as reader:
        reader.labels()
        for position in range(len(reader)):
            try:
                reader[position].decode()
            except (rk.errors.FormatError, rk.errors.ImageError):
                continue


def _use_verify(store: MemoryStore, _out: Path) -> None:
    rk.verify("x.rec", level="decode", store=store)
    rk.build_index("x.rec", overwrite=True, store=store)


def _use_unpack(store: MemoryStore, out: Path) -> None:
    unpack("x.rec", out, store=store)


@row("C11", "the file that salvage writes", "verify finds nothing, MXNet reads to the end; regions named; the source as it was")
def salvaged(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("C11", seed, limit=10)
    written: dict[str, int] = {}
    for number in range(scale.of(12, 200)):
        chance = trials.random(number)
        records = many(image_record, chance, 40, 0, 2000)
        damage = chance.choice(WAYS)(records.data, chance)
        folder = workdir / str(number)
        folder.mkdir()
        bad, good = folder / "bad.rec", folder / "good.rec"
        bad.write_bytes(damage.data)
        if number % 2:
            bad.with_suffix(".rkm").write_bytes(records.rkm)
        bad.chmod(stat.S_IRUSR)
        before = bad.stat()
        with trials.trial(f"{number}, {damage.what}"):
            report = rk.salvage(bad, good)
            after = bad.stat()
            expect(bad.read_bytes() == damage.data and after.st_mtime_ns == before.st_mtime_ns, "the source was written to")
            checked = rk.verify(good, level="checksum")
            expect(checked.ok and checked.records == report.records, f"verify: {checked}")
            expect(
                all(part.reason and 0 <= part.begin < part.end <= before.st_size for part in report.lost), "a region lacks words"
            )
            written[str(good)] = report.records
    read = read_with_mxnet(list(written))
    if read is None:
        trials.note("not read with MXNet: MXNET_PYTHON names no interpreter")
    else:
        with trials.trial("MXNet"):
            expect(read == written, f"MXNet reads {read}, written were {written}")
    return trials.outcome()


#: Appends the file on its standard input to the one it is told, in pieces, and goes on when it is told.
_APPENDER = """
import random, sys, time
chance = random.Random(int(sys.argv[2]))
data = sys.stdin.buffer.read()
with open(sys.argv[1], "ab", buffering=0) as file:
    while data:
        step = chance.randint(1, 4000)
        file.write(data[:step])
        data = data[step:]
        time.sleep(0.0005)
"""


@row("C12", "a .rec read while another process appends to it", "whole records only, in order; a torn tail is named as such")
def growing(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("C12", seed, limit=30)
    payloads = [plain_record(trials.random(), number, 300 + 13 * number) for number in range(120)]
    data = make_records(payloads).data
    for number in range(scale.of(2, 50)):
        path = workdir / f"{number}.rec"
        path.write_bytes(b"")
        with (
            trials.trial(str(number)),
            subprocess.Popen([sys.executable, "-c", _APPENDER, str(path), str(number)], stdin=subprocess.PIPE) as process,
        ):
            process.stdin.write(data)
            process.stdin.close()
            looks = torn = seen = 0
            running = True
            while running:
                running = process.poll() is None  # asked first: the last look is at the whole file
                found, tail = _read_whole(path)
                expect(found == payloads[: len(found)], "other records than were written")
                expect(len(found) >= seen, "fewer records than before")
                looks, torn, seen = looks + 1, torn + tail, len(found)
            expect(seen == len(payloads), f"{seen} of {len(payloads)} records in the end")
            trials.share("looks that met a torn tail", torn, looks, mark=0.0)
    return trials.outcome()


def _read_whole(path: Path) -> tuple[list[bytes], bool]:
    """Return the whole records, and whether a torn one stands behind them."""
    found = []
    with rk.RecordReader(path, index=False) as reader:
        try:
            for payload in reader:  # not list(reader): that asks for the length first, which a torn tail has none of
                found.append(payload)  # noqa: PERF402
        except rk.errors.TruncatedRecordError as error:
            torn = error.offset
        else:
            torn = reader.size
        whole = sum(len(encode_record(payload)) for payload in found)
        expect(torn == whole, f"{whole} bytes are whole records, the tail is put at {torn}")
        return found, whole < reader.size
