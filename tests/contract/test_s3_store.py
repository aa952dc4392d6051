"""S3Store keeps the promises of the protocol, and those that only S3 needs.

Runs against moto; and against a real service too where RECORDIO_KIT_S3_ENDPOINT, RECORDIO_KIT_S3_KEY and
RECORDIO_KIT_S3_SECRET (and RECORDIO_KIT_S3_REGION) name one.
"""

from __future__ import annotations

import base64
import os
import pickle
import socket
import subprocess
import sys
import uuid
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber

from recordio_kit._storage.base import read_all, write_all
from recordio_kit._storage.open import open_file, open_folder
from recordio_kit.errors import SourceChangedError, StorageError
from recordio_kit.s3 import S3Store, Upload, abort_uploads, list_uploads
from recordio_kit.testing import StoreContract


PART = 5 << 20
_ENDPOINT = os.environ.get("RECORDIO_KIT_S3_ENDPOINT")


class S3Promises(StoreContract):
    big_bytes = 2 * PART + 7

    def test_what_fits_one_part_is_one_request_and_what_does_not_is_multipart(self, store):
        for size, parts in ((PART, 0), (PART + 1, 2), (2 * PART, 2), (2 * PART + 1, 3)):
            write_all(store, "object", self._pattern(size), overwrite=True)
            stat = store.stat("object")
            assert stat.size == size
            assert stat.stamp.partition("-")[2] == (str(parts) if parts else "")

    def test_an_upload_is_listed_until_it_ends(self, store):
        assert list_uploads(store) == []
        sinks = [store.create(name) for name in ("a", "dir/b")]
        for sink in sinks:
            sink.write(self._pattern(PART + 1))
        uploads = list_uploads(store)
        assert sorted(upload.uri for upload in uploads) == [store.uri("a"), store.uri("dir/b")]
        assert all(isinstance(upload, Upload) and upload.upload_id in str(upload) and upload.started for upload in uploads)
        sinks[0].commit()
        sinks[1].abort()
        assert list_uploads(store) == []

    def test_forgotten_uploads_can_be_aborted(self, store):
        sink = store.create("forgotten")
        sink.write(self._pattern(PART + 1))
        sink.seal()
        above, name = store.parent()
        assert abort_uploads(S3Store(above.uri("other"), client_factory=lambda: store.bucket._connection.client)) == 0
        assert abort_uploads(store) == 1
        assert abort_uploads(store) == 0
        assert above.stat(f"{name}/forgotten") is None
        sink.abort()

    def test_probing_leaves_no_upload(self, store):
        store.probe()
        assert list_uploads(store) == []

    def test_a_replaced_object_is_an_error_not_a_mixture(self, store):
        write_all(store, "x", b"old" * 10)
        source = store.open("x")
        assert source.read_at(0, 3) == b"old"
        write_all(store, "x", b"NEW" * 10, overwrite=True)
        with pytest.raises(SourceChangedError, match="x was replaced"):
            source.read_at(3, 3)
        source.close()

    def test_a_missing_bucket_is_named(self, store):
        client = store.bucket._connection.client
        missing = S3Store("s3://no-such-bucket-anywhere/x/", client=client)
        for attempt in (missing.probe, lambda: list(missing.list()), lambda: write_all(missing, "a", b"")):
            with pytest.raises(StorageError, match="bucket no-such-bucket-anywhere does not exist; create it first"):
                attempt()

    def test_folder_marks_and_other_prefixes_are_not_listed(self, store):
        client = store.bucket._connection.client
        for key in (store.prefix, f"{store.prefix}dir/", f"{store.prefix[:-1]}-more/x"):
            client.put_object(Bucket=store.bucket.name, Key=key, Body=b"")
        write_all(store, "dir/x", b"")
        assert list(store.list()) == ["dir/x"]


