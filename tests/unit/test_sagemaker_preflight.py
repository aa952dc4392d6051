from __future__ import annotations

import pickle

import boto3
import botocore.session
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

from recordio_kit._core.manifest import FileInfo, Manifest, SplitInfo
from recordio_kit.errors import PreflightError, StorageError
from recordio_kit.sagemaker import Problem, preflight, training_job_request
from recordio_kit.sagemaker._problem import refuse


ROLE = "arn:aws:iam::123456789012:role/Trainer"


def split(name, records=640, **more):
    record = FileInfo(path=f"{name}/{name}.rec", bytes=1000, crc32=7)
    return SplitInfo(
        record=record, records=records, **{"labels": {0: 300, 1: 340}, "height": (28, 28), "width": (28, 28), **more}
    )


def prepared(*, classes=("cat", "dog"), train=None, validation=None):
    splits = {"train": split("train", **train or {}), "validation": split("validation", **validation or {})}
    return Manifest(splits=splits, classes=classes)


GOOD = prepared()


def request_for(manifest=GOOD, **changes):
    """Build a sound request and lay changes over it; a dotted key reaches into a section."""
    request = training_job_request(manifest, data="s3://bucket/set", output="s3://bucket/out", role=ROLE, region="eu-west-1")
    for path, value in changes.items():
        *sections, name = path.split("__")
        place = request
        for section in sections:
            place = place[int(section) if section.isdecimal() else section]
        if value is None:
            del place[name]
        else:
            place[name] = value
    return request


SOURCE = "InputDataConfig__0__DataSource__S3DataSource__"


