"""Drop-in for ``mxnet.recordio``: the same names, arguments and bytes, without MXNet.

Strategy: ``from recordio_kit import mxrecordio as recordio`` is the whole migration. Where MXNet's behaviour is a trap it
is mended: reads are positional, so a reader survives ``fork`` and threads may share ``read_idx``; pickling leaves the
original open and the copy stands where the original stood; any bytes-like object can be written; damage is an error of
``recordio_kit.errors``, never two records in one. Writing alone is done in place under the final name and completes when
the writer is closed or garbage-collected, as MXNet's does; it is unbuffered, so a forked child has nothing to write twice.

Images are blue, green, red here, as OpenCV and so MXNet have them; everywhere else in the library they are RGB.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Final

from recordio_kit._core.framing import FrameDecoder, encode_record
from recordio_kit._core.header import IRHeader, pack_record, unpack_record
from recordio_kit._storage.base import read_all
from recordio_kit._storage.open import is_url, open_file
from recordio_kit._storage.scan import named
from recordio_kit.errors import FormatError, IndexMismatchError, StorageError


if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    import numpy as np
    from numpy.typing import NDArray

    from recordio_kit._core.framing import Buffer
    from recordio_kit._storage.base import Source

__all__ = ["IRHeader", "MXIndexedRecordIO", "MXRecordIO", "pack", "pack_img", "unpack", "unpack_img"]

_FIRST_READ_BYTES: Final = 64 << 10
_LARGEST_READ_BYTES: Final = 4 << 20


class _Cursor:
    """Read records in order from an offset; the read-ahead grows while the reading goes on."""

    def __init__(self, source: Source, offset: int) -> None:
        self._source = source
        self._decoder = FrameDecoder(offset)
        self._fetched = offset
        self._step = _FIRST_READ_BYTES

    @property
    def offset(self) -> int:
        return self._decoder.offset

    def moved(self, offset: int) -> _Cursor:
        return _Cursor(self._source, offset)

    def read(self) -> bytes | None:
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
        self._source.close()


class _InPlaceFile:
    """Append to a file under its final name, unbuffered; a write that fails leaves the file as it was before it."""

    def __init__(self, path: str) -> None:
        try:
            self._file = open(path, "wb", buffering=0)  # noqa: SIM115  # closed by close()
        except OSError as error:
            msg = f"cannot create the file ({error.strerror}); nothing was written"
            raise StorageError(msg, uri=path, operation="create") from error
        self._path = path
        self.size = 0

    def append(self, data: bytes) -> None:
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
        self._file.close()


class MXRecordIO:
    """Read or write a ``.rec`` file in order.

    Args:
        uri: the file's path; for reading also an ``s3://`` URL.
        flag: ``"r"`` to read, ``"w"`` to write; writing truncates the file at once.

    Raises:
        ValueError: the flag is another one, or the file to write is a URL.
        StorageError: the file cannot be opened.
    """

    def __init__(self, uri: str | os.PathLike[str], flag: str) -> None:
        """Open the file."""
        self.uri = os.fspath(uri)
        self.flag = flag
        self.pid: int | None = None
        self.is_open = False
        self.writable = flag == "w"
        self._cursor: _Cursor | None = None
        self._file: _InPlaceFile | None = None
        self.open()

    def open(self) -> None:
        """Open the file, from its start; a file that is open is closed first, and one that is written is truncated.

        Raises:
            ValueError, StorageError: as for the class.
        """
        if self.flag not in ("r", "w"):
            msg = f"Invalid flag {self.flag!r}: use 'r' to read or 'w' to write"
            raise ValueError(msg)
        self.close()
        if not self.writable:
            self._cursor = self._cursor_at(0)
        elif is_url(self.uri):
            msg = f"{self.uri}: this class writes local files; recordio_kit.RecordWriter writes to S3"
            raise ValueError(msg)
        else:
            self._file = _InPlaceFile(self.uri)
        self.pid = os.getpid()
        self.is_open = True

    def _cursor_at(self, offset: int) -> _Cursor:
        store, name = open_file(self.uri)
        return _Cursor(store.open(name), offset)

    def close(self) -> None:
        """Close the file; harmless when called twice."""
        for part in (self._cursor, self._file):
            if part is not None:
                part.close()
        self._cursor = self._file = self.pid = None
        self.is_open = False

    def reset(self) -> None:
        """Go back to the first record; a file that is written becomes empty."""
        self.open()

    def read(self) -> bytes | None:
        """Return the next record's payload, or None at the end; a record without bytes is ``b""``.

        Raises:
            RuntimeError: the file is open for writing.
            ValueError: the file is closed.
            FormatError: the file is damaged there; it stays there.
            StorageError: the file cannot be read.
        """
        return self._reading().read()

    def write(self, buf: Buffer) -> None:
        """Append a record.

        Args:
            buf: any bytes-like object of fewer than 2**29 bytes.

        Raises:
            RuntimeError: the file is open for reading, or was opened by another process, before a fork.
            ValueError: the file is closed.
            RecordTooLargeError: the payload does not fit; nothing was written.
            StorageError: nothing of this record is in the file.
        """
        file = self._writing()
        file.append(encode_record(buf if isinstance(buf, bytes | bytearray) else memoryview(buf).tobytes()))

    def tell(self) -> int:
        """Return the byte offset of the next record to read or write."""
        return self._writing().size if self.writable else self._reading().offset

    def _reading(self) -> _Cursor:
        if self._cursor is None:
            raise self._misuse()
        return self._cursor

    def _writing(self) -> _InPlaceFile:
        if self._file is None:
            raise self._misuse()
        if self.pid != os.getpid():
            msg = f"{self.uri} was opened for writing by process {self.pid}, and only that one may write it; open another here"
            raise RuntimeError(msg)
        return self._file

    def _misuse(self) -> Exception:
        if not self.is_open:
            return ValueError(f"{self.uri} is closed")
        return RuntimeError(f"{self.uri} is open for {'writing' if self.writable else 'reading'} only")

    def __enter__(self) -> Self:
        """Return the open file."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the file; what was written stays."""
        self.close()

    def __del__(self) -> None:
        """Close the file."""
        if "_file" in self.__dict__:
            self.close()

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the position instead of the open file, which stays open.

        Raises:
            TypeError: the file is being written, which only one process can do.
        """
        if self._file is not None:
            msg = f"cannot pickle {type(self).__name__}: {self.uri} is being written; close it first"
            raise TypeError(msg)
        return {**self.__dict__, "_cursor": None if self._cursor is None else self._cursor.offset}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the file again where the original stood."""
        offset = state["_cursor"]
        self.__dict__.update(state, _cursor=None)
        if offset is not None:
            self._cursor = self._cursor_at(offset)
            self.pid = os.getpid()


