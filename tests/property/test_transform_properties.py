from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from recordio_kit._images.codec import decode_image, decode_inspected, encode_image
from recordio_kit._images.foreign import missing_codec
from recordio_kit._images.gate import REASONS, SOURCES, inspect
from recordio_kit._images.transform import Reencode, StripMetadata
from recordio_kit.errors import ImageError
from tests.image_samples import (
    CMYK,
    GREY,
    PALETTE,
    PROGRESSIVE,
    TURNED,
    chunk,
    exif,
    insert,
    jpeg,
    orientation,
    pattern,
    png,
    segment,
    smooth,
    tiff,
)


JPEGS = [TURNED, CMYK, GREY, PROGRESSIVE, jpeg(), jpeg(keep_rgb=True), jpeg(restart_marker_blocks=1)]
PNGS = [
    (pattern(6, 5, 3), ()),
    (pattern(6, 5, 4), ()),
    (pattern(6, 5), (PALETTE, chunk(b"tRNS", bytes(9)))),
    (smooth(6, 5), (chunk(b"gAMA", struct.pack(">I", 45455)),)),
]
SECRET = b"52.5200 N 13.4050 E"
bodies = st.binary(max_size=30).map(lambda body: body + SECRET)
segments = st.builds(segment, st.sampled_from([0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xEF, 0xFE]), bodies)
chunks = st.builds(
    chunk, st.sampled_from([b"tEXt", b"zTXt", b"iCCP", b"eXIf", b"bKGD", b"tIME", b"abCd", b"cHRM", b"acTL"]), bodies
)
edges = st.none() | st.integers(1, 50)
sides = st.integers(1, 60)


def pixels_of(data):
    return [decode_image(data, color=color) for color in ("rgb", "grey", "unchanged")]


def hold(stripped, noisy):
    assert SECRET not in stripped
    for left, right in zip(pixels_of(stripped), pixels_of(noisy), strict=True):
        np.testing.assert_array_equal(left, right)
    assert inspect(stripped).orientation == inspect(noisy).orientation
    assert StripMetadata().apply(stripped)[0] == stripped


@given(
    st.sampled_from(JPEGS),
    st.integers(1, 8),
    st.lists(segments, max_size=4),
    st.lists(segments, max_size=4),
    st.binary(max_size=9),
)
def test_stripping_a_jpeg_leaves_its_pixels_and_no_secret(whole, turn, front, back, tail):
    told = [exif(orientation(turn))] if turn > 1 else []
    scan = whole.index(b"\xff\xda")
    noisy = insert(whole[:scan] + b"".join(back) + whole[scan:-2] + b"".join(back) + b"\xff\xd9" + tail, *told, *front)
    hold(StripMetadata().apply(noisy)[0], noisy)


@given(
    st.sampled_from(PNGS), st.integers(1, 8), st.lists(chunks, max_size=4), st.lists(chunks, max_size=4), st.binary(max_size=9)
)
def test_stripping_a_png_leaves_its_pixels_and_no_secret(picture, turn, front, middle, tail):
    array, extra = picture
    told = [chunk(b"eXIf", tiff(orientation(turn)))] if turn > 1 else []
    noisy = png(array, *told, *front, *extra, *middle, color=3 if PALETTE in extra else None) + tail
    hold(StripMetadata().apply(noisy)[0], noisy)


@given(st.tuples(sides, sides), edges, edges, st.booleans(), st.booleans())
def test_both_edges_hold_and_no_side_is_empty(shape, short_edge, max_edge, crop, antialias):
    height, width = shape
    antialias &= short_edge is not None or max_edge is not None
    transform = Reencode(short_edge=short_edge, max_edge=max_edge, center_crop=crop, antialias=antialias, format="png")
    data, *size = transform.apply(png(pattern(height, width, 3)))
    assert list(decode_image(data).shape[:2]) == size
    assert min(size) >= 1
    assert max_edge is None or max(size) <= max_edge
    uncapped = max_edge is None or max(size) < max_edge
    if short_edge is not None:
        assert min(size) == short_edge or (not uncapped and min(size) <= short_edge)
    else:
        assert all(new <= old for new, old in zip(size, (height, width), strict=True))
        assert not uncapped or size == ([min(height, width)] * 2 if crop else [height, width])


