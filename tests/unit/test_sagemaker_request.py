from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path

import botocore.session
import pytest
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from recordio_kit._core.manifest import FileInfo, Manifest, SplitInfo
from recordio_kit.errors import PreflightError
from recordio_kit.sagemaker import training_job_request, write_request
from recordio_kit.sagemaker._registries import ACCOUNTS


ROLE = "arn:aws:iam::123456789012:role/service-role/Trainer"
PLACE = {"data": "s3://bucket/fashion-mnist/", "output": "s3://bucket/models/", "role": ROLE, "region": "eu-west-1"}


def split(name, records, *, labels=None, size=28, width=1, length=1000, crc32=7, **more):
    spans = {"height": (size, size), "width": (size, size)} if isinstance(size, int) else size
    counts = dict.fromkeys(range(10), 3) if labels is None else labels
    record = FileInfo(path=f"{name}/{name}.rec", bytes=length, crc32=crc32)
    return SplitInfo(record=record, records=records, labels=counts, label_width=width, **spans, **more)


def manifest(train=60000, validation=10000, *, classes=10, **both):
    names = None if classes is None else tuple(f"class {label}" for label in range(classes))
    return Manifest(
        splits={"train": split("train", train, **both), "validation": split("validation", validation, **both)}, classes=names
    )


def built(prepared=None, /, **choices):
    return training_job_request(manifest() if prepared is None else prepared, **{**PLACE, **choices})


def hyper(prepared=None, /, **values):
    return built(prepared, hyperparameters=values)["HyperParameters"]


PHOTOS = {"height": (256, 700), "width": (256, 900)}


