"""The kept corpus: a small file of inputs for each target, in the repository.

Strategy: a line of JSON for each input, which git can show. Inputs with a name are findings, kept for good; the others are
libFuzzer's smallest set that reaches what the whole corpus reaches, as far as it fits, and may be made anew at any time.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.fuzz.targets import TARGETS


_FOLDER = Path(__file__).parents[1] / "corpus" / "fuzz"
#: Bytes of a target's file, but for its findings.
_MOST_BYTES = 28_000


def read_kept(target):
    """Return the (name, input) pairs that are kept for a target; the name is empty but for findings."""
    file = _FOLDER / f"{target}.jsonl"
    rows = map(json.loads, file.read_text("ascii").splitlines()) if file.exists() else ()
    return [(row.get("name", ""), base64.b64decode(row["base64"])) for row in rows]


def write_kept(target, folder):
    """Replace what is kept for a target, but for its findings, by the smallest inputs of a fuzzer's corpus."""
    merged = folder / target / "merged"
    shutil.rmtree(merged, ignore_errors=True)
    merged.mkdir()
    options = ("-merge=1", f"-max_len={TARGETS[target].longest}")
    sources = [folder / target / part for part in ("corpus", "seeds")]
    command = [sys.executable, "-m", "tests.fuzz.child", target, *options, merged, *sources]
    subprocess.run(command, check=True, capture_output=True)
    lines, size = [], 0
    for data in sorted((file.read_bytes() for file in merged.iterdir()), key=lambda data: (len(data), data)):
        line = json.dumps({"base64": base64.b64encode(data).decode()})
        size += len(line) + 1
        if size <= _MOST_BYTES:
            lines.append(line)
    named = [json.dumps({"name": name, "base64": base64.b64encode(data).decode()}) for name, data in read_kept(target) if name]
    _FOLDER.mkdir(exist_ok=True)
    (_FOLDER / f"{target}.jsonl").write_text("".join(f"{line}\n" for line in (*named, *lines)), "ascii")
    shutil.rmtree(merged)
