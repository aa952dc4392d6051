"""Unfinished multipart uploads: they hold space that is paid for, and no listing of objects shows them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from recordio_kit.errors import StorageError
from recordio_kit.s3._errors import ABSENT, code_of


if TYPE_CHECKING:
    from recordio_kit.s3._bucket import Bucket
    from recordio_kit.s3._store import S3Store

_GONE: Final = ABSENT | {"NoSuchUpload"}  # Ceph's ListParts says NoSuchKey
#: Seconds between tries: a part that was under way when its upload was aborted may outlive the abort.
_PAUSES: Final = (0.2, 0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Describe an unfinished upload.

    Args:
        uri: the URL that the object would have had.
        upload_id: the service's name for the upload.
        started: when, in ISO 8601.
    """

    uri: str
    upload_id: str
    started: str

    def __str__(self) -> str:
        """Return one line for people."""
        return f"{self.uri} (started {self.started}, upload id {self.upload_id})"


def list_uploads(store: S3Store) -> list[Upload]:
    """Return the unfinished uploads under a store's prefix.

    Args:
        store: where to look.

    Raises:
        StorageError: the service could not say.
    """
    bucket, prefix = store.bucket, store.prefix
    return [
        Upload(uri=bucket.uri(found["Key"]), upload_id=found["UploadId"], started=found["Initiated"].isoformat())
        for page in bucket.pages("list_multipart_uploads", prefix)
        for found in page.get("Uploads", ())
    ]


def abort_uploads(store: S3Store) -> int:
    """Abort the unfinished uploads under a store's prefix, those of runs that are still going included.

    Args:
        store: where to look.

    Returns:
        How many were aborted.

    Raises:
        StorageError: one of them is still there.
    """
    uploads = list_uploads(store)
    for upload in uploads:
        abort_upload(store.bucket, upload.uri.removeprefix(store.bucket.uri("")), upload.upload_id)
    return len(uploads)


def abort_upload(bucket: Bucket, key: str, upload_id: str) -> None:
    """Abort one upload, and again until the service knows nothing of it; well where it is gone already.

    Args:
        bucket: where the upload was started.
        key: the object's key.
        upload_id: the service's name for the upload.

    Raises:
        StorageError: it is still there.
    """
    failure = None
    for pause in (*_PAUSES, 0.0):
        try:
            bucket.call("abort_multipart_upload", key, UploadId=upload_id)
            bucket.call("list_parts", key, UploadId=upload_id, MaxParts=1)
        except StorageError as error:
            if code_of(error) in _GONE:
                return
            if error.operation == "ListParts":  # aborted, and this key may not look
                return
            failure = error
        time.sleep(pause)
    msg = f"the unfinished upload {upload_id} is still there; 'recordio-kit uploads abort' on its prefix removes it"
    raise StorageError(msg, uri=bucket.uri(key), operation="AbortMultipartUpload") from failure
