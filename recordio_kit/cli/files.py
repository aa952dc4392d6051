"""Commands on files that exist: info, verify, index, manifest, salvage, unpack, copy, uploads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordio_kit.cli.options import add_s3, command, file_at, folder_at
from recordio_kit.cli.output import describe, size


if TYPE_CHECKING:
    import argparse

    from recordio_kit.cli.options import Commands
    from recordio_kit.cli.output import Output

_SHOWN_FINDINGS = 20


def add(commands: Commands) -> None:
    """Add the commands."""
    parser = command(commands, "info", info, "say what a .rec or a prepared data set holds")
    parser.add_argument("place", metavar="X", help="a .rec, a folder or prefix with manifest.json")
    add_s3(parser)

    parser = command(commands, "verify", verify, "look for damage; exit code 1 where some is found")
    parser.add_argument("place", metavar="X", help="a .rec, a folder or prefix with manifest.json")
    parser.add_argument("--level", choices=("structure", "checksum", "decode"), default="checksum", help="how deep (checksum)")
    parser.add_argument(
        "--for",
        dest="consumer",
        choices=("sagemaker", "mxnet", "gluon", "dali", "insightface"),
        help="also say what this reader would stumble over",
    )
    add_s3(parser)

    parser = command(commands, "index", index, "write the .idx of a .rec that has none")
    parser.add_argument("record", metavar="X.rec")
    parser.add_argument(
        "--keys", choices=("auto", "id", "position"), default="auto", help="header ids where unique, else a count"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an .idx that is there")
    add_s3(parser)

    parser = command(commands, "manifest", manifest, "write a manifest.json for .rec files that others packed")
    parser.add_argument("records", nargs="+", metavar="SPLIT=X.rec", help="such as train=train/train.rec")
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder or prefix they lie in, where manifest.json goes")
    parser.add_argument("--classes", metavar="FILE", help="class names in label order, one a line")
    parser.add_argument("--overwrite", action="store_true", help="replace a manifest that is there")
    add_s3(parser)

    parser = command(commands, "salvage", salvage, "recover what is whole from a damaged .rec into a new one")
    parser.add_argument("bad", metavar="BAD.rec")
    parser.add_argument("good", metavar="OUT.rec")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT.rec")

    parser = command(commands, "unpack", unpack, "write the images of a .rec as files, one folder a class")
    parser.add_argument("record", metavar="X.rec")
    parser.add_argument("out", metavar="OUT")
    parser.add_argument("--classes", metavar="FILE", help="class names in label order, one a line; default: the manifest's")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    add_s3(parser)

    parser = command(commands, "copy", copy, "copy a prepared data set, verified: to S3, from S3, or between folders")
    parser.add_argument("source", metavar="SRC")
    parser.add_argument("dest", metavar="DEST")
    parser.add_argument("--overwrite", action="store_true", help="replace another data set at DEST")
    add_s3(parser)

    parser = command(commands, "uploads", uploads, "list or abort unfinished uploads under an s3:// prefix")
    parser.add_argument("action", choices=("list", "abort"))
    parser.add_argument("dest", metavar="DEST", help="s3://bucket/prefix/")
    add_s3(parser)


def info(args: argparse.Namespace, out: Output) -> int:
    """Run ``info``."""
    if args.place.endswith(".rec"):
        return _info_record(args, out)
    from recordio_kit._pipeline.manifests import Manifest

    known = Manifest.load(folder_at(args, args.place.removesuffix("manifest.json")))
    describe(out, known, args.place)
    for name, split in known.splits.items():
        if split.height and split.width:
            low, high = f"{split.width[0]}x{split.height[0]}", f"{split.width[1]}x{split.height[1]}"
            out.say(name, f"smallest width and height {low}, largest {high} pixels")
        if split.labels and known.label_width == 1:
            few, many = min(split.labels.values()), max(split.labels.values())
            out.say(name, f"{len(split.labels)} labels, {few} to {many} images each")
    out.emit({"classes": known.classes, "splits": known.splits, "options": known.options})
    return 0


def _info_record(args: argparse.Namespace, out: Output) -> int:
    import numpy as np

    from recordio_kit._pipeline.records import ImageReader

    store, name = file_at(args, args.place)
    with ImageReader(name, store=store) as reader:
        labels = reader.labels()
        count = len(reader)
    document: dict[str, Any] = {
        "uri": store.uri(name),
        "records": count,
        "label_width": 1 if labels.ndim == 1 else labels.shape[1],
    }
    out.say("records", str(count))
    if labels.ndim == 1 and count:
        values, counts = np.unique(labels, return_counts=True)
        document["labels"] = {f"{value:g}": number for value, number in zip(values.tolist(), counts.tolist(), strict=True)}
        out.say("labels", f"{len(values)}, from {values[0]:g} to {values[-1]:g}, {counts.min()} to {counts.max()} records each")
    out.emit(document)
    return 0


def verify(args: argparse.Namespace, out: Output) -> int:
    """Run ``verify``."""
    from recordio_kit._pipeline.verify import verify as run

    if args.place.endswith(".rec"):
        store, name = file_at(args, args.place)
        report = run(name, level=args.level, consumer=args.consumer, store=store, progress=out.progress)
    else:
        folder = folder_at(args, args.place.removesuffix("manifest.json"))
        report = run(folder, level=args.level, consumer=args.consumer, progress=out.progress)
    for finding in report.findings[:_SHOWN_FINDINGS]:
        out.say("found", str(finding))
    if len(report.findings) > _SHOWN_FINDINGS:
        out.say("found", f"... {len(report.findings) - _SHOWN_FINDINGS} more; --json has them all")
    out.say("verify", str(report))
    out.emit(report.to_json())
    return 0 if report.ok else 1


def index(args: argparse.Namespace, out: Output) -> int:
    """Run ``index``."""
    from recordio_kit._pipeline.verify import build_index

    store, name = file_at(args, args.record)
    written = build_index(name, keys=args.keys, overwrite=args.overwrite, store=store)
    out.say("wrote", written)
    out.emit({"index": written})
    return 0


def manifest(args: argparse.Namespace, out: Output) -> int:
    """Run ``manifest``."""
    from recordio_kit._core.manifest import MANIFEST_NAME
    from recordio_kit._pipeline.listing import read_classes
    from recordio_kit._pipeline.manifests import Manifest
    from recordio_kit._storage.base import write_all

    records = {}
    for text in args.records:
        name, sign, place = text.partition("=")
        if not sign or not name or name in records:
            msg = f"{text}: it is SPLIT=X.rec, such as train=train/train.rec, each split once"
            raise ValueError(msg)
        records[name] = place
    store = folder_at(args, args.out)
    classes = None if args.classes is None else read_classes(args.classes)
    made = Manifest.from_records(records, classes=classes, root=store)
    write_all(store, MANIFEST_NAME, made.to_json(), overwrite=args.overwrite)
    describe(out, made, args.out)
    out.emit({"manifest": store.uri(MANIFEST_NAME), "splits": made.splits})
    return 0


def salvage(args: argparse.Namespace, out: Output) -> int:
    """Run ``salvage``."""
    from recordio_kit._pipeline.salvage import salvage as run

    report = run(args.bad, args.good, overwrite=args.overwrite)
    for begin, end, reason in report.lost[:_SHOWN_FINDINGS]:
        out.say("lost", f"bytes {begin} to {end}: {reason}")
    out.say("wrote", f"{args.good}: {report}")
    out.emit(report.to_json())
    return 1 if report.lost else 0


def unpack(args: argparse.Namespace, out: Output) -> int:
    """Run ``unpack``."""
    from recordio_kit._pipeline.labels import read_classes
    from recordio_kit._pipeline.unpack import unpack as run

    store, name = file_at(args, args.record)
    classes = None if args.classes is None else read_classes(args.classes)
    report = run(name, args.out, classes=classes, overwrite=args.overwrite, store=store, progress=out.progress)
    out.say("wrote", str(report))
    out.emit(report)
    return 0


def copy(args: argparse.Namespace, out: Output) -> int:
    """Run ``copy``."""
    from recordio_kit._pipeline.copy import copy as run

    count = run(folder_at(args, args.source), folder_at(args, args.dest), overwrite=args.overwrite, progress=out.progress)
    out.say("copied", f"{size(count)} to {args.dest}, verified")
    out.emit({"dest": args.dest, "bytes": count})
    return 0


def uploads(args: argparse.Namespace, out: Output) -> int:
    """Run ``uploads list|abort``."""
    from recordio_kit.s3 import S3Store, abort_uploads, list_uploads

    store = folder_at(args, args.dest)
    if not isinstance(store, S3Store):
        msg = f"{args.dest} is no s3:// prefix"
        raise TypeError(msg)
    found = list_uploads(store)
    for upload in found:
        out.say("upload", str(upload))
    aborted = abort_uploads(store) if args.action == "abort" else 0
    out.say("uploads", f"{len(found)} unfinished" + (f", {aborted} aborted" if args.action == "abort" else ""))
    out.emit({"uploads": found, "aborted": aborted})
    return 0
