"""IRHeader: the 24 bytes that MXNet puts in front of each image, and the labels that may follow them.

Strategy: ``<IfQQ`` = flag, label, id, id2. ``flag = n > 0`` says that n float32 labels follow the header, whose own label
is then 0; a scalar label is always written with flag 0, whatever the caller's flag was. The rules are those of
``mxnet.recordio.pack`` and ``unpack``, byte for byte. Frames, files and pixels are unknown here.
"""

from __future__ import annotations

import numbers
import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from recordio_kit._core.framing import aligned_magics
from recordio_kit.errors import CorruptRecordError


if TYPE_CHECKING:
    from recordio_kit._core.framing import Buffer

_HEADER: Final = struct.Struct("<IfQQ")
HEADER_SIZE: Final = _HEADER.size
_LABEL_DTYPE: Final = np.dtype("<f4")


class IRHeader(NamedTuple):
    """Describe one image record.

    Args:
        flag: the number of float32 labels that follow the header; 0 for a scalar label.
        label: a number, or a float32 array where ``flag`` is not 0.
        id: the image's list index, 0 to 2**64 - 1.
        id2: the upper half of a 128-bit id; 0 in practice.
    """

    flag: int
    label: Any
    id: int
    id2: int


def pack_record(header: IRHeader | tuple[int, Any, int, int], body: Buffer) -> bytes:
    """Return header, labels and body as one record payload.

    Args:
        header: its flag is ignored; a number as label is written as scalar, anything else as a float32 array.
        body: the encoded image, or any bytes.

    Raises:
        ValueError: a label or id does not fit its field.
    """
    _, label, record_id, id2 = header
    try:
        if isinstance(label, numbers.Number):
            # float32 and float64 scalars alike; struct refuses complex
            return _HEADER.pack(0, label, record_id, id2) + body
        with np.errstate(over="raise"):  # a label beyond float32 would become infinite
            values = np.asarray(label, dtype=_LABEL_DTYPE)
        return b"".join((_HEADER.pack(values.size, 0.0, record_id, id2), values.tobytes(), body))
    except (struct.error, OverflowError, FloatingPointError) as error:
        msg = f"header {tuple(header)!r} does not fit IRHeader (label float32, ids 0 to 2**64 - 1): {error}"
        raise ValueError(msg) from error


def unpack_record(payload: Buffer) -> tuple[IRHeader, bytes]:
    """Split a record payload into its header and body.

    Args:
        payload: at least 24 bytes.

    Returns:
        The header (its label a float, or a float32 array of ``flag`` values) and the bytes behind the labels.

    Raises:
        CorruptRecordError: the payload is shorter than the header or than the labels that it announces.
    """
    if len(payload) < HEADER_SIZE:
        msg = f"an image record has a header of {HEADER_SIZE} bytes, this record {len(payload)} in all; is it an image record?"
        raise CorruptRecordError(msg)
    flag, label, record_id, id2 = _HEADER.unpack_from(payload)
    if not flag:
        return IRHeader(0, label, record_id, id2), bytes(payload[HEADER_SIZE:])
    end = HEADER_SIZE + 4 * flag
    if end > len(payload):
        msg = f"the header announces {flag} labels, the record has room for {(len(payload) - HEADER_SIZE) // 4}"
        raise CorruptRecordError(msg)
    # Copied, else who keeps the labels keeps the image, or the whole file that is mapped.
    labels = np.frombuffer(payload, _LABEL_DTYPE, flag, HEADER_SIZE).copy()
    return IRHeader(flag, labels, record_id, id2), bytes(payload[end:])


def header_holds_magic(header: IRHeader | tuple[int, Any, int, int]) -> bool:
    """Tell whether the 24 header bytes would hold an aligned frame magic, which DALI cannot read.

    The escape would split the record inside its header; DALI reads the header straight from the first part.

    Args:
        header: as for ``pack_record``.
    """
    return bool(aligned_magics(pack_record(header, b"")[:HEADER_SIZE]))
