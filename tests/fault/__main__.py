"""``python -m tests.fault [ROW ...] [--full] [--seed N] [--markdown FILE]``: the fault matrix as a table."""

from __future__ import annotations

import sys

import tests.fault.matrix  # noqa: F401  # registers the rows
from tests.fault.matrix.runner import main


sys.exit(main())
