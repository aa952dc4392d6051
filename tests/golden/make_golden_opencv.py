"""Make ``data/opencv.json`` again: ``MXNET_PYTHON=... python -m tests.golden.make_golden_opencv``.

It holds checksums of what MXNet 1.9.1 and OpenCV 4.8.1, under the interpreter so named, answer to questions that are made
here by formula, so that tests ask them again where neither is installed.
"""

from __future__ import annotations

import base64
import json
import tempfile
import zlib
from pathlib import Path

import numpy as np

from tests.image_samples import deep, grain, odd_jpegs, odd_pngs, pattern, smooth


ANSWERS = Path(__file__).with_name("data") / "opencv.json"
LEVELS = (0, 1, 3, 6, 9)
#: im2rec's arguments: every colour, with and without a new size and a crop, to either format.
ARGUMENTS = (
    "",
    "--color 0",
    "--color -1",
    "--resize 24 --quality 70",
    "--center-crop --resize 8 --color 0",
    "--resize 11 --color -1 --center-crop --pack-label",
    "--encoding .png",
    "--encoding .png --color 0 --quality 9 --resize 30",
    "--encoding .png --color -1 --quality 3 --center-crop",
    "--encoding .png --color -1 --quality -1",
)


def pictures():
    """Return pixels to be encoded as PNG, in RGB order: name -> array."""
    shapes = [(1, 1), (1, 2, 3), (2, 1, 4), (37, 50), (37, 50, 3), (37, 50, 4), (1, 700, 3), (700, 1), (40, 3000, 3)]
    shapes += [(127, 128), (128, 127), (1, 16384)]  # just below, at and just above what libpng takes for small
    images = {f"pattern {shape}": pattern(*shape) for shape in shapes}
    images |= {f"grain {shape}": grain(*shape) for shape in ((150, 200, 3), (90, 110, 4), (3, 9000, 3))}
    images |= {"smooth": smooth(200, 300), "one colour": np.full((90, 110, 3), 77, np.uint8)}
    return images | {f"16 bits {shape}": deep(*shape, 16).astype(np.uint16) for shape in ((40, 50, 3), (21, 1, 4), (1, 3000, 3))}


def sources():
    """Return images to be decoded: name -> bytes."""
    return {f"png: {name}": data for name, data in odd_pngs().items()} | {
        f"jpeg: {name}": data for name, data in odd_jpegs().items()
    }


def write_sources(folder, prefix):
    """Write the images to a folder, and a list of them; every third row has a second label."""
    rows = []
    for number, data in enumerate(sources().values()):
        (folder / f"{number}.img").write_bytes(data)
        labels = f"{number % 5}" if number % 3 else f"{number % 5}\t2.5"
        rows.append(f"{number}\t{labels}\t{number}.img\n")
    prefix.with_suffix(".lst").write_text("".join(rows))


def swap(pixels):
    """Return pixels with red and blue changed, where there are any."""
    return np.ascontiguousarray(pixels if pixels.ndim == 2 else pixels[..., [2, 1, 0, 3][: pixels.shape[2]]])


def crc(data):
    """Return a checksum as text."""
    return f"{zlib.crc32(data):08x}"


def main():
    """Ask, and write the answers."""
    from tests.e2e.test_mxnet_oracle import IMWRITE_PNG_COMPRESSION, ask_mxnet, b64

    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        packs = []
        for number, arguments in enumerate(ARGUMENTS):
            (root / f"out{number}").mkdir()
            write_sources(root, root / f"out{number}" / "x")
            packs.append(["im2rec", str(root / f"out{number}"), ["x", str(root), *arguments.split(), "--num-thread", "2"]])
        ask_mxnet(packs)
        records = {
            arguments: [crc((root / f"out{number}" / f"x.{suffix}").read_bytes()) for suffix in ("rec", "idx")]
            for number, arguments in enumerate(ARGUMENTS)
        }
    reads = ask_mxnet([["imdecode", b64(data), flag] for data in sources().values() for flag in (1, 0, -1)])
    pixels = [crc(swap(np.frombuffer(base64.b64decode(data), dtype).reshape(shape))) for dtype, shape, data in reads]
    writes = []
    for picture in map(swap, pictures().values()):
        image = [picture.dtype.str, picture.shape, b64(picture.tobytes())]
        writes += [["imencode", *image, ".png", IMWRITE_PNG_COMPRESSION, level] for level in LEVELS]
    encoded = [crc(base64.b64decode(data)) for data in ask_mxnet(writes)]
    answers = {
        "decoded": dict(zip(sources(), zip(*[iter(pixels)] * 3, strict=True), strict=True)),
        "encoded": dict(zip(pictures(), zip(*[iter(encoded)] * len(LEVELS), strict=True), strict=True)),
        "records": records,
    }
    ANSWERS.write_text(_one_line_each(answers))


def _one_line_each(answers):
    parts = []
    for part, lines in answers.items():
        body = ",\n".join(f"    {json.dumps(name)}: {json.dumps(values)}" for name, values in lines.items())
        parts.append(f'  "{part}": {{\n{body}\n  }}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    main()
