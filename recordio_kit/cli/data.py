"""Commands that make data sets: extract-idx, list, split, pack, prepare."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from recordio_kit.cli.options import (
    add_listing,
    add_packing,
    add_s3,
    add_splitting,
    command,
    file_at,
    folder_at,
    listing_of,
    shares_of,
    transform_of,
)
from recordio_kit.cli.output import describe, size


if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from concurrent.futures import Executor

    from recordio_kit._core.imagelist import ImageList
    from recordio_kit.cli.options import Commands
    from recordio_kit.cli.output import Output

#: About 8,000 rows, which take as long to pack as workers take to start, were they the smallest of images.
_LONG_LIST_BYTES: Final = 300_000


def add(commands: Commands) -> None:
    """Add the commands."""
    parser = command(commands, "extract-idx", extract_idx, "write the images of an IDX pair (MNIST) as one folder a class")
    parser.add_argument("images", metavar="IMAGES", help="IDX file of images, .gz or not")
    parser.add_argument("labels", metavar="LABELS", help="IDX file of their labels")
    parser.add_argument("out", metavar="OUT", help="the folder to fill")
    parser.add_argument("--class-names", metavar="NAMES", help="fashion-mnist, mnist, or a file with one name a line")
    parser.add_argument("--prefix", default="", help="what file names start with, so that two pairs share OUT")
    parser.add_argument("--format", choices=("jpeg", "png"), default="jpeg", help="png is exact (jpeg)")
    parser.add_argument("--quality", type=int, default=95, help="of the JPEG (95)")

    parser = command(commands, "prepare", prepare, "from a folder of images to .rec files with manifest: the main job")
    parser.add_argument("root", metavar="ROOT", help="one folder a class, or one a split with one a class below")
    parser.add_argument("dest", metavar="DEST", help="a folder, or s3://bucket/prefix/")
    parser.add_argument("--split-from", choices=("folders", "column"), help="keep the split folders, or the CSV's split column")
    parser.add_argument("--dry-run", action="store_true", help="list and split, write nothing")
    add_splitting(parser)
    add_listing(parser)
    add_packing(parser)
    add_s3(parser)

    parser = command(commands, "list", make_list, "write the .lst of a folder of images")
    parser.add_argument("root", metavar="ROOT")
    parser.add_argument("out", metavar="OUT.lst")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT.lst")
    add_listing(parser)

    parser = command(commands, "split", split, "split a .lst into A_train.lst, A_validation.lst ...")
    parser.add_argument("list", metavar="A.lst")
    parser.add_argument("--overwrite", action="store_true", help="replace the lists")
    add_splitting(parser)

    parser = command(commands, "pack", pack, "pack the images of a .lst into a .rec with .idx and .rkm")
    parser.add_argument("list", metavar="A.lst")
    parser.add_argument("root", metavar="ROOT", help="the folder that the list's paths start from")
    parser.add_argument("out", metavar="OUT.rec", help="a path, or s3://bucket/key.rec")
    parser.add_argument("--no-checksums", dest="checksums", action="store_false", help="leave the .rkm out")
    add_packing(parser)
    add_s3(parser)


def extract_idx(args: argparse.Namespace, out: Output) -> int:
    """Run ``extract-idx``."""
    from recordio_kit._pipeline.extract import KNOWN_CLASSES, extract_idx

    names = KNOWN_CLASSES.get(args.class_names)
    if names is None and args.class_names is not None:
        from recordio_kit._pipeline.listing import read_classes

        names = read_classes(args.class_names)
    counts = extract_idx(
        args.images,
        args.labels,
        args.out,
        class_names=names,
        prefix=args.prefix,
        format=args.format,
        quality=args.quality,
        progress=out.progress,
    )
    out.say("wrote", f"{sum(counts.values())} images in {len(counts)} class folders to {args.out}")
    out.emit({"out": args.out, "images": counts})
    return 0


def make_list(args: argparse.Namespace, out: Output) -> int:
    """Run ``list``."""
    from recordio_kit._pipeline import listing

    images = listing.make_list(args.root, **listing_of(args), sizes=False)
    out.findings(images.findings)
    listing.write_list(images, args.out, overwrite=args.overwrite)
    _say_listed(out, images)
    out.say("wrote", args.out)
    out.emit({"list": args.out, "images": len(images), "classes": images.classes})
    return 0


def _say_listed(out: Output, images: ImageList) -> None:
    classes = f"{len(images.classes)} classes" if images.classes is not None else f"{images.label_width} label columns"
    out.say("list", f"{len(images)} images, {classes}")


def split(args: argparse.Namespace, out: Output) -> int:
    """Run ``split``."""
    from recordio_kit._core.split import split_list
    from recordio_kit._pipeline.dataset import DEFAULT_SPLITS
    from recordio_kit._pipeline.listing import read_list, write_list

    images = read_list(args.list)
    out.findings(images.findings)
    parts = split_list(
        images,
        shares_of(args.split) or DEFAULT_SPLITS,
        stratify=args.stratify,
        group_by=args.group_by,
        seed=args.seed,
        small_classes=args.small_classes,
    )
    stem = args.list.removesuffix(".lst")
    names = {name: f"{stem}_{name}.lst" for name in parts}
    for name, part in parts.items():
        write_list(part, names[name], overwrite=args.overwrite)
        out.say(name, f"{len(part)} images -> {names[name]}")
    out.say("split", str(parts.report))
    out.emit({name: {"list": names[name], "images": len(part)} for name, part in parts.items()})
    return 0


def pack(args: argparse.Namespace, out: Output) -> int:
    """Run ``pack``."""
    with _early_workers(args) as executor:
        return _pack(args, out, executor)


@contextlib.contextmanager
def _early_workers(args: argparse.Namespace) -> Iterator[Executor | None]:
    """Let workers start while a long list is read: it is long enough for them to be worth it, whatever its images are."""
    from recordio_kit._pipeline.executors import SupervisedExecutor, usable_cpus

    count = usable_cpus() if args.workers is None else args.workers
    length = os.path.getsize(args.list) if os.path.isfile(args.list) else 0
    if count < 2 or length < _LONG_LIST_BYTES:
        yield None
        return
    with SupervisedExecutor(count, preload="recordio_kit._pipeline.work") as executor:
        yield executor


def _pack(args: argparse.Namespace, out: Output, executor: Executor | None) -> int:
    from recordio_kit._pipeline.listing import read_list
    from recordio_kit._pipeline.pack import pack_list

    images = read_list(args.list)
    out.findings(images.findings)
    if not Path(args.root).is_dir():
        msg = f"{args.root} is no folder; pack takes the list, then the folder its paths start from, then the .rec"
        raise ValueError(msg)
    store, name = file_at(args, args.out)
    report = pack_list(
        images,
        name,
        root=args.root,
        transform=transform_of(args, (os.path.splitext(path)[1] for path in images.paths)),
        workers=args.workers if executor is None else None,
        executor=executor,
        on_error=args.on_error,
        max_skipped=args.max_skipped,
        check=args.check,
        progress=out.telling(),
        overwrite=args.overwrite,
        resume=args.resume,
        checksums=args.checksums,
        store=store,
    )
    for failure in report.failures:
        out.say("skipped", f"{failure.path}: {failure.message}")
    out.say("wrote" if report.done else "stands", f"{report.uri}: {report.records} records, {size(report.info.record.bytes)}")
    for remark in report.remarks:
        out.say("note", remark)
    out.emit({"uri": report.uri, "records": report.records, "bytes": report.info.record.bytes, "failures": report.failures})
    return 1 if report.failures else 0


def prepare(args: argparse.Namespace, out: Output) -> int:
    """Run ``prepare``."""
    from recordio_kit._pipeline.dataset import list_dataset
    from recordio_kit._pipeline.policy import Policy
    from recordio_kit._pipeline.prepare import pack_dataset

    shares = shares_of(args.split)
    if shares is not None and args.split_from is not None:
        msg = "give --split or --split-from, not both"
        raise ValueError(msg)
    transform = transform_of(args, args.exts or ())
    data = list_dataset(
        args.root,
        splits=shares or args.split_from,
        stratify=args.stratify,
        group_by=args.group_by,
        seed=args.seed,
        small_classes=args.small_classes,
        **listing_of(args),
    )
    out.findings(data.findings)
    total = sum(len(part) for part in data.parts.values())
    classes = "no class names" if data.classes is None else f"{len(data.classes)} classes"
    out.say("list", f"{total} images, {classes}, from {args.root}")
    if data.report is None:
        kept = "split folders" if data.options["splits"] == "folders" else "split column"
        out.say("split", f"{kept} kept: " + ", ".join(f"{name} {len(part)}" for name, part in data.parts.items()))
    else:
        out.say("split", str(data.report))
    if args.dry_run:
        out.say("dry run", "nothing was written")
        out.emit({"images": total, "classes": data.classes, "splits": {name: len(part) for name, part in data.parts.items()}})
        return 0
    manifest = pack_dataset(
        data,
        folder_at(args, args.dest),
        root=args.root,
        transform=transform,
        check=args.check,
        policy=Policy(on_error=args.on_error, max_skipped=args.max_skipped, workers=args.workers),
        progress=out.telling(),
        overwrite=args.overwrite,
        resume=args.resume,
    )
    describe(out, manifest, args.dest)
    dest = args.dest if args.dest.startswith("s3://") else args.dest.rstrip("/" + os.sep)
    out.say("next", f"recordio-kit verify {dest}   or   recordio-kit submit {dest} --role ARN --output s3://...")
    out.emit({"dest": args.dest, "splits": manifest.splits, "classes": manifest.classes})
    return 1 if any(info.failures for info in manifest.splits.values()) else 0
