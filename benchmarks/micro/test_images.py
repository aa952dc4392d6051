"""Images: the gate, and NumPy's resize, one image a call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import recordio_kit as rk
from benchmarks.corpus import jpegs, make_digits, make_photos
from recordio_kit._images.gate import inspect
from recordio_kit._images.resize import resize_linear


Benchmark = Callable[..., Any]


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a drawn photo of 375x500 pixels."""
    return _first(make_photos(tmp_path_factory.mktemp("micro") / "photos", 1, None).sources)


@pytest.fixture(scope="module")
def digit(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a drawn digit of 28x28 pixels."""
    return _first(make_digits(tmp_path_factory.mktemp("micro") / "digits", 1, None).sources)


def _first(folder: Path) -> bytes:
    return jpegs(folder)[0].read_bytes()


def test_gate_1_photo(benchmark: Benchmark, photo: bytes) -> None:
    """Walk through a photo's structure."""
    assert benchmark(inspect, photo).height == 375


def test_gate_1_digit(benchmark: Benchmark, digit: bytes) -> None:
    """Walk through a digit's structure."""
    assert benchmark(inspect, digit).height == 28


def test_resize_1_photo(benchmark: Benchmark, photo: bytes) -> None:
    """Resize a photo with NumPy."""
    assert benchmark(resize_linear, rk.decode_image(photo), 256, 341).shape == (256, 341, 3)


def test_resize_1_camera_photo(benchmark: Benchmark) -> None:
    """Resize 12 megapixels with NumPy."""
    image = np.random.default_rng(0).integers(0, 256, (3000, 4000, 3), np.uint8)
    assert benchmark(resize_linear, image, 256, 341).shape == (256, 341, 3)


def test_reencode_1_photo(benchmark: Benchmark, photo: bytes) -> None:
    """Decode, resize and encode a photo with the engines that are installed."""
    transform = rk.Reencode(short_edge=256)
    data, height, width = benchmark(transform.apply, photo)
    assert (height, width) == (256, 341)
    assert data[:2] == b"\xff\xd8"