def test_small_greyscale_images_give_exactly_this_request():
    def channel(name):
        return {
            "ChannelName": name,
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": f"s3://bucket/fashion-mnist/{name}/",
                    "S3DataDistributionType": "FullyReplicated",
                }
            },
            "ContentType": "application/x-recordio",
            "InputMode": "File",
        }

    assert built() == {
        "TrainingJobName": "fashion-mnist-0c58ec9094",
        "AlgorithmSpecification": {
            "TrainingImage": "685385470294.dkr.ecr.eu-west-1.amazonaws.com/image-classification:1",
            "TrainingInputMode": "File",
        },
        "RoleArn": ROLE,
        "HyperParameters": {
            "epochs": "30",
            "image_shape": "3,28,28",
            "mini_batch_size": "32",
            "num_classes": "10",
            "num_layers": "20",
            "num_training_samples": "60000",
        },
        "InputDataConfig": [channel("train"), channel("validation")],
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/models"},
        "ResourceConfig": {"InstanceType": "ml.g4dn.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
    }


def test_botocore_finds_nothing_wrong_with_any_request():
    shape = botocore.session.get_session().get_service_model("sagemaker").operation_model("CreateTrainingJob").input_shape
    for request in (built(), built(manifest(size=PHOTOS), tags={"team": "vision"}, instance_count=2, volume_size=99)):
        assert ParamValidator().validate(request, shape).generate_report() == ""


def test_photos_train_the_smallest_large_network_at_its_own_crop():
    values = hyper(manifest(size=PHOTOS))
    assert (values["image_shape"], values["num_layers"]) == ("3,224,224", "18")


@pytest.mark.parametrize("side", [20, 27, 29, 32, 100, 223])
def test_images_of_no_network_s_size_are_refused_with_the_way_out(side):
    with pytest.raises(PreflightError, match=rf"shortest image side is {side} pixels.*--resize 224"):
        built(manifest(size=side))


def test_images_28_wide_but_higher_are_refused():
    with pytest.raises(PreflightError, match="--resize 224"):
        built(manifest(size={"height": (28, 300), "width": (28, 28)}))


@pytest.mark.parametrize("spans", [{"height": None, "width": None}, {"height": (0, 28), "width": (0, 28)}])
def test_unknown_sizes_need_a_shape(spans):
    unknown = manifest(size=spans)
    with pytest.raises(PreflightError, match="does not know the images' sizes; pass image_shape"):
        built(unknown)
    assert hyper(unknown, image_shape=(3, 28, 28))["num_layers"] == "20"


def test_the_smaller_of_both_splits_decides_the_shape():
    mixed = Manifest(splits={"train": split("train", 99, size=PHOTOS), "validation": split("validation", 99, size=100)})
    with pytest.raises(PreflightError, match="shortest image side is 100"):
        built(mixed)


def test_resizing_in_the_container_counts_as_the_images_size():
    values = hyper(manifest(size=100), resize=224)
    assert (values["resize"], values["image_shape"], values["num_layers"]) == ("224", "3,224,224", "18")


def test_layers_follow_a_given_shape():
    assert hyper(manifest(size=32), image_shape="3,28,28")["num_layers"] == "20"
    assert hyper(manifest(size=32), image_shape="3,32,32")["num_layers"] == "18"


@pytest.mark.parametrize(
    ("train", "validation", "hosts", "batch"),
    [(60000, 10000, 1, 32), (100, 31, 1, 16), (33, 1, 1, 1), (64, 64, 4, 16), (70, 64, 4, 16), (32, 32, 1, 32), (3, 2, 2, 1)],
)
def test_the_batch_is_the_largest_power_of_two_that_both_splits_fill_on_every_host(train, validation, hosts, batch):
    request = built(manifest(train, validation), instance_count=hosts)
    assert request["HyperParameters"]["mini_batch_size"] == str(batch)


@given(st.integers(1, 500), st.integers(1, 500), st.integers(1, 8))
def test_a_chosen_batch_is_a_power_of_two_that_could_not_be_doubled(train, validation, hosts):
    room = min(train // hosts, validation)
    if not room:
        with pytest.raises(PreflightError, match="mini_batch_size"):
            built(manifest(train, validation), instance_count=hosts)
        return
    batch = int(built(manifest(train, validation), instance_count=hosts)["HyperParameters"]["mini_batch_size"])
    assert batch & (batch - 1) == 0
    assert batch <= room
    assert batch == 32 or batch * 2 > room


@pytest.mark.parametrize(("train", "validation", "hosts"), [(0, 10, 1), (10, 0, 1), (3, 10, 4)])
def test_splits_that_fill_no_batch_are_refused(train, validation, hosts):
    with pytest.raises(PreflightError, match=r"mini_batch_size is 1.*add images"):
        built(manifest(train, validation), instance_count=hosts)


def test_several_labels_a_record_become_multi_label():
    values = hyper(manifest(width=5, classes=None, labels=dict.fromkeys(range(5), 9)))
    assert (values["multi_label"], values["num_classes"]) == ("1", "5")
    assert "multi_label" not in hyper()


def test_classes_come_from_names_else_from_labels_else_from_the_caller():
    assert hyper(manifest(classes=12))["num_classes"] == "12"
    assert hyper(manifest(classes=None, labels={0: 5, 6: 5}))["num_classes"] == "7"
    unknown = manifest(classes=None, labels={})
    with pytest.raises(PreflightError, match="how many classes"):
        built(unknown)
    assert hyper(unknown, num_classes=4)["num_classes"] == "4"


@pytest.mark.parametrize("classes", [0, 1])
def test_fewer_than_two_classes_are_no_classification(classes):
    with pytest.raises(PreflightError, match=f"the data has {classes} class"):
        built(manifest(classes=classes))


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("learning_rate", 1e-5, "1e-05"),
        ("learning_rate", "0.010", "0.010"),
        ("learning_rate", 1, "1.0"),
        ("momentum", 0, "0.0"),
        ("epochs", 5, "5"),
        ("epochs", "5", "5"),
        ("use_pretrained_model", False, "0"),
        ("use_weighted_loss", True, "1"),
        ("use_weighted_loss", 1, "1"),
        ("early_stopping", True, "True"),
        ("early_stopping", "false", "False"),
        ("image_shape", [3, 28, 28], "3,28,28"),
        ("lr_scheduler_step", [10, 20], "10,20"),
        ("lr_scheduler_step", "10", "10"),
        ("optimizer", "nag", "nag"),
        ("augmentation_type", "crop_color", "crop_color"),
        ("precision_dtype", "float16", "float16"),
        ("top_k", 5, "5"),
        ("num_layers", 110, "110"),
        ("checkpoint_frequency", 30, "30"),
        ("kv_store", "dist_sync", "dist_sync"),
    ],
)
def test_values_become_the_text_that_the_algorithm_takes(name, value, text):
    assert hyper(**{name: value})[name] == text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 1.5),
        ("learning_rate", -0.1),
        ("learning_rate", float("nan")),
        ("learning_rate", "nan"),
        ("learning_rate", "1_0e-9"),
        ("learning_rate", True),
        ("learning_rate", None),
        ("epochs", 0),
        ("epochs", 2.0),
        ("epochs", True),
        ("epochs", "1_0"),
        ("epochs", " 5"),
        ("num_classes", 1),
        ("top_k", 1),
        ("optimizer", "Adam"),
        ("num_layers", 19),
        ("early_stopping", "yes"),
        ("image_shape", "28,28"),
        ("image_shape", "3x28x28"),
        ("image_shape", "2,28,28"),
        ("image_shape", "3,0,28"),
        ("image_shape", 28),
        ("lr_scheduler_step", "20,10"),
        ("lr_scheduler_step", ""),
        ("lr_scheduler_step", []),
        ("lr_scheduler_step", "0,5"),
    ],
)
def test_malformed_values_are_refused_by_name(name, value):
    with pytest.raises(PreflightError, match=f"^{name} cannot be .*; pass ") as caught:
        hyper(**{name: value})
    assert [problem.field for problem in caught.value.problems] == [f"HyperParameters.{name}"]


