"""Row C9: files made to cost their readers hours or all of the memory.

Strategy: each file goes through everything that reads a ``.rec`` whole (verify, salvage, index, a reader), in a process of
its own, where time and memory are measured: time must be linear in the bytes that are there, memory must not follow what
heads claim.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

from recordio_kit._core.framing import MAGIC_BYTES, encode_record
from tests.fault.matrix.measured import Measured, measure
from tests.fault.matrix.registry import Outcome, Scale, Trials, expect, linux, row


_MARK = "64 MiB in <= 10 s, a head in <= 100 us; <= 16 MiB more, + twice the bytes of heads"
_SECONDS_A_HEAD = 100e-6
_MIB = 1 << 20
_TASKS = ("verify", "salvage", "index", "read")

_WORK = """
from pathlib import Path

def work(name, task):
    path = Path(name)
    if task == "verify":
        return str(rk.verify(path, level="checksum"))
    if task == "salvage":
        return str(rk.salvage(path, path.with_name("good.rec"), overwrite=True))
    if task == "index":
        return rk.build_index(path, index=path.with_name("x.index"), overwrite=True)
    with rk.RecordReader(path, index=False) as reader:
        return f"{sum(map(len, reader))} bytes"
"""


def _head(length: int, flag: int = 0) -> bytes:
    return MAGIC_BYTES + struct.pack("<I", flag << 29 | length)


def _to_the_end(size: int, step: int) -> bytes:
    """Return heads, so many bytes apart, of which each claims all that follows."""
    return b"".join(_head(size - place - 8) + bytes(step - 8) for place in range(0, size, step))


def _files(scale: Scale) -> Iterator[tuple[str, bytes]]:
    """Yield what is in each file that is judged by its bytes."""
    size = scale.of(8, 64) * _MIB
    yield "8 bytes that claim 2**29 - 1", _head((1 << 29) - 1)
    yield f"{size // _MIB} MiB of magic words", MAGIC_BYTES * (size // 4)
    yield f"{size // _MIB} MiB of magics at all phases", (MAGIC_BYTES + b"\0") * (size // 5)
    yield f"{size // _MIB} MiB of heads that claim all the rest", _to_the_end(size, 1024)


def _parts(count: int) -> Iterator[tuple[str, bytes]]:
    """Yield what is in each file that is judged by its heads."""
    yield "parts without a last one", _head(0, 1) + _head(0, 2) * count
    yield "first parts", _head(0, 1) * count
    yield "parts of 2**29 - 4", _head((1 << 29) - 4, 1) * count
    yield "heads that claim the next one", _head(4) * count
    yield "heads that claim all the rest", _to_the_end(8 * count, 8)


@row("C9", "sizes that lie: 8 bytes claiming 2**29 - 1, magics alone, a million heads, zeros", _MARK, linux)
def sizes(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("C9", seed, limit=1500)
    tiny = workdir / "tiny.rec"
    tiny.write_bytes(encode_record(b"a") + encode_record(MAGIC_BYTES * 3))
    files: dict[str, float] = {}  # and the seconds that each may take

    def write(name: str, data: bytes, limit: float) -> None:
        (workdir / name).write_bytes(data)
        files[name] = limit

    def run(room: float = 16.0) -> dict[str, Measured]:
        jobs = [(name, task) for name in files for task in _TASKS]
        made = measure(_WORK, [(str(tiny), task) for task in _TASKS], [(str(workdir / name), task) for name, task in jobs])
        for (name, task), took in zip(jobs, made, strict=True):
            with trials.trial(f"{task} {name}"):
                expect(took.seconds <= files[name], f"{took.seconds:.1f} s of work, at most {files[name]:.1f} are well")
                held = task == "read" and took.said.endswith(" bytes")  # a payload that was there is its reader's to hold
                most = room + held * 3 * (workdir / name).stat().st_size / _MIB
                expect(took.mib <= most, f"{took.mib:.1f} MiB, at most {most:.0f} are well")
                refused = task in ("verify", "salvage") or "Error: " in took.said
                expect("zeros" not in name or refused, f"{task} takes zeros for records: {took.said}")
        return {f"{task} {name}": took for (name, task), took in zip(jobs, made, strict=True)}

    for name, data in _files(scale):
        write(name, data, max(2.0, 10 * len(data) / (64 * _MIB)))
    zeros = f"{scale.of(60, 600)} MB of zeros"
    write(zeros, b"", 10)
    os.truncate(workdir / zeros, scale.of(60, 600) * 1_000_000)
    found = run()
    files.clear()
    count = scale.of(10_000, 1_000_000)
    for name, data in _parts(count):
        write(f"{len(data) // 8:,} {name}", data, max(0.5, len(data) / 8 * _SECONDS_A_HEAD))
    found |= run(16 + 2 * 8 * count / _MIB)  # verify keeps a few bytes for each piece of a file
    files.clear()
    one = _head(0, 1) + _head(0, 2) * (count - 2) + _head(0, 3)
    write("empty parts of one record", one, count * _SECONDS_A_HEAD)
    run(16 + 8 * len(one) / _MIB)  # which is held, and framed again
    trials.figure("slowest", f"{max(took.seconds for took in found.values()):.1f} s")
    most = max(took.mib for name, took in found.items() if not name.startswith("read"))
    trials.figure("most memory, but to hold a payload,", f"{most:.1f} MiB")
    return trials.outcome()
