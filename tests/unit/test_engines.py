"""The engine seam: the fastest engine that gives the known answers is used, and none that does not."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from recordio_kit._images import engine_pillow, engines, known_answers
from recordio_kit._images.check import check_image
from recordio_kit._images.codec import decode_image
from recordio_kit._images.engines import ENGINES, is_exact, pick, try_engine
from recordio_kit._images.resize import resize_linear
from recordio_kit.errors import ImageError


@pytest.fixture(autouse=True)
def _fresh():
    """Whatever a test makes of the engines is forgotten."""
    yield
    engines.try_engine.cache_clear()
    engines._picked.cache_clear()


def stand_in(monkeypatch, name, **functions):
    """Let an engine module be this."""
    engines.try_engine.cache_clear()
    engines._picked.cache_clear()
    module = types.ModuleType(f"recordio_kit._images.engine_{name}")
    vars(module).update(functions)
    monkeypatch.setitem(sys.modules, module.__name__, module)


def test_the_baseline_gives_opencvs_answers():
    assert known_answers.decodes(engine_pillow.decode)
    assert known_answers.encodes(engine_pillow.encode)
    assert known_answers.resizes(resize_linear)


@pytest.mark.parametrize("work", ENGINES)
def test_what_is_picked_is_the_first_that_passes(work):
    passed = [name for name in ENGINES[work] if try_engine(work, name).call is not None]
    assert pick(work) == (passed[0] if passed else None)


def test_an_engine_with_other_pixels_is_not_used(monkeypatch):
    stand_in(monkeypatch, "simplejpeg", decode=lambda *asked: engine_pillow.decode(*asked) ^ 1)
    trial = try_engine("decode", "simplejpeg")
    assert trial.call is None
    assert not trial.missing
    assert "OpenCV's pixels" in trial.problem
    assert pick("decode") != "simplejpeg"


def test_a_decoder_that_hides_damage_is_not_used(monkeypatch):
    def lenient(data, channels, shrink):
        return engine_pillow.decode(data, channels, shrink) if data == known_answers.jpeg() else np.zeros((1, 1), np.uint8)

    stand_in(monkeypatch, "simplejpeg", decode=lenient)
    assert try_engine("decode", "simplejpeg").call is None


def test_an_encoder_with_the_fast_dct_is_not_used(monkeypatch):
    stand_in(monkeypatch, "turbojpeg", encode=lambda pixels, quality: engine_pillow.encode(pixels, min(quality, 94)))
    assert pick("encode") == "pillow"
    assert is_exact()


def test_an_engine_that_fails_or_does_not_load_is_said_to(monkeypatch):
    def broken(*_):
        msg = "no such symbol"
        raise OSError(msg)

    stand_in(monkeypatch, "simplejpeg", decode=broken)
    assert "no such symbol" in try_engine("decode", "simplejpeg").problem
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.delitem(sys.modules, "recordio_kit._images.engine_opencv", raising=False)
    assert try_engine("resize", "opencv").missing


def test_pypis_turbojpeg_is_recognised(monkeypatch):
    engines.try_engine.cache_clear()
    monkeypatch.setitem(sys.modules, "turbojpeg", types.ModuleType("turbojpeg"))
    monkeypatch.delitem(sys.modules, "recordio_kit._images.engine_turbojpeg", raising=False)
    trial = try_engine("encode", "turbojpeg")
    assert not trial.missing
    assert "pip uninstall turbojpeg" in trial.problem


def test_where_even_the_baseline_fails_it_is_used_and_said(monkeypatch):
    for work, name in (("decode", "pillow"), ("decode", "simplejpeg"), ("decode", "turbojpeg")):
        stand_in(monkeypatch, name, **{work: lambda *_: np.zeros((2, 2), np.uint8)})
    assert pick("decode") is None
    assert not is_exact()
    assert decode_image(known_answers.jpeg()).shape == (33, 47, 3)


def test_what_an_engine_refuses_goes_to_pillow(monkeypatch):
    asked = []

    def wary(data, channels, shrink):
        asked.append(data)
        if data != known_answers.jpeg():
            msg = "warning"
            raise ValueError(msg)
        return engine_pillow.decode(data, channels, shrink)

    stand_in(monkeypatch, "simplejpeg", decode=wary)
    doubted = engine_pillow.encode(known_answers.picture(), 80)
    np.testing.assert_array_equal(decode_image(doubted), engine_pillow.decode(doubted, 3, 1))
    assert asked[-1] == doubted
    table = doubted.index(b"\xff\xc4") + 5
    with pytest.raises(ImageError, match="the decoder refuses it"):
        decode_image(doubted[:table] + b"\xff" * 16 + doubted[table + 16 :])  # codes that no Huffman table has room for


def test_a_check_that_decodes_asks_pillow_only_about_what_the_scan_doubts(monkeypatch):
    judged = []
    monkeypatch.setattr(engine_pillow, "decode", lambda data, *_: judged.append(data) or np.zeros((1, 1), np.uint8))

    def scan(data):
        if data.endswith(b"tail"):
            msg = "warning"
            raise ValueError(msg)

    monkeypatch.setattr(engines, "_picked", lambda work: scan if work == "scan" else None)
    monkeypatch.setattr("recordio_kit._images.check.strict_engine_available", lambda: True)
    sound = known_answers.jpeg()
    check_image(sound, check="decode")
    assert not judged
    check_image(sound + b"tail", check="decode")
    assert judged == [sound + b"tail"]
    with pytest.raises(ImageError, match="the decoder warns: warning"):
        check_image(sound + b"tail", check="strict")


def test_small_jobs_do_not_wait_for_opencv(monkeypatch):
    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    monkeypatch.setattr(engines, "_picked", lambda _: pytest.fail("OpenCV was asked for"))
    resizer = engines._Resizer()
    image = known_answers.picture()
    np.testing.assert_array_equal(resizer(image, 9, 9), resize_linear(image, 9, 9))
    used = []
    monkeypatch.setattr(engines, "_picked", lambda _: lambda *asked: used.append(asked))
    monkeypatch.setattr(engines, "_SAMPLES_WORTH_OPENCV", 1)
    resizer(image, 9, 9)
    assert len(used) == 1
