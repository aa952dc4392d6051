"""``demo``: the whole chain on images it makes itself, with no network and no AWS account.

Strategy: the steps are the ones a user takes, through the public names, each shown as it is done: IDX files, folders, lists,
a 70/30 split, packing, reading back, packing once more into an S3 server in this process, and the training request. Each step
is checked, so the demo is also the shortest test of an installation.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import recordio_kit as rk
from recordio_kit.cli.options import command
from recordio_kit.cli.output import describe, size


if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from recordio_kit.cli.options import Commands
    from recordio_kit.cli.output import Output

_NAMES: Final = ("disc", "ring", "square", "frame", "cross", "diagonal", "stripes", "columns", "checks", "slope")
_IMAGES_A_CLASS: Final = 40
_SIDE: Final = 28
_BUCKET: Final = "recordio-kit-demo"
_REGION: Final = "eu-west-1"
_ROLE: Final = "arn:aws:iam::123456789012:role/demo"


def add(commands: Commands) -> None:
    """Add the command."""
    parser = command(commands, "demo", demo, "the whole chain on images it makes itself; no network, no AWS account")
    parser.add_argument("dest", nargs="?", metavar="DEST", help="keep the files there (a new folder); default: thrown away")


def demo(args: argparse.Namespace, out: Output) -> int:
    """Run ``demo``."""
    if args.dest is not None and os.path.lexists(args.dest):
        msg = f"{args.dest} exists already; the demo wants a new folder"
        raise rk.errors.OutputExistsError(msg)
    with contextlib.ExitStack() as stack:
        if args.dest is None:
            base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="recordio_kit-demo-")))
        else:
            base = Path(args.dest)
            base.mkdir(parents=True)
        return _run(base, out, kept=args.dest is not None)


def _run(base: Path, out: Output, *, kept: bool) -> int:
    import numpy as np

    from recordio_kit._core.mnist_idx import format_idx_array
    from recordio_kit._pipeline.extract import extract_idx

    pixels, labels = draw_shapes()
    images_idx, labels_idx = base / "images-idx3-ubyte", base / "labels-idx1-ubyte"
    images_idx.write_bytes(format_idx_array(pixels))
    labels_idx.write_bytes(format_idx_array(labels))
    out.say("1 idx", f"{len(pixels)} drawn images of {len(_NAMES)} shapes in {images_idx.name} and {labels_idx.name}")

    folder = base / "images"
    extract_idx(images_idx, labels_idx, folder, class_names=_NAMES, format="png", progress=out.progress)
    out.say("2 files", f"one folder a class: {', '.join(sorted(os.listdir(folder))[1:4])} ...")

    images = rk.make_list(folder)
    parts = rk.split_list(images, {"train": 0.7, "validation": 0.3})
    out.say("3 lists", ", ".join(f"{name} {len(part)}" for name, part in parts.items()) + " (every class 70/30)")

    manifest = rk.prepare(folder, base / "out", splits={"train": 0.7, "validation": 0.3}, progress=out.progress)
    out.say("4 pack", f"{size(manifest.splits['train'].record.bytes)} in train.rec")
    describe(out, manifest, str(base / "out"))

    seen = 0
    for name in ("train", "validation"):
        with rk.ImageReader(base / "out" / name / f"{name}.rec", checksums=True) as reader:
            for record in reader:
                number = _number_in(parts[name].path_at(record.header.id))
                if record.label != labels[number] or not np.array_equal(record.decode()[..., 0], pixels[number]):
                    msg = f"image {number} did not come back as it went in"
                    raise rk.errors.CorruptRecordError(msg, source=reader.uri)
                seen += 1
    report = rk.verify(base / "out")
    out.say("5 read", f"{seen} images read back, each pixel and label as it went in; verify: {report}")

    data = f"s3://{_BUCKET}/shapes/"
    if importlib.util.find_spec("moto") is None:
        out.say("6 s3", "left out: pip install 'recordio-kit[demo]' brings an S3 server for it")
    else:
        _pack_to_s3(folder, data, base / "out", out)

    from recordio_kit import sagemaker

    request = sagemaker.training_job_request(manifest, data=data, output=f"s3://{_BUCKET}/models", role=_ROLE, region=_REGION)
    problems = sagemaker.preflight(request, manifest)
    out.say("7 train", "the request for SageMaker, on standard output; a dry run sends nothing")
    out.text(sagemaker.write_request(request).decode("ascii"))
    if kept:
        out.say("kept", f"{base}; look around: recordio-kit info {base / 'out'}")
    return 2 if problems else 0


def draw_shapes() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the demo's images, [n, 28, 28] uint8, and labels, [n] uint8: the same ones on every machine."""
    import numpy as np

    random = np.random.default_rng(0)
    y, x = np.mgrid[0:_SIDE, 0:_SIDE] - (_SIDE - 1) / 2
    pixels = []
    for _ in range(_IMAGES_A_CLASS):
        dx, dy, r = random.uniform(-3, 3), random.uniform(-3, 3), random.uniform(6, 10)
        across, down = x - dx, y - dy
        far, box = np.hypot(across, down), np.maximum(abs(across), abs(down))
        shapes = (
            far < r, abs(far - r) < 2, box < r, abs(box - r) < 2, np.minimum(abs(across), abs(down)) < 2,
            abs(across - down) < 3, np.sin(down * r / 6) > 0, np.sin(across * r / 6) > 0,
            np.sin(down * r / 6) * np.sin(across * r / 6) > 0, across + down > 0,
        )  # fmt: skip
        light = random.uniform(120, 230)
        pixels += [shape * light + random.uniform(0, 25, shape.shape) for shape in shapes]
    labels = np.tile(np.arange(len(_NAMES), dtype=np.uint8), _IMAGES_A_CLASS)
    return np.array(pixels).astype(np.uint8), labels


def _number_in(path: str) -> int:
    return int(Path(path).stem)


def _pack_to_s3(folder: Path, url: str, local: Path, out: Output) -> None:
    """Pack the same images straight to S3 and hold the objects against the local files."""
    from recordio_kit.s3 import S3Store

    with _s3_server() as store_options:
        store = S3Store(url, **store_options)
        manifest = rk.prepare(folder, store, splits={"train": 0.7, "validation": 0.3})
        for split in manifest.splits.values():
            with rk.RecordReader(split.record.path, store=store) as there, rk.RecordReader(local / split.record.path) as here:
                if list(there) != list(here):
                    msg = f"{there.uri} differs from {here.uri}"
                    raise rk.errors.CorruptRecordError(msg)
    out.say("6 s3", f"packed once more, straight to {url} on a server in this process: the same bytes")


@contextlib.contextmanager
def _s3_server() -> Iterator[dict[str, Any]]:
    """Run moto's S3 on a free port of the loopback; yield how a store reaches it."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else each request is a line of log
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()

        def client() -> Any:
            return boto3.client(
                "s3",
                endpoint_url=f"http://{host}:{port}",
                region_name=_REGION,
                aws_access_key_id="demo",
                aws_secret_access_key="demo",  # noqa: S106  # any will do: the server is our own
            )

        client().create_bucket(Bucket=_BUCKET, CreateBucketConfiguration={"LocationConstraint": _REGION})
        yield {"client_factory": client}
    finally:
        server.stop()