@pytest.mark.parametrize(
    ("name", "nearest"), [("num_layer", "num_layers"), ("batch_size", "mini_batch_size"), ("learning-rate", "learning_rate")]
)
def test_an_unknown_name_is_answered_with_the_nearest(name, nearest):
    with pytest.raises(PreflightError, match=f"no hyperparameter '{name}'; did you mean '{nearest}'"):
        hyper(**{name: 1})


def test_a_name_like_no_other_is_answered_with_all():
    with pytest.raises(PreflightError, match=r"take one of augmentation_type, beta_1, .*weight_decay"):
        hyper(qqqq=1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_classes": 9}, "num_classes is 9, the data has 10 classes"),
        ({"num_training_samples": 59999}, "num_training_samples is 59999, the train channel holds 60000"),
        (
            {"mini_batch_size": 10001},
            "mini_batch_size is 10001, train holds 60000 records and validation 10000; pass at most 10000",
        ),
        ({"multi_label": 1}, "multi_label is 1, the records hold 1 label each"),
        ({"num_layers": 50}, "50 layers does not take images 28 pixels high; pass one of 20, 32, 44, 56, 110"),
        ({"image_shape": "3,29,29"}, "image_shape is 29 x 29, but the images are only 28 pixels high"),
        ({"resize": 30, "image_shape": "3,32,32"}, "resize 30 makes images smaller"),
        ({"use_pretrained_model": 1}, "no pretrained network of 20 layers"),
        (
            {"use_pretrained_model": 1, "image_shape": "1,224,224", "resize": 224},
            "no pretrained network of 18 layers for 1 x 224",
        ),
        ({"checkpoint_frequency": 31}, "above the 30 epochs"),
        ({"lr_scheduler_step": "10,30"}, "names epoch 30, training ends after 30"),
        ({"epochs": 5, "lr_scheduler_step": 5 * [1]}, "lr_scheduler_step cannot be"),
    ],
)
def test_values_that_contradict_the_data_or_each_other_are_refused(values, message):
    with pytest.raises(PreflightError, match=message):
        hyper(**values)


def test_a_small_network_for_large_images_is_refused():
    with pytest.raises(PreflightError, match="20 layers does not take images 224 pixels high; pass one of 18, 34"):
        hyper(manifest(size=PHOTOS), num_layers=20)


def test_every_contradiction_is_reported_at_once():
    with pytest.raises(PreflightError, match="3 problems:\n- num_classes is 2") as caught:
        hyper(num_classes=2, num_layers=18, checkpoint_frequency=99)
    assert len(caught.value.problems) == 3


def test_more_classes_than_the_data_has_are_allowed_for_single_labels_only():
    assert hyper(num_classes=11)["num_classes"] == "11"
    with pytest.raises(PreflightError, match="num_classes is 6, the data has 5 label columns"):
        hyper(manifest(width=5, classes=None, labels={}), num_classes=6)


