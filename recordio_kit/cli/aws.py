"""Commands that start and follow training: submit, job."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recordio_kit._storage.open import is_url
from recordio_kit.cli.options import add_s3, command, folder_at


if TYPE_CHECKING:
    import argparse

    from recordio_kit.cli.options import Commands
    from recordio_kit.cli.output import Output


def add(commands: Commands) -> None:
    """Add the commands."""
    parser = command(commands, "submit", submit, "start SageMaker's image classification on a prepared data set")
    parser.add_argument("dest", metavar="DEST", help="the data set: s3://bucket/prefix/, or the local folder it was copied from")
    parser.add_argument("--data", metavar="S3URL", help="where the data set lies on S3, if DEST is local")
    parser.add_argument("--role", required=True, metavar="ARN", help="the role that the job assumes")
    parser.add_argument("--output", required=True, metavar="S3URL", help="where the model goes")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a hyperparameter; repeatable")
    parser.add_argument("--channel", action="append", default=[], metavar="NAME=SPLIT", help="such as validation=test")
    parser.add_argument("--job-name", help="default: by data, hyperparameters and resources")
    parser.add_argument("--instance-type", default="ml.g4dn.xlarge", help="a GPU type (ml.g4dn.xlarge)")
    parser.add_argument("--instance-count", type=int, default=1, help="instances (1)")
    parser.add_argument("--max-runtime", type=int, default=86400, metavar="S", help="seconds until AWS stops the job (86400)")
    parser.add_argument("--spot", action="store_true", help="spot instances, waited for as long as the job may run")
    parser.add_argument("--tag", action="append", default=[], metavar="K=V", help="repeatable")
    parser.add_argument("--kms-key", help="encrypts the model")
    parser.add_argument("--subnets", nargs="+", help="of the VPC to run in")
    parser.add_argument("--security-groups", nargs="+", help="of the VPC to run in")
    parser.add_argument("--request-overrides", metavar="FILE", help="JSON laid over the request")
    parser.add_argument("--dry-run", action="store_true", help="print the request for --cli-input-json, send nothing")
    parser.add_argument("-o", dest="request_file", metavar="FILE", help="with --dry-run: write it there")
    parser.add_argument("--wait", action="store_true", help="follow the job to its end")
    add_s3(parser)

    parser = command(commands, "job", job, "follow or stop a training job")
    parser.add_argument("action", choices=("wait", "status", "stop", "result"))
    parser.add_argument("name", metavar="NAME")
    add_s3(parser)


def submit(args: argparse.Namespace, out: Output) -> int:
    """Run ``submit``."""
    from recordio_kit import sagemaker
    from recordio_kit._pipeline.manifests import Manifest

    manifest = Manifest.load(folder_at(args, args.dest))
    data = args.data or args.dest
    if not is_url(data):
        msg = f"{args.dest} is local: 'recordio-kit copy {args.dest} s3://bucket/prefix/', then submit that, or say --data S3URL"
        raise ValueError(msg)
    request = sagemaker.training_job_request(
        manifest,
        data=data,
        output=args.output,
        role=args.role,
        region=args.region or _configured_region(args.profile),
        hyperparameters=_pairs(args.set, "--set"),
        instance_type=args.instance_type,
        instance_count=args.instance_count,
        job_name=args.job_name,
        max_runtime=args.max_runtime,
        channels=_pairs(args.channel, "--channel"),
        tags=_pairs(args.tag, "--tag"),
        overrides=_overrides(args),
    )
    for name in ("num_layers", "image_shape", "mini_batch_size", "epochs", "num_classes", "num_training_samples"):
        out.say("chosen", f"{name} = {request['HyperParameters'][name]}")
    resources = request["ResourceConfig"]
    hours = resources["InstanceCount"] * args.max_runtime / 3600
    out.say("costs", f"at most {hours:g} hours of {resources['InstanceType']} (--max-runtime)")
    if args.dry_run:
        problems = sagemaker.preflight(request, manifest)
        for problem in problems:
            out.say("problem", str(problem))
        text = sagemaker.write_request(request).decode("ascii")
        if args.request_file:
            Path(args.request_file).write_text(text, encoding="ascii", newline="\n")
            out.say("wrote", args.request_file)
        else:
            out.text(text)
        return 2 if problems else 0
    started = sagemaker.submit(request, manifest, region=args.region, profile=args.profile, endpoint_url=args.endpoint_url)
    out.say("job", f"{started.name} is submitted; recordio-kit job wait {started.name}")
    if args.wait:
        return _wait(started, out)
    out.emit({"job": started.name})
    return 0


def job(args: argparse.Namespace, out: Output) -> int:
    """Run ``job``."""
    from recordio_kit import sagemaker

    found = sagemaker.attach(args.name, region=args.region, profile=args.profile, endpoint_url=args.endpoint_url)
    if args.action == "wait":
        return _wait(found, out)
    if args.action == "status":
        status = found.status()
        out.say("job", f"{found.name}: {status}")
        out.emit({"job": found.name, "status": status})
        return 0
    if args.action == "stop":
        found.stop()
        out.say("job", f"{found.name} is told to stop")
        return 0
    return _show(found.result(), out)


def _wait(started: Any, out: Output) -> int:
    return _show(started.wait(progress=lambda step: out.say("job", str(step))), out)


def _show(result: Any, out: Output) -> int:
    out.say("job", f"{result.name}: {result.status}" + (f", {result.failure_reason}" if result.failure_reason else ""))
    if result.model_artifacts:
        out.say("model", result.model_artifacts)
    for name, value in result.metrics.items():
        out.say("metric", f"{name} = {value:g}")
    out.emit(result)
    return 1 if result.status == "Failed" else 0


def _configured_region(profile: str | None) -> str | None:
    known = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if known:
        return known
    from recordio_kit.sagemaker import configured_region

    found: str | None = configured_region(profile)
    return found


def _pairs(texts: list[str], option: str) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            msg = f"{option} {text}: it is NAME=VALUE"
            raise ValueError(msg)
        pairs[name] = value
    return pairs


def _overrides(args: argparse.Namespace) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if args.spot:
        fields["EnableManagedSpotTraining"] = True
        fields["StoppingCondition"] = {"MaxWaitTimeInSeconds": args.max_runtime}
        fields["CheckpointConfig"] = {"S3Uri": args.output.rstrip("/") + "/checkpoints"}
    if args.kms_key:
        fields["OutputDataConfig"] = {"KmsKeyId": args.kms_key}
    if bool(args.subnets) != bool(args.security_groups):
        msg = "a VPC needs both --subnets and --security-groups"
        raise ValueError(msg)
    if args.subnets:
        fields["VpcConfig"] = {"Subnets": args.subnets, "SecurityGroupIds": args.security_groups}
    if args.request_overrides:
        try:
            fields |= json.loads(Path(args.request_overrides).read_bytes())
        except (OSError, ValueError, TypeError) as error:
            msg = f"--request-overrides {args.request_overrides}: no JSON object can be read there ({error})"
            raise ValueError(msg) from error
    return fields
