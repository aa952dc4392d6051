"""What the command line shows: words for people on standard error, JSON in ASCII on standard output.

Strategy: the one place that prints. File names may hold anything, so what standard error cannot encode is escaped.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from collections.abc import Iterable

    from recordio_kit._core.imagelist import Finding
    from recordio_kit._core.manifest import Manifest
    from recordio_kit._pipeline.report import Progress, ProgressCallback


class Output:
    """Show results.

    Args:
        as_json: one JSON document on standard output.
        quiet: no words but errors.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        """Make standard error take any file name."""
        self.as_json = as_json
        self.quiet = quiet
        if hasattr(sys.stderr, "reconfigure"):
            sys.stderr.reconfigure(errors="backslashreplace")

    @property
    def progress(self) -> bool:
        """Tell whether bars are wanted: where somebody watches."""
        return not self.quiet and not self.as_json and sys.stderr.isatty()

    def telling(self) -> ProgressCallback:
        """Return what shows the progress of packing: bars where they are wanted, and what an earlier run had done already."""
        from recordio_kit._pipeline.report import resolve_progress

        bars, begun = resolve_progress(self.progress), set[str]()

        def tell(progress: Progress) -> None:
            if progress.stage not in begun and progress.done:
                self.say("resume", f"{progress.stage}: {progress.done} of {progress.total} images were packed by an earlier run")
            begun.add(progress.stage)
            bars(progress)

        return tell

    def say(self, label: str, text: str) -> None:
        """Show what kind of word it is, and the words: a line, or as many as they have."""
        if not self.quiet:
            for line in text.splitlines():
                print(f"{label:<11}{line}", file=sys.stderr, flush=True)

    def error(self, text: str) -> None:
        """Show what went wrong, in one line."""
        print(f"error: {' '.join(text.split())}", file=sys.stderr, flush=True)

    def findings(self, findings: Iterable[Finding]) -> None:
        """Show what was odd about an input."""
        for finding in findings:
            self.say("note", f"line {finding.line}: {finding.message}" if finding.line else finding.message)

    def emit(self, document: Any) -> None:
        """Write the result for programs, if that was asked for."""
        if self.as_json:
            self.text(json.dumps(document, default=_plain, indent=2, sort_keys=True))

    def text(self, text: str) -> None:
        """Write to standard output, whatever was asked for: this is the command's product."""
        sys.stdout.write(text.rstrip("\n") + "\n")
        sys.stdout.flush()


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    return str(value)


def size(count: int) -> str:
    """Return a number of bytes in words."""
    number = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def describe(out: Output, manifest: Manifest, where: str) -> None:
    """Show what a data set holds."""
    from recordio_kit._pipeline.report import remarks_on

    for name, split in manifest.splits.items():
        text = f"{split.record.path}: {split.records} records, {size(split.record.bytes)}"
        if split.failures:
            text += f", {len(split.failures)} images left out (first: {split.failures[0].path}: {split.failures[0].reason})"
        out.say(name, text)
        for remark in remarks_on(split):
            out.say("note", f"{name}: {remark}")
    classes = "no class names" if manifest.classes is None else f"{len(manifest.classes)} classes"
    out.say("in", f"{where} ({classes})")
