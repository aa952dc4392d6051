"""The two ends of a file: a cursor that reads records, and a file that grows in place.

Strategy: nothing here knows of keys, headers or flags. A cursor reads by position and keeps its place to itself, so any
number of them share one source; what ``append`` returned for is in the file.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from recordio_kit._core.framing import FrameDecoder
from recordio_kit._storage.scan import named
from recordio_kit.errors import FormatError, StorageError


if TYPE_CHECKING:
    from recordio_kit._storage.base import Source

_FIRST_READ_BYTES: Final = 64 << 10
_LARGEST_READ_BYTES: Final = 4 << 20


class Cursor:
    """Read records in order from an offset; the read-ahead grows while the reading goes on."""

    def __init__(self, source: Source, offset: int) -> None:
        """Stand at an offset of a source."""
        self._source = source
        self._decoder = FrameDecoder(offset)
        self._fetched = offset
        self._step = _FIRST_READ_BYTES

    @property
    def offset(self) -> int:
        """Return where the next record starts."""
        return self._decoder.offset

    def moved(self, offset: int) -> Cursor:
        """Return a cursor of the same source at another offset."""
        return Cursor(self._source, offset)

    def read(self) -> bytes | None:
        """Return the next payload, or None at the end.

        Raises:
            FormatError: the file is damaged there; it stays there.
            StorageError: the file cannot be read.
        """
        try:
            while (payload := self._decoder.next_record()) is None and not self._decoder.ended:
                data = self._source.read_at(self._fetched, max(0, min(self._step, self._source.size - self._fetched)))
                self._decoder.feed(data)
                self._fetched += len(data)
                self._step = min(2 * self._step, _LARGEST_READ_BYTES)
        except FormatError as error:
            raise named(error, self._source) from None
        return payload

    def close(self) -> None:
        """Close the source, for every cursor of it."""
        self._source.close()


class InPlaceFile:
    """Append to a file under its final name, unbuffered; a write that fails leaves the file as it was before it."""

    def __init__(self, path: str) -> None:
        """Create the file, or empty it.

        Raises:
            StorageError: it cannot be created.
        """
        try:
            self._file = open(path, "wb", buffering=0)  # noqa: SIM115  # closed by close()
        except OSError as error:
            msg = f"cannot create the file ({error.strerror}); nothing was written"
            raise StorageError(msg, uri=path, operation="create") from error
        self._path = path
        self.size = 0

    def append(self, data: bytes) -> None:
        """Write bytes at the end.

        Raises:
            StorageError: they could not be written; the file is as it was.
        """
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except BaseException as error:
            with contextlib.suppress(OSError):
                self._file.truncate(self.size)
                self._file.seek(self.size)
            if not isinstance(error, OSError):
                raise
            msg = (
                f"cannot write ({error.strerror}); the {self.size} bytes before it are in the file; make room and write it again"
            )
            raise StorageError(msg, uri=self._path, operation="write") from error
        self.size += len(data)

    def close(self) -> None:
        """Close the file; harmless when called twice."""
        self._file.close()
