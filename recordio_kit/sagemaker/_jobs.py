"""Training jobs on AWS: start one, find it again, wait for it, stop it, read its result.

Strategy: every method is one call to SageMaker and keeps nothing, so a job may be watched from several places and after a
restart. A request that was submitted before meets its own job. Leaving, by Ctrl-C or a lost network, never stops a job.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from recordio_kit.errors import StorageError
from recordio_kit.sagemaker._aws import calling, error_code, make_client
from recordio_kit.sagemaker._channels import channel_uris
from recordio_kit.sagemaker._preflight import preflight as find_problems
from recordio_kit.sagemaker._problem import refuse
from recordio_kit.sagemaker._registries import region_of


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from recordio_kit._core.manifest import Manifest

_ENDED: Final = ("Completed", "Failed", "Stopped")


class Transition(NamedTuple):
    """One step of a job's life, such as ``Downloading``, and AWS's words for it."""

    status: str
    message: str

    def __str__(self) -> str:
        return f"{self.status}: {self.message}" if self.message else self.status


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """Describe how a training job stands or ended.

    Args:
        name: of the job.
        status: ``"Completed"``, ``"Failed"``, ``"Stopped"``, or of a job that runs, ``"InProgress"`` or ``"Stopping"``.
        failure_reason: AWS's words, of a failed job.
        model_artifacts: S3 URI of ``model.tar.gz``, once there is one.
        metrics: last value by name, such as ``validation:accuracy``.
        billable_seconds: or None while AWS has not said.
    """

    name: str
    status: str
    failure_reason: str | None = None
    model_artifacts: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    billable_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """Stand for one training job; every method asks AWS anew.

    Args:
        name: of the job.
        client: a SageMaker client of its region.
    """

    name: str
    client: Any = field(repr=False)

    def status(self) -> str:
        """Return ``"InProgress"``, ``"Stopping"``, ``"Completed"``, ``"Failed"`` or ``"Stopped"``.

        Raises:
            StorageError: AWS did not answer, or knows no such job.
        """
        return str(self.describe()["TrainingJobStatus"])

    def wait(
        self,
        poll: float = 15.0,
        *,
        progress: Callable[[Transition], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> JobResult:
        """Return the result once the job has ended, well or not: look at its ``status``.

        Args:
            poll: seconds between two looks.
            progress: called with each new step of the job.
            sleep: called with ``poll`` between two looks.

        Raises:
            StorageError: AWS did not answer; the job goes on, and ``attach`` waits for it again.
        """
        told: list[Transition] = []
        while True:
            job = self.describe()
            steps = [
                Transition(step["Status"], step.get("StatusMessage", "")) for step in job.get("SecondaryStatusTransitions", ())
            ]
            if progress is not None:
                for position, step in enumerate(steps):
                    # AWS rewrites the words of the step that it is in
                    if told[position : position + 1] != [step]:
                        progress(step)
            told = steps
            if job["TrainingJobStatus"] in _ENDED:
                return _result(job)
            sleep(poll)

    def stop(self) -> None:
        """Ask AWS to stop the job; one that is stopping or has ended is left as it is.

        AWS takes up to two minutes; the model of the best epoch so far is kept.

        Raises:
            StorageError: AWS refused, did not answer, or knows no such job.
        """
        try:
            with calling(self.uri, "StopTrainingJob"):
                self.client.stop_training_job(TrainingJobName=self.name)
        except StorageError as error:
            # AWS refuses to stop a job that has ended
            if error_code(error.__cause__) != "ValidationException" or self.status() == "InProgress":
                raise

    def result(self) -> JobResult:
        """Return how the job stands now.

        Raises:
            StorageError: AWS did not answer, or knows no such job.
        """
        return _result(self.describe())

    @property
    def uri(self) -> str:
        """Return what errors call this job."""
        return f"sagemaker:{self.name}"

    def describe(self) -> Mapping[str, Any]:
        """Return all that AWS says of the job, as ``describe_training_job`` gives it.

        Raises:
            StorageError: AWS did not answer, or knows no such job.
        """
        with calling(self.uri, "DescribeTrainingJob"):
            job: Mapping[str, Any] = self.client.describe_training_job(TrainingJobName=self.name)
        return job


def submit(
    request: Mapping[str, Any],
    manifest: Manifest,
    *,
    client: Any = None,
    s3_client: Any = None,
    preflight: bool = True,
    region: str | None = None,
    profile: str | None = None,
    endpoint_url: str | None = None,
) -> TrainingJob:
    """Start a training job, or return the one that an earlier submission of the same request started.

    Args:
        request: what ``training_job_request`` returned.
        manifest: of the data set that it trains on.
        client: a SageMaker client; default: one made of the three arguments below.
        s3_client: an S3 client, with which the preflight looks at the data too; made likewise where ``client`` is.
        preflight: whether to check first.
        region: default: the region of the request's image, else what the AWS configuration says.
        profile: of the AWS configuration.
        endpoint_url: of a server that stands in for AWS.

    Raises:
        PreflightError: the job would fail; nothing was started.
        StorageError: AWS refused or did not answer, or the name belongs to another job or to one that did not succeed.
    """
    if client is None:
        image = request.get("AlgorithmSpecification", {}).get("TrainingImage", "")
        place = {"region": region or region_of(image), "profile": profile, "endpoint_url": endpoint_url}
        client = make_client("sagemaker", **place)
        s3_client = s3_client or make_client("s3", **place)
    if preflight:
        refuse(find_problems(request, manifest, client=client, s3_client=s3_client))
    job = TrainingJob(request.get("TrainingJobName", ""), client)
    try:
        with calling(job.uri, "CreateTrainingJob"):
            client.create_training_job(**request)
    except StorageError as error:
        if error_code(error.__cause__) != "ResourceInUse":
            raise
        _check_same(job, request, error.__cause__)
    return job


def attach(
    name: str,
    *,
    client: Any = None,
    region: str | None = None,
    profile: str | None = None,
    endpoint_url: str | None = None,
) -> TrainingJob:
    """Return the job of a name, to wait for it, stop it or read its result.

    Args:
        name: of the job.
        client: a SageMaker client; default: one made of the three arguments below.
        region: default: what the AWS configuration says.
        profile: of the AWS configuration.
        endpoint_url: of a server that stands in for AWS.

    Raises:
        StorageError: AWS did not answer, or knows no such job.
    """
    job = TrainingJob(
        name, make_client("sagemaker", region=region, profile=profile, endpoint_url=endpoint_url) if client is None else client
    )
    job.status()
    return job


def _result(job: Mapping[str, Any]) -> JobResult:
    return JobResult(
        name=job["TrainingJobName"],
        status=job["TrainingJobStatus"],
        failure_reason=job.get("FailureReason") or None,
        model_artifacts=job.get("ModelArtifacts", {}).get("S3ModelArtifacts") or None,
        metrics={metric["MetricName"]: metric["Value"] for metric in job.get("FinalMetricDataList", ())},
        billable_seconds=job.get("BillableTimeInSeconds"),
    )


def _check_same(job: TrainingJob, request: Mapping[str, Any], cause: Any) -> None:
    """Raise unless the job that bears the request's name came from the same request and may still succeed or has."""
    found = job.describe()
    if _identity(found) != _identity(request):
        what = "a job of this name exists and was made from another request"
    elif found["TrainingJobStatus"] in ("Failed", "Stopping", "Stopped"):
        reason = found.get("FailureReason")
        what = f"this request ran before and is {found['TrainingJobStatus']}" + (f" ({reason})" if reason else "")
    else:
        return
    msg = f"{what}; AWS takes each name once: pass another job_name= (--job-name), such as {job.name[:61].rstrip('-')}-2"
    raise StorageError(msg, uri=job.uri, operation="CreateTrainingJob") from cause


def _identity(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return what makes two requests the same job; AWS adds defaults to the rest when it describes one."""
    resources = job.get("ResourceConfig", {})
    return {
        "image": job.get("AlgorithmSpecification", {}).get("TrainingImage"),
        "hyperparameters": dict(job.get("HyperParameters", {})),
        "channels": channel_uris(job),
        "resources": [resources.get("InstanceType"), resources.get("InstanceCount")],
        "output": job.get("OutputDataConfig", {}).get("S3OutputPath"),
    }
