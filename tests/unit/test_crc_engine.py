"""CRC-32 by whichever engine is installed: zlib's values."""

from __future__ import annotations

import importlib
import sys
import zlib
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from recordio_kit._core import checksum


@given(st.binary(max_size=9000), st.binary(max_size=50))
def test_the_engine_gives_zlibs_values(first, second):
    assert checksum.crc32_of(first) == zlib.crc32(first)
    assert checksum.crc32_of(memoryview(second), checksum.crc32_of(first)) == zlib.crc32(first + second)


def test_without_zlib_ng_it_is_zlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "zlib_ng", None)
    try:
        again = importlib.reload(checksum)
        assert (again.ENGINE, again.crc32_of) == ("zlib", zlib.crc32)
    finally:
        monkeypatch.undo()
        importlib.reload(checksum)


def test_with_zlib_ng_it_is_that(monkeypatch):
    def crc32(data, value=0):
        return zlib.crc32(data, value)

    monkeypatch.setitem(sys.modules, "zlib_ng", SimpleNamespace(zlib_ng=SimpleNamespace(crc32=crc32)))
    try:
        again = importlib.reload(checksum)
        assert (again.ENGINE, again.crc32_of) == ("zlib-ng", crc32)
    finally:
        monkeypatch.undo()
        importlib.reload(checksum)
