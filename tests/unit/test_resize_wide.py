"""Resizing of 16-bit samples. Frozen checksums come from OpenCV 4.8.1, for images that it resizes by its own arithmetic."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from recordio_kit._images.resize_wide import resize_wide
from tests.image_samples import deep


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((1, 127, 4), (76, 86), 0xC810AE38),
        ((1, 9, 3), (30, 4), 0xCAE91AA7),
        ((144, 1, 4), (72, 1), 0xB888F6E7),
        ((33, 1, 3), (12, 20), 0x775072E5),
        ((1, 1, 3), (5, 6), 0x35495BFE),
    ],
)
def test_a_row_or_column_is_resized_to_opencvs_samples(shape, size, expected):
    assert zlib.crc32(resize_wide(deep(*shape, 16).astype("<u2"), *size)) == expected


@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (8, 6, 3), (5, 1, 4)])
@pytest.mark.parametrize("size", [(1, 1), (3, 20), (14, 5)])
def test_one_value_stays_that_value(shape, size):
    resized = resize_wide(np.full(shape, 51_234, np.uint16), *size)
    assert resized.dtype == np.uint16
    np.testing.assert_array_equal(resized, np.full((*size, *shape[2:]), 51_234))


def test_samples_lie_between_their_neighbours_and_keep_their_order():
    ramp = np.arange(0, 65_536, 257, np.uint16)
    wide = resize_wide(np.stack([ramp, ramp]), 2, 1000)[0].astype(np.int64)
    assert (wide[0], wide[-1]) == (0, 65_535)
    assert (np.diff(wide) >= 0).all()


def test_half_the_size_is_the_mean_of_four():
    pixels = deep(20, 30, 3, 16).astype(np.uint16)
    mean = pixels.reshape(10, 2, 15, 2, 3).mean(axis=(1, 3))
    assert abs(resize_wide(pixels, 10, 15) - mean).max() <= 0.5
