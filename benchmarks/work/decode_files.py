"""What a decoder alone can do: read each file of a list and decode it to RGB pixels, on all cores: ROOT simplejpeg|turbojpeg.

Strategy: files are read as anyone would, the pixels are dropped; nothing is checked but what the decoder itself refuses.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.work.pool import over_all_cores


def main(root: str, decoder: str) -> None:
    """Decode all."""
    with Path("all.lst").open(encoding="utf-8") as lines:
        paths = [f"{root}/{line.rstrip().rpartition(chr(9))[2]}" for line in lines]
    decode = _simplejpeg() if decoder == "simplejpeg" else _turbojpeg()

    def work(number: int) -> None:
        with open(paths[number], "rb") as file:
            decode(file.read())

    over_all_cores(work, len(paths))


def _simplejpeg() -> Callable[[bytes], Any]:
    import simplejpeg

    return lambda data: simplejpeg.decode_jpeg(data, "RGB", strict=True)


def _turbojpeg() -> Callable[[bytes], Any]:
    import turbojpeg

    decode = turbojpeg.TurboJPEG().decode
    return lambda data: decode(data, turbojpeg.TJPF_RGB)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
