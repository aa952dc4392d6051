"""Check a request against the service model that botocore ships: names, types, required fields, lengths, patterns, words.

Strategy: botocore's own validator judges structure and minima; it leaves maxima, patterns and closed sets of words to the
service, although its model holds them, so those are walked here. No credentials, no region, no network.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Final

from recordio_kit.sagemaker._problem import Problem


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_REFERENCE: Final = "see CreateTrainingJob in the SageMaker API reference"
#: What to do about a value that AWS would refuse, by the last name of its field.
_MENDS: Final[Mapping[str, str]] = {
    "TrainingJobName": "take 1 to 63 letters, digits and hyphens, none at either end (job_name=, --job-name)",
    "RoleArn": "pass the ARN of a role, such as 'arn:aws:iam::123456789012:role/NAME' (role=, --role)",
    "S3Uri": "pass an s3://BUCKET/PREFIX/ URL (data=)",
    "S3OutputPath": "pass an s3://BUCKET/PREFIX URL (output=, --output)",
    "InstanceType": "take a GPU type such as ml.g4dn.xlarge (instance_type=, --instance-type), or update boto3 if it is new",
    "MaxRuntimeInSeconds": "pass max_runtime= (--max-runtime) in seconds",
    "InstanceCount": "pass instance_count= (--instance-count) of at least 1",
    "VolumeSizeInGB": "pass volume_size= in GiB",
    "TrainingImage": "pass region=, or image_uri=",
}


@functools.cache
def _input_shape() -> Any:
    from botocore.loaders import create_loader
    from botocore.model import ServiceModel

    model = ServiceModel(create_loader().load_service_model("sagemaker", "service-2"), "sagemaker")
    return model.operation_model("CreateTrainingJob").input_shape


def mend_for(field: str) -> str:
    """Return what to do about a field that AWS would refuse.

    Args:
        field: dotted.
    """
    return _MENDS.get(field.rpartition(".")[2], _REFERENCE)


def structure_problems(request: Mapping[str, Any]) -> list[Problem]:
    """Return what botocore would refuse to send: unknown and missing names, wrong types, values below their minimum.

    Args:
        request: for ``create_training_job``.
    """
    from botocore.validate import ParamValidator

    lines = ParamValidator().validate(dict(request), _input_shape()).generate_report().splitlines()
    return [Problem(_field_in(line), line, mend_for(_field_in(line))) for line in lines]


def _field_in(line: str) -> str:
    """Return the field that a line of botocore's report names."""
    match = re.search(r'for parameter ([^\s,]+)|parameter in ([\w.\[\]]+): "(\w+)"', line)
    if match is None:
        return ""
    return match[1] or ".".join(name for name in (match[2].removeprefix("input"), match[3]) if name)


def limit_problems(request: Mapping[str, Any]) -> list[Problem]:
    """Return what the service would refuse: values too long, too large, of the wrong form, or not among its words.

    Args:
        request: for ``create_training_job``, sound in structure.
    """
    return list(_walk(request, _input_shape(), ""))


def _walk(value: Any, shape: Any, field: str) -> Iterator[Problem]:
    most = shape.metadata.get("max")
    size = value if shape.type_name in ("integer", "long", "float", "double") else len(value) if hasattr(value, "__len__") else 0
    if most is not None and size > most:
        yield Problem(field, f"{field} is {value!r}, beyond the service's limit of {most}", mend_for(field))
    if shape.type_name == "string":
        if shape.enum and value not in shape.enum:
            yield Problem(field, f"{field} cannot be {value!r}", mend_for(field))
        elif not _fits(shape.metadata.get("pattern"), value):
            yield Problem(field, f"{field} {value!r} is not of the form {shape.metadata['pattern']}", mend_for(field))
    elif shape.type_name == "structure":
        for name, member in value.items():
            yield from _walk(member, shape.members[name], f"{field}.{name}" if field else name)
    elif shape.type_name == "list":
        for position, member in enumerate(value):
            yield from _walk(member, shape.member, f"{field}[{position}]")
    elif shape.type_name == "map":
        for name, member in value.items():
            yield from _walk(name, shape.key, f"{field} (a name)")
            yield from _walk(member, shape.value, f"{field}.{name}")


def _fits(pattern: str | None, value: str) -> bool:
    try:
        return pattern is None or re.fullmatch(pattern, value) is not None
    except re.error:
        # Java's \p{...} classes are not Python's; the service judges those.
        return True
