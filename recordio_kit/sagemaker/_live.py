"""The part of the preflight that asks AWS: regions, buckets, and the objects of each channel.

Strategy: only reads, and only what is cheap: one HeadBucket and one listing a channel. What S3 refuses is a problem of
the request; S3 that cannot be reached is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordio_kit.errors import StorageError
from recordio_kit.sagemaker._aws import calling
from recordio_kit.sagemaker._channels import channel_uris
from recordio_kit.sagemaker._problem import Problem
from recordio_kit.sagemaker._registries import region_of


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from recordio_kit._core.manifest import SplitInfo


def region_problems(request: Mapping[str, Any], client: Any) -> Iterator[Problem]:
    """Yield a problem if the client talks to another region than the image lives in.

    Args:
        request: for ``create_training_job``, sound in structure.
        client: a SageMaker client.
    """
    image = _image_region(request)
    if image is not None and image != client.meta.region_name:
        what = f"the training image lives in {image}, the job would run in {client.meta.region_name}"
        yield Problem("AlgorithmSpecification.TrainingImage", what, "use one region for both (region=, --region)")


def object_problems(request: Mapping[str, Any], splits: Mapping[str, SplitInfo], s3_client: Any) -> Iterator[Problem]:
    """Yield what is wrong with the buckets and the objects below each channel's prefix.

    Args:
        request: for ``create_training_job``, sound in structure.
        splits: the split that feeds each channel.
        s3_client: an S3 client.

    Raises:
        StorageError: S3 cannot be reached.
    """
    from botocore.exceptions import ClientError

    for channel, split in splits.items():
        uri = channel_uris(request)[channel]
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        try:
            with calling(uri, "ListObjectsV2"):
                head = s3_client.head_bucket(Bucket=bucket)
                listing = s3_client.list_objects_v2(Bucket=bucket, Prefix=prefix)
        except StorageError as error:
            if not isinstance(error.__cause__, ClientError):
                raise
            yield _unreadable(channel, uri, error.__cause__)
        else:
            yield from _bucket_region(request, channel, bucket, head)
            yield from _listed(channel, split, uri, listing)


def _unreadable(channel: str, uri: str, error: Any) -> Problem:
    code = error.response["Error"]["Code"]
    if code in ("404", "NoSuchBucket"):
        return Problem(
            f"InputDataConfig.{channel}", f"the bucket of {uri} does not exist", "copy the data there first, or mend data="
        )
    what = f"{uri} cannot be listed ({code}: {error.response['Error'].get('Message', '')})"
    mend = "allow s3:ListBucket to yourself and to the job's role, or leave the S3 check out if only the role may read it"
    return Problem(f"InputDataConfig.{channel}", what, mend)


def _bucket_region(request: Mapping[str, Any], channel: str, bucket: str, head: Mapping[str, Any]) -> Iterator[Problem]:
    home = head.get("BucketRegion")
    job = _image_region(request)
    if home and job and home != job:
        what = f"bucket {bucket} is in {home}, the job runs in {job}, and SageMaker reads from its own region only"
        yield Problem(f"InputDataConfig.{channel}", what, f"train in {home}, or copy the data to a bucket in {job}")


def _listed(channel: str, split: SplitInfo, uri: str, listing: Mapping[str, Any]) -> Iterator[Problem]:
    field = f"InputDataConfig.{channel}"
    sizes = {item["Key"]: item["Size"] for item in listing.get("Contents", ()) if item["Key"].endswith(".rec")}
    if listing.get("IsTruncated"):
        yield Problem(field, f"more than {len(listing['Contents'])} objects lie below {uri}", "keep one .rec there, nothing else")
    elif not sizes:
        yield Problem(field, f"there is no .rec below {uri}", "copy the data there first, or mend data=")
    elif len(sizes) > 1:
        yield Problem(
            field, f"{uri} holds {len(sizes)} .rec files: {', '.join(sorted(sizes))}", "keep one: a channel takes one .rec"
        )
    else:
        ((key, size),) = sizes.items()
        if size != split.record.bytes:
            what = f"{key} has {size} bytes, the manifest says {split.record.bytes}"
            yield Problem(field, what, "copy the data again, or read the manifest beside it")


def _image_region(request: Mapping[str, Any]) -> str | None:
    return region_of(request.get("AlgorithmSpecification", {}).get("TrainingImage", ""))
