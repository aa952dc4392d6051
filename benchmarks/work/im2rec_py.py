"""Run MXNet 1.9.1's ``tools/im2rec.py`` as it is, on a NumPy without ``np.bool``, which MXNet needs to be imported."""

from __future__ import annotations

import importlib.util
import runpy
import sys
from pathlib import Path

import numpy as np


if __name__ == "__main__":
    np.bool = bool  # type: ignore[assignment,misc,unused-ignore]
    package = importlib.util.find_spec("mxnet")
    if package is None or package.origin is None:
        sys.exit("no mxnet in this interpreter")
    tool = Path(package.origin).parent / "tools" / "im2rec.py"
    sys.argv[0] = str(tool)
    runpy.run_path(str(tool), run_name="__main__")
