"""IDX files (MNIST, Fashion-MNIST) to one folder of image files a class.

Strategy: folders are named ``0_T-shirt-top`` ... with the zero-padded label first, so that their sorted order is the label
order whatever the names are, and a packed label equals the IDX label. ``.classes.json`` beside the folders keeps the true
names, and the labels that have no image here (see ``class_file``). Everything is checked before the first file is
written, and a run that fails takes away what it wrote.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, Final

import numpy as np

from recordio_kit._core.mnist_idx import parse_idx_array
from recordio_kit._images.codec import encode_image
from recordio_kit._pipeline.class_file import ClassFile, read_class_file, write_class_file
from recordio_kit._pipeline.report import Progress, ProgressCallback, resolve_progress
from recordio_kit._storage.base import read_all
from recordio_kit._storage.open import open_file
from recordio_kit.errors import FormatError, OutputExistsError, StorageError


if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: As their authors name them: github.com/zalandoresearch/fashion-mnist, yann.lecun.com/exdb/mnist.
KNOWN_CLASSES: Final = {
    "fashion-mnist": (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
    "mnist": tuple("0123456789"),
}  # fmt: skip
_SUFFIXES: Final = {"jpeg": ".jpg", "png": ".png"}
_UNSAFE: Final = re.compile(r"[^0-9A-Za-z._-]+")
_REPORT_EVERY: Final = 256


def extract_idx(
    images: str | os.PathLike[str],
    labels: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    class_names: Sequence[str] | None = None,
    prefix: str = "",
    format: str = "jpeg",  # noqa: A002  # the name that encode_image and Reencode use
    quality: int = 95,
    progress: bool | ProgressCallback | None = None,
) -> dict[str, int]:
    """Write the images of an IDX pair as files, one folder a class.

    Args:
        images: IDX file of [n, h, w] or [n, h, w, 3] uint8, ``.gz`` or not.
        labels: IDX file of [n] labels.
        out: the folder to fill; another pair may be there already, under another ``prefix`` and with the same classes.
        class_names: names in label order; None names classes by their number.
        prefix: what file names start with.
        format: ``"jpeg"`` or ``"png"`` (exact).
        quality: of the JPEG, 1 to 100.
        progress: None, True for a bar, or a callable.

    Returns:
        The number of images written, by folder.

    Raises:
        FormatError: the files are no IDX pair.
        OutputExistsError: files of this run stand there already, or other classes; nothing was written.
        StorageError: the folder cannot be written; what this run wrote is gone again.
        ValueError: an option makes no sense, or a label has no name.
    """
    if format not in _SUFFIXES:
        msg = f"format is one of {', '.join(_SUFFIXES)}, not {format!r}"
        raise ValueError(msg)
    if prefix != os.path.basename(prefix) or prefix.startswith("."):
        msg = f"prefix {prefix!r} is the start of a file name: no folder and no leading dot"
        raise ValueError(msg)
    pixels, numbers = _read_pair(images, labels)
    top = int(numbers.max())
    names = tuple(class_names) if class_names is not None else tuple(str(label) for label in range(top + 1))
    if top >= len(names):
        msg = f"{os.fspath(labels)} has labels up to {top}, but there are {len(names)} class names"
        raise ValueError(msg)
    folders = folder_names(names)
    _claim(out, folders, names, prefix)
    digits = max(5, len(str(len(pixels) - 1)))
    tell = resolve_progress(progress)
    paths = [
        os.path.join(out, folders[label], f"{prefix}{number:0{digits}d}{_SUFFIXES[format]}")
        for number, label in enumerate(numbers.tolist())
    ]
    written: list[str] = []
    try:
        for folder in {folders[label] for label in np.unique(numbers).tolist()}:
            os.makedirs(os.path.join(out, folder), exist_ok=True)
        for number, path in enumerate(paths):
            with open(path, "xb") as file:
                written.append(path)
                file.write(encode_image(pixels[number], quality=quality, format=format))
            if not number % _REPORT_EVERY:
                tell(Progress("extract", number, len(paths)))
        write_class_file(out, ClassFile(folders, names))
    except BaseException as error:
        _take_back(written)
        if isinstance(error, OSError):
            msg = f"cannot write ({error.strerror or error}); what this run wrote is gone again"
            raise StorageError(msg, uri=os.fspath(out), operation="write") from error
        raise
    tell(Progress("extract", len(paths), len(paths)))
    counts = np.bincount(numbers, minlength=len(names)).tolist()
    return {folder: count for folder, count in zip(folders, counts, strict=True) if count}


def folder_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return a folder name for each class name: the zero-padded label, then what of the name any file system takes.

    Args:
        names: in label order.
    """
    width = len(str(len(names) - 1))
    plain = [_UNSAFE.sub("-", name).strip("-.") for name in names]
    if all(name == str(label) for label, name in enumerate(names)):
        return tuple(f"{label:0{width}d}" for label in range(len(names)))
    return tuple(f"{label:0{width}d}_{name}" if name else f"{label:0{width}d}" for label, name in enumerate(plain))


