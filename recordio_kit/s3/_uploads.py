"""Unfinished multipart uploads: they hold space that is paid for, and no listing of objects shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recordio_kit.s3._abort import abort_upload


if TYPE_CHECKING:
    from recordio_kit.s3._store import S3Store


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
