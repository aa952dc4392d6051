"""Train SageMaker's built-in image classification on a prepared data set: request, preflight, submit, wait.

Strategy: what to send is a pure function of the manifest and the caller's choices (``training_job_request``), a plain dict
that boto3, the AWS CLI and Step Functions all take. What would make the job fail after minutes of paid start-up is looked
for before anything is sent (``preflight``). Only ``submit``, ``attach`` and ``TrainingJob`` talk to AWS.

    request = training_job_request(manifest, data="s3://bucket/set/", output="s3://bucket/models", role=ROLE, region="eu-west-1")
    job = submit(request, manifest)
    result = job.wait()

This module holds the public names and nothing else; boto3 is imported where it is used.
"""

from __future__ import annotations

from recordio_kit.sagemaker._aws import configured_region
from recordio_kit.sagemaker._jobs import JobResult, TrainingJob, Transition, attach, submit
from recordio_kit.sagemaker._preflight import preflight
from recordio_kit.sagemaker._problem import Problem
from recordio_kit.sagemaker._request import training_job_request, write_request


__all__ = [
    "JobResult",
    "Problem",
    "TrainingJob",
    "Transition",
    "attach",
    "configured_region",
    "preflight",
    "submit",
    "training_job_request",
    "write_request",
]
