"""Rows D1 to D4: what a list may name that is no sound image.

Strategy: one bad input among good ones, through the same reader as every pack; it must be told apart, in time, with its
reason. Files that change are changed in the middle of the read itself, so that every run hits the gap.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import random
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image

import recordio_kit as rk
from recordio_kit._images.check import check_image, strict_engine_available
from recordio_kit._images.gate import inspect
from recordio_kit._pipeline import sources
from tests.fault.matrix.registry import Outcome, Scale, Trials, expect, expect_error, posix, row
from tests.image_samples import chunk, header, insert, png, smooth
from tests.image_samples import jpeg as jpeg_of
from tests.samples import jpeg


def in_time(work: Callable[[], Any], seconds: float) -> Any:
    """Return what work returns, or raise what it raises; it may hang for ever and still costs no more than this time."""
    answer: list[Any] = []

    def run() -> None:
        try:
            answer.append((True, work()))
        except BaseException as error:
            answer.append((False, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    expect(answer, f"not done after {seconds:g} s")
    well, result = answer[0]
    if not well:
        raise result
    return result


def reasons_of(images: rk.ImageList, dest: Path) -> list[str]:
    """Return why a pack refuses images; it must publish nothing."""
    try:
        rk.pack_list(images, dest, workers=0)
    except rk.errors.PackError as error:
        expect(not dest.exists(), "a refused pack was published")
        return [failure.reason for failure in error.failures]
    return []


@row("D1", "a pipe, socket, device, folder or /proc file in a list", "named as such in <= 1 s", posix)
def special_files(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("D1", seed)
    (workdir / "good.jpg").write_bytes(jpeg())
    os.mkfifo(workdir / "pipe.jpg")
    (workdir / "folder.jpg").mkdir()
    (workdir / "loop.jpg").symlink_to("loop.jpg")
    cases = {"pipe.jpg": "not-a-file", "folder.jpg": "not-a-file", "loop.jpg": "not-a-file", "none.jpg": "missing"}
    server = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    try:
        os.chdir(workdir)  # the path of a socket may have 108 bytes
        server.bind("socket.jpg")
    finally:
        os.chdir(here)
    cases["socket.jpg"] = "not-a-file"
    for name, target, reason in (("zero.jpg", "/dev/zero", "not-a-file"), ("proc.jpg", "/proc/self/status", "changed")):
        if os.path.exists(target):
            (workdir / name).symlink_to(target)
            cases[name] = reason
    for name, reason in cases.items():
        images = rk.ImageList([0, 1], [0, 0], ["good.jpg", name], root=workdir)
        with trials.trial(name):
            started = time.monotonic()
            found = in_time(lambda images=images: reasons_of(images, workdir / "x.rec"), 30)
            expect(found == [reason], f"reasons {found}, not {reason}")
            expect(time.monotonic() - started <= scale.of(5, 1), "too slow")
        if name in ("pipe.jpg", "zero.jpg", "folder.jpg"):
            with trials.trial(f"{name} as .rec"), expect_error(rk.errors.StorageError):
                in_time(lambda name=name: rk.verify(workdir / name, store=None) and None, 30)
    server.close()
    return trials.outcome()


@row("D2", "a source that grows, shrinks, is overwritten, replaced, removed or fails in mid-read", "0 torn records", posix)
def changing_files(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("D2", seed)
    kept = 0
    for number in range(scale.of(60, 1000)):
        chance = trials.random(number)
        name, change, allowed = _CHANGES[number % len(_CHANGES)]
        path = workdir / f"{number}.jpg"
        whole = bytes([1 + number % 100]) * chance.randint(100, 60_000)
        path.write_bytes(whole)
        os.utime(path, (1e9, 1e9))  # as most sources, it was written long ago
        with trials.trial(f"{number} {name}"), _in_mid_read(path, chance.randrange(len(whole)), change):
            try:
                data, _ = sources.read_source(os.path.join(workdir, ""), path.name)
            except rk.errors.ImageError as error:
                expect(error.reason in allowed, f"the reason {error.reason}")
            except rk.errors.StorageError:
                expect("storage" in allowed, "the machine is blamed")
            else:
                expect(data == whole and "whole" in allowed, "a torn or unseen read")
                kept += 1
        path.unlink(missing_ok=True)
    trials.figure("read whole all the same", f"{kept}")
    return trials.outcome()


def _overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\xff" * path.stat().st_size)


def _replace(path: Path) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_bytes(b"\xff" * 50_000)
    fresh.replace(path)


def _append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def _fail(_path: Path) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


_CHANGES: list[tuple[str, Callable[[Path], object], set[str]]] = [
    ("grows", _append, {"changed"}),
    ("shrinks", lambda path: os.truncate(path, path.stat().st_size // 2), {"changed"}),
    ("empties", lambda path: os.truncate(path, 0), {"changed"}),
    ("overwritten in place", _overwrite, {"changed"}),
    ("written anew", lambda path: path.write_bytes(b"\xff" * path.stat().st_size), {"changed"}),
    ("replaced", _replace, {"whole"}),
    ("removed", lambda path: path.unlink(), {"whole"}),
    ("fails", _fail, {"storage"}),
]


@contextlib.contextmanager
def _in_mid_read(path: Path, position: int, change: Callable[[Path], object]) -> Iterator[None]:
    """Change a file once, when a part of it has been read."""
    real, done = os.read, []

    def read(descriptor: int, length: int) -> bytes:
        if done or not os.path.samestat(os.fstat(descriptor), path.stat()):
            return real(descriptor, length)
        done.append(True)
        data = real(descriptor, min(length, position)) if position else b""
        change(path)
        return data + real(descriptor, length - len(data))

    with mock.patch.object(sources.os, "read", read):
        yield


@row(
    "D3",
    "a JPEG cut, without end marker, with 4 KiB of zeros, or the tail of another",
    "cut: 100 % refused; zeros, strict: >= 95 %",
)
def broken_jpegs(scale: Scale, seed: int, _workdir: Path) -> Outcome:
    trials = Trials("D3", seed)
    if not strict_engine_available():
        trials.note("no engine here reports a codec's warnings: nothing is checked with 'strict'")
    count = scale.of(12, 120)
    photos = [_photo(trials.random(number)) for number in range(count)]
    for number, (photo, other) in enumerate(zip(photos, photos[1:] + photos[:1], strict=True)):
        chance = trials.random(f"damage {number}")
        place = chance.randrange(len(photo) // 4, len(photo) - 5000)
        for name, data in (("cut", photo[: chance.randrange(1, len(photo) - 2)]), ("no end marker", photo[:-2])):
            with trials.trial(f"{name} {number}"), expect_error(rk.errors.ImageError):
                check_image(data, check="fast")
        for name, data in (
            ("zeros", photo[:place] + bytes(4096) + photo[place + 4096 :]),
            ("tail of another", photo[:place] + other[place:]),
        ):
            for check in ("decode", "strict") if strict_engine_available() else ("decode",):
                with trials.trial(f"{name} {number} {check}"):
                    try:
                        check_image(data, check=check)
                    except rk.errors.ImageError:
                        seen = 1
                    else:
                        seen = 0
                    trials.share(f"{name} seen by {check}", seen, 1, mark=0.95 if (name, check) == ("zeros", "strict") else 0.0)
    return trials.outcome()


def _photo(chance: random.Random) -> bytes:
    grain = np.random.default_rng(chance.randrange(1 << 32)).integers(0, 40, (240, 320, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(smooth(240, 320) // 2 + 40 + grain).save(out, "JPEG", quality=90)
    return out.getvalue()


@row("D4", "a bomb: of pixels, of 2,000 scans, of text, of segments", "refused in <= 100 ms of work each")
def bombs(scale: Scale, seed: int, _workdir: Path) -> Outcome:
    trials = Trials("D4", seed)
    slowest = 0.0
    for name, (data, reasons) in _bombs().items():
        with trials.trial(name):
            started = time.process_time()
            try:
                inspect(data)
            except rk.errors.ImageError as error:
                expect(error.reason in reasons, f"refused as {error.reason}: {error}")
            else:
                expect(condition=False, promise="it passes")
            took = time.process_time() - started
            slowest = max(slowest, took)
            expect(took <= scale.of(2.0, 0.1), f"{1000 * took:.0f} ms")
    trials.figure("slowest", f"{1000 * slowest:.0f} ms")
    return trials.outcome()


def _bombs() -> dict[str, tuple[bytes, set[str]]]:
    progressive = jpeg_of(progressive=True)
    scan = progressive.rindex(b"\xff\xda")
    scans = progressive[:-2] + progressive[scan:-2] * 2000 + progressive[-2:]
    plain = jpeg_of()
    frame = plain.index(b"\xff\xc0")
    wide = plain[: frame + 5] + struct.pack(">HH", 65_500, 65_500) + plain[frame + 9 :]
    text = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(100 << 20), 9))
    pixels = b"\x89PNG\r\n\x1a\n" + header(60_000, 60_000) + chunk(b"IDAT", b"") + chunk(b"IEND")
    return {
        "65,500 x 65,500 in a JPEG": (wide, {"too-many-pixels"}),
        "60,000 x 60,000 in a PNG": (pixels, {"too-many-pixels"}),
        "2,000 scans": (scans, {"too-many-scans"}),
        "100 MiB of text in a PNG": (png(smooth(8, 8), text), {"too-large"}),
        "200,000 comments": (insert(plain, *[b"\xff\xfe\0\2"] * 200_000), {"too-large"}),
    }
