"""Reading one object by ranges, all of them from the same version of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from recordio_kit.errors import SourceChangedError, StorageError
from recordio_kit.s3._errors import UNMET, calling, code_of


if TYPE_CHECKING:
    from recordio_kit.s3._bucket import Bucket

#: Seconds before another try at a body that broke off; botocore retries requests, not bodies.
_PAUSES: Final = (0.1, 0.4, 1.6)


class S3Source:
    """Read ranges of an object, from any thread, as it was at opening.

    Args:
        bucket: where the object lies.
        key: its key.

    Raises:
        StorageError: there is none, or it cannot be read.
    """

    def __init__(self, bucket: Bucket, key: str) -> None:
        """Note the object's size and ETag."""
        found = bucket.call("head_object", key)
        self._bucket = bucket
        self._key = key
        self._size: int = found["ContentLength"]
        self._etag: str = found["ETag"]

    @property
    def uri(self) -> str:
        """Return the object's URL."""
        return self._bucket.uri(self._key)

    @property
    def size(self) -> int:
        """Return the size in bytes at opening."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes from ``offset``, fewer only at the end of the object.

        Args:
            offset: of the first byte.
            length: in bytes; nothing is requested for an empty range.

        Raises:
            SourceChangedError: the object was replaced since it was opened.
            StorageError: it cannot be read.
        """
        length = min(length, self._size - offset)
        if length <= 0:
            return b""
        failure = None
        for pause in (*_PAUSES, 0.0):
            answer = self._request(offset, length)
            try:
                with calling(self.uri, "GetObject"):
                    data = _body(answer, length)
                if len(data) == length:
                    return data
            except StorageError as error:
                failure = error
            time.sleep(pause)
        msg = f"the body of GetObject broke off or had another length than the {length} bytes asked for, {len(_PAUSES) + 1} times"
        raise StorageError(msg, uri=self.uri, operation="GetObject") from failure

    def close(self) -> None:
        """Do nothing: there is no open connection of its own."""

    def _request(self, offset: int, length: int) -> Any:
        try:
            return self._bucket.call("get_object", self._key, Range=f"bytes={offset}-{offset + length - 1}", IfMatch=self._etag)
        except StorageError as error:
            if code_of(error) in UNMET:
                msg = f"{self.uri} was replaced while it was being read; open it again"
                raise SourceChangedError(msg) from error
            raise


def _body(answer: Any, length: int) -> bytes:
    """Return the body, or nothing where it has another length: the service may have sent the whole object."""
    body = answer["Body"]
    try:
        data: bytes = body.read() if answer["ContentLength"] == length else b""
        return data
    finally:
        body.close()
