"""What a verification found: values, and a collector that bounds them.

Strategy: damage is data, never an exception. A file that is wrong throughout (another file's index, say) would give a
finding for each record, so each kind is counted and only the first of a file are kept.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from recordio_kit._pipeline.survey import Damage


if TYPE_CHECKING:
    from collections.abc import Sequence

    from recordio_kit._pipeline.consumers.base import Consumer

Level: TypeAlias = Literal["structure", "checksum", "decode"]

#: ``Damage`` is structural. size: not what it should be. index: sidecar and file disagree. key: one key, several records.
#: header: no image header. checksum: other bytes. image: cannot be decoded. missing, extra: files or records that should, or
#: should not, be there. count: another number of records. manifest: it cannot be read. consumer: sound, but not for the one
#: that it was verified for.
FindingKind: TypeAlias = (
    Damage | Literal["size", "index", "key", "header", "checksum", "image", "missing", "extra", "count", "manifest", "consumer"]
)

#: Of each kind (of a consumer's, each rule) and file so many findings are kept.
_KEPT: Final = 1000


class VerifyFinding(NamedTuple):
    """Describe one thing that is wrong.

    Args:
        source: the file's path or URL.
        offset: the byte it is about, if one is.
        position: the record it is about, counted over the sound ones, if it is about one.
        kind: one word of ``FindingKind``.
        message: what is wrong, in words.
    """

    source: str
    offset: int | None
    position: int | None
    kind: FindingKind
    message: str

    def __str__(self) -> str:
        """Say it in a line."""
        place = "" if self.offset is None else f"at byte {self.offset}: "
        return f"{self.source}: {place}{self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """Say what a verification looked at and what it found.

    Args:
        uri: the file or manifest.
        level: what was asked for.
        consumer: whose rules it was held against, or None.
        records: sound records, over all files.
        bytes: size of all files that were read.
        findings: what is wrong, by file and offset.
        notes: what could not be held against anything.
    """

    uri: str
    level: Level
    consumer: Consumer | None = None
    records: int
    bytes: int
    findings: tuple[VerifyFinding, ...]
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Tell whether nothing was found."""
        return not self.findings

    def __str__(self) -> str:
        """Say it in a line."""
        what = "ok" if self.ok else f"{len(self.findings)} findings"
        how = self.level if self.consumer is None else f"{self.level}, for {self.consumer}"
        return "; ".join([f"{self.uri}: {what}, {self.records} sound records, {self.bytes} bytes ({how})", *self.notes])

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        findings = [finding._asdict() for finding in self.findings]
        return {"ok": self.ok, **asdict(self), "findings": findings, "notes": list(self.notes)}


class Findings:
    """Collect the findings of one file.

    Args:
        source: its path or URL.
    """

    def __init__(self, source: str) -> None:
        """Start with none."""
        self._source = source
        self._found: list[VerifyFinding] = []
        self._counts: Counter[tuple[FindingKind, str]] = Counter()

    def __len__(self) -> int:
        """Return how many there are, kept or not."""
        return self._counts.total()

    def add(
        self,
        kind: FindingKind,
        message: str,
        *,
        offset: int | None = None,
        position: int | None = None,
        source: str | None = None,
        rule: str = "",
    ) -> None:
        """Add one; ``source`` names another file, such as a sidecar, and ``rule`` what is counted by itself in its kind."""
        self._counts[kind, rule] += 1
        if self._counts[kind, rule] <= _KEPT:
            self._found.append(VerifyFinding(source or self._source, offset, position, kind, message))

    def result(self) -> Sequence[VerifyFinding]:
        """Return what was kept, by offset, and a last one for each kind that was cut."""
        kept = sorted(self._found, key=lambda finding: (finding.offset is not None, finding.offset or 0))
        cut = [(kind, rule, count - _KEPT) for (kind, rule), count in self._counts.items() if count > _KEPT]
        return kept + [
            VerifyFinding(self._source, None, None, kind, f"{count} more of kind {rule or kind!r}") for kind, rule, count in cut
        ]
