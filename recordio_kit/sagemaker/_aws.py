"""Reach SageMaker: make a client, and turn what goes wrong into one error with advice.

Strategy: boto3 and botocore are imported here at call time only; whatever they raise becomes a ``StorageError`` whose
message keeps the service's own words, with the original as its cause.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any, Final

from recordio_kit.errors import StorageError


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ALLOW: Final = (
    "allow your own user or role sagemaker:CreateTrainingJob, DescribeTrainingJob, StopTrainingJob and AddTags, "
    "and iam:PassRole on the job's role"
)
_RENEW: Final = "renew your credentials (aws sso login, or a new session token)"
_ABSENT: Final = "set up credentials (aws configure, AWS_PROFILE or --profile)"
_REACH: Final = "check the region's name, the network and --endpoint-url"
#: What to do, by the service's error code or botocore's exception name.
_ADVICE: Final[Mapping[str, str]] = {
    "AccessDenied": _ALLOW,
    "AccessDeniedException": _ALLOW,
    "ThrottlingException": "too many calls at once; try again in a minute",
    "ExpiredTokenException": _RENEW,
    "ExpiredToken": _RENEW,
    "UnrecognizedClientException": _RENEW,
    "InvalidClientTokenId": _RENEW,
    "InvalidSignatureException": "check the secret key, and this machine's clock",
    "NoCredentialsError": _ABSENT,
    "PartialCredentialsError": _ABSENT,
    "CredentialRetrievalError": _ABSENT,
    "SSOTokenLoadError": _RENEW,
    "UnauthorizedSSOTokenError": _RENEW,
    "ProfileNotFound": "name a profile of ~/.aws/config (--profile, AWS_PROFILE)",
    "NoRegionError": "pass region= (--region)",
    "InvalidRegionError": "pass a region such as 'eu-west-1' (--region)",
    "EndpointConnectionError": _REACH,
    "ConnectTimeoutError": _REACH,
    "ReadTimeoutError": _REACH,
    "ConnectionClosedError": _REACH,
}


def make_client(service: str, *, region: str | None, profile: str | None, endpoint_url: str | None) -> Any:
    """Return a client of an AWS service.

    Args:
        service: ``"sagemaker"`` or ``"s3"``.
        region: default: what the AWS configuration says.
        profile: of the AWS configuration.
        endpoint_url: of a server that stands in for AWS.

    Raises:
        StorageError: profile or region are unknown.
    """
    import boto3
    from botocore.config import Config

    with calling(service, "connect"):
        session: Any = boto3.session.Session(profile_name=profile, region_name=region)
        return session.client(service, endpoint_url=endpoint_url, config=Config(retries={"mode": "standard"}))


def configured_region(profile: str | None = None) -> str | None:
    """Return the region that the AWS configuration names, or None.

    Args:
        profile: of the AWS configuration; default: the one in use.

    Raises:
        StorageError: there is no such profile.
    """
    import boto3

    with calling("sagemaker", "configure"):
        region: str | None = boto3.session.Session(profile_name=profile).region_name
    return region


@contextlib.contextmanager
def calling(uri: str, operation: str) -> Iterator[None]:
    """Turn what botocore raises inside into a ``StorageError``.

    Args:
        uri: what the call is about.
        operation: the call, as AWS names it.

    Raises:
        StorageError: the call failed.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise storage_error(error, uri, operation) from error


def error_code(error: Any) -> str:
    """Return the service's error code, or the exception's name where no service answered.

    Args:
        error: a botocore exception.
    """
    response = getattr(error, "response", None)
    return str(response["Error"]["Code"]) if response else type(error).__name__


def storage_error(error: Any, uri: str, operation: str) -> StorageError:
    """Return the error to raise for what botocore raised, with advice.

    Args:
        error: a botocore exception.
        uri: what the call was about.
        operation: the call, as AWS names it.
    """
    return StorageError(f"{operation} failed: {error}; {_advice(error, operation)}", uri=uri, operation=operation)


def _advice(error: Any, operation: str) -> str:
    code = error_code(error)
    if code == "ResourceLimitExceeded":
        quota = re.search(r"'([^']+)'", str(error))
        name = f" {quota[1]!r}" if quota else ""
        return (
            f"raise the quota{name} in Service Quotas (new accounts start at 0, spot has its own), or take another instance type"
        )
    if operation == "DescribeTrainingJob" and code in ("ValidationException", "ResourceNotFound"):
        return "is that the job's name, and is this its region and account? (--region, --profile)"
    return _ADVICE.get(code, "mend the request" if "Validation" in code else "try again")
