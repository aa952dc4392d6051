"""Arguments that several commands share, and how their texts become values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordio_kit._images.info import CHECKS, COLORS, ENCODINGS
from recordio_kit._storage.open import is_url, open_file, open_folder


if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable

    from recordio_kit._storage.base import Store
    from recordio_kit.cli.output import Output

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  # argparse has no public name for it


def command(
    commands: Commands, name: str, run: Callable[[argparse.Namespace, Output], int], help_text: str
) -> argparse.ArgumentParser:
    """Add a command with the arguments that every command has.

    Args:
        commands: where.
        name: the verb.
        run: takes the arguments and the output, returns the exit code.
        help_text: one line.
    """
    parser = commands.add_parser(name, help=help_text, description=help_text, allow_abbrev=False)
    parser.set_defaults(run=run)
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="the result as JSON on standard output")
    group.add_argument("-q", "--quiet", action="store_true", help="no words but errors")
    group.add_argument("--debug", action="store_true", help="a traceback with an error")
    return parser


def add_s3(parser: argparse.ArgumentParser) -> None:
    """Add where and as whom S3 and SageMaker are met."""
    group = parser.add_argument_group("AWS")
    group.add_argument("--region", help="default: what the AWS configuration says")
    group.add_argument("--profile", help="a profile of the AWS configuration")
    group.add_argument("--endpoint-url", metavar="URL", help="another S3 service")


def add_listing(parser: argparse.ArgumentParser) -> None:
    """Add how a folder is listed."""
    group = parser.add_argument_group("which images, which labels")
    group.add_argument("--labels", metavar="CSV", help="path and label columns, for other layouts than one folder a class")
    group.add_argument("--classes", metavar="FILE", help="class names in label order, one a line; or a manifest.json")
    group.add_argument(
        "--exts",
        nargs="+",
        metavar="EXT",
        help="suffixes that are taken (.jpg .jpeg .png); .bmp .gif .tif .webp .heic .avif where images are re-encoded",
    )
    group.add_argument("--ignore", action="append", default=[], metavar="GLOB", help="files or folders to leave out; repeatable")
    group.add_argument("--follow-links", action="store_true", help="take links to files and folders")


def add_splitting(parser: argparse.ArgumentParser) -> None:
    """Add how a list is split."""
    group = parser.add_argument_group("splits")
    group.add_argument(
        "--split", action="append", metavar="NAME=SHARE", help="repeatable; train=0.7 and validation=0.3 by default"
    )
    group.add_argument("--no-stratify", dest="stratify", action="store_false", help="do not keep each class's share")
    group.add_argument("--group-by", metavar="REGEX", help="images whose paths match alike stay in one split")
    group.add_argument("--seed", type=int, default=0, help="another seed, another split (0)")
    group.add_argument(
        "--small-classes", choices=("error", "train"), default="error", help="classes with fewer images than splits"
    )


def add_packing(parser: argparse.ArgumentParser) -> None:
    """Add how images are packed."""
    group = parser.add_argument_group("images", "files are packed as they are, unless one of the first five re-encodes them")
    group.add_argument("--resize", type=int, metavar="N", help="re-encode with the short edge at N pixels")
    group.add_argument(
        "--max-edge", type=int, metavar="N", help="re-encode with the long edge at N pixels at most; never enlarges"
    )
    group.add_argument("--center-crop", action="store_true", help="re-encode the square in the middle")
    group.add_argument("--color", choices=COLORS, help="re-encode in colour, in grey, or as stored and not turned upright (rgb)")
    group.add_argument("--encoding", choices=ENCODINGS, help="re-encode as this; SageMaker and MXNet read no webp (jpeg)")
    group.add_argument("--quality", type=int, metavar="Q", help="of jpeg or webp, 1 to 100 (95)")
    group.add_argument(
        "--antialias", action="store_true", help="resize better and, for large photos, faster; not im2rec's pixels"
    )
    group.add_argument("--keep-metadata", action="store_true", help="keep EXIF and ICC profile, which re-encoding drops")
    group.add_argument(
        "--strip-metadata", action="store_true", help="drop GPS and other metadata, pixels untouched; no re-encoding"
    )
    group = parser.add_argument_group("packing")
    group.add_argument("--workers", type=int, metavar="N", help="processes; 0 for none (by the machine and the work)")
    group.add_argument("--on-error", choices=("raise", "skip"), default="raise", help="what a bad image does (raise)")
    group.add_argument(
        "--max-skipped", type=float, default=0.01, metavar="SHARE", help="skip at most this share of images (0.01)"
    )
    group.add_argument("--check", choices=CHECKS, help="how closely images are looked at (fast; decode when re-encoding)")
    group.add_argument("--overwrite", action="store_true", help="replace what stands at the destination")
    group.add_argument(
        "--no-resume", dest="resume", action="store_false", help="start over, and leave nothing to go on from if this run fails"
    )


def transform_of(args: argparse.Namespace, suffixes: Iterable[str]) -> Any:
    """Return the transform that the packing arguments ask for, or None.

    Args:
        args: the arguments.
        suffixes: what the images' names end in; re-encoding takes the formats that these stand for.

    Raises:
        ValueError: options contradict each other or are out of bounds, or a library that they need is not installed.
    """
    reencoding = {
        "short_edge": args.resize,
        "max_edge": args.max_edge,
        "center_crop": args.center_crop or None,
        "color": args.color,
        "format": args.encoding,
    }
    asked = {name: value for name, value in reencoding.items() if value is not None}
    shaping = {"--quality": args.quality is not None, "--antialias": args.antialias, "--keep-metadata": args.keep_metadata}
    stray = next((flag for flag, given in shaping.items() if given), None)
    if args.strip_metadata and (asked or stray):
        msg = "--strip-metadata leaves images as they are; re-encoding drops metadata by itself: leave it out"
        raise ValueError(msg)
    if stray is not None and not asked:
        msg = f"{stray} is about re-encoding: give --resize, --max-edge, --center-crop, --color or --encoding too"
        raise ValueError(msg)
    if args.antialias and args.resize is None and args.max_edge is None:
        msg = "--antialias is about resizing: give --resize or --max-edge too"
        raise ValueError(msg)
    if args.quality is not None and args.encoding == "png":
        msg = "--quality is of jpeg or webp; png is lossless: leave it out"
        raise ValueError(msg)
    if args.strip_metadata:
        from recordio_kit._images.transform import StripMetadata

        return StripMetadata()
    if not asked:
        return None
    from recordio_kit._images.foreign import SUFFIXES, missing_codec
    from recordio_kit._images.transform import Reencode

    transform = Reencode(
        **asked,
        quality=95 if args.quality is None else args.quality,
        antialias=args.antialias,
        metadata="keep" if args.keep_metadata else "strip",
        sources=("jpeg", "png", *(SUFFIXES[suffix] for suffix in map(_plain, set(suffixes)) if suffix in SUFFIXES)),
    )
    if (problem := missing_codec((*transform.sources, transform.format))) is not None:
        raise ValueError(problem)
    return transform


def _plain(text: str) -> str:
    """Return a suffix in lower case and with one dot, whichever way ``--exts`` has it."""
    return "." + text.strip().lower().lstrip("*.")


def shares_of(texts: list[str] | None) -> dict[str, float] | None:
    """Return the shares that ``--split NAME=SHARE`` texts give, or None where there are none.

    Raises:
        ValueError: a text is none, or a name stands twice.
    """
    if not texts:
        return None
    shares: dict[str, float] = {}
    for text in texts:
        name, _, share = text.partition("=")
        try:
            number = float(share)
        except ValueError:
            msg = f"--split {text}: it is NAME=SHARE, such as train=0.7"
            raise ValueError(msg) from None
        if name in shares:
            msg = f"--split {text}: {name} has a share already"
            raise ValueError(msg)
        shares[name] = number
    return shares


def classes_of(place: str | None) -> Any:
    """Return the class names a ``--classes`` argument means: a manifest's, or a text file for the list maker to read."""
    if place is not None and place.endswith(".json"):
        from recordio_kit._pipeline.manifests import Manifest

        return Manifest.load(place)
    return place


def listing_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the listing arguments as keywords."""
    facts: dict[str, Any] = {
        "labels": args.labels, "classes": classes_of(args.classes), "ignore": args.ignore, "follow_links": args.follow_links,
    }  # fmt: skip
    return facts if args.exts is None else facts | {"exts": args.exts}


def folder_at(args: argparse.Namespace, place: str) -> Store:
    """Return the store of a folder or ``s3://`` prefix, with the AWS arguments."""
    if not place.startswith("s3://"):
        return open_folder(place)
    from recordio_kit.s3 import S3Store

    return S3Store(place, endpoint_url=args.endpoint_url, region=args.region, profile=args.profile)


def file_at(args: argparse.Namespace, place: str) -> tuple[Store, str]:
    """Return the store and name of a file or ``s3://`` object, with the AWS arguments."""
    if not is_url(place):
        return open_file(place)
    folder, _, name = place.rpartition("/")
    return folder_at(args, folder + "/"), name