def test_a_request_as_built_has_no_problem():
    assert preflight(request_for(), GOOD) == []


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        # what botocore itself would refuse to send
        ({"RoleArn": None}, "RoleArn", 'Missing required parameter in input: "RoleArn"; pass the ARN'),
        ({"TrainingJobName": None}, "TrainingJobName", "Missing required parameter"),
        ({"OutputDataConfig": None}, "OutputDataConfig", "Missing required parameter"),
        ({"HyperParameters__epochs": 30}, "HyperParameters.epochs", "Invalid type for parameter HyperParameters.epochs"),
        ({"Colour": "red"}, "Colour", "Unknown parameter"),
        ({"StoppingCondition__MaxRuntimeInSeconds": -1}, "StoppingCondition.MaxRuntimeInSeconds", "Invalid value"),
        ({SOURCE + "S3Uri": None}, "InputDataConfig[0].DataSource.S3DataSource.S3Uri", "Missing required"),
        # what only the service would refuse
        ({"TrainingJobName": "under_score"}, "TrainingJobName", "is not of the form .*; take 1 to 63 letters"),
        ({"TrainingJobName": "x" * 64}, "TrainingJobName", "beyond the service's limit of 63"),
        ({"RoleArn": "arn:aws:iam::123:role/Trainer"}, "RoleArn", "is not of the form .*; pass the ARN of a role"),
        (
            {"ResourceConfig__InstanceType": "ml.g4dn.tiny"},
            "ResourceConfig.InstanceType",
            "cannot be 'ml.g4dn.tiny'; take a GPU type",
        ),
        ({"AlgorithmSpecification__TrainingInputMode": "Fast"}, "AlgorithmSpecification.TrainingInputMode", "cannot be 'Fast'"),
        (
            {"StoppingCondition__MaxPendingTimeInSeconds": 2419201},
            "StoppingCondition.MaxPendingTimeInSeconds",
            "beyond the service's limit of 2419200",
        ),
        ({"AlgorithmSpecification__TrainingImage": "x" * 256}, "AlgorithmSpecification.TrainingImage", "limit of 255"),
        ({"Environment": {f"V{n}": "1" for n in range(101)}}, "Environment", "limit of 100"),
        ({"Environment": {"1A": "1"}}, "Environment (a name)", "is not of the form"),
        # what the algorithm needs
        ({"HyperParameters__num_classes": None}, "HyperParameters.num_classes", "not set"),
        ({"AlgorithmSpecification__TrainingImage": None}, "AlgorithmSpecification.TrainingImage", "not set, .*; pass region="),
        ({"ResourceConfig__InstanceType": None}, "ResourceConfig.InstanceType", "not set"),
        ({"ResourceConfig__InstanceCount": 0}, "ResourceConfig.InstanceCount", "not set"),
        ({"ResourceConfig__VolumeSizeInGB": None}, "ResourceConfig.VolumeSizeInGB", "not set|Missing required"),
        ({"StoppingCondition": None}, "StoppingCondition.MaxRuntimeInSeconds", "not set|Missing required|at least one"),
        (
            {"AlgorithmSpecification__MetricDefinitions": [{"Name": "a", "Regex": "b"}]},
            "AlgorithmSpecification.MetricDefinitions",
            "cannot be sent.*; leave them out",
        ),
        ({"ResourceConfig__InstanceType": "ml.m5.xlarge"}, "ResourceConfig.InstanceType", "no GPU.*; take ml.g4dn.xlarge"),
        ({"ResourceConfig__InstanceType": "ml.trn1.2xlarge"}, "ResourceConfig.InstanceType", "no GPU"),
        # channels
        ({SOURCE + "S3Uri": "https://bucket/set/train/"}, "InputDataConfig.train", "is no s3://"),
        ({SOURCE + "S3Uri": "s3://bucket//train/"}, "InputDataConfig.train", "empty key segment"),
        (
            {SOURCE + "S3Uri": "s3://bucket/set/train"},
            "InputDataConfig.train.S3Uri",
            "every object whose key starts with.*; end it with '/'",
        ),
        (
            {SOURCE + "S3DataDistributionType": "ShardedByS3Key"},
            "InputDataConfig.train.S3DataDistributionType",
            "send 'FullyReplicated'",
        ),
        (
            {"InputDataConfig__0__ContentType": "application/x-image"},
            "InputDataConfig.train.ContentType",
            "send 'application/x-recordio'",
        ),
        ({"InputDataConfig__0__ContentType": None}, "InputDataConfig.train.ContentType", "send 'application/x-recordio'"),
        (
            {"OutputDataConfig__S3OutputPath": "s3://bucket/set/train"},
            "OutputDataConfig.S3OutputPath",
            "inside the train channel",
        ),
        ({"OutputDataConfig__S3OutputPath": "bucket/out"}, "OutputDataConfig.S3OutputPath", "is not of the form|is no s3"),
        ({"InputDataConfig__1__ChannelName": "valid"}, "InputDataConfig", "the request has no validation channel"),
        # hyperparameters
        ({"HyperParameters__epoch": "3"}, "HyperParameters.epoch", "did you mean 'epochs'"),
        (
            {"HyperParameters__early_stopping": "true"},
            "HyperParameters.early_stopping",
            "written 'true'; the algorithm takes 'True'",
        ),
        ({"HyperParameters__epochs": "030"}, "HyperParameters.epochs", "written '030'; the algorithm takes '30'"),
        ({"HyperParameters__epochs": "many"}, "HyperParameters.epochs", "cannot be 'many'; pass a whole number"),
        ({"HyperParameters__mini_batch_size": "641"}, "HyperParameters.mini_batch_size", "pass at most 640"),
        ({"HyperParameters__num_classes": "3"}, None, None),
        ({"HyperParameters__num_layers": "50"}, "HyperParameters.num_layers", "does not take images 28 pixels high"),
        (
            {"HyperParameters__image_shape": "3,224,224", "HyperParameters__num_layers": "18"},
            "HyperParameters.image_shape",
            "only 28 pixels",
        ),
        # spot
        (
            {"StoppingCondition__MaxWaitTimeInSeconds": 90000},
            "StoppingCondition.MaxWaitTimeInSeconds",
            "for spot training only; set EnableManagedSpotTraining",
        ),
        ({"EnableManagedSpotTraining": True}, "StoppingCondition.MaxWaitTimeInSeconds", "send one of at least 86400"),
        (
            {"EnableManagedSpotTraining": True, "StoppingCondition__MaxWaitTimeInSeconds": 60},
            "StoppingCondition.MaxWaitTimeInSeconds",
            "60 is below MaxRuntimeInSeconds 86400",
        ),
        ({"EnableManagedSpotTraining": True, "StoppingCondition__MaxWaitTimeInSeconds": 90000}, None, None),
    ],
)
def test_each_problem_is_found_alone_and_says_what_to_do(changes, field, message):
    problems = preflight(request_for(**changes), GOOD)
    # an older botocore knows some fields as required and then names the section instead of the field
    assert {problem.field for problem in problems} in ([{field}, {field.partition(".")[0]}] if field else [set()])
    for problem in problems:
        assert "\n" not in str(problem)
    if field:
        with pytest.raises(PreflightError, match=message):
            refuse(problems)


