"""Records: frames, headers, writer and reader, on 1,000 records of the size of small and of everyday images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import recordio_kit as rk
from recordio_kit._core.framing import FrameDecoder, decode_at, encode_record


RECORDS = 1000
Benchmark = Callable[..., Any]


@pytest.fixture(params=[800, 110_000], ids=["800B", "110kB"], scope="module")
def payloads(request: pytest.FixtureRequest) -> list[bytes]:
    """Return payloads of one size, of random bytes."""
    generator = np.random.default_rng(0)
    return [generator.bytes(request.param + number % 4) for number in range(RECORDS)]


@pytest.fixture(scope="module")
def file(payloads: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a ``.rec`` of the payloads."""
    place = tmp_path_factory.mktemp("micro") / "x.rec"
    with rk.RecordWriter(place) as writer:
        writer.write_many(payloads)
    return place


def test_encode_1000_frames(benchmark: Benchmark, payloads: list[bytes]) -> None:
    """Frame payloads."""
    frames = benchmark(lambda: [encode_record(payload) for payload in payloads])
    assert len(frames) == RECORDS


def test_decode_1000_frames(benchmark: Benchmark, payloads: list[bytes]) -> None:
    """Take payloads out of a buffer."""
    data = b"".join(map(encode_record, payloads))

    def decode() -> int:
        offset = count = 0
        while offset < len(data):
            offset = decode_at(data, offset).end
            count += 1
        return count

    assert benchmark(decode) == RECORDS


def test_decode_1000_frames_of_a_stream(benchmark: Benchmark, payloads: list[bytes]) -> None:
    """Take payloads out of chunks of 1 MiB."""
    data = b"".join(map(encode_record, payloads))
    chunks = [data[start : start + (1 << 20)] for start in range(0, len(data), 1 << 20)] + [b""]

    def decode() -> int:
        decoder, count = FrameDecoder(), 0
        for chunk in chunks:
            decoder.feed(chunk)
            while decoder.next_record() is not None:
                count += 1
        return count

    assert benchmark(decode) == RECORDS


def test_pack_1000_headers(benchmark: Benchmark) -> None:
    """Put a scalar label's header in front of a small image."""
    body = bytes(800)
    packed = benchmark(lambda: [rk.pack_record(rk.IRHeader(0, 1.0, number, 0), body) for number in range(RECORDS)])
    assert len(packed) == RECORDS


def test_unpack_1000_headers(benchmark: Benchmark) -> None:
    """Take headers off small images."""
    payloads = [rk.pack_record(rk.IRHeader(0, 1.0, number, 0), bytes(800)) for number in range(RECORDS)]
    assert len(benchmark(lambda: [rk.unpack_record(payload) for payload in payloads])) == RECORDS


def test_write_1000_records(benchmark: Benchmark, payloads: list[bytes], tmp_path: Path) -> None:
    """Write a file with its index, flush to disk included."""

    def write() -> None:
        with rk.RecordWriter(tmp_path / "x.rec", overwrite=True) as writer:
            for payload in payloads:
                writer.write(payload)

    benchmark(write)
    assert len(rk.RecordReader(tmp_path / "x.rec")) == RECORDS


def test_read_1000_records_in_order(benchmark: Benchmark, file: Path) -> None:
    """Read a whole file, opening included."""

    def read() -> int:
        with rk.RecordReader(file) as reader:
            return sum(1 for _ in reader)

    assert benchmark(read) == RECORDS


def test_read_1000_records_at_random(benchmark: Benchmark, file: Path) -> None:
    """Read every record once, in another order."""
    order = np.random.default_rng(0).permutation(RECORDS).tolist()
    with rk.RecordReader(file) as reader:
        assert len(benchmark(lambda: [reader[position] for position in order])) == RECORDS


def test_view_1000_records(benchmark: Benchmark, file: Path) -> None:
    """Look at every record without copying it."""
    with rk.RecordReader(file) as reader:
        assert benchmark(lambda: sum(len(reader.view(position)) > 0 for position in range(RECORDS))) == RECORDS
