"""Look for whatever would make a training job fail, before it costs anything.

Strategy: each check is a generator of problems over the request and the manifest; all of them run, so one preflight names
everything. The offline part is pure. With an S3 client the objects are looked at too. A request that botocore could not
even send is judged no further than that.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any, Final

from recordio_kit.sagemaker._channels import (
    CHANNELS,
    channel_uris,
    data_facts,
    missing_channel,
    s3_url_fault,
    splits_of_request,
)
from recordio_kit.sagemaker._hyperparameters import contradictions
from recordio_kit.sagemaker._live import object_problems, region_problems
from recordio_kit.sagemaker._model import limit_problems, mend_for, structure_problems
from recordio_kit.sagemaker._problem import Problem
from recordio_kit.sagemaker._request import CONTENT_TYPE
from recordio_kit.sagemaker._rules import normalise, problem


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from recordio_kit._core.manifest import Manifest, SplitInfo

#: What this algorithm cannot do without, although the API, which serves others too, leaves it open.
_REQUIRED: Final = (
    ("AlgorithmSpecification", "TrainingImage"),
    ("HyperParameters", "num_classes"),
    ("HyperParameters", "num_training_samples"),
    ("ResourceConfig", "InstanceType"),
    ("ResourceConfig", "InstanceCount"),
    ("ResourceConfig", "VolumeSizeInGB"),
    ("StoppingCondition", "MaxRuntimeInSeconds"),
)
_GPU_TYPE: Final = re.compile(r"ml\.[gp][0-9].*")
#: GPUs of the types that have more than one.
_GPUS: Final[Mapping[str, int]] = {
    "ml.g4dn.12xlarge": 4,
    "ml.g5.12xlarge": 4,
    "ml.g5.24xlarge": 4,
    "ml.g5.48xlarge": 8,
    "ml.p2.8xlarge": 8,
    "ml.p2.16xlarge": 16,
    "ml.p3.8xlarge": 4,
    "ml.p3.16xlarge": 8,
    "ml.p3dn.24xlarge": 8,
}
_NAMED: Final = 5


def preflight(request: Mapping[str, Any], manifest: Manifest, *, client: Any = None, s3_client: Any = None) -> list[Problem]:
    """Return every reason found why a training job would fail; none means go.

    Args:
        request: what ``training_job_request`` returned, or one like it.
        manifest: of the data set that it trains on.
        client: a SageMaker client: its region is compared with the image's; nothing is called.
        s3_client: an S3 client: buckets, their regions, and the ``.rec`` of each channel are looked up.

    Raises:
        StorageError: S3 cannot be reached at all.
    """
    if problems := structure_problems(request):
        return problems
    splits = splits_of_request(request, manifest)
    return [
        *limit_problems(request),
        *_required_problems(request),
        *_channel_problems(request, manifest),
        *_hyperparameter_problems(request, manifest, splits),
        *_format_problems(manifest),
        *_label_problems(request, manifest, splits),
        *_instance_problems(request),
        *_spot_problems(request),
        *(region_problems(request, client) if client is not None else ()),
        *(object_problems(request, splits, s3_client) if s3_client is not None else ()),
    ]


def _format_problems(manifest: Manifest) -> Iterator[Problem]:
    if (manifest.options.get("transform") or {}).get("format") == "webp":
        what = "the images are WebP, which SageMaker's image classification does not decode"
        yield Problem("InputDataConfig", what, "prepare the data again with --encoding jpeg")


def _required_problems(request: Mapping[str, Any]) -> Iterator[Problem]:
    for section, name in _REQUIRED:
        if not request.get(section, {}).get(name) and not (name.startswith("Instance") and _preferences(request)):
            mend = "build the request with training_job_request" if section == "HyperParameters" else mend_for(name)
            yield Problem(f"{section}.{name}", f"{section}.{name} is not set, and image classification needs it", mend)
    if "MetricDefinitions" in request.get("AlgorithmSpecification", {}):
        what = "MetricDefinitions cannot be sent: AWS defines the metrics of its own algorithms and refuses the job"
        yield Problem("AlgorithmSpecification.MetricDefinitions", what, "leave them out")


def _channel_problems(request: Mapping[str, Any], manifest: Manifest) -> Iterator[Problem]:
    uris = channel_uris(request)
    output = request["OutputDataConfig"]["S3OutputPath"]
    for field, url in (
        ("OutputDataConfig.S3OutputPath", output),
        *((f"InputDataConfig.{name}", uri) for name, uri in uris.items()),
    ):
        if fault := s3_url_fault(url):
            yield Problem(field, f"{field} {url!r} {fault}", "pass one such as 's3://bucket/prefix/'")
    for name in CHANNELS:
        if name not in uris:
            unasked = Problem("InputDataConfig", f"the request has no {name} channel", "build it with training_job_request")
            yield unasked if name in manifest.splits else missing_channel(manifest, name, name)
    for channel in request.get("InputDataConfig", ()):
        if channel["ChannelName"] in CHANNELS and "S3DataSource" in channel["DataSource"]:
            yield from _one_channel(channel, output)


def _one_channel(channel: Mapping[str, Any], output: str) -> Iterator[Problem]:
    name, source = channel["ChannelName"], channel["DataSource"]["S3DataSource"]
    uri, field = source["S3Uri"], f"InputDataConfig.{name}"
    if channel.get("ContentType") != CONTENT_TYPE:
        what = f"the {name} channel has content type {channel.get('ContentType')!r}"
        yield Problem(f"{field}.ContentType", what, f"send {CONTENT_TYPE!r}: that is how the algorithm knows a .rec")
    if source.get("S3DataDistributionType", "FullyReplicated") != "FullyReplicated":
        what = f"the {name} channel is {source['S3DataDistributionType']}, and with one .rec all instances but one get nothing"
        yield Problem(f"{field}.S3DataDistributionType", what, "send 'FullyReplicated'")
    if source["S3DataType"] == "S3Prefix" and not uri.endswith(("/", ".rec")):
        what = f"the {name} channel takes every object whose key starts with {uri!r}, not only those in that folder"
        yield Problem(f"{field}.S3Uri", what, "end it with '/'")
    if (output.rstrip("/") + "/").startswith(uri):
        what = f"models would be written to {output!r}, inside the {name} channel, and the next job would read them as data"
        yield Problem("OutputDataConfig.S3OutputPath", what, "pass another output=")


def _hyperparameter_problems(
    request: Mapping[str, Any], manifest: Manifest, splits: Mapping[str, SplitInfo]
) -> Iterator[Problem]:
    sent = request.get("HyperParameters", {})
    texts, problems = normalise(sent)
    problems += [
        problem(name, f"{name} is written {sent[name]!r}", f"the algorithm takes {text!r}")
        for name, text in texts.items()
        if text != sent[name]
    ]
    yield from problems
    if not problems and set(CHANNELS) <= set(splits):
        yield from contradictions(texts, data_facts(manifest, splits, request.get("ResourceConfig", {}).get("InstanceCount", 1)))


def _label_problems(request: Mapping[str, Any], manifest: Manifest, splits: Mapping[str, SplitInfo]) -> Iterator[Problem]:
    widths = {channel: split.label_width for channel, split in splits.items()}
    if len(set(widths.values())) > 1:
        what = "the channels differ in labels a record: " + ", ".join(f"{name} has {width}" for name, width in widths.items())
        yield Problem("InputDataConfig", what, "pack both from lists with the same label columns")
    sent = request.get("HyperParameters", {}).get("num_classes", "")
    classes = int(sent) if sent.isdecimal() else manifest.num_classes
    for channel, split in splits.items():
        yield from _label_range(channel, split, classes)
    train = splits.get("train")
    if train is not None and train.labels is not None and manifest.num_classes is not None:
        yield from _absent_classes(train.labels, manifest.num_classes, manifest.classes)


def _label_range(channel: str, split: SplitInfo, classes: int | None) -> Iterator[Problem]:
    field = f"InputDataConfig.{channel}"
    if split.labels is None:
        if split.label_width == 1:
            what = f"the labels of the {channel} channel are not all whole numbers, or are not known"
            yield Problem(field, what, "label the classes 0, 1, 2 ... and pack again: the algorithm takes nothing else")
        return
    if classes is None:
        return
    strange = sorted(label for label, number in split.labels.items() if number and not 0 <= label < classes)
    if strange:
        what = f"the {channel} channel holds the label{'s' * (len(strange) > 1)} {_some(strange)}, outside 0..{classes - 1}"
        from_one = strange == [classes] and not split.labels.get(0)
        hint = "labels must start at 0: subtract 1" if from_one else "mend the lists or pass num_classes"
        yield Problem(field, what, f"{hint} (a GPU does not check, it learns nonsense)")


def _absent_classes(labels: Mapping[int, int], classes: int, names: tuple[str, ...] | None) -> Iterator[Problem]:
    absent = list(itertools.islice((label for label in range(classes) if not labels.get(label)), _NAMED + 1))
    if absent:
        known = [f"{label} ({names[label]})" if names else label for label in absent]
        what = f"the train channel holds no image of class {_some(known)}"
        mend = "labels must be 0..K-1 without gaps: add images, or leave the class out and pack again"
        yield Problem("InputDataConfig.train", what, mend)


def _some(values: list[Any]) -> str:
    return ", ".join(map(str, values[:_NAMED])) + (" ..." if len(values) > _NAMED else "")


def _instance_problems(request: Mapping[str, Any]) -> Iterator[Problem]:
    alone = request.get("ResourceConfig", {}).get("InstanceType")
    batch = request.get("HyperParameters", {}).get("mini_batch_size", "32")
    for kind in [alone] if alone else [preference["InstanceType"] for preference in _preferences(request)]:
        if not _GPU_TYPE.fullmatch(kind):
            what = f"{kind} has no GPU that image classification can train on"
            yield Problem("ResourceConfig.InstanceType", what, "take ml.g4dn.xlarge or another ml.g4dn or ml.g5 type")
        if batch.isdecimal() and int(batch) < _GPUS.get(kind, 1):
            what = f"mini_batch_size is {batch}, fewer than the {_GPUS.get(kind, 1)} GPUs of {kind} that share it"
            yield problem("mini_batch_size", what, "pass a larger batch or a smaller instance")


def _preferences(request: Mapping[str, Any]) -> list[Any]:
    return list(request.get("ResourceConfig", {}).get("InstancePreferences", ()))


def _spot_problems(request: Mapping[str, Any]) -> Iterator[Problem]:
    times = request.get("StoppingCondition", {})
    wait, run = times.get("MaxWaitTimeInSeconds"), times.get("MaxRuntimeInSeconds", 86400)
    field = "StoppingCondition.MaxWaitTimeInSeconds"
    if not request.get("EnableManagedSpotTraining", False):
        if wait is not None:
            yield Problem(
                field, "MaxWaitTimeInSeconds is for spot training only", "set EnableManagedSpotTraining or leave it out"
            )
    elif wait is None:
        yield Problem(field, "spot training has no MaxWaitTimeInSeconds", f"send one of at least {run}, the run time")
    elif wait < run:
        yield Problem(field, f"MaxWaitTimeInSeconds {wait} is below MaxRuntimeInSeconds {run}", f"send at least {run}")
