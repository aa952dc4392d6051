"""The table: for each kind of work, the commands that do it, ours and the present peers', and what ours should reach.

Strategy: a row is a function of its images, so that the same commands can be run on a handful of them first, which warms
interpreters and imports. Options that make commands comparable are set here and nowhere else.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.corpus import Corpus
from benchmarks.peers import Peers
from benchmarks.race import Comparison, Contender
from benchmarks.tree import Tree


FAST_MODULES = ("simplejpeg", "turbojpeg", "cv2", "zlib_ng")
OURS = "recordio_kit"
_SHORT_EDGE, _QUALITY = "256", "95"
_RESIZE = ("--resize", _SHORT_EDGE, "--quality", _QUALITY)
_WORK = Path(__file__).parent / "work"
_DEFAULT, _FLOOR, _CPP, _TAR = f"{OURS}, default install", "codec floor", "im2rec (C++)", "tar"
_UNSYNCED = f"{OURS}, not synced"
_SYNCED_TAR, _WEBDATASET, _STREAMING = "tar, then sync", "webdataset ShardWriter", "Streaming MDSWriter"


@dataclass(frozen=True, slots=True)
class Setting:
    """Say what a run has to work with.

    Args:
        peers: that are present.
        cpus: how many cores may be used.
        baseline: a folder of modules that hide the optional engines from ``import``; None where there are none to hide.
    """

    peers: Peers
    cpus: int
    baseline: Path | None


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of work.

    Args:
        name: for ``--rows``.
        title: for people.
        images: the name of its images: ``photos``, ``quarter``, ``camera``, ``digits`` or ``tree``.
        contenders: makes the commands for given images.
        comparisons: what is held against what.
    """

    name: str
    title: str
    images: str
    contenders: Callable[[Corpus | Tree], Sequence[Contender]]
    comparisons: tuple[Comparison, ...]


def rows(setting: Setting) -> list[Row]:
    """Return the rows that are timed, in the order of a run.

    Args:
        setting: what there is.
    """
    made = [resize(setting), camera(setting), photos(setting), small(setting), strict(setting), listing(setting)]
    if setting.cpus > 1:
        made.insert(1, scaling(setting))
    return made


def resize(setting: Setting) -> Row:
    """Return the row of resizing photos of web size."""
    fast = any(importlib.util.find_spec(module) for module in FAST_MODULES)

    def contenders(images: Corpus | Tree) -> list[Contender]:
        root, sources = str(images.root), str(images.root.parent / "sources")
        return [
            _ours(OURS, "pack", "all.lst", root, "x.rec", *_RESIZE),
            *_default_install(setting, "pack", "all.lst", root, "x.rec", *_RESIZE),
            _script(_FLOOR, "codec_floor", sources, _SHORT_EDGE, _QUALITY),
            *_im2rec(setting, root, *_RESIZE, once=1),
            *_cpp(setting, root, f"resize={_SHORT_EDGE}", f"quality={_QUALITY}", once=True),
        ]

    return Row(
        "resize",
        f"re-encode photos: short edge {_SHORT_EDGE}, quality {_QUALITY}",
        "photos",
        contenders,
        (
            Comparison("im2rec.py", OURS, _im2rec_names(setting), 2.0 if fast else 1.0),
            Comparison("default install, im2rec.py", _DEFAULT, _im2rec_names(setting), 1.0),
            Comparison("codec floor, all cores", OURS, (_FLOOR,), 0.85),
            Comparison("im2rec.py, 1 thread", OURS, ("im2rec.py, 1 thread",)),
            Comparison("im2rec (C++), 1 process", OURS, (_CPP,)),
        ),
    )


