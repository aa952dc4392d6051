"""``MXRecordIO`` and ``MXIndexedRecordIO``: record files in order and by key.

Strategy: MXNet's methods and attributes over a cursor (reading) or a file that grows in place (writing). A reader's only
state is where it stands, which is also what is pickled. The ``.idx`` is a row a record, written as the records are.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from recordio_kit._core.framing import encode_record
from recordio_kit._storage.base import read_all
from recordio_kit._storage.open import is_url, open_file
from recordio_kit.errors import IndexMismatchError
from recordio_kit.mxrecordio.files import Cursor, InPlaceFile


if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from recordio_kit._core.framing import Buffer


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
        self._cursor: Cursor | None = None
        self._file: InPlaceFile | None = None
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
            self._file = InPlaceFile(self.uri)
        self.pid = os.getpid()
        self.is_open = True

    def _cursor_at(self, offset: int) -> Cursor:
        store, name = open_file(self.uri)
        return Cursor(store.open(name), offset)

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

    def _reading(self) -> Cursor:
        if self._cursor is None:
            raise self._misuse()
        return self._cursor

    def _writing(self) -> InPlaceFile:
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
        self._rows: InPlaceFile | None = None
        super().__init__(uri, flag)

    def open(self) -> None:
        """Open both files, as ``MXRecordIO.open`` does."""
        super().open()
        self.idx, self.keys = {}, []
        try:
            if self.writable:
                self._rows = InPlaceFile(self.idx_path)
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
