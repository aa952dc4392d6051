"""The fault matrix: every fault that the library promises to survive, injected, counted and held against a number.

One row a fault, one function a row, registered with its words and its pass mark (``registry``). Modules by the letter of
their rows: A processes, B disk, C damaged files, D inputs and unpacking. Importing the package registers them all.
"""

from __future__ import annotations

from tests.fault.matrix import (  # noqa: F401  # importing is registering
    damage,
    damage_files,
    damage_sizes,
    disk,
    disk_power,
    disk_sizes,
    inputs,
    inputs_lists,
    inputs_names,
    inputs_unpack,
    pending,
    processes,
    processes_workers,
)
from tests.fault.matrix.registry import ROWS, Outcome, Row, Scale


__all__ = ["ROWS", "Outcome", "Row", "Scale"]
