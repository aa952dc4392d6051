"""Every installed engine gives Pillow's pixels and bytes, and never decides which images are lost."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from recordio_kit._images import engine_pillow
from recordio_kit._images.engines import ENGINES, decode_jpeg, is_exact, try_engine
from recordio_kit._images.gate import inspect
from recordio_kit._images.resize import resize_linear
from recordio_kit.errors import ImageError


def installed(work, *, but):
    return [
        pytest.param(try_engine(work, name).call, id=name)
        for name in ENGINES[work]
        if name != but and not try_engine(work, name).missing
    ] or [pytest.param(None, id="none", marks=pytest.mark.skip(reason=f"no engine but {but} is installed"))]


sides = st.integers(1, 70)
channels = st.sampled_from([(), (3,)])
qualities = st.integers(1, 100)
shapes = st.tuples(st.tuples(sides, sides), channels).map(lambda parts: parts[0] + parts[1])


@st.composite
def images(draw):
    """Noise, which is hard on codecs, or a few values spread over the image, which is what photos are like."""
    shape = draw(shapes)
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    if draw(st.booleans()):
        return random.integers(0, 256, shape, np.uint8)
    small = random.integers(0, 256, (3, 3, *shape[2:]), np.uint8)
    return np.asarray(Image.fromarray(small).resize((shape[1], shape[0]), Image.Resampling.BICUBIC))


@st.composite
def jpegs(draw):
    image = Image.fromarray(draw(images()))
    out = io.BytesIO()
    options = {"subsampling": draw(st.sampled_from([0, 1, 2]))} if image.mode == "RGB" else {}
    image.save(
        out, "JPEG", quality=draw(qualities), progressive=draw(st.booleans()), restart_marker_blocks=draw(st.integers(0, 4)), **options
    )  # fmt: skip
    return out.getvalue()


def test_what_is_installed_is_exact():
    assert is_exact()


@pytest.mark.parametrize("decode", installed("decode", but="pillow"))
@given(jpegs(), st.booleans(), st.sampled_from([1, 2, 4, 8]))
def test_decoders_give_pillows_pixels(decode, data, grey, shrink):
    info = inspect(data)
    stored = 1 if grey else info.channels
    assume(shrink == 1 or min(info.height, info.width) >= 16)
    np.testing.assert_array_equal(decode(data, stored, shrink), engine_pillow.decode(data, stored, shrink))


@pytest.mark.parametrize("encode", installed("encode", but="pillow"))
@given(images(), qualities)
def test_encoders_give_pillows_bytes(encode, image, quality):
    assert encode(image, quality) == engine_pillow.encode(image, quality)


@pytest.mark.parametrize("encode", installed("encode", but="pillow"))
@given(images(), st.integers(1, 40), st.integers(1, 40))
def test_encoders_take_views(encode, image, rows, columns):
    view = image[::-1][:rows, -columns:]
    assert encode(view, 90) == engine_pillow.encode(np.ascontiguousarray(view), 90)


@pytest.mark.parametrize("resize", installed("resize", but="numpy"))
@given(npst.arrays(np.uint8, st.tuples(st.tuples(sides, sides), st.sampled_from([(), (3,), (4,)])).map(lambda p: p[0] + p[1])), sides, sides)  # fmt: skip
def test_resizers_give_numpys_pixels(resize, image, rows, columns):
    np.testing.assert_array_equal(resize(image, rows, columns), resize_linear(image, rows, columns))
    turned = image.swapaxes(0, 1)[::-1]
    np.testing.assert_array_equal(resize(turned, rows, columns), resize_linear(turned, rows, columns))


@pytest.mark.parametrize("decode", installed("decode", but="pillow"))
@given(jpegs(), st.data())
def test_damage_is_judged_by_pillow_alone(decode, data, draw):
    hurt = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 3))):
        hurt[draw.draw(st.integers(2, len(hurt) - 3))] = draw.draw(st.integers(0, 255))
    try:
        info = inspect(bytes(hurt))
    except ImageError:
        return
    if info.channels == 4 or info.height * info.width > 1_000_000:
        return
    expected = pixels = None
    with contextlib.suppress(Exception):
        expected = engine_pillow.decode(bytes(hurt), info.channels, 1)
    with contextlib.suppress(Exception):
        pixels = decode_jpeg(bytes(hurt), info.channels)
    assert (pixels is None) == (expected is None)
    if expected is not None:
        np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("scan", installed("scan", but=None))
@given(jpegs(), st.data())
def test_a_scan_warns_of_what_a_full_decode_warns_of(scan, data, draw):
    hurt = bytearray(data)
    hurt[draw.draw(st.integers(2, len(hurt) - 3))] = draw.draw(st.integers(0, 255))
    try:
        info = inspect(bytes(hurt))
    except ImageError:
        return
    if info.channels == 4 or info.height * info.width > 1_000_000:
        return
    name = scan.__module__.rpartition("_")[2]
    decode = try_engine("decode", name).call

    def complains(call, *arguments):
        try:
            call(bytes(hurt), *arguments)
        except (OSError, ValueError):
            return True
        return False

    assert complains(scan) == complains(decode, info.channels, 1)