@pytest.mark.parametrize("region", ACCOUNTS)
def test_every_region_of_the_table_gives_its_image(region):
    domain = {"cn": "amazonaws.com.cn", "us-iso": "c2s.ic.gov", "us-isob": "sc2s.sgov.gov", "us-isof": "csp.hci.ic.gov"}
    suffix = domain.get(region.split("-")[0]) or domain.get("-".join(region.split("-")[:2]), "amazonaws.com")
    image = built(region=region)["AlgorithmSpecification"]["TrainingImage"]
    assert image == f"{ACCOUNTS[region]}.dkr.ecr.{region}.{suffix}/image-classification:1"
    assert len(ACCOUNTS[region]) == 12
    assert ACCOUNTS[region].isdecimal()


def test_images_of_well_known_regions_are_as_published():
    def image(region):
        return built(region=region)["AlgorithmSpecification"]["TrainingImage"]

    assert image("us-east-1") == "811284229777.dkr.ecr.us-east-1.amazonaws.com/image-classification:1"
    assert image("us-west-2") == "433757028032.dkr.ecr.us-west-2.amazonaws.com/image-classification:1"
    assert image("cn-north-1").endswith(".dkr.ecr.cn-north-1.amazonaws.com.cn/image-classification:1")


@pytest.mark.parametrize(
    "region",
    ["ap-east-2", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "mx-central-1", "eu-isoe-west-1", "eusc-de-east-1"],
)
def test_regions_without_the_algorithm_are_refused_unless_an_image_is_named(region):
    with pytest.raises(ValueError, match=f"not offered in region '{region}'.*image_uri="):
        built(region=region)
    assert built(region=region, image_uri="1.dkr/own:2")["AlgorithmSpecification"]["TrainingImage"] == "1.dkr/own:2"


def test_a_misspelt_region_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="nearest name is 'eu-west-1'"):
        built(region="eu-wset-1")


def test_a_region_or_an_image_must_be_named():
    with pytest.raises(ValueError, match="pass region="):
        built(region=None)
    assert built(region=None, image_uri="x/y:1")["AlgorithmSpecification"]["TrainingImage"] == "x/y:1"


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"data": "bucket/prefix"}, "no s3://BUCKET/PREFIX"),
        ({"data": "https://bucket/prefix"}, "no s3://BUCKET/PREFIX"),
        ({"data": "s3://"}, "no s3://BUCKET/PREFIX"),
        ({"data": "s3://bucket/a//b"}, "empty key segment"),
        ({"output": "models/out"}, "output 'models/out' is no s3"),
        ({"role": "Trainer"}, "no role ARN"),
        ({"role": "arn:aws:iam::12345:role/x"}, "no role ARN"),
        ({"role": "arn:aws:iam::123456789012:user/x"}, "no role ARN"),
        ({"instance_count": 0}, "instance_count is 0; pass at least 1"),
        ({"max_runtime": 0}, "max_runtime is 0; pass 1 to 2419200"),
        ({"max_runtime": 2419201}, "max_runtime is 2419201"),
        ({"volume_size": 0}, "volume_size is 0"),
        ({"job_name": "under_score"}, "no job name"),
        ({"job_name": "ends-"}, "no job name"),
        ({"job_name": "x" * 64}, "no job name"),
        ({"job_name": ""}, "no job name"),
        ({"channels": {"test": "test"}}, "no channel 'test'"),
    ],
)
def test_malformed_arguments_are_refused(choice, message):
    with pytest.raises(ValueError, match=message):
        built(**choice)


@pytest.mark.parametrize("data", ["s3://bucket/set", "s3://bucket/set/", "s3://bucket/set//"])
def test_the_data_folder_gets_exactly_one_closing_slash(data):
    uris = [channel["DataSource"]["S3DataSource"]["S3Uri"] for channel in built(data=data)["InputDataConfig"]]
    assert uris == ["s3://bucket/set/train/", "s3://bucket/set/validation/"]


