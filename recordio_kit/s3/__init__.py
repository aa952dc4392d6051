"""S3 as a store: objects under one prefix of a bucket, on AWS or any service that speaks its protocol.

Strategy: bytes go up in parts from bounded memory, never through a local file, and an object appears under its key in one
request, ``CompleteMultipartUpload`` or ``PutObject``. Reads are ranged and pinned to the ETag seen at opening. Every
botocore error is translated in one place, ``_errors``. boto3 is imported when the first request is made.
"""

from __future__ import annotations

from recordio_kit.s3._store import S3Store
from recordio_kit.s3._uploads import Upload, abort_uploads, list_uploads


__all__ = ["S3Store", "Upload", "abort_uploads", "list_uploads"]
