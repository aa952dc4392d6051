"""The images that are packed: photos of the user's or made ones, camera-sized mosaics of them, and drawn digits.

Strategy: a corpus has its distinct images once, in ``sources``, and under as many names as are wanted, each a file of its own as
in a real folder (the first of each is the one in ``sources``, under a second name). Everything is drawn from fixed seeds.
"""

from __future__ import annotations

import io
import os
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image


CLASSES = 10
_MADE = 100  # distinct photos, where there are none of the user's
_MOSAICS = 24
_TILE = (375, 500)  # height and width of a photo in a mosaic: about its own size, so that its detail stays
_QUALITY = 92
_STROKES, _DOTS = 2, 24
_CHUNK = 2000  # digits drawn at a time


@dataclass(frozen=True, slots=True)
class Corpus:
    """Images under a root, and a list of them.

    Args:
        folder: holds ``images`` (one folder a class), ``sources`` (each distinct image once) and ``all.lst``, shuffled.
        count: how many images.
        bytes: their sizes together.
    """

    folder: Path
    count: int
    bytes: int

    @property
    def root(self) -> Path:
        """Return the folder of the class folders."""
        return self.folder / "images"

    @property
    def sources(self) -> Path:
        """Return the folder of the distinct images."""
        return self.folder / "sources"

    @property
    def list(self) -> Path:
        """Return the list."""
        return self.folder / "all.lst"


def make_photos(folder: Path, count: int, images: Path | None) -> Corpus:
    """Make a corpus of photos of everyday web size.

    Args:
        folder: to fill.
        count: how many.
        images: a folder of JPEG photos to take; None draws some.
    """
    if images is None:
        return _fill(folder, [_draw_photo(number) for number in range(min(count, _MADE))], count)
    return _fill(folder, [path.read_bytes() for path in jpegs(images)[:count]], count)


def make_mosaics(folder: Path, count: int, photos: Corpus, *, height: int = 3000, width: int = 4000) -> Corpus:
    """Make a corpus of camera-sized photos: each a mosaic of other photos near their own size, at quality 92.

    Upscaled photos would be smooth, and so smaller and easier to decode than what a camera takes; mosaics of 12 megapixels
    have 4 to 5 MB.

    Args:
        folder: to fill.
        count: how many.
        photos: what the tiles are taken from.
        height: of the images.
        width: of the images.
    """
    tiles = jpegs(photos.sources)
    return _fill(folder, [_join(tiles, number, height, width) for number in range(min(count, _MOSAICS))], count)


def make_digits(folder: Path, count: int, images: Path | None) -> Corpus:
    """Make a corpus of grey 28x28 JPEGs at quality 95, as MNIST's are: all of them distinct.

    Args:
        folder: to fill.
        count: how many.
        images: a folder of JPEGs to take; None draws strokes.
    """
    if images is not None:
        return _fill(folder, [path.read_bytes() for path in jpegs(images)[:count]], count)
    generator = np.random.default_rng(0)
    drawn = [
        _encode(image, 95) for start in range(0, count, _CHUNK) for image in _draw_digits(generator, min(_CHUNK, count - start))
    ]
    return _fill(folder, drawn, count)


def jpegs(folder: Path) -> list[Path]:
    """Return the JPEG files under a folder, sorted."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    if not found:
        msg = f"{folder} holds no .jpg or .jpeg file"
        raise SystemExit(msg)
    return found


def _fill(folder: Path, images: list[bytes], count: int) -> Corpus:
    """Write images, copies of them up to ``count``, and the list, in an order of its own."""
    corpus = Corpus(folder, count, sum(len(images[number % len(images)]) for number in range(count)))
    corpus.sources.mkdir(parents=True)
    for number, image in enumerate(images):
        (corpus.sources / f"{number:07d}.jpg").write_bytes(image)
    lines = []
    for label in range(min(CLASSES, count)):
        (corpus.root / f"class{label}").mkdir(parents=True)
    for number in range(count):
        path = f"class{number % CLASSES}/{number:07d}.jpg"
        if number < len(images):
            os.link(corpus.sources / f"{number:07d}.jpg", corpus.root / path)
        else:
            (corpus.root / path).write_bytes(images[number % len(images)])
        lines.append(f"{number}\t{number % CLASSES:f}\t{path}\n")
    random.Random(0).shuffle(lines)
    corpus.list.write_text("".join(lines), encoding="ascii")
    return corpus


def head(corpus: Corpus, folder: Path, count: int) -> Corpus:
    """Return a small corpus of the first images of another."""
    return _fill(folder, [path.read_bytes() for path in jpegs(corpus.sources)[:count]], count)


def _encode(pixels: np.ndarray, quality: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return out.getvalue()


def _draw_photo(seed: int, height: int = 375, width: int = 500) -> bytes:
    """Return a JPEG of about 0.19 megapixels that costs a codec about as much as a photo does."""
    generator = np.random.default_rng(seed)
    small = generator.integers(0, 256, (height // 6, width // 6, 3), np.uint8)
    grain = generator.normal(0, 9, (height, width, 3))
    smooth = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC), np.float32)
    return _encode(np.clip(smooth + grain, 0, 255).astype(np.uint8), _QUALITY)


def _join(tiles: list[Path], number: int, height: int, width: int) -> bytes:
    down, across = max(1, height // _TILE[0]), max(1, width // _TILE[1])
    edges_y = [height * row // down for row in range(down + 1)]
    edges_x = [width * column // across for column in range(across + 1)]
    mosaic = Image.new("RGB", (width, height))
    for row in range(down):
        for column in range(across):
            place = (edges_x[column], edges_y[row])
            size = (edges_x[column + 1] - place[0], edges_y[row + 1] - place[1])
            with Image.open(tiles[(number * 7 + row * across + column) % len(tiles)]) as tile:
                mosaic.paste(tile.convert("RGB").resize(size, Image.Resampling.LANCZOS), place)
    out = io.BytesIO()
    mosaic.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


def _draw_digits(generator: np.random.Generator, count: int) -> np.ndarray:
    """Return [count, 28, 28] uint8: two bent strokes each, white on black, blurred as a pen is."""
    ends, bend, other = generator.uniform(6, 21, (3, count, _STROKES, 1, 2)).astype(np.float32)
    along = np.linspace(0, 1, _DOTS, dtype=np.float32)[:, None]
    dots = (1 - along) ** 2 * ends + 2 * along * (1 - along) * bend + along**2 * other
    cells = np.rint(dots).astype(np.intp).reshape(count, -1, 2)
    ink = np.zeros((count, 28, 28), np.float32)
    ink[np.arange(count)[:, None], cells[..., 0], cells[..., 1]] = 1
    for axis in (1, 2):
        ink = 0.5 * (np.roll(ink, 1, axis) + np.roll(ink, -1, axis)) + ink
    return np.clip(ink * 140, 0, 255).astype(np.uint8)