class TestMoto(S3Promises):
    @pytest.fixture
    def store(self, bucket, s3_endpoint):
        return S3Store(f"s3://{bucket}/some/prefix/", client_factory=partial(_moto_client, s3_endpoint), part_size=PART)

    def test_the_extra_arguments_reach_both_kinds_of_upload(self, store, s3_client):
        encrypted = S3Store(store.uri(""), part_size=PART, extra_args={"ServerSideEncryption": "AES256", "Tagging": "a=b"})
        encrypted.probe()
        for size in (1, PART + 1):
            write_all(encrypted, "x", bytes(size), overwrite=True)
            place = {"Bucket": store.bucket.name, "Key": f"{store.prefix}x"}
            assert s3_client.head_object(**place)["ServerSideEncryption"] == "AES256"
            assert s3_client.get_object_tagging(**place)["TagSet"] == [{"Key": "a", "Value": "b"}]

    @pytest.mark.parametrize("checks", [None, "when_required"])
    def test_every_body_goes_up_with_a_checksum(self, store, checks):
        sent = []

        def look(request, **_):
            if request.method == "PUT":
                sent.append((bytes(request.body), request.headers))

        checking = S3Store(store.uri(""), part_size=PART, config=Config(request_checksum_calculation=checks))
        checking.bucket._connection.client.meta.events.register("before-send.s3", look)
        write_all(checking, "small", b"abc")
        write_all(checking, "big", self._pattern(PART + 1))
        assert sorted(len(body) for body, _ in sent) == [1, 3, PART]
        for body, headers in sent:
            if checks is None:
                assert headers["x-amz-checksum-crc32"] == base64.b64encode(zlib.crc32(body).to_bytes(4, "big"))
            else:
                assert "Content-MD5" in headers
                assert "x-amz-checksum-crc32" not in headers

    def test_the_whole_object_has_a_crc_that_the_service_confirms(self, store, s3_client):
        data = self._pattern(2 * PART + 7)
        write_all(store, "big", data)
        found = s3_client.head_object(Bucket=store.bucket.name, Key=f"{store.prefix}big", ChecksumMode="ENABLED")
        assert found["ChecksumType"] == "FULL_OBJECT"
        assert base64.b64decode(found["ChecksumCRC32"]) == zlib.crc32(data).to_bytes(4, "big")

    def test_a_url_opens_as_a_folder_and_as_a_file(self, bucket):
        write_all(open_folder(f"s3://{bucket}/out"), "train/train.rec", b"data")
        assert read_all(*open_file(f"s3://{bucket}/out/train/train.rec")) == b"data"
        assert list(open_folder(f"S3://{bucket}").list()) == ["out/train/train.rec"]
        assert open_folder(f"s3://{bucket}").parent() is None

    def test_settings_travel_and_a_client_does_not(self, store, s3_client, s3_endpoint):
        made = S3Store(store.uri(""), endpoint_url=s3_endpoint, region="eu-west-1", config=Config(connect_timeout=3))
        write_all(made, "x", b"data")
        assert read_all(pickle.loads(pickle.dumps(made)), "x") == b"data"
        with pytest.raises(TypeError, match="client_factory="):
            pickle.dumps(S3Store(store.uri(""), client=s3_client))

    def test_threads_share_a_client_and_processes_do_not(self, aws_environment, monkeypatch):
        connection = S3Store("s3://bucket/").bucket._connection
        with ThreadPoolExecutor(4) as pool:
            assert len({id(client) for client in pool.map(lambda _: connection.client, range(20))}) <= 2
        ours = connection.client
        assert connection.client is ours
        monkeypatch.setattr("recordio_kit.s3._bucket.os.getpid", lambda: -1)
        assert connection.client is not ours


@cache
def _moto_client(endpoint):
    return boto3.session.Session("testing", "testing", region_name="eu-west-1").client("s3", endpoint_url=endpoint)


def _service_client(secret=None):
    session = boto3.session.Session(
        os.environ["RECORDIO_KIT_S3_KEY"],
        secret or os.environ["RECORDIO_KIT_S3_SECRET"],
        region_name=os.environ.get("RECORDIO_KIT_S3_REGION", "us-east-1"),
    )
    return session.client("s3", endpoint_url=_ENDPOINT, config=Config(s3={"addressing_style": "path"}))


