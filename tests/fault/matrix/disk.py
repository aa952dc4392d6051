"""Rows B5, B7 and B10: a disk that is slow to take bytes, will not take them, or has something there already.

Strategy: whole runs of the command line, as users start them, on file systems that are really like that where the machine
allows it. Final names must be absent, old or whole, and the refusal one clear line.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

import recordio_kit as rk
from recordio_kit._pipeline.safe_folder import SafeFolder
from tests.fault.matrix.registry import Outcome, Scale, Trials, expect, expect_error, posix, row, superuser
from tests.samples import write_tree


REPOSITORY = Path(__file__).parents[3]


def command(*words: object, prelude: str = "", **options: object) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, after some code."""
    code = f"import sys\n{prelude}\nfrom recordio_kit.cli import main\nsys.exit(main(sys.argv[1:]))"
    call = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(call, capture_output=True, text=True, timeout=120, cwd=REPOSITORY, **options)  # type: ignore[call-overload]


def expect_refusal(done: subprocess.CompletedProcess[str], *codes: int, words: str = "") -> None:
    """Expect one line of error, an exit code, and no traceback."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    expect(done.returncode in codes, f"exit {done.returncode}, not {codes}: {done.stderr[-600:]}")
    expect(len(lines) == 1 and "Traceback" not in done.stderr, f"not one clear line: {done.stderr[-600:]}")
    expect(words in lines[0], f"{words!r} is not in: {lines[0]}")


def files_below(root: Path) -> list[str]:
    return sorted(os.path.relpath(os.path.join(folder, name), root) for folder, _, names in os.walk(root) for name in names)


_STORM = """
import signal
count = []
signal.signal(signal.SIGALRM, lambda *_: count.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
import atexit
def stop():
    signal.setitimer(signal.ITIMER_REAL, 0)  # Python's own end takes the handler away
    print(len(count))
atexit.register(stop)
"""


@row("B5", "a signal every millisecond; writes that take a few bytes at a time", "exact bytes", posix)
def interrupted_calls(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("B5", seed)
    photos = write_tree(workdir / "photos", {"ant": 30, "bee": 30}, height=60, width=60)
    images = rk.make_list(photos)
    rk.write_list(images, workdir / "x.lst")
    rk.pack_list(images, workdir / "clean.rec")
    clean = [(workdir / f"clean{suffix}").read_bytes() for suffix in (".rec", ".idx")]
    signals = 0
    for number in range(scale.of(2, 50)):
        out = workdir / f"x{number}.rec"
        with trials.trial(f"signals {number}"):
            done = command("pack", workdir / "x.lst", photos, out, "--workers", 2 * (number % 2), prelude=_STORM)
            expect(done.returncode == 0, done.stderr[-600:])
            expect([out.read_bytes(), out.with_suffix(".idx").read_bytes()] == clean, "other bytes")
            signals += int(done.stdout.split()[-1])
    trials.figure("signals", f"{signals:,}")
    real = os.write
    with trials.trial("short writes"), mock.patch("os.write", lambda file, data: real(file, data[:7])):
        SafeFolder(workdir / "short").write("a/b.jpg", clean[0][:5000])
    with trials.trial("short writes, bytes"):
        expect((workdir / "short" / "a" / "b.jpg").read_bytes() == clean[0][:5000], "other bytes")
    return trials.outcome()


@contextlib.contextmanager
def mounted(place: Path, options: str) -> Iterator[Path]:
    """Mount a file system of its own there for the time being."""
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@contextlib.contextmanager
def _read_only(place: Path) -> Iterator[Path]:
    if not superuser():  # whom no permission stops
        with mounted(place, "size=1m,ro"):
            yield place
        return
    place.mkdir()
    place.chmod(0o555)
    try:
        yield place
    finally:
        place.chmod(0o755)


@row(
    "B7",
    "a folder that is read-only, missing or a file; a mount inside the output; no descriptors left",
    "refused, nothing half",
    posix,
)
def unwilling_folders(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("B7", seed)
    photos = write_tree(workdir / "photos", {"ant": 6, "bee": 6})
    rk.write_list(rk.make_list(photos), workdir / "x.lst")
    for name in ("pack", "prepare"):
        with trials.trial(f"{name} into a read-only folder"), _read_only(workdir / f"closed {name}") as closed:
            words = (workdir / "x.lst", photos, closed / "x.rec") if name == "pack" else (photos, closed / "out")
            expect_refusal(command(name, *words), 2, 3)
            expect(not files_below(closed), f"{files_below(closed)}")
    with trials.trial("a missing folder"):
        done = command("pack", workdir / "x.lst", photos, workdir / "new" / "deep" / "x.rec")
        expect(done.returncode == 0 and (workdir / "new" / "deep" / "x.rec").exists(), done.stderr[-600:])
    (workdir / "file").write_bytes(b"")
    for words in (("pack", workdir / "x.lst", photos, workdir / "file" / "x.rec"), ("prepare", photos, workdir / "file")):
        with trials.trial(f"{words[0]} below a file"):
            expect_refusal(command(*words), 2, 3)
            expect((workdir / "file").read_bytes() == b"", "the file was changed")
    for limit in scale.of((12,), (*range(6, 33), 64)):
        with trials.trial(f"{limit} descriptors"):
            _judge_few_descriptors(limit, photos, workdir)
    if superuser():
        trials.note(f"no mount inside the output: {superuser()}")
    else:
        with trials.trial("a mount inside the output"), mounted(workdir / "out" / "validation", "size=8m"):
            expect_refusal(command("prepare", photos, workdir / "out"), 3, words=os.strerror(18))
            expect("manifest.json" not in files_below(workdir / "out"), "a manifest without its files")
    return trials.outcome()


def _judge_few_descriptors(limit: int, photos: Path, workdir: Path) -> None:
    out = workdir / f"few{limit}"
    # modules are imported first: it is the run that has to do with few, not Python's start
    prelude = (
        "import resource, recordio_kit._pipeline.pack, recordio_kit.cli.data, PIL.Image\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))"
    )
    done = command("pack", workdir / "x.lst", photos, out / "x.rec", "--workers", "2", prelude=prelude)
    if done.returncode:
        expect_refusal(done, 3)
        expect(not [name for name in files_below(out) if not name.startswith(".recordio_kit")], f"left: {files_below(out)}")
    else:
        expect(rk.verify(out / "x.rec").ok, "a pack that says it went well, and did not")


@row(
    "B10",
    "the output exists: a file, a link to one, a dangling link, a folder",
    "exit 2; --overwrite swaps, no link followed",
    posix,
)
def existing_outputs(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("B10", seed)
    photos = write_tree(workdir / "photos", {"ant": 3, "bee": 3})
    rk.write_list(rk.make_list(photos), workdir / "x.lst")
    kinds = ("link", "folder", "checksums alone", "file", "dangling link", "index alone")
    for kind in kinds[: scale.of(3, 6)]:
        place = workdir / kind.replace(" ", "-")
        place.mkdir()
        out, elsewhere = place / "x.rec", place / "elsewhere"
        _put(kind, out, elsewhere)
        before = _look(place)
        words = ("pack", workdir / "x.lst", photos, out)
        with trials.trial(kind):
            expect_refusal(command(*words), 2, words="exists already")
            expect(_look(place) == before, "something was changed")
        with trials.trial(f"{kind}, --overwrite"):
            done = command(*words, "--overwrite")
            if kind == "folder":
                expect_refusal(done, 2, 3)
                expect(_look(place) == before, "something was changed")
                continue
            expect(done.returncode == 0, done.stderr[-600:])
            expect(not out.is_symlink() and rk.verify(out).ok, "not swapped")
            expect(_look(place).get("elsewhere") == before.get("elsewhere"), "the link was followed")
        shutil.rmtree(place)
    with trials.trial("a reader of the old file"):
        old = workdir / "old.rec"
        with rk.RecordWriter(old) as writer:
            writer.write(b"old")
        with rk.RecordReader(old) as reader:
            expect(command("pack", workdir / "x.lst", photos, old, "--overwrite").returncode == 0, "not overwritten")
            expect(reader[0] == b"old", "the open file changed")
    with trials.trial("a pack of the same list with another option"):
        rk.pack_list(rk.make_list(photos), workdir / "same.rec")
        before = (workdir / "same.rec").read_bytes()
        expect(not rk.pack_list(rk.make_list(photos), workdir / "same.rec").done, "the same pack is made again")
        with expect_error(rk.errors.OutputExistsError):
            rk.pack_list(rk.make_list(photos), workdir / "same.rec", check="decode")
        expect((workdir / "same.rec").read_bytes() == before, "something was changed")
    with trials.trial("prepare onto another data set"):
        rk.prepare(photos, workdir / "out")
        before = _look(workdir / "out")
        with expect_error(rk.errors.OutputExistsError):
            rk.prepare(photos, workdir / "out", seed=5)
        expect(_look(workdir / "out") == before, "something was changed")
    return trials.outcome()


def _put(kind: str, out: Path, elsewhere: Path) -> None:
    if kind == "file":
        out.write_bytes(b"old")
    elif kind == "link":
        elsewhere.write_bytes(b"elsewhere")
        out.symlink_to(elsewhere)
    elif kind == "dangling link":
        out.symlink_to(elsewhere)
    elif kind == "folder":
        out.mkdir()
    else:
        out.with_suffix(".idx" if kind == "index alone" else ".rkm").write_bytes(b"old")


def _look(place: Path) -> dict[str, object]:
    entries: Sequence[Path] = sorted(place.rglob("*"))
    return {
        entry.relative_to(place).as_posix(): os.readlink(entry)
        if entry.is_symlink()
        else entry.read_bytes()
        if entry.is_file()
        else "folder"
        for entry in entries
    }
