"""The training request: from a manifest and the caller's choices to the dict that ``create_training_job`` takes.

Strategy: pure, with no network, no clock and no random name: the same input gives the same request, so submitting twice
meets its own job instead of starting a second one. What follows from the data is derived; what the caller passes wins,
and is refused where it contradicts the data.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from recordio_kit.sagemaker._channels import CHANNELS, channel_key, data_facts, missing_channel, s3_url_fault
from recordio_kit.sagemaker._hyperparameters import contradictions, derive
from recordio_kit.sagemaker._problem import refuse
from recordio_kit.sagemaker._registries import image_uri as registry_image
from recordio_kit.sagemaker._rules import normalise


if TYPE_CHECKING:
    from recordio_kit._core.manifest import Manifest, SplitInfo

CONTENT_TYPE: Final = "application/x-recordio"
#: AWS ends a job after 28 days.
LONGEST_RUNTIME: Final = 28 * 86400
_JOB_NAME: Final = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_LONGEST_NAME: Final = 63
_DIGITS: Final = 10
_ROLE: Final = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[a-zA-Z_0-9+=,.@/-]+")
_SMALLEST_VOLUME: Final = 30
#: MiB of a parameter file by number of layers, about; the networks for small images stay below any of these.
_MODEL_MEBIBYTES: Final[Mapping[str, int]] = {"18": 45, "34": 84, "50": 98, "101": 171, "152": 231, "200": 250}
_SMALL_MODEL_MEBIBYTES: Final = 10


def training_job_request(
    manifest: Manifest,
    *,
    data: str,
    output: str,
    role: str,
    region: str | None = None,
    hyperparameters: Mapping[str, Any] | None = None,
    instance_type: str = "ml.g4dn.xlarge",
    instance_count: int = 1,
    job_name: str | None = None,
    max_runtime: int = 86400,
    volume_size: int | None = None,
    channels: Mapping[str, str] | None = None,
    image_uri: str | None = None,
    tags: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the request that trains image classification on a data set, for boto3's ``create_training_job(**request)``.

    Classes, sample count, label mode, image shape, layers, batch size and disk follow from the manifest.

    Args:
        manifest: of the data set.
        data: the S3 folder that holds the manifest's files.
        output: the S3 folder for models.
        role: ARN of the role that the job assumes.
        region: where to train; it chooses the container image. Not needed with ``image_uri``.
        hyperparameters: by the algorithm's names; they win over what is derived.
        instance_type: a GPU type.
        instance_count: instances; each downloads all data.
        job_name: default: the last name in ``data`` and a digest of the request and the data's checksums.
        max_runtime: seconds until AWS stops the job.
        volume_size: disk in GiB, default by data and model; instances with NVMe disks disregard it.
        channels: split by channel, such as ``{"validation": "test"}``.
        image_uri: another container image.
        tags: value by key.
        overrides: request fields laid over the result, nested dicts merged; None removes a field.

    Raises:
        ValueError: an argument is not of the form AWS takes, or the region does not offer the algorithm.
        PreflightError: hyperparameters are malformed, unknown or contradict the data, or a channel has no split; it is a
            ValueError and lists every reason.
    """
    if region is None and image_uri is None:
        msg = "which region? pass region=, such as 'eu-west-1': the container image differs by region"
        raise ValueError(msg)
    _check_arguments(role=role, instance_count=instance_count, max_runtime=max_runtime, volume_size=volume_size)
    prefix, target = _s3_folder("data", data), _s3_folder("output", output).rstrip("/")
    splits = _choose_splits(manifest, channels or {})
    facts = data_facts(manifest, splits, instance_count)
    chosen, problems = normalise(hyperparameters or {})
    refuse(problems)
    values = derive(chosen, facts)
    refuse(contradictions(values, facts))
    body: dict[str, Any] = {
        "AlgorithmSpecification": {"TrainingImage": image_uri or registry_image(region or ""), "TrainingInputMode": "File"},
        "RoleArn": role,
        "HyperParameters": values,
        "InputDataConfig": [_channel(name, prefix + channel_key(manifest, split)) for name, split in splits.items()],
        "OutputDataConfig": {"S3OutputPath": target},
        "ResourceConfig": {
            "InstanceType": instance_type,
            "InstanceCount": instance_count,
            "VolumeSizeInGB": volume_size or _volume_size(splits, values),
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": max_runtime},
        **({"Tags": [{"Key": key, "Value": tags[key]} for key in sorted(tags)]} if tags else {}),
    }
    body = _merge(body, overrides or {})
    name = body.pop("TrainingJobName", job_name)
    return {"TrainingJobName": _default_name(prefix, body, splits) if name is None else _checked_name(name), **body}


def write_request(request: Mapping[str, Any]) -> bytes:
    """Return a request as canonical JSON, for ``aws sagemaker create-training-job --cli-input-json file://FILE``.

    Args:
        request: what ``training_job_request`` returned.
    """
    return (json.dumps(request, indent=2, sort_keys=True) + "\n").encode("ascii")


def _check_arguments(*, role: str, instance_count: int, max_runtime: int, volume_size: int | None) -> None:
    if not _ROLE.fullmatch(role):
        msg = f"role {role!r} is no role ARN; pass one such as 'arn:aws:iam::123456789012:role/NAME' (IAM console, Roles)"
        raise ValueError(msg)
    for name, value, most in (
        ("instance_count", instance_count, None),
        ("max_runtime", max_runtime, LONGEST_RUNTIME),
        ("volume_size", 1 if volume_size is None else volume_size, None),
    ):
        if value < 1 or (most is not None and value > most):
            msg = f"{name} is {value}; pass " + ("at least 1" if most is None else f"1 to {most}")
            raise ValueError(msg)


def _s3_folder(name: str, url: str) -> str:
    """Return an S3 URL with exactly one closing slash."""
    folder = url.rstrip("/") + "/"
    if fault := s3_url_fault(folder):
        msg = f"{name} {url!r} {fault}; pass one such as 's3://bucket/prefix/'"
        raise ValueError(msg)
    return folder


def _choose_splits(manifest: Manifest, channels: Mapping[str, str]) -> dict[str, SplitInfo]:
    if strange := sorted(set(channels) - set(CHANNELS)):
        msg = f"there is no channel {strange[0]!r}; RecordIO training reads {' and '.join(CHANNELS)}, others go in overrides="
        raise ValueError(msg)
    names = {channel: channels.get(channel, channel) for channel in CHANNELS}
    refuse(missing_channel(manifest, channel, name) for channel, name in names.items() if name not in manifest.splits)
    return {channel: manifest.splits[name] for channel, name in names.items()}


def _channel(name: str, uri: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {
        "ChannelName": name,
        "DataSource": {"S3DataSource": source},
        "ContentType": CONTENT_TYPE,
        "InputMode": "File",
    }


def _volume_size(splits: Mapping[str, SplitInfo], values: Mapping[str, str]) -> int:
    """Return GiB for the data with a tenth to spare, every kept model twice (file and archive), and 5 for the rest."""
    data = sum(split.record.bytes for split in splits.values()) / 2**30
    kept = int(values["epochs"]) // int(values.get("checkpoint_frequency", values["epochs"]))
    model = _MODEL_MEBIBYTES.get(values["num_layers"], _SMALL_MODEL_MEBIBYTES) / 2**10
    return max(_SMALLEST_VOLUME, math.ceil(data * 1.1 + 2 * kept * model + 5))


def _merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in changes.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            below = merged.get(name)
            merged[name] = _merge(below if isinstance(below, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged


def _checked_name(name: str) -> str:
    if not _JOB_NAME.fullmatch(name):
        msg = f"job_name {name!r} is no job name; take 1 to {_LONGEST_NAME} letters, digits and hyphens, none at either end"
        raise ValueError(msg)
    return name


def _default_name(prefix: str, body: Mapping[str, Any], splits: Mapping[str, SplitInfo]) -> str:
    """Return the data set's own name and a digest of all that shapes the job; tags do not."""
    content = {
        "request": {name: value for name, value in body.items() if name != "Tags"},
        "data": {channel: [split.record.bytes, split.record.crc32] for channel, split in splits.items()},
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode("ascii")).hexdigest()[:_DIGITS]
    own = re.sub(r"[^a-zA-Z0-9]+", "-", prefix.rstrip("/").rpartition("/")[2]).strip("-")
    slug = own[: _LONGEST_NAME - _DIGITS - 1].strip("-") or "training"
    return f"{slug}-{digest}"