@pytest.fixture(scope="module")
def service_bucket():
    """Return the name of a new bucket of the service that the environment names; remove it afterwards."""
    client = _service_client()
    name = f"recordio-kit-test-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    yield name
    abort_uploads(S3Store(f"s3://{name}", client=client))
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
        for found in page.get("Contents", ()):
            client.delete_object(Bucket=name, Key=found["Key"])
    client.delete_bucket(Bucket=name)
    client.close()


class ServicePromises(S3Promises):
    """What moto is too kind to show."""

    @pytest.fixture
    def store(self, service_bucket):
        return S3Store(f"s3://{service_bucket}/{uuid.uuid4().hex}/sub/", client_factory=_service_client, part_size=PART)

    def test_a_part_damaged_on_the_way_up_is_refused(self, store):
        def damage(request, **_):
            if request.method == "PUT":
                request.body[0] ^= 1

        store.bucket._connection.client.meta.events.register("before-send.s3", damage)
        sink = store.create("damaged")
        sink.write(bytes(PART + 1))
        with pytest.raises(StorageError, match=r"UploadPart failed \((BadDigest|InvalidDigest|XAmzContentSHA256Mismatch)"):
            sink.seal()
        sink.abort()
        assert list_uploads(store) == []

    def test_an_upload_that_somebody_aborted_cannot_be_committed(self, store):
        sink = store.create("vanished")
        sink.write(bytes(PART + 1))
        sink.seal()
        assert abort_uploads(store) == 1
        with pytest.raises(StorageError, match="CompleteMultipartUpload failed"):
            sink.commit()
        sink.abort()
        assert store.stat("vanished") is None

    def test_a_wrong_secret_is_refused_in_one_line(self, store):
        denied = S3Store(store.uri(""), client=_service_client("wrong"))
        with pytest.raises(StorageError, match="HeadBucket was denied"):
            denied.probe()
        with pytest.raises(StorageError, match="check the secret key"):
            write_all(denied, "x", b"", overwrite=True)


if _ENDPOINT is not None:

    class TestService(ServicePromises):
        pass


@pytest.mark.parametrize(
    "url",
    ["", "s3://", "s3:///x", "bucket/x", "https://b/x", "s3://b//", "s3://b//x", "s3://b/x//", "s3://b/x//y/", "s3://b/../x"],
)
def test_urls_without_a_bucket_or_with_empty_segments_are_refused(url):
    with pytest.raises(ValueError, match=r"S3 URL|path segment"):
        S3Store(url)


@pytest.mark.parametrize("name", ["", "/a", "a//b", "a/", "./a", "a/../b", ".."])
def test_names_that_are_no_relative_paths_are_refused(name):
    store = S3Store("s3://bucket/prefix")
    for use in (store.create, store.open, store.stat, store.delete):
        with pytest.raises(ValueError, match="path segment"):
            use(name)


def test_names_become_urls():
    assert S3Store("s3://bucket/a/b").uri("c/d.rec") == "s3://bucket/a/b/c/d.rec"
    assert S3Store("s3://bucket/a/b/").uri("") == "s3://bucket/a/b/"
    assert S3Store("s3://bucket").uri("..x/...") == "s3://bucket/..x/..."
    parent, name = S3Store("s3://bucket/a/b/").parent()
    assert (parent.uri(""), name) == ("s3://bucket/a/", "b")
    assert repr(parent.parent()) == "(S3Store('s3://bucket/'), 'a')"


@pytest.mark.parametrize("part_size", [0, PART - 1, (5 << 30) + 1])
def test_part_sizes_that_s3_refuses_are_refused(part_size):
    with pytest.raises(ValueError, match="5 MiB"):
        S3Store("s3://bucket/", part_size=part_size)


def test_a_client_and_settings_exclude_each_other():
    for both in ({"region": "x"}, {"client_factory": dict}):
        with pytest.raises(ValueError, match="exclude each other"):
            S3Store("s3://bucket/", client=object(), **both)


