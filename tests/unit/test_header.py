from __future__ import annotations

import mmap
import struct
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from recordio_kit._core.framing import MAGIC, MAGIC_BYTES
from recordio_kit._core.header import HEADER_SIZE, IRHeader, header_holds_magic, pack_record, unpack_record
from recordio_kit.errors import CorruptRecordError


@pytest.mark.parametrize(
    "label", [3, 3.0, True + 2, np.float32(3), np.float64(3), np.int64(3), np.uint8(3), Fraction(3), Decimal(3)]
)
def test_a_number_is_written_as_a_scalar_label_whatever_the_flag(label):
    packed = pack_record(IRHeader(9, label, 7, 1), b"body")
    assert packed == struct.pack("<IfQQ", 0, 3.0, 7, 1) + b"body"
    assert unpack_record(packed) == (IRHeader(0, 3.0, 7, 1), b"body")


@pytest.mark.parametrize("label", [[3.0], (3,), np.array([3], np.int8), np.array(3.0), np.array([3.0], ">f8")])
def test_an_array_of_one_label_stays_an_array(label):
    packed = pack_record((0, label, 7, 0), b"body")
    assert packed == struct.pack("<IfQQ", 1, 0.0, 7, 0) + struct.pack("<f", 3.0) + b"body"
    header, body = unpack_record(packed)
    assert header.label.tolist() == [3.0]
    assert (header.flag, header.id, header.id2, body) == (1, 7, 0, b"body")


def test_numpy_truth_values_are_arrays_as_mxnet_has_them():
    assert unpack_record(pack_record((0, np.bool_(True), 0, 0), b""))[0].label.tolist() == [1.0]


def test_labels_of_more_dimensions_are_written_row_by_row():
    packed = pack_record((0, np.arange(6).reshape(2, 3), 0, 0), b"")
    assert unpack_record(packed)[0].label.tolist() == [0, 1, 2, 3, 4, 5]


def test_no_labels_at_all_are_read_as_the_scalar_0():
    assert unpack_record(pack_record((0, [], 5, 0), b"x")) == (IRHeader(0, 0.0, 5, 0), b"x")


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
def test_any_buffer_is_a_body_and_a_payload(make):
    packed = pack_record((0, [1.0, 2.0], 1, 2), make(b"body"))
    header, body = unpack_record(make(packed))
    assert type(packed) is type(body) is bytes
    assert (header.label.tolist(), body) == ([1.0, 2.0], b"body")


def test_ids_reach_to_the_end_of_64_bits():
    top = 2**64 - 1
    assert unpack_record(pack_record((0, 0, top, top), b""))[0] == IRHeader(0, 0.0, top, top)


@pytest.mark.parametrize(
    "header",
    [
        (0, 0, -1, 0),
        (0, 0, 2**64, 0),
        (0, 0, 0, 2**64),
        (0, 0, 1.5, 0),
        (0, 0, "7", 0),
        (0, 1e39, 0, 0),
        (0, 1j, 0, 0),
        (0, [1e39], 0, 0),
        (0, np.array([1.0, 1e300]), 0, 0),
        (0, [1.0], -1, 0),
        (0, ["cat"], 0, 0),
        (0, [[1.0], [2.0, 3.0]], 0, 0),
    ],
)
def test_what_does_not_fit_its_field_is_a_value_error(header):
    with pytest.raises(ValueError):
        pack_record(header, b"")


@pytest.mark.parametrize("label", [float("inf"), float("nan"), [float("-inf"), float("nan")]])
def test_labels_that_are_not_finite_are_written_as_they_are(label):
    read = unpack_record(pack_record((0, label, 0, 0), b""))[0].label
    np.testing.assert_array_equal(read, label)


@pytest.mark.parametrize("size", range(HEADER_SIZE))
def test_a_record_shorter_than_a_header_is_corrupt(size):
    with pytest.raises(CorruptRecordError, match=f"this record {size} in all"):
        unpack_record(bytes(size))


@pytest.mark.parametrize("flag", [1, 2, 6, 2**30, 2**32 - 1])
def test_more_labels_than_the_record_holds_are_corrupt(flag):
    payload = struct.pack("<IfQQ", flag, 0.0, 0, 0) + bytes(3 if flag == 1 else 7)
    with pytest.raises(CorruptRecordError, match=f"announces {flag} labels"):
        unpack_record(payload)


def test_labels_do_not_keep_the_payload_alive():
    with mmap.mmap(-1, 4096) as mapped:
        mapped[:32] = pack_record((0, [1.0, 2.0], 0, 0), b"")
        with memoryview(mapped) as payload:
            labels = unpack_record(payload[:40])[0].label
    # Closing the map has not raised BufferError, so nothing refers to it.
    assert labels.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("header", "holds"),
    [
        ((0, 0.0, 0, 0), False),
        ((0, 0.0, MAGIC, 0), True),
        ((0, 0.0, MAGIC << 32, 0), True),
        ((0, 0.0, MAGIC << 8, 0), False),
        ((0, 0.0, 0, MAGIC), True),
        ((0, 0.0, 0, MAGIC << 32), True),
        ((0, struct.unpack("<f", MAGIC_BYTES)[0], 0, 0), True),
        ((0, [struct.unpack("<f", MAGIC_BYTES)[0]], 0, 0), False),  # behind the header: an ordinary escape
        ((0, [1.0], MAGIC, 0), True),
    ],
)
def test_a_magic_in_the_header_is_seen(header, holds):
    assert header_holds_magic(header) is holds
