"""What a trip tells: progress while it runs, a report when it is done.

Strategy: values only. ``progress=True`` draws with tqdm (in notebooks too); a callable gets the same values and draws, logs
or forgets them. Nothing else in the library shows anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias


if TYPE_CHECKING:
    from recordio_kit._core.manifest import SplitInfo
    from recordio_kit._core.plan import Failure

__all__ = ["PackReport", "Progress", "ProgressCallback", "remarks_on", "resolve_progress"]

#: The mean size of a photo with its short edge at 256 and quality 95, over 200 photos.
_RESIZED_BYTES: Final = 42_000


@dataclass(frozen=True, slots=True)
class Progress:
    """Say how far a trip has come.

    Args:
        stage: what is being done, such as ``"pack train"``.
        done: items finished in this stage; never falls.
        total: items in this stage.
        bytes: bytes written or read in this stage.
        failures: items that failed so far.
    """

    stage: str
    done: int
    total: int
    bytes: int = 0
    failures: int = 0


ProgressCallback: TypeAlias = Callable[[Progress], None]


def resolve_progress(progress: bool | ProgressCallback | None) -> ProgressCallback:
    """Return the callable that a ``progress=`` argument means.

    Args:
        progress: None or False for silence, True for a tqdm bar, or a callable.

    Raises:
        TypeError: it is none of these.
    """
    if progress is None or progress is False:
        return lambda _: None
    if progress is True:
        return _Bars()
    if callable(progress):
        return progress
    msg = f"progress is None, True or a callable, not {type(progress).__name__}"
    raise TypeError(msg)


class _Bars:
    """Draw one tqdm bar a stage."""

    def __init__(self) -> None:
        self._stage = ""
        self._bar: Any = None

    def __call__(self, progress: Progress) -> None:
        from tqdm.auto import tqdm

        if progress.stage != self._stage:
            self._close()
            self._stage = progress.stage
            self._bar = tqdm(total=progress.total, desc=progress.stage, unit="img", unit_scale=True)
        if self._bar is None:
            return
        if progress.failures:
            self._bar.set_postfix(bad=progress.failures, refresh=False)
        self._bar.update(progress.done - self._bar.n)
        if progress.done >= progress.total:
            self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def remarks_on(info: SplitInfo) -> list[str]:
    """Return what people should know about a split's images before they train on them, each in a sentence.

    Args:
        info: the split.
    """
    remarks = []
    if info.turned:
        remarks.append(
            f"{info.turned} of {info.records} images carry an EXIF orientation and are stored as the camera held them; not every "
            "reader turns them. Re-encoding (--resize N) stores them upright"
        )
    if info.large:
        small = info.large * _RESIZED_BYTES
        remarks.append(
            f"{info.large} of {info.records} images have more than 4 megapixels and take {info.large_bytes / 1e6:,.1f} of "
            f"{info.record.bytes / 1e6:,.1f} MB; with --resize 256 they would take about {small / 1e6:,.2f} MB and train faster"
        )
    if not info.im2rec_exact:
        remarks.append("not im2rec-exact: no codec on this machine gives MXNet's bytes (recordio-kit doctor says more)")
    return remarks


@dataclass(frozen=True, slots=True, kw_only=True)
class PackReport:
    """Say what a pack made.

    Args:
        uri: the ``.rec``.
        info: records, bytes, checksums, labels and sizes, as the manifest keeps them.
        done: False where everything stood there already, verified, and nothing was written.
    """

    uri: str
    info: SplitInfo
    done: bool = True

    @property
    def records(self) -> int:
        """Return the number of records in the file."""
        return self.info.records

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Return the images that were left out."""
        return self.info.failures

    @property
    def remarks(self) -> list[str]:
        """Return what people should know about the images that were packed, each in a sentence."""
        return remarks_on(self.info)

    def __str__(self) -> str:
        """Say it in a line."""
        what = f"{self.records} records, {self.info.record.bytes} bytes"
        if self.failures:
            what += f", {len(self.failures)} images left out"
        return f"{self.uri}: {what}" + ("" if self.done else " (already there, verified)")
