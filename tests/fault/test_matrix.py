"""Every row of the fault matrix at its short scale; ``python -m tests.fault --full`` is the long run.

A failure names the trials that failed and the line that runs the row again.
"""

from __future__ import annotations

import pytest

from tests.fault.matrix import ROWS, Scale
from tests.fault.matrix.runner import order, repeat_line, run_row


SEED = 0


@pytest.mark.parametrize("name", sorted(ROWS, key=order))
def test_a_fault_of_the_matrix(name, tmp_path):
    result = run_row(ROWS[name], Scale.SHORT, SEED, tmp_path / name)
    if result.outcome is None:
        pytest.skip(result.reason)
    assert result.outcome.ok, f"{result.outcome}\nagain: {repeat_line(result.row, Scale.SHORT, SEED)}"