def test_images_that_the_algorithm_cannot_decode_are_found():
    webp = Manifest(splits=GOOD.splits, classes=GOOD.classes, options={"transform": {"name": "reencode", "format": "webp"}})
    (found,) = preflight(request_for(webp), webp)
    assert "WebP" in str(found)
    jpeg = Manifest(splits=GOOD.splits, classes=GOOD.classes, options={"transform": {"name": "reencode", "format": "jpeg"}})
    assert preflight(request_for(jpeg), jpeg) == []


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (prepared(classes=("a", "b", "c")), r"train channel holds no image of class 2 \(c\); labels must be 0..K-1"),
        (prepared(train={"labels": {0: 640, 1: 0}}), r"no image of class 1 \(dog\)"),
        (prepared(classes=None, train={"labels": {0: 1, 4: 2}}), "no image of class 1, 2, 3;"),
        (prepared(classes=None, train={"labels": {0: 1, 9: 2}}), r"no image of class 1, 2, 3, 4, 5 \.\.\.;"),
        (prepared(classes=None, train={"labels": {1: 1, 2: 2}}), "no image of class 0;"),
        (prepared(classes=None, train={"labels": {0: 1, 2_000_000_000: 2}}), r"no image of class 1, 2, 3, 4, 5 \.\.\.;"),
        (prepared(validation={"labels": {0: 1, 2: 1}}), r"validation channel holds the label 2, outside 0..1; mend the lists"),
        (prepared(train={"labels": {1: 1, 2: 1}}), r"holds the label 2, outside 0..1; labels must start at 0: subtract 1"),
        (prepared(train={"labels": {-1: 1, 0: 1, 1: 1}}), r"holds the label -1, outside 0..1; mend the lists"),
        (prepared(train={"labels": None}), "labels of the train channel are not all whole numbers"),
        (prepared(validation={"label_width": 2}), "train has 1, validation has 2"),
    ],
)
def test_labels_that_the_algorithm_cannot_learn_are_found(manifest, message):
    with pytest.raises(PreflightError, match=message):
        refuse(preflight(request_for(manifest), manifest))


def test_a_class_that_only_validation_lacks_is_no_problem():
    manifest = prepared(validation={"labels": {0: 640}})
    assert preflight(request_for(manifest), manifest) == []


def test_multi_label_data_passes_and_an_empty_column_does_not():
    wide = {"label_width": 3, "labels": {0: 9, 1: 9, 2: 9}}
    manifest = prepared(classes=None, train=wide, validation=wide)
    assert preflight(request_for(manifest), manifest) == []
    hollow = prepared(classes=None, train={**wide, "labels": {0: 9, 2: 9}}, validation=wide)
    (problem,) = preflight(request_for(hollow), hollow)
    assert "no image of class 1;" in str(problem)


def test_a_missing_validation_channel_names_the_split_that_could_serve():
    manifest = Manifest(splits={"train": split("train"), "test": split("test")}, classes=("cat", "dog"))
    request = request_for()
    del request["InputDataConfig"][1]
    (problem,) = preflight(request, manifest)
    assert "channels={'validation': 'test'} (--channel validation=test)" in problem.mend


def test_a_channel_is_judged_by_the_split_that_its_uri_names():
    splits = {"train": split("train"), "test": split("test", 8), "validation": split("validation")}
    manifest = Manifest(splits=splits, classes=("cat", "dog"))
    request = request_for(manifest)
    request["InputDataConfig"][1]["DataSource"]["S3DataSource"]["S3Uri"] = "s3://bucket/set/test/"
    (problem,) = preflight(request, manifest)
    assert "train holds 640 records and validation 8; pass at most 8" in str(problem)


def test_a_batch_must_reach_every_gpu():
    (problem,) = preflight(request_for(ResourceConfig__InstanceType="ml.g5.48xlarge", HyperParameters__mini_batch_size="4"), GOOD)
    assert "fewer than the 8 GPUs" in str(problem)


