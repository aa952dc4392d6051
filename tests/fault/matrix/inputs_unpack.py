"""Rows D8 and D10: names and labels that would land on each other when they become files again.

Strategy: a ``.rec`` beside a list that no writer of ours would make, unpacked as users do it; every image must be there,
once, under a name that every disk keeps.
"""

from __future__ import annotations

import os
import re
import shutil
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import recordio_kit as rk
from recordio_kit._core.header import unpack_record
from recordio_kit._pipeline.unpack import unpack
from tests.fault.matrix.registry import Outcome, Scale, Trials, expect, expect_error, row
from tests.samples import jpeg


def write_rec(folder: Path, names: Sequence[str], labels: object = None) -> Path:
    """Write x.rec with one image a name, and x.lst beside it, raw: no writer of ours takes such names."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "x.rec"
    values = [0.0] * len(names) if labels is None else labels
    with rk.RecordWriter(path, overwrite=True) as writer:
        for number, label in enumerate(values):
            writer.write(rk.pack_record(rk.IRHeader(0, label, number, 0), jpeg(number)))
    rows = [f"{number}\t0.000000\t{name}\n" for number, name in enumerate(names)]
    path.with_suffix(".lst").write_bytes("".join(rows).encode("utf-8", "surrogateescape"))
    return path


def tree(root: Path) -> dict[str, bytes | str]:
    """Return every file and link below a folder, and what it holds."""
    found: dict[str, bytes | str] = {}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            place = os.path.join(folder, name)
            if os.path.islink(place):
                found[os.path.relpath(place, root)] = os.readlink(place)
            elif name in files:
                found[os.path.relpath(place, root)] = Path(place).read_bytes()
    return found


_COLLIDING = ("A.jpg", "a.jpg", "\u00e9.jpg", "e\u0301.jpg", "\u00c9.jpg", "ss.jpg", "\u00df.jpg", "CON.jpg", "nul", "aux.tar.jpg", "com1.jpg",
    "x.", "x ", "x", "x.jpg ", "x.jpg", "a" * 300 + ".jpg", "a" * 300 + ".JPG", "a/b.jpg", "a", "ab:c.jpg", "ab_c.jpg", "ab?c.jpg", "\x01.jpg")  # fmt: skip
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@row(
    "D8",
    "unpack: names equal but for case or Unicode form, device names, ends Windows drops, 300 bytes",
    "all kept, none over another",
)
def collisions(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("D8", seed)
    chance = trials.random()
    for turn in range(scale.of(5, 100)):
        names = chance.sample(_COLLIDING, k=len(_COLLIDING))
        with trials.trial(f"order {turn}"):
            record = write_rec(workdir / f"rec{turn}", names)
            out = workdir / f"out{turn}"
            report = unpack(record, out)
            found = tree(out)
            expect(report.images == len(names) == len(found), f"{len(found)} files of {len(names)} images")
            expect(set(found.values()) == {jpeg(number) for number in range(len(names))}, "an image is missing or doubled")
            expect(
                len({unicodedata.normalize("NFC", name).casefold() for name in found}) == len(found),
                "two names are one on a disk without case",
            )
            parts = [part for name in found for part in name.split(os.sep)]
            expect(all(len(os.fsencode(part)) <= 255 and part == part.rstrip(" .") for part in parts), "a name no disk keeps")
            expect(not [part for part in parts if _DEVICES.fullmatch(part)], "a device's name")
            again = workdir / f"again{turn}"
            unpack(record, again)
            expect(tree(again) == found, "other names at the second run")
            with expect_error(rk.errors.OutputExistsError):
                unpack(record, out)
            expect(tree(out) == found, "a file was replaced unasked")
            shutil.rmtree(out)
            shutil.rmtree(again)
    return trials.outcome()


@row("D10", "labels as folder names: nan, -0.0, 1e30, fractions, several labels", "one safe folder a label")
def label_folders(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("D10", seed)
    inf = float("inf")
    single = [float("nan"), 0.0, -0.0, 1e30, -1e30, 1e-30, 0.1, 16777216.0, -1.0, inf, -inf, 2.0, 10.0, float("nan")]
    wide = [np.array(row, np.float32) for row in ([0, 1], [1, 0], [float("nan"), 1], [-0.0, 1], [0.5, 1e30], [1, 1])]
    for name, labels, folders in (("one label", single, 12), ("two labels", wide, 5)):
        with trials.trial(name):
            record = write_rec(workdir / name, [""] * len(labels), labels)
            record.with_suffix(".lst").unlink()
            unpack(record, workdir / f"{name} out")
            found = tree(workdir / f"{name} out")
            expect(sorted(found.values()) == sorted(jpeg(number) for number in range(len(labels))), "an image is missing")
            made = {Path(place).parts[0] for place in found}
            expect(all(re.fullmatch(r"[-+0-9a-z._]+", part) for part in made), f"names {made}")
            expect(len(made) == folders == len({part.lower() for part in made}), f"{len(made)} folders: {sorted(made)}")
            for place, data in found.items():
                number = int(Path(place).stem)
                expect(data == unpack_record(list(rk.RecordReader(record))[number])[1], "an image under another's key")
    return trials.outcome()