def test_boto3_is_not_imported_before_the_first_request():
    script = "import sys, pickle, recordio_kit.s3 as s, recordio_kit.testing as t; pickle.dumps(s.S3Store('s3://b/p/').parent()); t.FaultyStore; "
    script += "sys.exit(str({'boto3', 'botocore', 'hypothesis', 'pytest'} & set(sys.modules)) if {'boto3', 'botocore', 'hypothesis', 'pytest'} & set(sys.modules) else 0)"
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def stubbed():
    """Return a store and the script of the answers it will get."""
    client = _moto_client("http://127.0.0.1:9")
    with Stubber(client) as stubber:
        yield S3Store("s3://bucket/prefix/", client=client), stubber


def test_listing_goes_on_to_the_last_page_and_sorts_over_all(stubbed):
    store, stubber = stubbed
    pages = [["prefix/b", "prefix/c"], [], ["prefix/a"]]
    for number, keys in enumerate(pages):
        more = {"IsTruncated": True, "NextContinuationToken": f"more{number}"} if number < 2 else {"IsTruncated": False}
        stubber.add_response("list_objects_v2", {"Contents": [{"Key": key} for key in keys]} | more)
    assert list(store.list()) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (
            ["301", {"x-amz-bucket-region": "eu-west-3"}],
            r"bucket bucket lies in region eu-west-3; pass region='eu-west-3' \(--region eu-west-3\)",
        ),
        (["400", {"x-amz-bucket-region": "eu-west-3"}], "bucket bucket lies in region eu-west-3"),
        (["400", {}], "session token"),
        (["403", {}], r"HeadBucket was denied \(no reason\); it needs the permission s3:ListBucket"),
        (["404", {}], "bucket bucket does not exist; create it first: nothing is created unasked"),
        (["ok", "AccessDenied"], "ListObjectsV2 was denied .* s3:ListBucket"),
        (["ok", "ok", "AccessDenied"], "CreateMultipartUpload was denied .* s3:PutObject"),
        (["ok", "ok", "ok", "AccessDenied"], "AbortMultipartUpload was denied .* s3:AbortMultipartUpload"),
        (["ok", "ExpiredToken"], "ListObjectsV2 failed .ExpiredToken: no reason.; renew the credentials"),
        (["ok", "RequestTimeTooSkewed"], "clock"),
        (["ok", "SomethingNew"], r"ListObjectsV2 failed \(SomethingNew: no reason\)$"),
    ],
)
def test_probing_says_what_is_wrong_in_one_line(stubbed, answers, message):
    store, stubber = stubbed
    methods = ["head_bucket", "list_objects_v2", "create_multipart_upload", "abort_multipart_upload"]
    if isinstance(answers[-1], dict):
        status = int(answers[0])
        stubber.add_client_error("head_bucket", answers[0], "no reason", status, response_meta={"HTTPHeaders": answers[1]})
    else:
        for method, answer in zip(methods, answers, strict=False):
            if answer == "ok":
                stubber.add_response(method, {"UploadId": "u"} if method.startswith("create") else {})
            else:
                stubber.add_client_error(method, answer, "no reason", 400)
    with pytest.raises(StorageError, match=message) as caught:
        store.probe()
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("s3://bucket/")
    assert caught.value.__cause__ is not None
    assert pickle.loads(pickle.dumps(caught.value)).operation == caught.value.operation
    stubber.assert_no_pending_responses()


def test_missing_credentials_and_profiles_are_told_with_what_to_do(aws_environment, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StorageError, match=r"no AWS credentials found .* run 'aws configure' or pass profile=/--profile"):
        S3Store("s3://bucket/").probe()
    with pytest.raises(StorageError, match=r"nobody.*name a profile"):
        S3Store("s3://bucket/", profile="nobody").probe()


def test_an_endpoint_that_does_not_answer_is_named(aws_environment):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
        store = S3Store("s3://bucket/", endpoint_url=endpoint, config=Config(retries={"total_max_attempts": 1}))
        with pytest.raises(StorageError, match=f"{endpoint}.*--endpoint-url"):
            store.probe()
