"""What botocore raises, as one ``StorageError`` that says what to do.

Strategy: every request is made inside ``calling``, so this is the only place that knows botocore's exceptions. Callers
that act on an error ask ``code_of`` for the service's own code and ``maybe_done`` whether the request may have worked.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

from recordio_kit.errors import StorageError


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: How services say that there is no such object; an answer to HEAD has no body, hence no word but the status.
ABSENT: Final = frozenset({"404", "NoSuchKey", "NotFound"})
#: How services say that If-None-Match or If-Match did not hold.
UNMET: Final = frozenset({"412", "PreconditionFailed"})
_DENIED: Final = frozenset({"403", "AccessDenied", "Forbidden"})
_MISDIRECTED: Final = frozenset(
    {"301", "400", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"}
)

_PERMISSIONS: Final[Mapping[str, str]] = {
    "HeadBucket": "s3:ListBucket",
    "HeadObject": "s3:GetObject, and s3:ListBucket to tell what does not exist",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListObjectsV2": "s3:ListBucket",
    "ListParts": "s3:ListMultipartUploadParts",
    "CompleteMultipartUpload": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
}
_NO_CREDENTIALS: Final = (
    "no AWS credentials found (looked at environment, ~/.aws, instance role); run 'aws configure' or pass profile=/--profile"
)
_RENEW: Final = "renew the credentials (aws sso login, or a new session token) and run again"
_NO_CHECKSUMS: Final = "if the service does not know S3's checksums, set AWS_REQUEST_CHECKSUM_CALCULATION=when_required"
#: What to do, by the service's error code or botocore's exception name.
_ADVICE: Final[Mapping[str, str]] = {
    "400": "HEAD answers give no reason: look at region=/--region and at the session token's age",
    "ConditionalRequestConflict": "another writer touched the name at the same moment; run again",
    "EntityTooSmall": "pass a larger part_size=",
    "ExpiredToken": _RENEW,
    "InvalidArgument": _NO_CHECKSUMS,
    "InvalidPart": _NO_CHECKSUMS,
    "InvalidRequest": _NO_CHECKSUMS,
    "InvalidAccessKeyId": "the service does not know the access key: check profile=/--profile and endpoint_url=/--endpoint-url",
    "NoSuchUpload": "the upload was aborted meanwhile, by hand or by the bucket's lifecycle rule; start again",
    "NotImplemented": _NO_CHECKSUMS,
    "ProfileNotFound": "name a profile of ~/.aws/config (profile=/--profile, AWS_PROFILE)",
    "RequestTimeTooSkewed": "set this machine's clock",
    "SSOTokenLoadError": _RENEW,
    "SignatureDoesNotMatch": "check the secret key",
    "SlowDown": "too many requests for this prefix; run again later",
    "TokenRetrievalError": _RENEW,
    "UnauthorizedSSOTokenError": _RENEW,
}


@contextlib.contextmanager
def calling(uri: str, operation: str) -> Iterator[None]:
    """Turn what botocore raises inside into a ``StorageError``.

    Args:
        uri: the object or prefix that the request is about.
        operation: the request, as S3 names it.

    Raises:
        StorageError: the request failed; botocore's error is its cause.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise StorageError(_explain(error, uri, operation), uri=uri, operation=operation) from error


def code_of(error: BaseException) -> str:
    """Return the service's error code, or the name of botocore's exception where no service answered.

    Args:
        error: a ``StorageError`` of ``calling``, or botocore's own.
    """
    cause = error.__cause__ if isinstance(error, StorageError) else error
    return str(_answer(cause).get("Error", {}).get("Code", "")) or type(cause).__name__


def maybe_done(error: StorageError) -> bool:
    """Tell whether a failed request may yet have been carried out: its answer, or that of an earlier try, was lost.

    Args:
        error: what ``calling`` raised.
    """
    meta = _answer(error.__cause__).get("ResponseMetadata", {})
    refused_at_once = 400 <= meta.get("HTTPStatusCode", 500) < 500 and not meta.get("RetryAttempts")
    return not refused_at_once or code_of(error) == "NoSuchUpload"


def _answer(error: BaseException | None) -> Mapping[str, Any]:
    answer: Mapping[str, Any] | None = getattr(error, "response", None)
    return answer or {}


def _explain(error: Any, uri: str, operation: str) -> str:
    """Say in one line what happened and what to do."""
    code, answer = code_of(error), _answer(error)
    bucket = uri.removeprefix("s3://").partition("/")[0]
    if code == "NoCredentialsError":
        return _NO_CREDENTIALS
    if code == "NoSuchBucket" or (operation == "HeadBucket" and code in ABSENT):
        return f"bucket {bucket} does not exist; create it first: nothing is created unasked"
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = answer.get("Error", {}).get("Region") or headers.get("x-amz-bucket-region")
    if code in _MISDIRECTED and region:
        return f"bucket {bucket} lies in region {region}; pass region={region!r} (--region {region})"
    if code in ABSENT:
        return "no such object"
    if type(error).__name__ in {"ConnectTimeoutError", "EndpointConnectionError"}:
        return f"{error} - check the network, the region's name and endpoint_url=/--endpoint-url"
    words = answer.get("Error", {}).get("Message") or str(error)
    if code in _DENIED:
        return f"{operation} was denied ({words}); it needs the permission {_PERMISSIONS.get(operation, f's3:{operation}')}"
    advice = _ADVICE.get(code)
    return f"{operation} failed ({code}: {words})" + (f"; {advice}" if advice else "")
