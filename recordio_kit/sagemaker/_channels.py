"""Which split feeds which channel, from which S3 prefix, and what the channels hold together.

Strategy: SageMaker downloads every object whose key starts with a channel's prefix, so a channel names the folder that
holds its ``.rec`` and nothing else of the data set, with its closing slash, or else the ``.rec`` itself. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from recordio_kit.sagemaker._problem import Problem


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from recordio_kit._core.manifest import Manifest, SplitInfo

#: What the algorithm needs to train from RecordIO.
CHANNELS: Final = ("train", "validation")
_S3_URL: Final = re.compile(r"s3://[A-Za-z0-9][A-Za-z0-9._-]+(?:/.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFacts:
    """Hold what the hyperparameters must agree with.

    Args:
        train: records in the train channel.
        validation: records in the validation channel.
        hosts: instances that share the train channel.
        num_classes: or None where nobody knows.
        label_width: labels a record has.
        height: smallest and largest image height in pixels over both channels, None where unknown.
        width: the same across.
    """

    train: int
    validation: int
    hosts: int
    num_classes: int | None
    label_width: int
    height: tuple[int, int] | None
    width: tuple[int, int] | None

    @property
    def largest_batch(self) -> int:
        """Return the number of records that every host can take from both channels."""
        return min(self.train // max(self.hosts, 1), self.validation)


def data_facts(manifest: Manifest, splits: Mapping[str, SplitInfo], hosts: int) -> DataFacts:
    """Return what the two channels hold together.

    Args:
        manifest: of the data set.
        splits: by channel, with both channels.
        hosts: instances.
    """
    chosen = [splits[channel] for channel in CHANNELS]
    return DataFacts(
        train=chosen[0].records,
        validation=chosen[1].records,
        hosts=hosts,
        num_classes=manifest.num_classes,
        label_width=chosen[0].label_width,
        height=_span(split.height for split in chosen),
        width=_span(split.width for split in chosen),
    )


def _span(ranges: Iterable[tuple[int, int] | None]) -> tuple[int, int] | None:
    known = list(ranges)
    spans = [span for span in known if span is not None and span[0] > 0]
    return (min(low for low, _ in spans), max(high for _, high in spans)) if len(spans) == len(known) else None


def channel_key(manifest: Manifest, split: SplitInfo) -> str:
    """Return the key, relative to the data set, that selects a split's ``.rec`` and no other file of the manifest.

    Args:
        manifest: of the data set.
        split: one of its splits.
    """
    folder, slash, _ = split.record.path.rpartition("/")
    strangers = [info.path for other in manifest.splits.values() for info in other.files if info.path != split.record.path]
    alone = slash and not any(path.startswith(folder + slash) for path in strangers)
    return folder + slash if alone else split.record.path


def missing_channel(manifest: Manifest, channel: str, split: str) -> Problem:
    """Return the problem of a channel that no split feeds.

    Args:
        manifest: of the data set.
        channel: its name.
        split: the split that is not there.
    """
    what = f"the {channel} channel has no data: the manifest has no split {split!r}, only {', '.join(sorted(manifest.splits))}"
    spare = [name for name in manifest.splits if name not in CHANNELS]
    if spare:
        other = "test" if "test" in spare else min(spare)
        mend = f"pass channels={{{channel!r}: {other!r}}} (--channel {channel}={other}) to use that split"
    else:
        mend = "prepare the data with --split train=0.7 --split validation=0.3: the algorithm needs both"
    return Problem("InputDataConfig", what, mend)


def splits_of_request(request: Mapping[str, Any], manifest: Manifest) -> dict[str, SplitInfo]:
    """Return the split that feeds each of the request's two channels, by its URI or else by its name.

    Args:
        request: for ``create_training_job``, sound in structure.
        manifest: of the data set.
    """
    keys = {key: split for split in manifest.splits.values() for key in (channel_key(manifest, split), split.record.path)}
    found = {}
    for channel, uri in channel_uris(request).items():
        fitting = max((key for key in keys if uri.endswith("/" + key)), key=len, default=None)
        split = manifest.splits.get(channel) if fitting is None else keys[fitting]
        if channel in CHANNELS and split is not None:
            found[channel] = split
    return found


def channel_uris(request: Mapping[str, Any]) -> dict[str, str]:
    """Return the S3 URI of each channel that has one.

    Args:
        request: for ``create_training_job``, sound in structure.
    """
    return {
        channel["ChannelName"]: channel["DataSource"]["S3DataSource"]["S3Uri"]
        for channel in request.get("InputDataConfig", [])
        if "S3DataSource" in channel["DataSource"]
    }


def s3_url_fault(url: str) -> str | None:
    """Return what is wrong with an S3 URL that SageMaker shall read or write, or None.

    Args:
        url: the text.
    """
    if not _S3_URL.fullmatch(url):
        return "is no s3://BUCKET/PREFIX URL"
    if "//" in url.removeprefix("s3://"):
        return "holds an empty key segment ('//'), which SageMaker refuses to download"
    return None