@pytest.mark.skipif(
    "InstancePreferences"
    not in botocore.session.get_session().get_service_model("sagemaker").shape_for("ResourceConfig").members,
    reason="this botocore does not know them yet",
)
def test_instance_preferences_stand_in_for_an_instance_type():
    def offering(kind):
        preferences = [{"InstanceType": kind, "InstanceCount": 1}]
        return request_for(ResourceConfig={"InstancePreferences": preferences, "VolumeSizeInGB": 30})

    assert preflight(offering("ml.g5.xlarge"), GOOD) == []
    assert "ml.m5.xlarge has no GPU" in str(preflight(offering("ml.m5.xlarge"), GOOD)[0])


def test_further_channels_are_left_to_the_caller():
    request = request_for()
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/old/model.tar.gz"}}
    request["InputDataConfig"].append(
        {"ChannelName": "model", "DataSource": source, "ContentType": "application/x-sagemaker-model", "InputMode": "File"}
    )
    assert preflight(request, GOOD) == []


def test_unrelated_problems_are_all_reported():
    changes = {
        "RoleArn": "arn:aws:iam::1234567890:role/x",
        "ResourceConfig__InstanceType": "ml.m5.large",
        "HyperParameters__epochs": "0",
    }
    fields = [problem.field for problem in preflight(request_for(**changes), GOOD)]
    assert fields == ["RoleArn", "HyperParameters.epochs", "ResourceConfig.InstanceType"]


def test_nothing_is_loaded_from_the_users_aws_configuration(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    assert preflight(request_for(), GOOD) == []


def test_a_problem_is_one_line_and_travels_between_processes():
    problem = Problem("RoleArn", "it is wrong", "mend it")
    assert str(problem) == "it is wrong; mend it"
    assert pickle.loads(pickle.dumps(problem)) == problem
    with pytest.raises(PreflightError) as caught:
        refuse([problem, problem])
    assert pickle.loads(pickle.dumps(caught.value)).problems == (problem, problem)


def client(service, region="eu-west-1"):
    return boto3.client(service, region_name=region, aws_access_key_id="testing", aws_secret_access_key="testing")


def test_a_client_of_another_region_than_the_image_is_found():
    assert preflight(request_for(), GOOD, client=client("sagemaker")) == []
    (problem,) = preflight(request_for(), GOOD, client=client("sagemaker", "us-east-1"))
    assert str(problem) == (
        "the training image lives in eu-west-1, the job would run in us-east-1; use one region for both (region=, --region)"
    )


def test_s3_that_cannot_be_reached_is_an_error_of_the_environment(monkeypatch):
    s3 = client("s3")

    def fail(**_):
        raise EndpointConnectionError(endpoint_url="https://s3")

    monkeypatch.setattr(s3, "head_bucket", fail)
    with pytest.raises(StorageError, match=r"s3://bucket/set/train/: ListObjectsV2 failed: .*check the region's name") as caught:
        preflight(request_for(), GOOD, s3_client=s3)
    assert isinstance(caught.value.__cause__, EndpointConnectionError)


def test_a_bucket_that_may_not_be_listed_is_a_problem_of_each_channel():
    s3 = client("s3")
    with Stubber(s3) as stub:
        stub.add_client_error("head_bucket", "403", "Forbidden", 403)
        stub.add_client_error("head_bucket", "403", "Forbidden", 403)
        problems = preflight(request_for(), GOOD, s3_client=s3)
    assert [problem.field for problem in problems] == ["InputDataConfig.train", "InputDataConfig.validation"]
    assert "cannot be listed (403: Forbidden); allow s3:ListBucket" in str(problems[0])


def test_more_objects_than_one_listing_holds_are_a_problem():
    s3 = client("s3")
    with Stubber(s3) as stub:
        stub.add_response("head_bucket", {})
        stub.add_response("list_objects_v2", {"IsTruncated": True, "Contents": [{"Key": "set/train/train.rec", "Size": 1000}]})
        stub.add_response("head_bucket", {})
        stub.add_response("list_objects_v2", {"Contents": [{"Key": "set/validation/validation.rec", "Size": 1000}]})
        (problem,) = preflight(request_for(), GOOD, s3_client=s3)
    assert "more than 1 objects lie below s3://bucket/set/train/" in str(problem)