@given(sides, sides, st.integers(1, 50))
def test_capping_keeps_the_aspect_within_a_pixel(height, width, most):
    _, *size = Reencode(max_edge=most, format="png").apply(png(pattern(height, width, 3)))
    scale = min(1, most / max(height, width))
    assert all(abs(new - old * scale) <= 1 for new, old in zip(size, (height, width), strict=True))


@given(st.integers(1, 8), st.sampled_from(["rgb", "grey", "unchanged"]), st.sampled_from(["jpeg", "png", "webp"]))
def test_kept_metadata_never_changes_the_picture(turn, color, form):
    source = insert(jpeg(), exif(orientation(turn)))
    plain, kept = (Reencode(color=color, format=form, metadata=metadata).apply(source) for metadata in ("strip", "keep"))
    assert plain[1:] == kept[1:]
    upright = inspect(kept[0], formats=(form,)).orientation
    assert upright == (turn if color == "unchanged" else 1)
    np.testing.assert_array_equal(decode_image(kept[0], color="unchanged"), decode_image(plain[0], color="unchanged"))


@st.composite
def foreign_images(draw):
    kind, options = draw(
        st.sampled_from(
            [
                ("BMP", {}),
                ("TIFF", {}),
                ("TIFF", {"compression": "tiff_lzw"}),
                ("TIFF", {"compression": "packbits"}),
                ("WEBP", {"lossless": True, "exact": True}),
            ]
        )
    )
    shape = (draw(st.integers(1, 20)), draw(st.integers(1, 20)), 3)
    array = np.random.default_rng(draw(st.integers(0, 2**32))).integers(0, 256, shape, np.uint8)
    out = io.BytesIO()
    Image.fromarray(array).save(out, kind, **options)
    return array, out.getvalue()


@given(foreign_images(), st.binary(max_size=9))
def test_lossless_foreign_images_decode_to_their_samples(image, tail):
    array, data = image
    info = inspect(data + tail, formats=SOURCES)
    assert (info.height, info.width) == array.shape[:2]
    np.testing.assert_array_equal(decode_inspected(data + tail, info), array)
    png_of, *size = Reencode(format="png", sources=SOURCES).apply(data)
    assert size == list(array.shape[:2])
    np.testing.assert_array_equal(decode_image(png_of), array)


@given(foreign_images(), st.data())
def test_no_truncation_of_a_foreign_image_gives_other_pixels(image, data):
    array, whole = image
    cut = data.draw(st.integers(0, len(whole) - 1))
    try:
        pixels = decode_inspected(whole[:cut], inspect(whole[:cut], formats=SOURCES))
    except ImageError:
        return
    np.testing.assert_array_equal(pixels, array)


@given(foreign_images(), st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=8))
def test_damaged_foreign_images_are_judged_and_nothing_else_happens(image, pokes):
    damaged = bytearray(image[1])
    for place, value in pokes:
        damaged[place % len(damaged)] = value
    try:
        Reencode(sources=SOURCES).apply(bytes(damaged))
    except ImageError as error:
        assert error.reason in REASONS


SIGNATURES = [b"BM", b"GIF89a", b"II*\0", b"MM\0*", b"RIFF"]
if missing_codec(["avif"]) is None:
    SIGNATURES += [b"\0\0\0\x18ftypavif", b"\0\0\0\x18ftypmif1\0\0\0\0avif"]


@given(st.binary(max_size=60), st.sampled_from(SIGNATURES))
def test_arbitrary_bytes_under_a_foreign_signature_are_judged(body, signature):
    data = signature + body
    if signature == b"RIFF":
        data = b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body
    with pytest.raises(ImageError) as caught:
        inspect(data, formats=("jpeg", "png", "bmp", "gif", "tiff", "webp", "avif"))
    assert caught.value.reason in REASONS


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 100))
def test_webp_has_the_size_of_its_pixels(height, width, quality):
    data = encode_image(pattern(height, width, 3), quality=quality, format="webp")
    info = inspect(data, formats=("webp",))
    assert (info.height, info.width, info.trailing) == (height, width, 0)
    assert decode_image(data).shape == (height, width, 3)