def _read_pair(images: str | os.PathLike[str], labels: str | os.PathLike[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    pixels = parse_idx_array(read_all(*open_file(images)), source=os.fspath(images))
    numbers = parse_idx_array(read_all(*open_file(labels)), source=os.fspath(labels))
    if pixels.ndim not in (3, 4) or pixels.dtype != np.uint8 or (pixels.ndim == 4 and pixels.shape[3] != 3):
        hint = "; are images and labels swapped?" if pixels.ndim == 1 else ""
        msg = f"images are [n, h, w] or [n, h, w, 3] uint8, this file holds {list(pixels.shape)} {pixels.dtype}{hint}"
        raise FormatError(msg, source=os.fspath(images))
    if numbers.shape != (len(pixels),) or numbers.dtype.kind not in "iu" or (numbers < 0).any():
        msg = f"{len(pixels)} images need as many labels from 0 up, this file holds {list(numbers.shape)} {numbers.dtype}"
        raise FormatError(msg, source=os.fspath(labels))
    if not len(pixels):
        msg = "no images"
        raise FormatError(msg, source=os.fspath(images))
    return pixels, numbers.astype(np.int64)


def _claim(out: str | os.PathLike[str], folders: Sequence[str], names: Sequence[str], prefix: str) -> None:
    """Refuse a folder that holds files which this run would write, or other classes."""
    place = os.fspath(out)
    known = read_class_file(place)
    if known is not None and known != (tuple(folders), tuple(names)):
        msg = f"{place} holds other classes ({len(known.names)}, from {known.names[0]!r}); choose another folder"
        raise OutputExistsError(msg)
    try:
        if known is None and os.path.isdir(place) and any(not name.startswith(".") for name in os.listdir(place)):
            msg = f"{place} is not empty and was not made by extract-idx; choose a new folder"
            raise OutputExistsError(msg)
        os.makedirs(place, exist_ok=True)
        numbered = re.compile(re.escape(prefix) + r"[0-9]+\.(?:jpg|png)")
        for folder in folders:
            with contextlib.suppress(FileNotFoundError):
                taken = next((name for name in sorted(os.listdir(os.path.join(place, folder))) if numbered.fullmatch(name)), None)
                if taken is not None:
                    msg = f"{os.path.join(place, folder, taken)} exists already; choose another folder or another --prefix"
                    raise OutputExistsError(msg)
    except OutputExistsError:
        raise
    except OSError as error:
        msg = f"cannot use this folder ({error.strerror or error}); choose another one"
        raise StorageError(msg, uri=place, operation="create") from error


def _take_back(written: Sequence[str]) -> None:
    for path in written:
        with contextlib.suppress(OSError):
            os.unlink(path)
    for folder in {os.path.dirname(path) for path in written}:
        with contextlib.suppress(OSError):  # not empty: another run's files are there
            os.rmdir(folder)
