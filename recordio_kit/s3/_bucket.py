"""One bucket, and how it is reached: the only module that makes clients and sends requests.

Strategy: a client belongs to one process; it is made on first use there and shared by its threads, so that whatever holds
a ``Bucket`` pickles and survives a fork.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from recordio_kit.errors import StorageError
from recordio_kit.s3._errors import ABSENT, calling, code_of


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ATTEMPTS: Final = 5
_CONNECTIONS: Final = 16
_CONNECT_SECONDS: Final = 10


class Connection:
    """Make one client for each process that asks.

    Args:
        endpoint_url: of a service other than AWS.
        region: of the bucket; default: what the AWS configuration says.
        profile: of the AWS configuration.
        config: a ``botocore.config.Config`` whose settings go before ours.
        client: a ready client, for this process alone.
        client_factory: a picklable callable that returns a client.

    Raises:
        ValueError: ``client`` or ``client_factory`` is given together with any other.
    """

    def __init__(
        self,
        *,
        endpoint_url: str | None,
        region: str | None,
        profile: str | None,
        config: Any,
        client: Any,
        client_factory: Callable[[], Any] | None,
    ) -> None:
        """Remember how to make clients."""
        settings = (endpoint_url, region, profile, config)
        if sum(way is not None for way in (client, client_factory)) + any(value is not None for value in settings) > 1:
            msg = "client=, client_factory= and the settings (endpoint_url, region, profile, config) exclude each other"
            raise ValueError(msg)
        self._settings = settings
        self._factory = client_factory
        self._given = client
        self._made: dict[int, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave the clients behind.

        Raises:
            TypeError: a bare client was given.
        """
        if self._given is not None:
            msg = "a store with client= cannot leave its process; pass client_factory= or the settings (region=, ...) instead"
            raise TypeError(msg)
        return self.__dict__ | {"_made": {}}

    @property
    def client(self) -> Any:
        """Return this process's client.

        Raises:
            botocore.exceptions.BotoCoreError: the AWS configuration does not allow to make one.
        """
        if self._given is not None:
            return self._given
        process = os.getpid()
        if process not in self._made:
            # Two threads may both make one; the first stays. A lock could be held by another thread at a fork.
            self._made.setdefault(process, self._make())
        return self._made[process]

    def _make(self) -> Any:
        if self._factory is not None:
            return self._factory()
        import boto3
        from botocore.config import Config

        endpoint_url, region, profile, config = self._settings
        defaults = Config(
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            max_pool_connections=_CONNECTIONS,
            connect_timeout=_CONNECT_SECONDS,
        )
        session = boto3.session.Session(profile_name=profile, region_name=region)
        return session.client("s3", endpoint_url=endpoint_url, config=defaults if config is None else defaults.merge(config))


class Bucket:
    """Send requests to one bucket.

    Args:
        name: the bucket's name.
        connection: where clients come from.
    """

    def __init__(self, name: str, connection: Connection) -> None:
        """Remember both; nothing is sent."""
        self.name = name
        self._connection = connection

    def uri(self, key: str) -> str:
        """Return the URL of a key or key prefix."""
        return f"s3://{self.name}/{key}"

    @property
    def sends_checksums(self) -> bool:
        """Tell whether requests carry checksums: botocore's own setting for services that refuse them.

        Raises:
            StorageError: no client can be made.
        """
        with calling(self.uri(""), "connect"):
            return getattr(self._connection.client.meta.config, "request_checksum_calculation", None) != "when_required"

    def call(self, method: str, key: str | None = None, **fields: Any) -> Any:
        """Send one request and return its answer.

        Args:
            method: the client's method, such as ``"head_object"``.
            key: the object's key; None for requests about the bucket.
            fields: the request's other fields, as boto3 names them.

        Raises:
            StorageError: it failed, botocore's own retries included.
        """
        if key is not None:
            fields["Key"] = key
        with calling(self.uri(key or fields.get("Prefix", "")), _operation(method)):
            return getattr(self._connection.client, method)(Bucket=self.name, **fields)

    def head(self, key: str, **fields: Any) -> Any:
        """Return an object's description, or None where there is none.

        Args:
            key: the object's key.
            fields: other fields of ``HeadObject``.

        Raises:
            StorageError: the service could not say.
        """
        try:
            return self.call("head_object", key, **fields)
        except StorageError as error:
            if code_of(error) in ABSENT:
                return None
            raise

    def pages(self, method: str, prefix: str) -> Iterator[Any]:
        """Yield the answers to a request that lists by key prefix.

        Args:
            method: the client's method, such as ``"list_objects_v2"``.
            prefix: what the keys start with.

        Raises:
            StorageError: one of the requests failed.
        """
        with calling(self.uri(prefix), _operation(method)):
            yield from self._connection.client.get_paginator(method).paginate(Bucket=self.name, Prefix=prefix)


def _operation(method: str) -> str:
    return "".join([word.capitalize() for word in method.split("_")])
