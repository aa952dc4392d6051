from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordio_kit._core import frame_run
from recordio_kit._core.frame_run import frame_images, framed_size
from recordio_kit._core.framing import MAGIC, MAGIC_BYTES, encode_record
from recordio_kit._core.header import IRHeader, pack_record
from recordio_kit.errors import RecordTooLargeError
from recordio_kit.testing import payloads


magic_label = float(np.array([MAGIC], "<u4").view("<f4")[0])
bodies = st.one_of(
    payloads(), st.builds(lambda data, filling: data + bytes(filling), payloads(), st.sampled_from([4060, 4072, 5000]))
)


@given(data=st.data(), width=st.integers(1, 3), images=st.lists(bodies, max_size=8))
def test_a_run_is_framed_as_its_records_one_by_one(data, width, images):
    ids = st.one_of(st.integers(0, 2**63 - 1), st.sampled_from([MAGIC, MAGIC << 31 << 1 >> 1]))
    indexes = data.draw(st.lists(ids.map(lambda value: value % 2**63), min_size=len(images), max_size=len(images)))
    label = st.one_of(st.floats(width=32, allow_nan=False), st.just(magic_label))
    labels = np.array(
        data.draw(st.lists(st.lists(label, min_size=width, max_size=width), min_size=len(images), max_size=len(images))),
        np.float32,
    ).reshape(len(images), width)
    run = frame_images(np.array(indexes, np.int64), labels, images)
    expected = [
        encode_record(pack_record(IRHeader(0, float(row[0]) if width == 1 else row, index, 0), image))
        for index, row, image in zip(indexes, labels, images, strict=True)
    ]
    assert b"".join(run.pieces) == b"".join(expected)
    assert run.lengths.tolist() == [len(record) for record in expected]
    assert run.crcs.tolist() == [zlib.crc32(record) for record in expected]


@given(
    images=st.lists(st.binary(max_size=5000).filter(lambda image: MAGIC_BYTES not in image), max_size=8), width=st.integers(1, 3)
)
def test_the_size_of_records_without_magics_is_foretold(images, width):
    labels = np.zeros((len(images), width), np.float32)
    run = frame_images(np.arange(len(images)), labels, images)
    assert framed_size(np.array([len(image) for image in images], np.int64), width) == sum(map(len, run.pieces))


def test_a_large_body_is_not_copied():
    large = b"\1" * 5000
    assert any(piece is large for piece in frame_images(np.arange(1), np.zeros((1, 1), np.float32), [large]).pieces)


def test_an_image_that_fits_no_record_is_refused(monkeypatch):
    monkeypatch.setattr(frame_run, "MAX_PAYLOAD", 30)
    frame_images(np.arange(1), np.zeros((1, 1), np.float32), [b"123456"])
    with pytest.raises(RecordTooLargeError, match="have 31"):
        frame_images(np.arange(1), np.zeros((1, 1), np.float32), [b"1234567"])
