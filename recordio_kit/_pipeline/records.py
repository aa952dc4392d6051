"""ImageReader: a ``.rec`` of images as a sequence of records with their labels.

Strategy: a RecordReader underneath does all reading; this class only splits payloads, and knows one dialect: insightface
files keep records that are no images behind the images, which are left out of the sequence. Nothing is decoded until
someone asks. Codecs release the GIL, so many images are decoded by threads.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, overload

import numpy as np

from recordio_kit._core.header import HEADER_SIZE, IRHeader, unpack_record
from recordio_kit._pipeline.executors import usable_cpus
from recordio_kit._pipeline.insightface import Faces, find_faces, read_range
from recordio_kit._storage.reader import RecordReader
from recordio_kit.errors import CorruptRecordError, ImageError


if TYPE_CHECKING:
    import os
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

    from recordio_kit._core.framing import Buffer
    from recordio_kit._storage.base import Store

__all__ = ["ImageReader", "ImageRecord"]

#: As much of a body as tells its format.
_SIGNATURE_BYTES: Final = 16

Dialect: TypeAlias = Literal["auto", "plain", "insightface"]


class ImageRecord(NamedTuple):
    """Hold one record of an image file.

    Args:
        key: its key in the index; the position where there is no index.
        header: as it stands in the file; ``header.id`` is the image's index in the list it was packed from.
        body: the encoded image.
        label: a float, or a float32 array where the record has several.
    """

    key: int
    header: IRHeader
    body: bytes
    label: float | NDArray[np.float32]

    def decode(self) -> NDArray[np.uint8]:
        """Return the image, [height, width, 3] uint8 RGB.

        Raises:
            ImageError: the body cannot be decoded.
        """
        from recordio_kit._images.codec import decode_image

        try:
            return decode_image(self.body)
        except ImageError as error:
            raise ImageError(error.message, path=f"the image with key {self.key}", reason=error.reason) from None


class ImageReader(Sequence[ImageRecord]):
    """Read the images of a ``.rec`` file by position, by key, or in order.

    Args:
        path: a local path or an ``s3://`` URL; with ``store``, a name in it.
        index: the ``.idx`` or ``.rkm`` to use; None looks for one beside the file, then in ``../index/``; False uses none.
        checksums: check each record against the ``.rkm`` as it is read.
        dialect: ``"insightface"`` for a file with identity records, whose images are the keys 1..N and whose label is the
            first of each image's two; ``"plain"`` takes every record for an image; ``"auto"`` recognises which.
        store: where the names stand, if that is not to be told from the path.

    Raises:
        StorageError: the file cannot be opened.
        IndexMismatchError: a sidecar is damaged or contradicts the file.
        ValueError: the dialect is unknown, or ``checksums`` is True and there is no ``.rkm``.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        index: str | os.PathLike[str] | bool | None = None,
        checksums: bool = False,
        dialect: Dialect = "auto",
        store: Store | None = None,
    ) -> None:
        """Open the file, and read its sidecar if it has one."""
        if dialect not in ("auto", "plain", "insightface"):
            msg = f"dialect is 'auto', 'plain' or 'insightface', not {dialect!r}"
            raise ValueError(msg)
        self._asked: Dialect = dialect
        self._reader = RecordReader(path, index=index, checksums=checksums, store=store)

    @cached_property
    def _faces(self) -> Faces | None:
        faces = None if self._asked == "plain" else find_faces(self._reader)
        if faces is None and self._asked == "insightface":
            msg = "no directory and identity records behind the images, as insightface files have; read it as 'plain'"
            raise CorruptRecordError(msg, source=self.uri)
        return faces

    @cached_property
    def _rows(self) -> Sequence[int] | NDArray[np.int64]:
        """Return the images' positions in the file."""
        return range(len(self._reader)) if self._faces is None else self._faces.images

    @property
    def uri(self) -> str:
        """Return the file's path or URL."""
        return self._reader.uri

    @property
    def dialect(self) -> Literal["plain", "insightface"]:
        """Return the dialect that the file is read in."""
        return "plain" if self._faces is None else "insightface"

    @property
    def keys(self) -> NDArray[np.uint64]:
        """Return the images' keys, [n] uint64, by position."""
        return self._reader.keys if self._faces is None else self._faces.keys

    @cached_property
    def identities(self) -> NDArray[np.int64] | None:
        """Return where each identity's images are: [m, 2] int64, first position and the one behind the last.

        None for a plain file. Above 2**24 images the file itself holds rounded numbers, off by one or two.

        Raises:
            CorruptRecordError: an identity record holds something else.
        """
        if self._faces is None:
            return None
        ranges = [read_range(self._reader, place) for place in self._faces.identities.tolist()]
        if None in ranges:
            place = self._faces.identities[ranges.index(None)]
            msg = f"record {place} is no identity record; read the file as 'plain'"
            raise CorruptRecordError(msg, source=self.uri)
        keys = np.array(ranges, np.float64).reshape(-1, 2).astype(np.uint64)
        return np.searchsorted(self._faces.keys, keys).astype(np.int64)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._rows)

    @overload
    def __getitem__(self, item: int) -> ImageRecord: ...
    @overload
    def __getitem__(self, item: slice) -> list[ImageRecord]: ...
    def __getitem__(self, item: int | slice) -> ImageRecord | list[ImageRecord]:
        """Return the record at a position, or the records of a slice.

        Raises:
            IndexError: the position is outside the file.
            FormatError: the record is damaged or is no image record.
        """
        if isinstance(item, slice):
            return self.read_many(range(len(self))[item])
        place = range(len(self))[item]
        return self._record(place, self._reader[int(self._rows[place])])

    def __iter__(self) -> Iterator[ImageRecord]:
        """Yield the records by position, without holding more than a few."""
        return (self._record(place, payload) for place, payload in zip(range(len(self)), self._payloads(), strict=False))

    def _payloads(self) -> Iterator[Buffer]:
        """Yield the images' payloads; in one pass over the file where they are its first records, in order."""
        rows = self._rows
        if isinstance(rows, range) or np.array_equal(rows, np.arange(len(rows))):
            return iter(self._reader)
        return (self._reader[int(row)] for row in rows)

    def read_many(self, positions: Iterable[int]) -> list[ImageRecord]:
        """Return the records at these positions, in that order, with few reads.

        Args:
            positions: in any order, repeated or negative as you like.

        Raises:
            IndexError: a position is outside the file.
            FormatError: a record is damaged or is no image record.
        """
        places = [range(len(self))[position] for position in positions]
        payloads = self._reader.read_many([int(self._rows[place]) for place in places])
        return [self._record(place, payload) for place, payload in zip(places, payloads, strict=True)]

    def read_key(self, key: int) -> ImageRecord:
        """Return the record with a key.

        Raises:
            KeyError: no image has it.
            FormatError: the record is damaged or is no image record.
        """
        if self._faces is None:
            return self[self._reader.position_of(key)]
        place = int(np.searchsorted(self._faces.keys, np.uint64(key))) if 0 <= key < 1 << 64 else len(self)
        if place == len(self) or self._faces.keys[place] != key:
            raise KeyError(key)
        return self[place]

    def heads(self) -> Iterator[tuple[IRHeader, bytes]]:
        """Yield each image's header and the first bytes of its body, by position; a local file is not read beyond them.

        Raises:
            FormatError: a record is damaged or is no image record.
        """
        payloads = map(self._reader.view, self._rows) if self._reader.mapped else self._payloads()
        for place, payload in zip(range(len(self)), payloads, strict=False):
            flag = int.from_bytes(payload[:4], "little")
            yield self._unpack(place, memoryview(payload)[: HEADER_SIZE + 4 * flag + _SIGNATURE_BYTES])

    def labels(self) -> NDArray[np.float32]:
        """Return the labels of all images, without decoding any.

        Returns:
            [n] float32 where each image has one scalar label, else [n, k].

        Raises:
            ValueError: the records differ in their number of labels.
            FormatError: a record is damaged or is no image record.
        """
        values, widths = array("f"), set()
        for place, (header, _) in enumerate(self.heads()):
            label = self._label(header)
            if isinstance(label, float):
                widths.add(0)
                values.append(label)
            else:
                widths.add(len(label))
                values.extend(label.tolist())
            if len(widths) > 1:
                msg = f"{self.uri}: image {place} has {header.flag} labels, others have another number; read them one by one"
                raise ValueError(msg)
        width = max(widths, default=0)
        labels = np.array(values, np.float32)
        return labels.reshape(-1, width) if width else labels

    def decode_many(self, positions: Iterable[int], *, workers: int | None = None) -> list[NDArray[np.uint8]]:
        """Return the images at these positions, in that order, decoded by threads.

        Args:
            positions: in any order, repeated or negative as you like.
            workers: threads; None takes what this process may keep busy.

        Returns:
            [height, width, 3] uint8 RGB each.

        Raises:
            ImageError: an image cannot be decoded; it is named.
            IndexError, FormatError: as for ``read_many``.
        """
        records = self.read_many(positions)
        with ThreadPoolExecutor(workers or usable_cpus()) as pool:
            return list(pool.map(ImageRecord.decode, records))

    def _record(self, place: int, payload: Buffer) -> ImageRecord:
        header, body = self._unpack(place, payload)
        return ImageRecord(int(self.keys[place]), header, body, self._label(header))

    def _unpack(self, place: int, payload: Buffer) -> tuple[IRHeader, bytes]:
        try:
            return unpack_record(payload)
        except CorruptRecordError as error:
            offset = int(self._reader.offsets[int(self._rows[place])])
            msg = f"image {place}: {error.message}"
            raise CorruptRecordError(msg, source=self.uri, offset=offset) from None

    def _label(self, header: IRHeader) -> Any:
        return float(header.label[0]) if self._faces is not None and header.flag else header.label

    def close(self) -> None:
        """Close the file; harmless when called twice."""
        self._reader.close()

    def __enter__(self) -> Self:
        """Return the reader."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the file."""
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        """Pickle what was asked for, not what is open."""
        return {"_asked": self._asked, "_reader": self._reader}

    def __repr__(self) -> str:
        """Show the file."""
        return f"ImageReader({self.uri!r})"
