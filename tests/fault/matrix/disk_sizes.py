"""Rows B8 and B9: files beyond 4 GiB and records up to the format's own limit.

Strategy: holes. A sparse file has the size and none of the bytes, so offsets beyond 32 bits cost nothing but the reading.
What salvage would write is hashed instead of stored.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import recordio_kit as rk
from recordio_kit._core.framing import MAGIC_BYTES, MAX_PAYLOAD, encode_record
from recordio_kit._storage.local import LocalStore
from recordio_kit._storage.memory import MemorySink, MemoryStore
from tests.fault.matrix.registry import Outcome, Scale, Trials, expect, expect_error, posix, row


_LARGE = MAX_PAYLOAD - 3  # the largest multiple of 4
_COUNT = 9


class CountingSink(MemorySink):
    """Count and hash what is written, and keep none of it."""

    size = crc32 = 0

    def write(self, data: bytes) -> None:
        self.size += len(data)
        self.crc32 = zlib.crc32(data, self.crc32)


class CountingStore(LocalStore):
    """Read from a folder; of what is created, keep the size and checksum alone."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.sinks: dict[str, CountingSink] = {}

    def create(self, name: str, *, overwrite: bool = False) -> CountingSink:  # type: ignore[override]
        self.sinks[name] = CountingSink(MemoryStore(), name, overwrite=overwrite)
        return self.sinks[name]

    def drafts(self) -> None:  # type: ignore[override]
        """Nothing is kept, so nothing can be gone on with."""


@row(
    "B8",
    "a .rec beyond 4 GiB: 9 records of 2**29 - 4 bytes and a small one",
    "index, seek, range read, verify, salvage right",
    posix,
)
def beyond_4_gib(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("B8", seed, limit=120)
    path, last = workdir / "x.rec", b"the last record"
    extent = 8 + _LARGE
    with path.open("wb") as file:
        for number in range(_COUNT):
            file.seek(number * extent)
            file.write(MAGIC_BYTES + struct.pack("<I", _LARGE))
        file.seek(_COUNT * extent)
        file.write(encode_record(last))
    size = path.stat().st_size
    trials.figure("size", f"{size / 1e9:.2f} GB, {path.stat().st_blocks * 512 / 1e3:.0f} kB on disk")
    with trials.trial("index"):
        rk.build_index(path, keys="position")
        rows = [tuple(map(int, line.split())) for line in path.with_suffix(".idx").read_text().splitlines()]
        expect(rows == [(number, number * extent) for number in range(_COUNT + 1)], f"{rows}")
    with trials.trial("seek"), rk.RecordReader(path) as reader:
        expect(len(reader) == _COUNT + 1 and reader[-1] == last == reader.read_key(_COUNT), "not the last record")
        expect(reader.read_many([_COUNT, _COUNT]) == [last, last], "not by range")
        expect(bytes(reader.view(_COUNT)) == last and len(reader.view(_COUNT - 1)) == _LARGE, "not by view")
    if scale is Scale.FULL:
        with trials.trial("verify"):
            report = rk.verify(path)
            expect(report.ok and report.records == _COUNT + 1 and report.bytes == size, f"{report}")
        with trials.trial("salvage"):
            with path.open("r+b") as file:
                file.seek(extent)
                file.write(b"\0")  # the second record's magic
            store = CountingStore(workdir)
            found = rk.salvage("x.rec", "good.rec", store=store)
            expect(found.records == _COUNT and [part[:2] for part in found.lost] == [(extent, 2 * extent)], f"{found}")
            expect(store.sinks["good.rec"].size == size - extent, "another size")
    return trials.outcome()


@row("B9", "a payload of 2**29 - 1 bytes, and one of 2**29", "the first is written, the second refused before any byte")
def largest_record(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("B9", seed, limit=60)
    store = CountingStore(workdir)
    largest = bytes(MAX_PAYLOAD)
    writer = rk.RecordWriter("x.rec", store=store)
    with trials.trial("2**29"):
        with expect_error(rk.errors.RecordTooLargeError, words="split it"):
            writer.write(bytes(MAX_PAYLOAD + 1))
        expect(store.sinks["x.rec"].size == 0 and len(writer) == 0, "bytes were written")
    with trials.trial("2**29 - 1"):
        writer.write(largest)
        expect(store.sinks["x.rec"].size == 8 + MAX_PAYLOAD + 1, "another size")
    with trials.trial("and it goes on"):
        writer.write(b"next")
        writer.close()
        expect(writer.files[0].bytes == 8 + MAX_PAYLOAD + 1 + 12, "another size")
        expect(writer.files[0].crc32 == store.sinks["x.rec"].crc32, "another checksum")
    if scale is Scale.FULL:
        with trials.trial("read"):
            path = workdir / "x.rec"
            with path.open("wb") as file:
                file.write(MAGIC_BYTES + struct.pack("<I", MAX_PAYLOAD))
                file.truncate(8 + MAX_PAYLOAD + 1)
            with rk.RecordReader(path) as reader:
                expect(reader[0] == largest, "not what was written")
    return trials.outcome()