def scaling(setting: Setting) -> Row:
    """Return the row of the same work by more workers, on fewer photos."""

    def contenders(images: Corpus | Tree) -> list[Contender]:
        sources = str(images.root.parent / "sources")
        command = ("pack", "all.lst", str(images.root), "x.rec", *_RESIZE, "--workers")
        floors = [_script(_floor(count), "codec_floor", sources, _SHORT_EDGE, _QUALITY, str(count)) for count in (1, 2)]
        return [*(_ours(f"workers: {count}", *command, str(count)) for count in sorted({0, 1, 2, setting.cpus})), *floors]

    most = f"workers: {setting.cpus}"

    return Row(
        "scaling",
        "the same, by more worker processes",
        "quarter",
        contenders,
        (
            Comparison("2 workers over 1", "workers: 2", ("workers: 1",), 1.85),
            Comparison("codecs alone, 2 cores over 1", _floor(2), (_floor(1),)),
            Comparison("1 worker over none", "workers: 1", ("workers: 0",), 1 / 1.1),
            *([Comparison(f"{setting.cpus} workers over 1", most, ("workers: 1",))] if setting.cpus > 2 else []),
        ),
    )


def _floor(cores: int) -> str:
    return f"codecs alone, cores: {cores}"


def camera(setting: Setting) -> Row:
    """Return the row of resizing photos of camera size."""

    def contenders(images: Corpus | Tree) -> list[Contender]:
        root = str(images.root)
        return [
            _ours(OURS, "pack", "all.lst", root, "x.rec", *_RESIZE, "--antialias"),
            _ours(f"{OURS} without --antialias", "pack", "all.lst", root, "x.rec", *_RESIZE, once=True),
            *_im2rec(setting, root, *_RESIZE),
        ]

    return Row(
        "camera",
        "re-encode photos of 12 megapixels with --antialias, im2rec.py without",
        "camera",
        contenders,
        (
            Comparison("im2rec.py", OURS, _im2rec_names(setting), 3.5),
            Comparison("ours without --antialias", OURS, (f"{OURS} without --antialias",)),
        ),
    )


def photos(setting: Setting) -> Row:
    """Return the row of packing photos as they are."""
    return _pass_through(setting, "photos", "photos as they are", "photos", 0.6)


def small(setting: Setting) -> Row:
    """Return the row of packing digits as they are."""
    return _pass_through(setting, "small", "digits (28x28, grey) as they are", "digits", 0.35)


def _pass_through(setting: Setting, name: str, title: str, images_name: str, of_tar: float) -> Row:
    peers = setting.peers

    def contenders(images: Corpus | Tree) -> list[Contender]:
        root = str(images.root)
        made = [
            _ours(OURS, "pack", "all.lst", root, "x.rec"),
            replace(_script(_UNSYNCED, "unsynced", "pack", "all.lst", root, "x.rec"), ours=True),
            *_im2rec(setting, root, "--pass-through"),
            *_cpp(setting, root, "unchanged=1"),
        ]
        if peers.tar:
            tar = (peers.tar, "-cf", "x.tar", "-C", str(images.root.parent), images.root.name)
            made.append(Contender(_TAR, tar))
            if peers.sync:
                made.append(Contender(_SYNCED_TAR, ("/bin/sh", "-c", '"$@" && exec sync x.tar', "sh", *tar)))
        if peers.webdataset:
            made.append(_script(_WEBDATASET, "write_webdataset", root, python=peers.webdataset, once=True))
        if peers.streaming:
            made.append(_script(_STREAMING, "write_mds", root, python=peers.streaming, once=True))
        return made

    return Row(
        name,
        title,
        images_name,
        contenders,
        (
            Comparison("im2rec.py", _UNSYNCED, _im2rec_names(setting), 2.5),
            Comparison("im2rec (C++)", _UNSYNCED, (_CPP,), 1.0),
            Comparison("tar", _UNSYNCED, (_TAR,), of_tar),
            Comparison("tar, then sync; ours synced", OURS, (_SYNCED_TAR,), of_tar),
            Comparison("im2rec.py; ours synced", OURS, _im2rec_names(setting)),
            Comparison("webdataset", OURS, (_WEBDATASET,)),
            Comparison("MosaicML Streaming", OURS, (_STREAMING,)),
        ),
    )


