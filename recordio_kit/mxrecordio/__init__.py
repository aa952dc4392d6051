"""Drop-in for ``mxnet.recordio``: the same names, arguments and bytes, without MXNet.

Strategy: ``from recordio_kit import mxrecordio as recordio`` is the whole migration. Where MXNet's behaviour is a trap it
is mended: reads are positional, so a reader survives ``fork`` and threads may share ``read_idx``; pickling leaves the
original open and the copy stands where the original stood; any bytes-like object can be written; damage is an error of
``recordio_kit.errors``, never two records in one. Writing alone is done in place under the final name and completes when
the writer is closed or garbage-collected, as MXNet's does; it is unbuffered, so a forked child has nothing to write twice.

Images are blue, green, red here, as OpenCV and so MXNet have them; everywhere else in the library they are RGB.
"""

from __future__ import annotations

from recordio_kit._core.header import IRHeader
from recordio_kit.mxrecordio.images import pack, pack_img, unpack, unpack_img
from recordio_kit.mxrecordio.records import MXIndexedRecordIO, MXRecordIO


__all__ = ["IRHeader", "MXIndexedRecordIO", "MXRecordIO", "pack", "pack_img", "unpack", "unpack_img"]
