r"""The ``.rkm`` sidecar: per-record checksums and offsets, as columns and as bytes.

Strategy: RecordIO protects nothing, so each record's CRC-32 is kept beside the file, never in it. Little-endian layout:

    8 bytes   magic ``RKM1\r\n\x1a\n`` (a text-mode copy breaks it visibly)
    u64       records n
    u64       bytes in the ``.rec``
    u32       CRC-32 of the whole ``.rec``
    32 bytes  fingerprint of the list and options that made it; zeros where nobody knows
    u32       CRC-32 of the 60 bytes before
    n times   u64 offset, u64 key, u32 length on disk (all parts and padding), u32 CRC-32 of that extent
    u32 ...   CRC-32 of each run of 1,024 entries, then one CRC-32 of those

Every byte is covered by a checksum, so a damaged sidecar is recognised and never believed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from recordio_kit._core.checksum import crc32_of
from recordio_kit.errors import IndexMismatchError


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

MAGIC: Final = b"RKM1\r\n\x1a\n"
BLOCK_ENTRIES: Final = 1024
ENTRY_DTYPE: Final = np.dtype([("offset", "<u8"), ("key", "<u8"), ("length", "<u4"), ("crc32", "<u4")])
_HEAD: Final = struct.Struct("<8sQQI32s")
_CRC: Final = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Sidecar:
    """Hold what is known of a ``.rec`` file's content.

    Args:
        entries: [n] of ``ENTRY_DTYPE``, in record order.
        size: bytes in the ``.rec``.
        crc32: CRC-32 of the whole ``.rec``.
        fingerprint: hex digest of the list and options that made it; empty where nobody knows.
    """

    entries: NDArray[Any]
    size: int
    crc32: int
    fingerprint: str = ""


def format_sidecar(sidecar: Sidecar) -> bytes:
    """Return ``.rkm`` bytes.

    Args:
        sidecar: the columns.
    """
    entries = np.asarray(sidecar.entries, ENTRY_DTYPE)
    runs = (entries[start : start + BLOCK_ENTRIES] for start in range(0, len(entries), BLOCK_ENTRIES))
    return b"".join(sidecar_parts(len(entries), sidecar.size, sidecar.crc32, sidecar.fingerprint, runs))


def sidecar_parts(records: int, size: int, crc32: int, fingerprint: str, runs: Iterable[NDArray[Any]]) -> Iterator[bytes]:
    """Yield ``.rkm`` bytes in pieces, so that millions of records need no more memory than a few thousand.

    Args:
        records: how many entries will come.
        size: bytes in the ``.rec``.
        crc32: CRC-32 of the whole ``.rec``.
        fingerprint: hex digest, or empty.
        runs: the entries, of ``ENTRY_DTYPE``, ``BLOCK_ENTRIES`` at a time.
    """
    head = _HEAD.pack(MAGIC, records, size, crc32, bytes.fromhex(fingerprint))
    yield head + _CRC.pack(crc32_of(head))
    blocks = []
    for run in runs:
        body = run.tobytes()
        blocks.append(_CRC.pack(crc32_of(body)))
        yield body
    sums = b"".join(blocks)
    yield sums + _CRC.pack(crc32_of(sums))


def parse_sidecar(data: bytes, *, source: str | None = None) -> Sidecar:
    """Return the columns that ``.rkm`` bytes hold.

    Args:
        data: the file's bytes.
        source: its name, for messages.

    Raises:
        IndexMismatchError: it is no sidecar, or damaged.
    """
    start = _HEAD.size + _CRC.size
    if len(data) < start or not data.startswith(MAGIC):
        msg = "not a checksum sidecar; write it again with 'manifest'"
        raise IndexMismatchError(msg, source=source)
    _, count, size, crc32, fingerprint = _HEAD.unpack_from(data)
    end = start + count * ENTRY_DTYPE.itemsize
    blocks = -(-count // BLOCK_ENTRIES) * _CRC.size
    sound = (
        _CRC.unpack_from(data, _HEAD.size)[0] == crc32_of(data[: _HEAD.size])
        and len(data) == end + blocks + _CRC.size
        and _CRC.unpack_from(data, end + blocks)[0] == crc32_of(data[end : end + blocks])
        and _block_crcs(data[start:end]) == data[end : end + blocks]
    )
    if not sound:
        msg = "the checksum sidecar is damaged: its own checksums do not hold; write it again with 'manifest'"
        raise IndexMismatchError(msg, source=source)
    return Sidecar(np.frombuffer(data, ENTRY_DTYPE, count, start), size, crc32, fingerprint.hex() if any(fingerprint) else "")


def _block_crcs(body: bytes) -> bytes:
    step = BLOCK_ENTRIES * ENTRY_DTYPE.itemsize
    return b"".join([_CRC.pack(crc32_of(body[start : start + step])) for start in range(0, len(body), step)])
