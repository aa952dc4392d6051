"""The images that are packed: photos of the user's, or made ones of the same size, under as many names as wanted."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np


CLASSES = 10


def make_photo(seed: int, height: int = 375, width: int = 500) -> bytes:
    """Return a JPEG of about 0.18 megapixels that costs a codec about as much as a photo does."""
    from PIL import Image

    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (height // 6, width // 6, 3), np.uint8)
    grain = random.normal(0, 9, (height, width, 3))
    smooth = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC), np.float32)
    out = io.BytesIO()
    Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=92)
    return out.getvalue()


def make_corpus(folder: Path, count: int, images: Path | None) -> Path:
    """Fill a folder with ``count`` images in ten class folders; equal ones are hard links, so the page cache holds them once.

    Args:
        folder: to fill.
        count: how many names.
        images: where to take the files from; None makes 100.
    """
    if images is None:
        sources = []
        (folder / "made").mkdir(parents=True)
        for number in range(100):
            sources.append(folder / "made" / f"{number:03d}.jpg")
            sources[-1].write_bytes(make_photo(number))
    else:
        (folder / "made").mkdir(parents=True)
        sources = []
        for number, source in enumerate(sorted(path for path in images.iterdir() if path.suffix.lower() in (".jpg", ".jpeg"))):
            sources.append(folder / "made" / f"{number:05d}.jpg")
            sources[-1].write_bytes(source.read_bytes())
    root = folder / "images"
    for label in range(CLASSES):
        (root / f"class{label}").mkdir(parents=True)
    for number in range(count):
        os.link(sources[number % len(sources)], root / f"class{number % CLASSES}" / f"{number:07d}.jpg")
    return root
