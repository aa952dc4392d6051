"""Writing one object: parts from memory, published by one request.

Strategy: full parts go up in a small thread pool while the next one fills; the last part goes at ``seal``, so ``commit`` is
one request. What fits into the first part is never a multipart upload. Each byte is hashed once, in the threads: CRC-32s
of parts combine to that of the object, which the service is told where it can check it. Services that do not confirm
CRC-32 get Content-MD5 as well. Nothing is completed or aborted by the garbage collector.
"""

from __future__ import annotations

import base64
import hashlib
import re
import warnings
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from recordio_kit._core.checksum import combine_crc32, crc32_of
from recordio_kit.errors import OutputExistsError, StorageError
from recordio_kit.s3._abort import abort_upload
from recordio_kit.s3._errors import UNMET, code_of, maybe_done


if TYPE_CHECKING:
    from collections.abc import Mapping

    from recordio_kit._core.framing import Buffer
    from recordio_kit.s3._bucket import Bucket

#: Parts under way at once; one more is being filled.
IN_FLIGHT: Final = 4
MAX_PARTS: Final = 10_000
#: Up to which part number parts have how many bytes: small first, so that little memory serves, yet 851 GiB fit.
_GROWTH: Final = ((1_000, 8 << 20), (4_000, 32 << 20), (MAX_PARTS, 128 << 20))
_MD5: Final = re.compile(r"[0-9a-f]{32}")


class _Part(NamedTuple):
    """One part that is up: what the service called it, and what it holds."""

    number: int
    etag: str
    confirmed: bool
    crc: int
    size: int


def part_bytes(number: int) -> int:
    """Return how many bytes a part has.

    Args:
        number: the part's, from 1 to 10,000.
    """
    return next(size for last, size in _GROWTH if number <= last)


