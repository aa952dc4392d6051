"""Whether what is compared is the same work: our records beside im2rec's, byte for byte."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.corpus import Corpus
from benchmarks.race import Contender, environment, prepare_desk
from benchmarks.rows import Row
from recordio_kit._core.framing import decode_at


def verify_row(row: Row, images: Corpus, desk: Path, peers: tuple[str, ...]) -> dict[str, str]:
    """Return, for each peer that is present, whether its ``.rec`` has our bytes: "identical", or how many records differ.

    Args:
        row: whose first contender is ours.
        images: to pack.
        desk: the folder to work in; there must be none, and none is left.
        peers: the beginnings of names; the first contender of each is taken.
    """
    ours, *others = row.contenders(images)
    mine = _pack(ours, images, desk)
    found = {}
    for wanted in peers:
        peer = next((other for other in others if other.name.startswith(wanted)), None)
        if peer is not None:
            found[peer.name] = compare_records(mine, _pack(peer, images, desk))
    drop_in = replace(ours, command=(sys.executable, "-m", "recordio_kit", "im2rec", "all", str(images.root), *_flags(ours)))
    found["recordio_kit im2rec"] = compare_records(mine, _pack(drop_in, images, desk))
    return found


def compare_records(mine: bytes, other: bytes) -> str:
    """Return "identical", or how many records of two files differ.

    Args:
        mine: a whole ``.rec``.
        other: another.
    """
    if mine == other:
        return "identical"
    left, right = _records(mine), _records(other)
    different = sum(one != two for one, two in zip(left, right, strict=False)) + abs(len(left) - len(right))
    return f"{different} of {len(left)} records differ"


def _records(data: bytes) -> list[bytes]:
    records, offset = [], 0
    while offset < len(data):
        payload, offset = decode_at(data, offset)
        records.append(payload)
    return records


def _flags(ours: Contender) -> tuple[str, ...]:
    """Return what stands behind the paths of a ``pack``, which the drop-in takes too."""
    return ours.command[ours.command.index("x.rec") + 1 :]


def _pack(contender: Contender, images: Corpus, desk: Path) -> bytes:
    """Return the ``.rec`` that a command makes."""
    prepare_desk(desk, images.list)
    done = subprocess.run(contender.command, cwd=desk, env=environment(contender), check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{contender.name} failed with {done.returncode}: {done.stderr[-2000:]}")
    made = next(desk.glob("*.rec")).read_bytes()
    shutil.rmtree(desk)
    return made