class MXIndexedRecordIO(MXRecordIO):
    """Read or write a ``.rec`` file by key, with its ``.idx`` file.

    ``keys`` lists the keys in the order of the ``.idx`` rows, ``idx`` maps each to its record's byte offset.

    Args:
        idx_path: the ``.idx`` file's path.
        uri: the ``.rec`` file's path.
        flag: ``"r"`` or ``"w"``.
        key_type: makes a key from what stands in a row, and from what ``write_idx`` is given.

    Raises:
        IndexMismatchError: a row of the ``.idx`` cannot be read.
        ValueError, StorageError: as for ``MXRecordIO``.
    """

    def __init__(
        self, idx_path: str | os.PathLike[str], uri: str | os.PathLike[str], flag: str, key_type: Callable[[Any], Any] = int
    ) -> None:
        """Open both files."""
        self.idx_path = os.fspath(idx_path)
        self.idx: dict[Any, int] = {}
        self.keys: list[Any] = []
        self.key_type = key_type
        self._rows: _InPlaceFile | None = None
        super().__init__(uri, flag)

    def open(self) -> None:
        """Open both files, as ``MXRecordIO.open`` does."""
        super().open()
        self.idx, self.keys = {}, []
        try:
            if self.writable:
                self._rows = _InPlaceFile(self.idx_path)
            else:
                self._load_rows()
        except BaseException:
            self.close()
            raise

    def _load_rows(self) -> None:
        store, name = open_file(self.idx_path)
        for number, row in enumerate(read_all(store, name).decode("utf-8", "surrogateescape").split("\n"), 1):
            fields = row.strip().split("\t") if "\t" in row else row.split()
            if fields in ([], [""]):
                continue
            try:
                key, offset = self.key_type(fields[0]), int(fields[1])
            except (ValueError, IndexError) as error:
                msg = f"line {number}: a row is 'key TAB offset', found {row[:80]!r}; rebuild it with 'index'"
                raise IndexMismatchError(msg, source=self.idx_path) from error
            self.idx[key] = offset
            self.keys.append(key)

    def close(self) -> None:
        """Close both files; harmless when called twice."""
        super().close()
        if self._rows is not None:
            self._rows.close()
            self._rows = None

    def seek(self, idx: Any) -> None:
        """Make the record with this key the next to be read.

        Raises:
            KeyError: no row has it.
        """
        self._cursor = self._reading().moved(self.idx[idx])

    def read_idx(self, idx: Any) -> bytes:
        """Return the payload of the record with this key; ``read`` goes on behind it.

        Raises:
            KeyError: no row has it.
            IndexMismatchError: its offset is not inside the file.
            FormatError: no sound record stands there.
        """
        cursor = self._reading().moved(self.idx[idx])
        payload = cursor.read()
        if payload is None:
            msg = f"key {idx!r} points behind the last record of {self.uri}; rebuild this index with 'index'"
            raise IndexMismatchError(msg, source=self.idx_path)
        self._cursor = cursor
        return payload

    def write_idx(self, idx: Any, buf: Buffer) -> None:
        """Append a record under a key.

        Args:
            idx: the key; nothing checks that it is new.
            buf: as for ``write``.

        Raises:
            ValueError: the key, as text, holds a tab or a line break.
            RuntimeError, RecordTooLargeError, StorageError: as for ``write``.
        """
        key = self.key_type(idx)
        offset = self.tell()
        if any(sign in str(key) for sign in "\t\r\n"):
            msg = f"the key {key!r} cannot stand in an .idx row: it holds a tab or a line break"
            raise ValueError(msg)
        self.write(buf)
        if self._rows is not None:
            self._rows.append(f"{key}\t{offset}\n".encode("utf-8", "surrogateescape"))
        self.idx[key] = offset
        self.keys.append(key)


def pack(header: IRHeader | tuple[int, Any, int, int], s: Buffer) -> bytes:
    """Return a header and an encoded image as one record payload.

    Args:
        header: its flag is ignored; a label that is no number is written as float32 array.
        s: the encoded image.

    Raises:
        ValueError: a label or id does not fit its field.
    """
    return pack_record(header, s)


def unpack(s: Buffer) -> tuple[IRHeader, bytes]:
    """Split a record payload into its header and its image bytes.

    Args:
        s: what ``read`` returned.

    Raises:
        CorruptRecordError: the payload is shorter than its header says.
    """
    return unpack_record(s)
