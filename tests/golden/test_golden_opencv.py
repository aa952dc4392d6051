"""Checksums of what MXNet 1.9.1 and OpenCV 4.8.1 made of the same images (``make_golden_opencv``) hold where neither is installed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from recordio_kit._images.codec import decode_image
from recordio_kit._images.png_pixels import read_stored_png
from recordio_kit._images.png_write import png_is_exact, write_png
from recordio_kit.im2rec import main
from tests.golden.make_golden_opencv import ANSWERS, ARGUMENTS, LEVELS, crc, pictures, sources, write_sources


GOLDEN = json.loads(ANSWERS.read_text())
SOURCES, PICTURES = sources(), pictures()
exact_zlib = pytest.mark.skipif(not png_is_exact(), reason="this Python's zlib compresses to other bytes")


def test_every_question_has_an_answer():
    assert list(GOLDEN["decoded"]) == list(SOURCES)
    assert list(GOLDEN["encoded"]) == list(PICTURES)
    assert list(GOLDEN["records"]) == list(ARGUMENTS)


@pytest.mark.parametrize("name", SOURCES)
def test_decoded_pixels_are_opencvs(name):
    data = SOURCES[name]
    pixels = [decode_image(data, color=color) for color in ("rgb", "grey", "unchanged")]
    if name.startswith("png"):
        pixels[2] = np.ascontiguousarray(read_stored_png(data))  # all 16 bits of a sample, as OpenCV returns them
    assert [crc(each) for each in pixels] == GOLDEN["decoded"][name]


@exact_zlib
@pytest.mark.parametrize("name", PICTURES)
def test_png_bytes_are_opencvs(name):
    assert [crc(write_png(PICTURES[name], level)) for level in LEVELS] == GOLDEN["encoded"][name]


@pytest.mark.parametrize("arguments", [pytest.param(each, marks=exact_zlib) if ".png" in each else each for each in ARGUMENTS])
def test_odd_images_pack_to_mxnets_files(tmp_path, arguments):
    write_sources(tmp_path, tmp_path / "x")
    assert main([str(tmp_path / "x"), str(tmp_path), *arguments.split()]) == 0
    assert [crc((tmp_path / f"x.{suffix}").read_bytes()) for suffix in ("rec", "idx")] == GOLDEN["records"][arguments]
