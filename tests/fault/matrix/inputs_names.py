"""Rows D5 to D7: names and links that lead out of a folder, into a circle, or to nothing.

Strategy: lists and trees with hostile names, through pack and unpack as users run them. What lies outside the folders is
looked at before and after; where strace is here, the system calls themselves are read.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import recordio_kit as rk
from recordio_kit._pipeline.unpack import unpack
from tests.fault.matrix.inputs_unpack import tree, write_rec
from tests.fault.matrix.registry import Outcome, Scale, Trials, expect, expect_error, linux, posix, row, strace, superuser
from tests.samples import jpeg


_UP = (
    "..",
    "../x.jpg",
    "a/../../x.jpg",
    "a/..",
    "a/b/../../../x.jpg",
    "..\\x.jpg",
    "a\\..\\..\\x.jpg",
    "a/..\\x.jpg",
    "./../x.jpg",
)
_ROOTED = ("/x.jpg", "//x.jpg", "/etc/passwd", "\\x.jpg", "\\\\server\\share\\x.jpg", "//server/share/x.jpg", "\\\\?\\C:\\x.jpg")
_DRIVES = ("C:\\x.jpg", "C:/x.jpg", "C:x.jpg", "c:x.jpg", "Z:\\..\\x.jpg")
_HOSTILE = (*_UP, *_ROOTED, *_DRIVES, "a\0/../x.jpg", "x.jpg\0.png")
#: Odd, but names like others: they must stay where they belong.
_HARMLESS = (
    "~/x.jpg",
    "~root/x.jpg",
    "$HOME/x.jpg",
    "%2e%2e/x.jpg",
    "...",
    ".../x.jpg",
    "a//b.jpg",
    "./x.jpg",
    "a/./x.jpg",
    "-rf",
    "*",
)


@row("D5", "names that lead out: .., rooted, drives, UNC, NUL, links on the way", "0 files outside the folder", posix)
def leaving_names(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("D5", seed)
    world = workdir / "world"
    (world / "secret").mkdir(parents=True)
    (world / "secret" / "x.jpg").write_bytes(jpeg(99))
    outside = tree(world)
    names = [
        f"{prefix}{name}" for name in _HOSTILE for prefix in (("",) if name[0] in "/\\" or ":" in name else ("", "a/", "b/c/"))
    ]
    names = [name for name in names if ".." in name or "\0" in name or name in _HOSTILE]
    for number, name in enumerate(names):
        images = rk.ImageList([0], [0], [name]) if "\0" not in name else None
        with trials.trial(f"pack {name!r}"):
            if images is not None:
                with expect_error(rk.errors.UnsafePathError):
                    rk.pack_list(images, world / f"x{number}.rec", root=world / "secret")
        with trials.trial(f"unpack {name!r}"):
            record = write_rec(workdir / "rec", [name])
            with expect_error(rk.errors.UnsafePathError, rk.errors.ListSyntaxError):
                unpack(record, world / f"out{number}")
        with trials.trial(f"left by {name!r}"):
            expect(tree(world) == outside, "something was written")
    for number, name in enumerate(_HARMLESS):
        with trials.trial(f"unpack {name!r}"):
            out = world / f"harmless{number}"
            unpack(write_rec(workdir / "rec", [name]), out)
            expect(list(tree(out).values()) == [jpeg(0)], f"{tree(out).keys()}")
            shutil.rmtree(out)
            expect(tree(world) == outside, "something was written elsewhere")
    _judge_links(trials, workdir, world)
    if not strace():
        with trials.trial("system calls"):
            _judge_calls(write_rec(workdir / "rec", list(_HARMLESS)), workdir / "audited")
    return trials.outcome()


def _judge_links(trials: Trials, workdir: Path, world: Path) -> None:
    """Put links to elsewhere where unpack wants its folder, and where it wants its file."""
    record, out = write_rec(workdir / "rec", ["x.jpg"]), workdir / "out"
    outside = tree(world)
    for overwrite in (False, True):
        with trials.trial(f"a link for a folder, overwrite={overwrite}"):
            out.mkdir()
            (out / "0").symlink_to(world / "secret")
            with expect_error(rk.errors.UnsafePathError, rk.errors.OutputExistsError):
                unpack(record, out, overwrite=overwrite)
            expect(tree(world) == outside, "the link was followed")
        shutil.rmtree(out)
        with trials.trial(f"a link for a file, overwrite={overwrite}"):
            (out / "0").mkdir(parents=True)
            (out / "0" / "x.jpg").symlink_to(world / "secret" / "x.jpg")
            if overwrite:
                unpack(record, out, overwrite=True)
                expect(not (out / "0" / "x.jpg").is_symlink(), "the link is still there")
            else:
                with expect_error(rk.errors.OutputExistsError):
                    unpack(record, out)
            expect(tree(world) == outside, "the link was followed")
        shutil.rmtree(out)


def _judge_calls(record: Path, out: Path) -> None:
    """Read the system calls of an unpack: each that makes or removes something names it below a folder held open."""
    trace = record.with_suffix(".trace")
    words = [
        "strace",
        "-f",
        "-qq",
        "-y",
        "-e",
        "trace=open,openat,mkdir,mkdirat,unlink,unlinkat,rename,symlink,link",
        "-o",
        str(trace),
    ]
    command = [sys.executable, "-B", "-m", "recordio_kit", "unpack", str(record), str(out)]
    done = subprocess.run([*words, *command], capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[3])
    expect(done.returncode == 0, done.stderr)
    made = [
        line
        for line in trace.read_text("utf-8", "replace").splitlines()
        if re.search(r"O_CREAT|mkdir|unlink|rename|link\(", line)
    ]
    own = [line for line in made if f"{out}" in line]
    expect(len(own) >= len(_HARMLESS), f"only {len(own)} calls were seen")
    strangers = [line for line in made if line not in own and "= -1 EEXIST" not in line and "/dev/null" not in line]
    expect(not strangers, f"calls outside the folder: {strangers[:3]}")
    leaves = [line for line in own if "O_CREAT" in line]
    expect(all("O_EXCL" in line and "O_NOFOLLOW" in line and '"/' not in line for line in leaves), f"unsafe: {leaves[:3]}")


_REFUSED_NAMES = ("a\tb.jpg", "a\nb.jpg", "a\rb.jpg", " a.jpg", "\u2028a.jpg", "\u00a0a.jpg", "\x0ba.jpg", "\x85a.jpg")
_TAKEN_NAMES = ("a b.jpg", "a\x0bb.jpg", "a\x85b.jpg", "a\u2028b.jpg", "a\u00a0.jpg", "\u00e9.jpg", "e\u0301.jpg", "\U0001f41d.jpg", "\x7f.jpg",
    "\ufeffa.jpg", "\\x41.jpg", "'\".jpg", "%f.jpg", "#.jpg", "a" * 251 + ".jpg", "\udcff\udcfe.jpg")  # fmt: skip


@row(
    "D6", "file names with TAB, line breaks, outer spaces, 255 bytes, bytes that are no UTF-8", "refused by repr, or whole", linux
)
def odd_names(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("D6", seed)
    for number, name in enumerate(_REFUSED_NAMES):
        root = workdir / f"refused{number}"
        (root / "ant").mkdir(parents=True)
        place = root / ("ant" if name[0] == "a" else "") / name
        with trials.trial(f"{name!r}"):
            if name[0] == "a":
                place.write_bytes(jpeg())
            else:  # what a row begins with is a folder
                (root / name).mkdir()
                (root / name / "x.jpg").write_bytes(jpeg())
            with expect_error(rk.errors.UnsafePathError, words=repr(name)[1:-1]):
                rk.make_list(root, classes=["ant", *([] if name[0] == "a" else [name])])
    root = workdir / "taken"
    (root / "ant").mkdir(parents=True)
    for number, name in enumerate(_TAKEN_NAMES):
        (root / "ant" / name).write_bytes(jpeg(number))
    with trials.trial("every other name"):
        images = rk.make_list(root)
        rk.write_list(images, workdir / "x.lst")
        expect(list(rk.read_list(workdir / "x.lst")) == list(images), "the list does not come back")
        expect(sorted(images.paths) == sorted(f"ant/{name}" for name in _TAKEN_NAMES), "a name is missing")
        report = rk.pack_list(images, workdir / "x.rec")
        expect(report.records == len(_TAKEN_NAMES), f"{report}")
        unpack(workdir / "x.rec", workdir / "out")
        expect(sorted(tree(workdir / "out").values()) == sorted(tree(root).values()), "an image is not as it was")
    return trials.outcome()


@row(
    "D7",
    "a loop of links, a mount of the tree in itself, hard links, a tree deeper than a path is long",
    "1 image, 1 line",
    linux,
)
def loops(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("D7", seed)
    root = workdir / "photos"
    (root / "ant" / "deeper").mkdir(parents=True)
    (root / "ant" / "a.jpg").write_bytes(jpeg())
    (root / "ant" / "up").symlink_to(root, target_is_directory=True)
    (root / "ant" / "deeper" / "here").symlink_to(".")
    for follow in (False, True):
        with trials.trial(f"links, follow_links={follow}"):
            images = rk.make_list(root, follow_links=follow)
            expect(list(images.paths) == ["ant/a.jpg"], f"{list(images.paths)}")
            expect(images.findings, "nothing is said of the links")
    if not superuser():
        mount = root / "ant" / "mount"
        mount.mkdir()
        subprocess.run(["mount", "--bind", str(root), str(mount)], check=True)
        try:
            with trials.trial("a mount of the tree in itself"):
                expect(list(rk.make_list(root).paths) == ["ant/a.jpg"], "an image twice")
        finally:
            subprocess.run(["umount", str(mount)], check=True)
    os.link(root / "ant" / "a.jpg", root / "ant" / "b.jpg")
    with trials.trial("hard links are two files"):
        expect(list(rk.make_list(root).paths) == ["ant/a.jpg", "ant/b.jpg"], "not two lines")
    try:
        _dig(root / "ant", scale.of(2_200, 100_000))
        with trials.trial("a deep tree"), expect_error(rk.errors.StorageError, words="ant/"):
            rk.make_list(root)
    finally:
        subprocess.run(["rm", "-rf", str(root)], check=True)  # shutil's recursion does not reach the bottom
    return trials.outcome()


def _dig(folder: Path, depth: int) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