class S3Sink:
    """Stream one object up; it appears under its key at ``commit``.

    Args:
        bucket: where it goes.
        key: the object's key.
        overwrite: whether an object that is there already may be replaced.
        extra_args: fields of the request that starts the object.
        part_size: bytes in every part; None lets parts grow with their number.
    """

    _closed = True

    def __init__(
        self, bucket: Bucket, key: str, *, overwrite: bool, extra_args: Mapping[str, Any], part_size: int | None
    ) -> None:
        """Start with an empty part; nothing is sent."""
        self._bucket = bucket
        self._key = key
        self._overwrite = overwrite
        self._extra_args = extra_args
        self._part_size = part_size
        self._buffer = bytearray()
        self._number = 1
        self._size = 0
        self._upload_id: str | None = None
        self._checked = self._whole_checked = False
        self._pool: ThreadPoolExecutor | None = None
        self._pending: list[Future[_Part]] = []
        self._parts: list[_Part] = []
        self._sealed = self._closed = False

    def __del__(self) -> None:
        """Warn, and send nothing."""
        if not self._closed:
            msg = f"{self._bucket.uri(self._key)} was neither committed nor aborted; nothing was published"
            warnings.warn(msg, ResourceWarning, stacklevel=2, source=self)

    def write(self, data: Buffer) -> None:
        """Append bytes; waits while five parts are full.

        Raises:
            RuntimeError: the sink was sealed or closed.
            StorageError: a part could not be uploaded; the sink can only be aborted now.
        """
        self._require_open()
        if self._sealed:
            msg = f"{self._bucket.uri(self._key)} is sealed; nothing can be added"
            raise RuntimeError(msg)
        self._collect(leave=IN_FLIGHT)
        view = memoryview(data).cast("B")
        self._size += len(view)
        while view:
            full = self._part_size or part_bytes(self._number)
            if len(self._buffer) == full:
                self._send()
                continue
            taken = view[: full - len(self._buffer)]
            self._buffer += taken
            view = view[len(taken) :]

    def seal(self) -> None:
        """Upload the last part and wait for all; an object that fits one part stays in memory.

        Raises:
            StorageError: a part could not be uploaded; the sink can only be aborted now.
        """
        self._require_open()
        if self._upload_id is not None and not self._sealed:
            self._send()
            self._collect(leave=0)
            self._stop_pool()
        self._sealed = True

    def commit(self) -> None:
        """Publish the object, and look whether it has the size it should.

        Raises:
            OutputExistsError: the name was taken meanwhile; it holds what it held.
            StorageError: the object was not published, or the message says that nobody knows.
        """
        self.seal()
        if not self._overwrite and self._bucket.head(self._key) is not None:
            raise self._taken()  # Ceph ignores If-None-Match where an upload is completed
        try:
            self._publish()
        except StorageError as error:
            if not maybe_done(error) or not self._is_published():
                if code_of(error) in UNMET:
                    raise self._taken() from error
                raise
        self._upload_id, self._closed = None, True
        self._buffer = bytearray()
        found = self._bucket.head(self._key)
        if found is None or found["ContentLength"] != self._size:
            there = "nothing" if found is None else f"{found['ContentLength']} bytes"
            msg = f"the service confirmed {self._size} bytes, yet holds {there}: delete the object and run again"
            raise StorageError(msg, uri=self._bucket.uri(self._key), operation="HeadObject")

    def abort(self) -> None:
        """Throw the bytes away and abort the upload; warns where the service keeps it."""
        self._closed = True
        self._stop_pool()
        self._pending.clear()
        self._buffer = bytearray()
        if self._upload_id is None:
            return
        try:
            abort_upload(self._bucket, self._key, self._upload_id)
        except StorageError as error:
            warnings.warn(str(error), RuntimeWarning, stacklevel=2)
        else:
            self._upload_id = None

    def _require_open(self) -> None:
        if self._closed:
            msg = f"{self._bucket.uri(self._key)} was committed or aborted already"
            raise RuntimeError(msg)

    def _stop_pool(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _start(self) -> ThreadPoolExecutor:
        fields = dict(self._extra_args)
        if self._bucket.sends_checksums:
            fields |= {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}
        answer = self._bucket.call("create_multipart_upload", self._key, **fields)
        # A service that does not know these fields ignores them, and its answer does not repeat them.
        self._checked = answer.get("ChecksumAlgorithm") == "CRC32"
        self._whole_checked = answer.get("ChecksumType") == "FULL_OBJECT"
        self._upload_id = answer["UploadId"]
        self._pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="recordio_kit-s3")
        return self._pool

    def _send(self) -> None:
        """Hand the full part to the pool, waiting while as many as may be are under way."""
        if self._number > MAX_PARTS:
            msg = f"{self._size} bytes do not fit into {MAX_PARTS} parts; pass a larger part_size="
            raise StorageError(msg, uri=self._bucket.uri(self._key), operation="UploadPart")
        pool = self._pool or self._start()
        self._collect(leave=IN_FLIGHT - 1)
        self._pending.append(pool.submit(self._upload, self._number, self._buffer))
        self._buffer = bytearray()
        self._number += 1

    def _collect(self, *, leave: int) -> None:
        """Take over the parts that are up, waiting while more than ``leave`` are under way; a failed one stays to raise again."""
        while len(self._pending) > leave or any(map(Future.done, self._pending)):
            wait(self._pending, return_when=FIRST_COMPLETED)
            for future in [future for future in self._pending if future.done()]:
                self._parts.append(future.result())
                self._pending.remove(future)

    def _upload(self, number: int, body: bytearray) -> _Part:
        crc = crc32_of(body)
        answer = self._bucket.call(
            "upload_part",
            self._key,
            UploadId=self._upload_id,
            PartNumber=number,
            Body=body,
            **self._checks(body, crc, self._checked),
        )
        return _Part(number, answer["ETag"], "ChecksumCRC32" in answer, crc, len(body))

    def _checks(self, body: bytearray, crc: int, checked: bool) -> dict[str, str]:
        """Return the fields by which the service can tell that the body arrived whole."""
        fields = {"ChecksumCRC32": _base64_crc(crc)} if self._bucket.sends_checksums else {}
        if not checked:
            fields["ContentMD5"] = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        return fields

    def _publish(self) -> None:
        condition = {} if self._overwrite else {"IfNoneMatch": "*"}
        if self._upload_id is None:
            checks = self._checks(self._buffer, crc32_of(self._buffer), self._bucket.sends_checksums)
            self._bucket.call("put_object", self._key, Body=self._buffer, **(dict(self._extra_args) | checks | condition))
            return
        self._parts.sort()
        parts = [
            {"PartNumber": part.number, "ETag": part.etag} | ({"ChecksumCRC32": _base64_crc(part.crc)} if part.confirmed else {})
            for part in self._parts
        ]
        whole = (
            {"ChecksumType": "FULL_OBJECT", "ChecksumCRC32": self._crc(), "MpuObjectSize": self._size}
            if self._whole_checked
            else {}
        )
        self._bucket.call(
            "complete_multipart_upload",
            self._key,
            UploadId=self._upload_id,
            MultipartUpload={"Parts": parts},
            **whole,
            **condition,
        )

    def _is_published(self) -> bool:
        """Tell whether our bytes stand under the key, after an answer that was lost.

        Raises:
            StorageError: the service could not say.
        """
        try:
            found = self._bucket.head(self._key, ChecksumMode="ENABLED")
        except StorageError as error:
            msg = "the answer was lost, and whether the object was published cannot be seen; look there before you run again"
            raise StorageError(msg, uri=self._bucket.uri(self._key), operation="HeadObject") from error
        if found is None or found["ContentLength"] != self._size:
            return False
        if found.get("ChecksumType") == "FULL_OBJECT" and "ChecksumCRC32" in found:
            return bool(found["ChecksumCRC32"] == self._crc())
        return bool(found["ETag"].strip('"') == self._etag())

    def _crc(self) -> str:
        if self._upload_id is None:
            return _base64_crc(crc32_of(self._buffer))
        return _base64_crc(combine_crc32([part.crc for part in self._parts], [part.size for part in self._parts]))

    def _etag(self) -> str:
        """Return the ETag that S3 gives to unencrypted objects; no text where the parts' ETags are of another kind."""
        if self._upload_id is None:
            return hashlib.md5(self._buffer, usedforsecurity=False).hexdigest()
        etags = [part.etag.strip('"') for part in self._parts]
        if not all(map(_MD5.fullmatch, etags)):
            return ""
        return f"{hashlib.md5(bytes.fromhex(''.join(etags)), usedforsecurity=False).hexdigest()}-{len(etags)}"

    def _taken(self) -> OutputExistsError:
        msg = f"{self._bucket.uri(self._key)} was written by somebody else meanwhile; it holds what it held"
        return OutputExistsError(msg)


def _base64_crc(crc: int) -> str:
    return base64.b64encode(crc.to_bytes(4, "big")).decode()
