"""Aborting one multipart upload until nothing is left of it: what a sink does at its end, and what people ask for later."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from recordio_kit.errors import StorageError
from recordio_kit.s3._errors import ABSENT, code_of


if TYPE_CHECKING:
    from recordio_kit.s3._bucket import Bucket

_GONE: Final = ABSENT | {"NoSuchUpload"}  # Ceph's ListParts says NoSuchKey
#: Seconds between tries: a part that was under way when its upload was aborted may outlive the abort.
_PAUSES: Final = (0.2, 0.5, 1.0, 2.0)


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
