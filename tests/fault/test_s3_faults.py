"""What becomes of objects, uploads, threads and memory when S3, the network or the process fails.

Faults are put on the wire, below botocore's retries: a hook counts requests and refuses, loses or forges an answer.
"""

from __future__ import annotations

import base64
import contextlib
import io
import itertools
import subprocess
import sys
import threading
import time
import tracemalloc
import zlib
from types import SimpleNamespace

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from botocore.httpsession import URLLib3Session

from recordio_kit._storage.base import read_all, write_all
from recordio_kit.errors import OutputExistsError, SourceChangedError, StorageError
from recordio_kit.s3 import S3Store, abort_uploads, list_uploads
from recordio_kit.s3._sink import IN_FLIGHT, part_bytes


PART = 5 << 20
BIG = bytes(range(256)) * (2 * PART // 256) + b"the end"  # three parts


class Wire:
    """Sit between botocore and the network: note every request, and let ``fault`` answer some in its place."""

    def __init__(self, client):
        self.calls = []
        self.fault = lambda operation, count, request: None
        client.meta.events.register("before-send.s3", self._pass)

    def _pass(self, request, event_name, **_):
        operation = event_name.rpartition(".")[2]
        self.calls.append(operation)
        return self.fault(operation, self.calls.count(operation), request)


def refuse(request):
    raise ConnectionClosedError(endpoint_url=request.url)


def lose(request):
    session = URLLib3Session()
    session.send(request)
    session.close()
    raise ConnectionClosedError(endpoint_url=request.url)


def answer(status, body=b"", **headers):
    class Raw(io.BytesIO):
        def stream(self, *_, **__):
            yield self.read()

    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: AWSResponse(request.url, status, headers, Raw(body))


def failure(status, code):
    return answer(status, f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no reason</Message></Error>".encode())


DENIED = failure(403, "AccessDenied")
PASSING = {
    "refused": refuse,
    "lost": lose,
    "500": failure(500, "InternalError"),
    "503": failure(503, "SlowDown"),
    "200 with an error": failure(200, "InternalError"),
}


@pytest.fixture(scope="module")
def client(s3_endpoint):
    session = boto3.session.Session("testing", "testing", region_name="eu-west-1")
    config = Config(retries={"mode": "standard", "total_max_attempts": 3}, max_pool_connections=16)
    client = session.client("s3", endpoint_url=s3_endpoint, config=config)
    yield client
    client.close()


@pytest.fixture(scope="module")
def module_wire(client):
    return Wire(client)


@pytest.fixture
def wire(module_wire, monkeypatch):
    """Return the wire without faults; pauses between tries take no time."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    monkeypatch.setattr("botocore.retries.quota.RetryQuota.acquire", lambda *_: True)  # shared by all tests
    monkeypatch.setattr("recordio_kit.s3._abort._PAUSES", (0.0, 0.0, 0.0, 0.0))
    monkeypatch.setattr("recordio_kit.s3._source._PAUSES", (0.0, 0.0, 0.0))
    module_wire.calls, module_wire.fault = [], lambda *_: None
    yield module_wire
    module_wire.fault = lambda *_: None


@pytest.fixture
def store(bucket, client):
    return S3Store(f"s3://{bucket}/prefix/", client=client, part_size=PART)


def at(operation, number, fault):
    """Return a fault for one request of an operation."""
    return lambda found, count, request: fault(request) if (found, count) == (operation, number) else None


def upload_threads():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("recordio_kit-s3")]


@pytest.mark.parametrize("kind", PASSING)
@pytest.mark.parametrize(
    ("operation", "number"),
    [
        ("CreateMultipartUpload", 1),
        ("UploadPart", 1),
        ("UploadPart", 3),
        ("CompleteMultipartUpload", 1),
        ("PutObject", 1),
        ("HeadObject", 1),
    ],
)
def test_a_passing_fault_leaves_one_whole_object(store, wire, operation, number, kind):
    if kind == "200 with an error" and operation not in {"CompleteMultipartUpload", "UploadPart", "PutObject"}:
        kind = "500"  # only these three answer so
    data = b"small" if operation == "PutObject" else BIG
    wire.fault = at(operation, number, PASSING[kind])
    write_all(store, "object", data)
    assert wire.calls.count(operation) > number
    wire.fault = lambda *_: None
    assert read_all(store, "object") == data
    assert list(store.list()) == ["object"]
    # An upload whose very name was lost can only be found by listing.
    assert len(list_uploads(store)) == ((operation, kind) == ("CreateMultipartUpload", "lost"))
    assert upload_threads() == []


def test_a_fault_at_any_request_is_typed_and_leaves_all_or_nothing(store, wire):
    for number in itertools.count(1):
        faults = []

        def fault(operation, _, request, number=number, faults=faults):
            if len(wire.calls) == number:
                faults.append(operation)
                return DENIED(request)
            return None

        wire.calls, wire.fault = [], fault
        found = None
        try:
            write_all(store, "object", BIG)
        except StorageError as error:
            found = error
        wire.fault = lambda *_: None
        if found is not None:
            assert (found.operation, found.uri) == (faults[0], store.uri("object"))
            assert "denied" in str(found)
        assert list_uploads(store) == []
        assert upload_threads() == []
        if store.stat("object") is not None:
            assert read_all(store, "object") == BIG
            assert faults in ([], ["HeadObject"])  # published already, only the last look failed
            store.delete("object")
        if not faults:
            break
    assert number == 9  # look, start, three parts, look, complete, look; then a run without fault


@pytest.mark.parametrize("kind", ["refused", "500"])
@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "PutObject"])
def test_a_lasting_fault_ends_in_an_error_and_nothing_visible(store, wire, operation, kind):
    wire.fault = lambda found, _, request: PASSING[kind](request) if found == operation else None
    with pytest.raises(StorageError) as caught:
        write_all(store, "object", b"small" if operation == "PutObject" else BIG)
    assert caught.value.operation == operation
    assert store.stat("object") is None
    assert list_uploads(store) == []
    assert upload_threads() == []


def test_a_failed_part_surfaces_at_the_next_write_and_goes_on_surfacing(store, wire):
    wire.fault = at("UploadPart", 1, DENIED)
    sink = store.create("object")
    sink.write(BIG[: PART + 1])
    while "UploadPart" not in wire.calls or any(not future.done() for future in sink._pending):
        time.sleep(0.001)
    for attempt in (lambda: sink.write(b"x"), lambda: sink.write(b"x"), sink.seal, sink.commit):
        with pytest.raises(StorageError, match="UploadPart was denied"):
            attempt()
    sink.abort()
    assert list_uploads(store) == []


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("data", [b"small", BIG], ids=["small", "big"])
@pytest.mark.parametrize(
    "then", [refuse, failure(404, "NoSuchUpload"), failure(412, "PreconditionFailed")], ids=["silence", "gone", "taken"]
)
def test_a_publication_whose_answer_was_lost_is_seen_to_have_worked(store, wire, data, then, overwrite):
    write_all(store, "object", b"x" * len(data)) if overwrite else None
    last = "PutObject" if len(data) < PART else "CompleteMultipartUpload"
    wire.calls = []
    wire.fault = lambda operation, count, request: (lose if count == 1 else then)(request) if operation == last else None
    write_all(store, "object", data, overwrite=overwrite)
    assert wire.calls.count(last) > 1
    assert read_all(store, "object") == data
    assert list_uploads(store) == []


@pytest.mark.parametrize("data", [b"small", BIG], ids=["small", "big"])
def test_without_checksums_a_publication_is_known_by_its_etag(bucket, s3_endpoint, wire, data):
    config = Config(retries={"total_max_attempts": 1}, request_checksum_calculation="when_required")
    store = S3Store(f"s3://{bucket}/prefix/", endpoint_url=s3_endpoint, config=config, part_size=PART)
    own = Wire(store.bucket._connection.client)
    own.fault = lambda operation, _, request: lose(request) if operation in {"PutObject", "CompleteMultipartUpload"} else None
    write_all(store, "object", data)
    assert read_all(store, "object") == data
    own.fault = lambda operation, _, request: refuse(request) if operation in {"PutObject", "CompleteMultipartUpload"} else None
    with pytest.raises(StorageError, match=r"(PutObject|CompleteMultipartUpload) failed"):
        write_all(store, "object", bytes(len(data)), overwrite=True)
    assert read_all(store, "object") == data


@pytest.mark.parametrize("data", [b"small", BIG], ids=["small", "big"])
def test_a_lost_request_is_not_taken_for_a_publication_by_size_alone(store, wire, data):
    write_all(store, "object", bytes(len(data)))
    last = "PutObject" if len(data) < PART else "CompleteMultipartUpload"
    wire.fault = lambda operation, _, request: refuse(request) if operation == last else None
    with pytest.raises(StorageError) as caught:
        write_all(store, "object", data, overwrite=True)
    assert caught.value.operation == last
    assert read_all(store, "object") == bytes(len(data))
    assert list_uploads(store) == []


def test_where_nobody_can_tell_the_message_says_so(store, wire):
    sink = store.create("object")
    sink.write(BIG)
    sink.seal()
    wire.fault = lambda operation, count, request: refuse(request) if operation != "HeadObject" or count > 2 else None
    with pytest.raises(StorageError, match="whether the object was published cannot be seen"):
        sink.commit()
    wire.fault = lambda *_: None
    sink.abort()
    assert list_uploads(store) == []


@pytest.mark.parametrize("retried", [True, False])
@pytest.mark.parametrize("data", [b"small", BIG], ids=["small", "big"])
def test_a_name_taken_at_the_last_moment_is_refused(store, wire, s3_client, data, retried):
    last = "PutObject" if len(data) < PART else "CompleteMultipartUpload"

    def fault(operation, count, request):
        if operation == last and count == 1:
            s3_client.put_object(Bucket=store.bucket.name, Key="prefix/object", Body=b"theirs")
            return refuse(request) if retried else None
        return None

    wire.fault = fault
    with pytest.raises(OutputExistsError, match="object was written by somebody else"):
        write_all(store, "object", data)
    assert read_all(store, "object") == b"theirs"
    assert list_uploads(store) == []


def test_a_confirmed_object_of_the_wrong_size_is_an_error(store, wire):
    wire.fault = at("HeadObject", 3, answer(200, content_length="3", etag='"x"'))
    with pytest.raises(StorageError, match="confirmed 5 bytes, yet holds 3 bytes: delete the object"):
        write_all(store, "object", b"small")


def test_an_abort_is_repeated_until_the_upload_is_gone(store, wire):
    sink = store.create("object")
    sink.write(BIG)
    sink.seal()
    wire.fault = lambda operation, count, request: answer(204)(request) if operation.startswith("Abort") and count < 3 else None
    sink.abort()
    assert wire.calls.count("AbortMultipartUpload") == 3
    wire.fault = lambda *_: None
    assert list_uploads(store) == []


def test_an_abort_that_may_not_be_looked_after_is_believed(store, wire):
    sink = store.create("object")
    sink.write(BIG)
    wire.fault = at("ListParts", 1, DENIED)
    sink.abort()
    wire.fault = lambda *_: None
    assert list_uploads(store) == []


def test_an_abort_that_fails_warns_and_can_be_repeated(store, wire):
    sink = store.create("object")
    sink.write(BIG)
    wire.fault = lambda *found: failure(400, "ExpiredToken")(found[-1])
    with pytest.warns(RuntimeWarning, match="upload .* is still there; 'recordio-kit uploads abort'"):
        sink.abort()
    wire.fault = lambda *_: None
    assert len(list_uploads(store)) == 1
    sink.abort()
    assert list_uploads(store) == []
    calls = len(wire.calls)
    sink.abort()
    assert len(wire.calls) == calls


def test_garbage_collection_warns_and_sends_nothing(store, wire):
    sink = store.create("object")
    sink.write(BIG)
    sink.seal()
    calls = list(wire.calls)
    sinks = [sink]
    del sink
    with pytest.warns(ResourceWarning, match="object was neither committed nor aborted; nothing was published"):
        sinks.clear()
    assert wire.calls == calls
    assert store.stat("object") is None
    assert abort_uploads(store) == 1


def test_a_process_that_ends_without_committing_publishes_nothing(bucket, client):
    script = f"""
from recordio_kit.s3 import S3Store
sinks = [S3Store("s3://{bucket}/ended/", part_size={PART}).create(name) for name in ("small", "big")]
sinks[0].write(b"small")
sinks[1].write(bytes({PART + 1}))
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    store = S3Store(f"s3://{bucket}/ended/", client=client)
    assert list(store.list()) == []
    assert abort_uploads(store) == 1


@pytest.mark.parametrize(
    "broken",
    [
        answer(206, b"shor", content_length="10"),
        answer(206, b"shor", content_length="4"),
        answer(200, b"0123456789" * 3, content_length="30"),
    ],
    ids=["broke off", "another range", "whole object"],
)
def test_a_body_of_another_length_is_asked_for_again(store, wire, broken):
    write_all(store, "object", b"0123456789" * 3)
    source = store.open("object")
    wire.fault = at("GetObject", 1, broken)
    assert source.read_at(10, 10) == b"0123456789"
    assert wire.calls.count("GetObject") == 2
    wire.fault = lambda operation, _, request: broken(request) if operation == "GetObject" else None
    with pytest.raises(StorageError, match="10 bytes asked for, 4 times"):
        source.read_at(10, 10)
    assert wire.calls.count("GetObject") == 6
    source.close()


def test_empty_ranges_ask_for_nothing(store, wire):
    write_all(store, "object", b"data")
    source = store.open("object")
    assert [source.read_at(*place) for place in ((0, 0), (2, 0), (4, 1), (9, 9))] == [b""] * 4
    assert "GetObject" not in wire.calls
    source.close()


def test_reading_tells_a_replaced_object_from_a_deleted_one_and_from_a_denied_one(store, wire):
    write_all(store, "object", b"data")
    source = store.open("object")
    write_all(store, "object", b"DATA", overwrite=True)
    with pytest.raises(SourceChangedError, match="replaced"):
        source.read_at(0, 4)
    store.delete("object")
    with pytest.raises(StorageError, match="no such object"):
        source.read_at(0, 4)
    wire.fault = lambda operation, _, request: DENIED(request)
    with pytest.raises(StorageError, match=r"GetObject was denied .* s3:GetObject"):
        source.read_at(0, 4)
    source.close()


class CountingClient:
    """Be S3 enough to take parts, counting the bytes that are under way."""

    meta = SimpleNamespace(config=SimpleNamespace())

    def __init__(self):
        self.under_way = self.most = self.taken = 0
        self._lock = threading.Lock()

    def create_multipart_upload(self, **_):
        return {"UploadId": "upload"}

    def upload_part(self, *, Body, **_):  # noqa: N803
        with self._lock:
            self.under_way += len(Body)
            self.most = max(self.most, self.under_way)
        time.sleep(0.02)
        with self._lock:
            self.under_way -= len(Body)
            self.taken += len(Body)
        return {"ETag": '"e"'}

    def complete_multipart_upload(self, **_):
        return {}

    def abort_multipart_upload(self, **_):
        raise ClientError({"Error": {"Code": "NoSuchUpload"}}, "AbortMultipartUpload")

    def head_object(self, **_):
        return {"ContentLength": self.taken}


def test_a_long_stream_needs_the_memory_of_five_parts():
    client = CountingClient()
    sink = S3Store("s3://bucket/", client=client, part_size=PART).create("object", overwrite=True)
    piece = bytes(1 << 18)
    tracemalloc.start()
    try:
        for _ in range(160):
            sink.write(piece)
        sink.commit()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert client.taken == 160 << 18  # 40 MiB
    assert PART < client.most <= IN_FLIGHT * PART
    assert peak < (IN_FLIGHT + 1) * PART * 1.2  # a growing bytearray has an eighth in reserve
    assert upload_threads() == []


@pytest.mark.parametrize(("held", "fails"), [(b"small", False), (b"SMALL", True)])
def test_where_the_service_tells_a_crc_it_decides_whatever_the_etag(held, fails):
    class Encrypting(CountingClient):
        def put_object(self, **_):
            raise ConnectionClosedError(endpoint_url="http://127.0.0.1/")

        def head_object(self, **_):
            crc = base64.b64encode(zlib.crc32(held).to_bytes(4, "big")).decode()
            return {"ContentLength": len(held), "ETag": '"e"', "ChecksumType": "FULL_OBJECT", "ChecksumCRC32": crc}

    store = S3Store("s3://bucket/", client=Encrypting())
    with pytest.raises(StorageError, match="PutObject failed") if fails else contextlib.nullcontext():
        write_all(store, "object", b"small", overwrite=True)


def test_etags_that_are_no_digests_prove_nothing():
    class Encrypting(CountingClient):
        def complete_multipart_upload(self, **_):
            raise ConnectionClosedError(endpoint_url="http://127.0.0.1/")

        def head_object(self, **_):
            return {"ContentLength": self.taken, "ETag": '"e-2"'}

    with pytest.raises(StorageError, match="CompleteMultipartUpload failed"):
        write_all(S3Store("s3://bucket/", client=Encrypting(), part_size=PART), "object", bytes(PART + 1), overwrite=True)


def test_a_stream_of_too_many_parts_is_refused(monkeypatch):
    monkeypatch.setattr("recordio_kit.s3._sink.MAX_PARTS", 2)
    sink = S3Store("s3://bucket/", client=CountingClient(), part_size=PART).create("object", overwrite=True)
    sink.write(bytes(3 * PART))
    with pytest.raises(StorageError, match=r"do not fit into 2 parts; pass a larger part_size="):
        sink.write(b"x")
    sink.abort()
    assert upload_threads() == []


def test_parts_grow_so_that_851_gib_fit():
    sizes = [part_bytes(number) for number in range(1, 10_001)]
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[999], sizes[1000], sizes[3999], sizes[4000], sizes[-1]) == tuple(
        mib << 20 for mib in (8, 8, 32, 32, 128, 128)
    )
    assert sum(sizes) >> 30 == 851


@pytest.mark.parametrize("end", ["commit", "abort"])
def test_a_closed_sink_refuses_everything_but_abort(store, end):
    sink = store.create("object")
    sink.write(b"data")
    sink.seal()
    with pytest.raises(RuntimeError, match="sealed"):
        sink.write(b"more")
    getattr(sink, end)()
    for attempt in (sink.commit, sink.seal, lambda: sink.write(b"more")):
        with pytest.raises(RuntimeError, match="committed or aborted already"):
            attempt()
    sink.abort()
    assert list(store.list()) == (["object"] if end == "commit" else [])
