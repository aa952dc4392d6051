"""The codec floor: decode, resize, encode each image of a list on all cores, and nothing else: SOURCES SHORT_EDGE QUALITY.

Strategy: what no packer that re-encodes can be faster than, with these engines on this machine. Interpreter, imports, the
choice of engines and the start of processes count, as they do for the library, but processes are forked, which is cheaper than
its own. The distinct images are read once, before the processes start; an image of the list is one of them in turn. Left out
are files, the gate, orientation, headers, checksums, frames, the way back to the parent, and writing.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.work.pool import over_all_cores
from recordio_kit._images.codec import decode_image
from recordio_kit._images.engines import pick, try_engine


def main(sources: Path, short: int, quality: int, cores: int | None) -> None:
    """Run the floor."""
    images = [path.read_bytes() for path in sorted(sources.iterdir())]
    with Path("all.lst").open("rb") as lines:
        count = sum(1 for _ in lines)
    names = {work: pick(work) for work in ("decode", "resize", "encode")}
    decode, resize, encode = (try_engine(work, name).call if name else None for work, name in names.items())
    if decode is None or resize is None or encode is None:
        sys.exit(f"an engine is missing: {names}")
    if names["resize"] == "opencv":
        import cv2

        cv2.setNumThreads(1)

    def work(number: int) -> None:
        data = images[number % len(images)]
        try:
            pixels = decode(data, 3, 1)
        except Exception:  # noqa: BLE001  # CMYK, or damage that the library's own decoder would look into
            pixels = decode_image(data)
        rows, columns = pixels.shape[:2]
        size = (rows * short // columns, short) if rows > columns else (short, columns * short // rows)
        encode(resize(pixels, *size), quality)

    over_all_cores(work, count, cores)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]) if sys.argv[4:] else None)
