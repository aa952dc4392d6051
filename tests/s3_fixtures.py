"""An S3 server on loopback, and a fresh bucket in it for each test that asks for one.

moto and boto3 are imported by the fixtures that need them, so that other tests start at once.
"""

from __future__ import annotations

import itertools
import logging

import pytest


REGION = "eu-west-1"
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def s3_endpoint():
    """Run moto's server on a free port; yield its URL."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def s3_client(s3_endpoint):
    """Return a client of that server that needs no environment: what tests look at the server with."""
    import boto3

    session = boto3.session.Session("testing", "testing", region_name=REGION)
    client = session.client("s3", endpoint_url=s3_endpoint)
    yield client
    client.close()


@pytest.fixture
def aws_environment(monkeypatch, tmp_path_factory, s3_endpoint):
    """Point every AWS client, also those in child processes, at that server, and hide the user's own configuration."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    nowhere = str(tmp_path_factory.getbasetemp() / "no-aws-configuration")
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": nowhere,
        "AWS_SHARED_CREDENTIALS_FILE": nowhere,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": s3_endpoint,
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def bucket(aws_environment, s3_client):
    """Return the name of a new, empty bucket."""
    name = f"bucket-{next(_NUMBERS)}"
    s3_client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name
