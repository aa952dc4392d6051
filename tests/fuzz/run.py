"""Run a target for a while and keep the books.

Strategy: libFuzzer runs in slices, a process each, and after each one a row is added to the target's ``runs.jsonl``; so
totals add up over sessions, and a session that is killed loses a slice at most. Figures are libFuzzer's own, read from
what it prints; time is the processor's. What broke a promise before is tried again first.

    FOLDER/TARGET/corpus      what reached something new, libFuzzer's own
    FOLDER/TARGET/seeds       what each slice begins with besides: seeds from code, the kept corpus, old findings
    FOLDER/TARGET/findings    inputs that break a promise
    FOLDER/TARGET/runs.jsonl  a row for each slice
    FOLDER/TARGET/log.txt     what the last slice printed
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.kept import read_kept
from tests.fuzz.targets import TARGETS, load


_FIGURES = re.compile(r"^#(\d+)\s.*?cov: (\d+) ft: (\d+) corp: (\d+)", re.MULTILINE)
_EXECUTED = re.compile(r"^stat::number_of_executed_units: (\d+)", re.MULTILINE)
_RAISED = re.compile(r"=== Uncaught Python exception: ===\n(.*)")
_FAILED = re.compile(r"^==\d+== ?ERROR: .*$", re.MULTILINE)
#: The clock's seconds, and so a backstop only: a process that was stopped meanwhile must not be taken for one that hangs.
_TIMEOUT_SECONDS = 7200
_RSS_MEGABYTES = 2048


@dataclass(frozen=True)
class Slice:
    """Say what came of a slice.

    Args:
        runs: inputs.
        seconds: of the processor.
        cov: edges reached.
        ft: features reached: edges, and how often.
        corpus: inputs kept.
        end: how it ended: "done", "finding", or what went wrong.
    """

    runs: int
    seconds: float
    cov: int
    ft: int
    corpus: int
    end: str


@dataclass(frozen=True)
class Total:
    """Add up a target's slices; ``findings`` are the inputs that break a promise now."""

    target: str
    runs: int
    seconds: float
    cov: int
    ft: int
    corpus: int
    findings: tuple[Path, ...]
    failure: str


class Session:
    """Run one target.

    Args:
        name: the target.
        folder: where all targets' folders are.
    """

    def __init__(self, name, folder):
        self.name = name
        self.folder = folder / name
        self.failure = ""
        for part in ("corpus", "seeds", "findings"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        for finding in self.findings():
            finding.rename(self.folder / "seeds" / finding.name)
        functions = load(name)
        for seed in (*functions.seeds(), *(data for _, data in read_kept(name))):
            (self.folder / "seeds" / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
        words = "".join('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in functions.words)
        (self.folder / "words.txt").write_text(words, "ascii")

    def findings(self):
        """Return the inputs that break a promise."""
        return tuple(sorted((self.folder / "findings").iterdir()))

    def total(self):
        """Add up what was done so far."""
        rows = self._rows()
        last = next((row for row in reversed(rows) if row.cov), Slice(0, 0, 0, 0, 0, ""))
        runs, seconds = sum(row.runs for row in rows), sum(row.seconds for row in rows)
        return Total(self.name, runs, seconds, last.cov, last.ft, last.corpus, self.findings(), self.failure)

    def run(self, runs, seconds):
        """Run one slice.

        Args:
            runs: inputs at most.
            seconds: the clock's, at most.
        """
        import resource  # which Windows lacks, as it does atheris

        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        log = self.folder / "log.txt"
        with log.open("wb") as out:
            code = subprocess.run(self._command(runs, seconds), stdout=out, stderr=out, check=False).returncode
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        text = log.read_text("utf-8", "replace")
        end = "done" if code == 0 else "finding" if self.findings() else f"ended with {code}: {last_error(text)}; see {log}"
        done = read_figures(text, used, end)
        with (self.folder / "runs.jsonl").open("a", encoding="ascii") as file:
            file.write(json.dumps(vars(done)) + "\n")
        if end == "finding":
            self.failure = last_error(text)
        elif end != "done":
            self.failure = end
        return done

    def _command(self, runs, seconds):
        options = {
            "runs": runs,
            "max_total_time": max(1, int(seconds)),
            "max_len": TARGETS[self.name].longest,
            "timeout": _TIMEOUT_SECONDS,
            "report_slow_units": _TIMEOUT_SECONDS,  # the clock's as well
            "rss_limit_mb": _RSS_MEGABYTES,
            "artifact_prefix": f"{self.folder / 'findings'}/",
            "print_final_stats": 1,
            "reload": 0,
        }
        if (words := self.folder / "words.txt").stat().st_size:
            options["dict"] = words
        flags = [f"-{name}={value}" for name, value in options.items()]
        return [sys.executable, "-m", "tests.fuzz.child", self.name, *flags, self.folder / "corpus", self.folder / "seeds"]

    def _rows(self):
        file = self.folder / "runs.jsonl"
        return [Slice(**json.loads(line)) for line in file.read_text("ascii").splitlines()] if file.exists() else []


def read_figures(text, seconds, end):
    """Return what libFuzzer's output says of a slice."""
    figures = _FIGURES.findall(text)
    runs, cov, ft, corpus = map(int, figures[-1]) if figures else (0, 0, 0, 0)
    executed = _EXECUTED.search(text)
    return Slice(int(executed[1]) if executed else runs, round(seconds, 1), cov, ft, corpus, end)


def last_error(text):
    """Return the line of the output that says what happened."""
    return (_RAISED.findall(text) or _FAILED.findall(text) or text.strip().splitlines() or ["no output"])[-1]
