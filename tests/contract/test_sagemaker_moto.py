from __future__ import annotations

import datetime as dt

import boto3
import pytest
from botocore.stub import ANY, Stubber
from moto.server import ThreadedMotoServer

from recordio_kit._core.manifest import FileInfo, Manifest, SplitInfo
from recordio_kit.errors import PreflightError, StorageError
from recordio_kit.sagemaker import (
    JobResult,
    TrainingJob,
    Transition,
    attach,
    configured_region,
    preflight,
    submit,
    training_job_request,
)


REGION = "eu-west-1"
ROLE = "arn:aws:iam::123456789012:role/Trainer"
SIZE = 1000


def split(name):
    record = FileInfo(path=f"{name}/{name}.rec", bytes=SIZE, crc32=7)
    return SplitInfo(record=record, records=640, labels={0: 300, 1: 340}, height=(28, 28), width=(28, 28))


MANIFEST = Manifest(splits={"train": split("train"), "validation": split("validation")}, classes=("cat", "dog"))


def request_for(data="s3://pictures/set", **choices):
    return training_job_request(MANIFEST, data=data, output="s3://pictures/out", role=ROLE, region=REGION, **choices)


@pytest.fixture(autouse=True)
def credentials(monkeypatch, tmp_path):
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.fixture(scope="module")
def endpoint():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(endpoint):
    client = boto3.client("s3", region_name=REGION, endpoint_url=endpoint)
    client.create_bucket(Bucket="pictures", CreateBucketConfiguration={"LocationConstraint": REGION})
    yield client
    for item in client.list_objects_v2(Bucket="pictures").get("Contents", ()):
        client.delete_object(Bucket="pictures", Key=item["Key"])
    client.delete_bucket(Bucket="pictures")


def put(s3, *names, size=SIZE):
    for name in names:
        s3.put_object(Bucket="pictures", Key=f"set/{name}", Body=b"\0" * size)


@pytest.fixture
def data(s3):
    """The data set where the requests of these tests say that it lies."""
    put(s3, "train/train.rec", "validation/validation.rec")


# a server that stands in for AWS


def test_a_job_is_created_as_requested_and_its_result_read(endpoint, data):
    request = request_for(tags={"team": "vision"})
    job = submit(request, MANIFEST, endpoint_url=endpoint)
    assert job.name == request["TrainingJobName"]
    assert job.status() == "Completed"
    described = job.describe()
    for section in ("HyperParameters", "InputDataConfig", "ResourceConfig", "RoleArn"):
        assert described[section] == request[section]
    result = job.wait()
    assert result == job.result()
    assert result.model_artifacts == f"s3://pictures/out/{job.name}/output/model.tar.gz"


def test_a_job_is_found_again_by_its_name(endpoint, data):
    job = submit(request_for(job_name="found-again"), MANIFEST, endpoint_url=endpoint)
    assert attach(job.name, region=REGION, endpoint_url=endpoint).result() == job.result()


def test_a_name_that_no_job_has_is_refused_with_advice(endpoint):
    with pytest.raises(StorageError, match=r"sagemaker:nobody: DescribeTrainingJob failed: .*is that the job's name") as caught:
        attach("nobody", region=REGION, endpoint_url=endpoint)
    assert (caught.value.uri, caught.value.operation) == ("sagemaker:nobody", "DescribeTrainingJob")


def test_nothing_is_created_when_the_preflight_finds_problems(endpoint, data):
    request = request_for(job_name="never-made", overrides={"HyperParameters": {"num_layers": "50"}})
    with pytest.raises(PreflightError, match="50 layers") as caught:
        submit(request, MANIFEST, endpoint_url=endpoint)
    assert len(caught.value.problems) == 1
    with pytest.raises(StorageError):
        attach("never-made", region=REGION, endpoint_url=endpoint)


def test_the_preflight_can_be_left_out(endpoint):
    request = request_for(job_name="unchecked", overrides={"HyperParameters": {"num_layers": "50"}})
    assert submit(request, MANIFEST, preflight=False, endpoint_url=endpoint).name == "unchecked"


def test_data_in_place_on_s3_passes(endpoint, s3):
    # an index in the prefix is needless, yet the algorithm does not mind
    put(s3, "train/train.rec", "validation/validation.rec", "train/train.idx")
    assert preflight(request_for(), MANIFEST, s3_client=s3) == []
    assert submit(request_for(), MANIFEST, s3_client=s3, endpoint_url=endpoint).status() == "Completed"