def test_a_bucket_alone_is_a_folder_and_names_the_job():
    request = built(data="s3://my.bucket", output="s3://my.bucket")
    assert request["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] == "s3://my.bucket/train/"
    assert request["TrainingJobName"].startswith("my-bucket-")


def test_a_folder_shared_with_other_files_is_never_a_prefix():
    def flat(name):
        files = {kind: FileInfo(path=f"{name}.{end}", bytes=1, crc32=1) for kind, end in (("record", "rec"), ("index", "idx"))}
        return SplitInfo(**files, records=99, labels={0: 5, 1: 5}, height=(28, 28), width=(28, 28))

    data = Manifest(splits={"train": flat("train"), "validation": flat("a/validation")})
    uris = [channel["DataSource"]["S3DataSource"]["S3Uri"] for channel in built(data)["InputDataConfig"]]
    assert uris == ["s3://bucket/fashion-mnist/train.rec", "s3://bucket/fashion-mnist/a/validation.rec"]


def test_another_split_can_feed_a_channel():
    data = Manifest(splits={"train": split("train", 99), "test": split("test", 40)})
    with pytest.raises(PreflightError, match=r"no split 'validation'.*--channel validation=test"):
        built(data)
    request = built(data, channels={"validation": "test"})
    assert [channel["ChannelName"] for channel in request["InputDataConfig"]] == ["train", "validation"]
    assert request["InputDataConfig"][1]["DataSource"]["S3DataSource"]["S3Uri"].endswith("/test/")


def test_a_manifest_of_one_split_is_refused_with_the_way_to_make_two():
    with pytest.raises(PreflightError, match=r"--split train=0.7 --split validation=0.3"):
        built(Manifest(splits={"train": split("train", 99)}))


@pytest.mark.parametrize(
    ("length", "values", "gibibytes"),
    [
        (2**30, {}, 30),
        (50 * 2**30, {}, 116),  # 2 splits x 50 x 1.1 + 2 x 45 MiB + 5
        (2**30, {"num_layers": 200, "checkpoint_frequency": 1, "epochs": 100}, 57),  # 2.2 + 2 x 100 x 250 MiB + 5
    ],
)
def test_the_disk_holds_data_and_kept_models(length, values, gibibytes):
    request = built(manifest(size=PHOTOS, length=length), hyperparameters=values)
    assert request["ResourceConfig"]["VolumeSizeInGB"] == gibibytes


def test_tags_are_sorted_and_do_not_change_the_job():
    request = built(tags={"b": "2", "a": "1"})
    assert request["Tags"] == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    assert request["TrainingJobName"] == built()["TrainingJobName"]


def test_overrides_are_laid_over_the_request_and_none_removes():
    plain = built()
    subnets = {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    changes = {"VpcConfig": subnets, "OutputDataConfig": {"KmsKeyId": "key"}, "ResourceConfig": {"VolumeSizeInGB": None}}
    before = copy.deepcopy(changes)
    request = built(overrides=changes)
    assert changes == before
    assert request["VpcConfig"] == subnets
    assert request["OutputDataConfig"] == {"S3OutputPath": "s3://bucket/models", "KmsKeyId": "key"}
    assert request["ResourceConfig"] == {"InstanceType": "ml.g4dn.xlarge", "InstanceCount": 1}
    assert request["TrainingJobName"] != plain["TrainingJobName"]
    assert built(overrides={"TrainingJobName": "own"}, job_name="other")["TrainingJobName"] == "own"


def test_the_same_input_gives_the_same_bytes_and_every_choice_another_name():
    assert write_request(built()) == write_request(built())
    others = [
        built(hyperparameters={"epochs": 31}),
        built(instance_type="ml.g5.xlarge"),
        built(output="s3://bucket/others"),
        built(data="s3://another/fashion-mnist"),
        built(max_runtime=3600),
        built(manifest(crc32=8)),
        built(region="us-east-1"),
    ]
    names = {request["TrainingJobName"] for request in [built(), *others]}
    assert len(names) == 1 + len(others)


@given(st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), max_size=80))
def test_a_default_name_is_always_valid(folder):
    name = built(data=f"s3://bucket/{folder}")["TrainingJobName"]
    assert built(job_name=name)["TrainingJobName"] == name
    assert len(name) <= 63


def test_a_written_request_is_canonical_ascii_json():
    request = built(tags={"owner": "Zoë"})
    text = write_request(request).decode("ascii")
    assert json.loads(text) == request
    assert text == json.dumps(request, indent=2, sort_keys=True) + "\n"


def test_building_a_request_needs_no_boto3():
    script = "import sys, recordio_kit.sagemaker; sys.exit(any(name.startswith('boto') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60, cwd=Path(__file__).parents[2]).returncode == 0