def strict(_setting: Setting) -> Row:
    """Return the row of packing photos as they are, with every coefficient looked at, beside decoders that do nothing else."""
    decoders = [module for module in ("simplejpeg", "turbojpeg") if importlib.util.find_spec(module)]

    def contenders(images: Corpus | Tree) -> list[Contender]:
        root = str(images.root)
        if not decoders:
            return []
        return [
            _ours(OURS, "pack", "all.lst", root, "x.rec", "--check", "strict"),
            *(_script(f"{decoder} alone", "decode_files", root, decoder) for decoder in decoders),
        ]

    return Row(
        "strict",
        "photos as they are with --check strict, beside a decoder alone on all cores",
        "photos",
        contenders,
        (Comparison("decoder alone, all cores", OURS, tuple(f"{decoder} alone" for decoder in decoders), 0.85),),
    )


def listing(setting: Setting) -> Row:
    """Return the row of listing very many files."""
    peers = setting.peers
    stamped = f"{OURS}, sizes and stamps"

    def contenders(images: Corpus | Tree) -> list[Contender]:
        root = str(images.root)
        made = [
            _ours(OURS, "list", root, "y.lst"),
            Contender(stamped, (sys.executable, "-c", _MAKE_LIST, root), ours=True),
        ]
        if peers.mxnet:
            made.append(_script("im2rec.py --list", "im2rec_py", "y", root, "--list", "--recursive", python=peers.mxnet))
        if peers.find:
            made.append(Contender("find", (peers.find, root, "-type", "f", "-fprint", "y.txt")))
            made.append(Contender("find -printf", (peers.find, root, "-type", "f", "-fprintf", "y.txt", "%p %s %T@\\n")))
        return made

    return Row(
        "list",
        "list files",
        "tree",
        contenders,
        (
            Comparison("im2rec.py --list", OURS, ("im2rec.py --list",), 3.0),
            Comparison("find", OURS, ("find",), 0.25),
            Comparison("sizes and stamps, find", stamped, ("find",), 0.1),
            Comparison("sizes and stamps, find with them", stamped, ("find -printf",)),
        ),
    )


_MAKE_LIST = (
    "import sys, recordio_kit as rk\n"
    "images = rk.make_list(sys.argv[1])\n"
    "if images.sizes is None or images.stamps is None: sys.exit('no sizes, no stamps')\n"
    "rk.write_list(images, 'y.lst')"
)


def _ours(name: str, *arguments: str, once: bool = False) -> Contender:
    return Contender(name, (sys.executable, "-m", "recordio_kit", *arguments), once=once, ours=True)


def _default_install(setting: Setting, *arguments: str) -> list[Contender]:
    """Return the command with the optional engines hidden, where there are any."""
    if setting.baseline is None:
        return []
    return [replace(_ours(_DEFAULT, *arguments), environment={"PYTHONPATH": str(setting.baseline)})]


def _script(name: str, script: str, *arguments: str, python: str = sys.executable, once: bool = False) -> Contender:
    return Contender(name, (python, str(_WORK / f"{script}.py"), *arguments), once=once)


def _threads(setting: Setting) -> list[int]:
    return sorted({1, 2, setting.cpus})


def _im2rec(setting: Setting, root: str, *flags: str, once: int | None = None) -> list[Contender]:
    """Return im2rec.py at each number of threads; at ``once`` threads in the first round only."""
    python = setting.peers.mxnet
    if python is None:
        return []
    return [
        _script(name, "im2rec_py", "all", root, "--num-thread", str(threads), *flags, python=python, once=threads == once)
        for name, threads in zip(_im2rec_names(setting), _threads(setting), strict=True)
    ]


def _im2rec_names(setting: Setting) -> tuple[str, ...]:
    return tuple(f"im2rec.py, {threads} thread{'s' if threads > 1 else ''}" for threads in _threads(setting))


def _cpp(setting: Setting, root: str, *flags: str, once: bool = False) -> list[Contender]:
    program = setting.peers.im2rec_cpp
    return [Contender(_CPP, (program, "all.lst", f"{root}/", "x.rec", *flags), once=once)] if program else []
