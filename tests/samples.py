"""Images that tests make for themselves."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image


@cache
def jpeg(seed: int = 0, height: int = 20, width: int = 24) -> bytes:
    """A small smooth colour JPEG, another one for each seed."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [random.uniform(60, 190) + random.uniform(-3, 3) * x + random.uniform(-3, 3) * y for _ in range(3)]
    return encoded(np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8), "JPEG", quality=90)


@cache
def png(seed: int = 0, height: int = 8, width: int = 9) -> bytes:
    """A small grey PNG, another one for each seed."""
    return encoded(np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8), "PNG")


def encoded(array: np.ndarray, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, kind, **options)
    return out.getvalue()


def write_tree(root: Path, counts: dict[str, int], *, height: int = 20, width: int = 24) -> Path:
    """One folder a class with this many JPEGs each; no two images of the tree are equal."""
    seed = 0
    for name, count in counts.items():
        folder = root / name
        folder.mkdir(parents=True)
        for number in range(count):
            (folder / f"{number:04d}.jpg").write_bytes(jpeg(seed, height, width))
            seed += 1
    return root