def test_what_is_wrong_on_s3_is_found_before_the_job_is_made(endpoint, s3):
    put(s3, "train/train.rec", "train/old.rec")
    put(s3, "validation/validation.rec", size=SIZE - 1)
    with pytest.raises(PreflightError) as caught:
        submit(request_for(), MANIFEST, s3_client=s3, endpoint_url=endpoint)
    assert [str(problem) for problem in caught.value.problems] == [
        "s3://pictures/set/train/ holds 2 .rec files: set/train/old.rec, set/train/train.rec; keep one: a channel takes one .rec",
        "set/validation/validation.rec has 999 bytes, the manifest says 1000; copy the data again, or read the manifest beside it",
    ]


def test_empty_prefixes_and_absent_buckets_are_found(s3):
    assert {str(problem) for problem in preflight(request_for(), MANIFEST, s3_client=s3)} == {
        f"there is no .rec below s3://pictures/set/{name}/; copy the data there first, or mend data="
        for name in ("train", "validation")
    }
    problems = preflight(request_for(data="s3://no-such-bucket/set"), MANIFEST, s3_client=s3)
    assert [str(problem).partition(";")[0] for problem in problems] == [
        f"the bucket of s3://no-such-bucket/set/{name}/ does not exist" for name in ("train", "validation")
    ]


def test_a_bucket_of_another_region_is_found(endpoint, s3):
    put(s3, "train/train.rec", "validation/validation.rec")
    request = training_job_request(MANIFEST, data="s3://pictures/set", output="s3://pictures/out", role=ROLE, region="us-west-2")
    problems = preflight(request, MANIFEST, s3_client=s3)
    assert len(problems) == 2
    assert "bucket pictures is in eu-west-1, the job runs in us-west-2" in str(problems[0])


def test_the_region_of_the_image_is_the_default_region(endpoint, data):
    job = submit(request_for(), MANIFEST, endpoint_url=endpoint)
    assert job.client.meta.region_name == REGION


def test_data_that_is_not_on_s3_is_found_without_a_client_of_ones_own(endpoint, s3):
    with pytest.raises(PreflightError, match=r"there is no \.rec below s3://pictures/set/train/"):
        submit(request_for(), MANIFEST, endpoint_url=endpoint)


def test_an_unknown_profile_or_region_is_an_error_with_advice():
    with pytest.raises(StorageError, match=r"no-such-profile.*name a profile"):
        attach("job", profile="no-such-profile")
    with pytest.raises(StorageError, match="pass region="):
        attach("job")


def test_the_configured_region_is_that_of_the_profile(tmp_path, monkeypatch):
    assert configured_region() is None
    (tmp_path / "config").write_text("[profile lab]\nregion = eu-north-1\n")
    assert configured_region("lab") == "eu-north-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    assert configured_region() == "us-west-2"
    with pytest.raises(StorageError, match="name a profile"):
        configured_region("no-such-profile")


def test_a_step_reads_as_one_line():
    assert str(Transition("Downloading", "Downloading data")) == "Downloading: Downloading data"
    assert str(Transition("Starting", "")) == "Starting"


def test_a_server_that_is_not_there_is_an_error_with_advice():
    with pytest.raises(StorageError, match=r"DescribeTrainingJob failed: .*check the region's name, the network"):
        attach("job", region=REGION, endpoint_url="http://127.0.0.1:9")


def test_without_credentials_the_error_says_how_to_get_some(monkeypatch, endpoint):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StorageError, match="set up credentials") as caught:
        submit(request_for(), MANIFEST, preflight=False, endpoint_url=endpoint)
    assert caught.value.operation == "CreateTrainingJob"


# answers that the server cannot give


@pytest.fixture
def client():
    return boto3.client("sagemaker", region_name=REGION)


@pytest.fixture
def stub(client):
    with Stubber(client) as stub:
        yield stub
    stub.assert_no_pending_responses()


NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def described(status, *steps, name="job-1", **more):
    return {
        "TrainingJobName": name,
        "TrainingJobArn": "arn:aws:sagemaker:eu-west-1:123456789012:training-job/job-1",
        "ModelArtifacts": {"S3ModelArtifacts": ""},
        "TrainingJobStatus": status,
        "SecondaryStatus": "Training",
        "AlgorithmSpecification": {"TrainingInputMode": "File"},
        "ResourceConfig": {"InstanceType": "ml.g4dn.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
        "StoppingCondition": {},
        "CreationTime": NOW,
        "SecondaryStatusTransitions": [{"Status": step, "StartTime": NOW, "StatusMessage": words} for step, words in steps],
        **more,
    }


def made_from(request, status, **more):
    # AWS fills in what was left out
    spec = {**request["AlgorithmSpecification"], "EnableSageMakerMetricsTimeSeries": False}
    channels = [{**channel, "CompressionType": "None", "RecordWrapperType": "None"} for channel in request["InputDataConfig"]]
    output = {**request["OutputDataConfig"], "KmsKeyId": "", "CompressionType": "GZIP"}
    fields = {"HyperParameters": request["HyperParameters"], "InputDataConfig": channels, "OutputDataConfig": output}
    return described(status, name=request["TrainingJobName"], **{"AlgorithmSpecification": spec, **fields, **more})


@pytest.mark.parametrize("status", ["InProgress", "Completed"])
def test_submitting_again_attaches_to_the_job_of_the_first_time(client, stub, status):
    request = request_for()
    stub.add_client_error("create_training_job", "ResourceInUse", "Training job names must be unique")
    stub.add_response("describe_training_job", made_from(request, status), {"TrainingJobName": request["TrainingJobName"]})
    assert submit(request, MANIFEST, client=client) == TrainingJob(request["TrainingJobName"], client)


@pytest.mark.parametrize(
    "other",
    [
        {"HyperParameters": {"num_classes": "3"}},
        {"ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30}},
        {"AlgorithmSpecification": {"TrainingInputMode": "File", "TrainingImage": "other"}},
        {"InputDataConfig": []},
        {"OutputDataConfig": {"S3OutputPath": "s3://pictures/elsewhere"}},
    ],
)
def test_a_name_that_another_request_took_is_an_error(client, stub, other):
    request = request_for(job_name="taken")
    found = made_from(request, "InProgress") | other
    found["InputDataConfig"] = found["InputDataConfig"] or [made_from(request, "InProgress")["InputDataConfig"][0]]
    stub.add_client_error("create_training_job", "ResourceInUse")
    stub.add_response("describe_training_job", found)
    with pytest.raises(StorageError, match=r"sagemaker:taken: a job of this name exists .*another job_name= .*such as taken-2"):
        submit(request, MANIFEST, client=client)


@pytest.mark.parametrize("status", ["Failed", "Stopping", "Stopped"])
def test_a_request_that_ran_in_vain_is_not_mistaken_for_a_fresh_job(client, stub, status):
    request = request_for(job_name="x" * 60 + "-" + "yz")
    stub.add_client_error("create_training_job", "ResourceInUse")
    stub.add_response("describe_training_job", made_from(request, status, FailureReason="no disk"))
    with pytest.raises(StorageError, match=rf"ran before and is {status} \(no disk\).*such as x{{60}}-2$"):
        submit(request, MANIFEST, client=client)


@pytest.mark.parametrize(
    ("code", "words", "advice"),
    [
        ("AccessDeniedException", "not authorized to perform: iam:PassRole", "iam:PassRole on the job's role"),
        (
            "ResourceLimitExceeded",
            "The account-level service limit 'ml.g4dn.xlarge for training job usage' is 0 Instances",
            "raise the quota 'ml.g4dn.xlarge for training job usage' in Service Quotas .* or take another instance type",
        ),
        ("ResourceLimitExceeded", "too many", "raise the quota in Service Quotas"),
        ("ExpiredTokenException", "expired", "renew your credentials"),
        ("UnrecognizedClientException", "invalid token", "renew your credentials"),
        ("ThrottlingException", "Rate exceeded", "try again in a minute"),
        ("ValidationException", "No S3 objects found", "mend the request"),
        ("InternalFailure", "oops", "try again"),
    ],
)
def test_what_aws_refuses_is_one_error_with_its_words_and_advice(client, stub, code, words, advice):
    stub.add_client_error("create_training_job", code, words)
    with pytest.raises(StorageError, match=advice) as caught:
        submit(request_for(job_name="refused"), MANIFEST, client=client)
    assert words in str(caught.value)
    assert caught.value.__cause__.response["Error"]["Code"] == code
    assert (caught.value.uri, caught.value.operation) == ("sagemaker:refused", "CreateTrainingJob")


def test_the_request_is_sent_exactly_as_it_is(client, stub):
    request = request_for()
    stub.add_response(
        "create_training_job", {"TrainingJobArn": "arn:aws:sagemaker:eu-west-1:123456789012:training-job/x"}, request
    )
    submit(request, MANIFEST, client=client)


def test_waiting_tells_each_step_once_and_sleeps_between_looks(client, stub):
    starting, loading = ("Starting", "Preparing"), ("Downloading", "Downloading data")
    reworded = ("Downloading", "Downloading the image")
    stub.add_response("describe_training_job", described("InProgress", starting))
    stub.add_response("describe_training_job", described("InProgress", starting, loading))
    stub.add_response("describe_training_job", described("InProgress", starting, loading))
    stub.add_response("describe_training_job", described("InProgress", starting, reworded))
    done = described("Completed", starting, reworded, ("Training", "Training"), ("Completed", "Done"))
    done |= {
        "ModelArtifacts": {"S3ModelArtifacts": "s3://pictures/out/job-1/output/model.tar.gz"},
        "BillableTimeInSeconds": 321,
        "FinalMetricDataList": [{"MetricName": "validation:accuracy", "Value": 0.5, "Timestamp": NOW}],
    }
    stub.add_response("describe_training_job", done)
    steps, naps = [], []
    result = TrainingJob("job-1", client).wait(7, progress=steps.append, sleep=naps.append)
    assert naps == [7] * 4
    assert steps == [Transition(*step) for step in (starting, loading, reworded, ("Training", "Training"), ("Completed", "Done"))]
    assert result == JobResult(
        name="job-1",
        status="Completed",
        model_artifacts="s3://pictures/out/job-1/output/model.tar.gz",
        metrics={"validation:accuracy": 0.5},
        billable_seconds=321,
    )


@pytest.mark.parametrize(("status", "reason"), [("Failed", "ClientError: Empty .rec file in train channel."), ("Stopped", None)])
def test_waiting_ends_with_the_job_however_it_ended(client, stub, status, reason):
    stub.add_response("describe_training_job", described("Stopping"))
    stub.add_response("describe_training_job", described(status, **({"FailureReason": reason} if reason else {})))
    result = TrainingJob("job-1", client).wait(sleep=lambda _: None)
    assert (result.status, result.failure_reason, result.metrics, result.billable_seconds) == (status, reason, {}, None)


def test_a_lost_answer_while_waiting_is_an_error(client, stub):
    stub.add_response("describe_training_job", described("InProgress"))
    stub.add_client_error("describe_training_job", "ThrottlingException", "Rate exceeded")
    with pytest.raises(StorageError, match="DescribeTrainingJob failed"):
        TrainingJob("job-1", client).wait(sleep=lambda _: None)


def test_a_result_without_a_model_has_none(client, stub):
    stub.add_response("describe_training_job", described("InProgress"))
    assert TrainingJob("job-1", client).result() == JobResult(name="job-1", status="InProgress")


def test_stopping_asks_aws(client, stub):
    stub.add_response("stop_training_job", {}, {"TrainingJobName": "job-1"})
    TrainingJob("job-1", client).stop()


@pytest.mark.parametrize("status", ["Stopping", "Stopped", "Completed", "Failed"])
def test_stopping_twice_or_too_late_is_no_error(client, stub, status):
    stub.add_client_error(
        "stop_training_job", "ValidationException", "The request was rejected because the training job is in status"
    )
    stub.add_response("describe_training_job", described(status), {"TrainingJobName": ANY})
    TrainingJob("job-1", client).stop()


def test_a_stop_that_aws_refuses_is_an_error(client, stub):
    stub.add_client_error("stop_training_job", "AccessDeniedException", "no")
    with pytest.raises(StorageError, match=r"StopTrainingJob failed.*sagemaker:CreateTrainingJob"):
        TrainingJob("job-1", client).stop()
    stub.add_client_error("stop_training_job", "ValidationException", "odd")
    stub.add_response("describe_training_job", described("InProgress"))
    with pytest.raises(StorageError, match=r"StopTrainingJob failed.*odd"):
        TrainingJob("job-1", client).stop()
    stub.add_client_error("stop_training_job", "ValidationException", "Requested resource not found.")
    stub.add_client_error("describe_training_job", "ValidationException", "Requested resource not found.")
    with pytest.raises(StorageError, match="is that the job's name"):
        TrainingJob("nobody", client).stop()
