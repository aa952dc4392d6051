"""The store: names under a bucket's prefix, and the questions that need no bytes."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, Final

from recordio_kit._storage.base import Stat
from recordio_kit.errors import OutputExistsError
from recordio_kit.s3._bucket import Bucket, Connection
from recordio_kit.s3._sink import S3Sink
from recordio_kit.s3._source import S3Source


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_URL: Final = re.compile(r"s3://([^/]+)(?:/(.*))?", re.IGNORECASE | re.DOTALL)
#: Path segments that SageMaker or HTTP clients would fold away.
_FOLDED: Final = re.compile(r"(?:^|/)(?:\.{0,2})(?:/|$)")
_SMALLEST_PART: Final = 5 << 20
_LARGEST_PART: Final = 5 << 30


class S3Store:
    """Hold files as objects under a prefix. It pickles; clients are made on first use in each process.

    A sink holds five parts in memory at most. Parts have 8 MiB up to part 1,000, 32 MiB up to 4,000 and 128 MiB up to
    10,000 (851 GiB), unless ``part_size`` says otherwise.

    Args:
        url: ``s3://bucket/prefix/``; names are relative to the prefix.
        endpoint_url: of a service other than AWS.
        region: the bucket's; default: what the AWS configuration says.
        profile: of the AWS configuration.
        config: a ``botocore.config.Config``; its settings go before ours (5 attempts, ``standard`` retries).
        client: a ready boto3 client; such a store works in this process alone and cannot be pickled.
        client_factory: a callable that returns a boto3 client; picklable, if the store is to be.
        extra_args: fields of ``CreateMultipartUpload`` and ``PutObject``, such as ``ServerSideEncryption``.
        part_size: bytes in every part, 5 MiB to 5 GiB.

    Raises:
        ValueError: the URL names no bucket or has an empty path segment, the part size is outside its limits, or
            ``client``, ``client_factory`` and the settings are given together.
    """

    def __init__(
        self,
        url: str,
        *,
        endpoint_url: str | None = None,
        region: str | None = None,
        profile: str | None = None,
        config: Any = None,
        client: Any = None,
        client_factory: Callable[[], Any] | None = None,
        extra_args: Mapping[str, Any] | None = None,
        part_size: int | None = None,
    ) -> None:
        """Check the arguments; nothing is sent."""
        match = _URL.fullmatch(url)
        if match is None:
            msg = f"{url!r} is no S3 URL; write s3://bucket/prefix/"
            raise ValueError(msg)
        prefix = match[2] or ""
        if prefix:
            prefix = prefix.removesuffix("/")
            _check(prefix, url)
            prefix += "/"
        if part_size is not None and not _SMALLEST_PART <= part_size <= _LARGEST_PART:
            msg = f"part_size must be from 5 MiB ({_SMALLEST_PART}) to 5 GiB ({_LARGEST_PART}), not {part_size}"
            raise ValueError(msg)
        connection = Connection(
            endpoint_url=endpoint_url,
            region=region,
            profile=profile,
            config=config,
            client=client,
            client_factory=client_factory,
        )
        self.bucket = Bucket(match[1], connection)
        self.prefix = prefix
        self._extra_args = dict(extra_args or {})
        self._part_size = part_size

    def __repr__(self) -> str:
        """Show the URL."""
        return f"S3Store({self.uri('')!r})"

    def uri(self, name: str) -> str:
        """Return the URL of a name; that of the prefix for no name."""
        return self.bucket.uri(self._key(name) if name else self.prefix)

    def parent(self) -> tuple[S3Store, str] | None:
        """Return the store one prefix level up and this one's name in it; None for a whole bucket."""
        if not self.prefix:
            return None
        above, slash, name = self.prefix[:-1].rpartition("/")
        store = copy.copy(self)
        store.prefix = above + slash
        return store, name

    def create(self, name: str, *, overwrite: bool = False) -> S3Sink:
        """Start an object; nothing is sent until its first part is full.

        Raises:
            OutputExistsError: the name is taken and ``overwrite`` is False.
            StorageError: the service could not say.
        """
        key = self._key(name)
        if not overwrite and self.bucket.head(key) is not None:
            uri = self.bucket.uri(key)
            msg = f"{uri} exists already; choose another destination, or overwrite it (overwrite=True, --overwrite)"
            raise OutputExistsError(msg)
        return S3Sink(self.bucket, key, overwrite=overwrite, extra_args=self._extra_args, part_size=self._part_size)

    def open(self, name: str) -> S3Source:
        """Open an object for reading, as it is now.

        Raises:
            StorageError: there is none, or it cannot be read.
        """
        return S3Source(self.bucket, self._key(name))

    def stat(self, name: str) -> Stat | None:
        """Describe an object by size and ETag, or return None where there is none.

        Raises:
            StorageError: the service could not say.
        """
        found = self.bucket.head(self._key(name))
        return None if found is None else Stat(found["ContentLength"], found["ETag"].strip('"'))

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the names that start with a prefix, sorted; the empty objects that stand for folders are left out.

        Raises:
            StorageError: the service could not say.
        """
        names = [
            found["Key"].removeprefix(self.prefix)
            for page in self.bucket.pages("list_objects_v2", self.prefix + prefix)
            for found in page.get("Contents", ())
            if not found["Key"].endswith("/")
        ]
        yield from sorted(names)  # directory buckets answer in no order

    def delete(self, name: str) -> None:
        """Remove an object; harmless where there is none.

        Raises:
            StorageError: it is still there.
        """
        self.bucket.call("delete_object", self._key(name))

    def drafts(self) -> None:
        """Return None: an upload that was killed starts again."""

    def probe(self) -> None:
        """Check that the bucket exists and that objects may be listed and uploads started under the prefix.

        Raises:
            StorageError: they may not, and why.
        """
        self.bucket.call("head_bucket")
        self.bucket.call("list_objects_v2", Prefix=self.prefix, MaxKeys=1)
        key = f"{self.prefix}.recordio_kit-probe"
        upload_id = self.bucket.call("create_multipart_upload", key, **self._extra_args)["UploadId"]
        self.bucket.call("abort_multipart_upload", key, UploadId=upload_id)

    def _key(self, name: str) -> str:
        _check(name, name)
        return self.prefix + name


def _check(path: str, whole: str) -> None:
    if _FOLDED.search(path):
        msg = f"{whole!r} has an empty, '.' or '..' path segment: SageMaker could not read it; leave it out"
        raise ValueError(msg)
