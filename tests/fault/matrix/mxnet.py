"""Real MXNet as a reader, where the environment variable MXNET_PYTHON names an interpreter that has it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence


_READ = """
import json, sys
import numpy as np
np.bool = bool
import mxnet as mx
counts = {}
for path in json.load(sys.stdin):
    record, count = mx.recordio.MXRecordIO(path, "r"), 0
    while record.read() is not None:
        count += 1
    keyed = mx.recordio.MXIndexedRecordIO(path[:-3] + "idx", path, "r")
    for key in keyed.keys:
        keyed.read_idx(key)
    counts[path] = count if len(keyed.keys) == count else -1
print(json.dumps(counts))
"""


def read_with_mxnet(paths: Sequence[str]) -> dict[str, int] | None:
    """Return how many records MXNet reads from each file, in order and by key; None where there is no MXNet."""
    python = os.environ.get("MXNET_PYTHON")
    if python is None:
        return None
    done = subprocess.run([python, "-c", _READ], input=json.dumps(list(paths)), capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise RuntimeError(f"MXNet: {done.stderr[-2000:]}")
    counts: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return counts
