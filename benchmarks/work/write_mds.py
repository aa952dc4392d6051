"""Write a list's files, as they are, with their labels, through MosaicML Streaming's ``MDSWriter``: ROOT."""

from __future__ import annotations

import sys
from pathlib import Path

from streaming import MDSWriter  # type: ignore[import-not-found,unused-ignore]


def main(root: Path) -> None:
    """Write the folder ``x``, at the writer's own limits."""
    with (
        Path("all.lst").open(encoding="utf-8") as lines,
        MDSWriter(out="x", columns={"image": "bytes", "label": "int"}) as writer,
    ):
        for line in lines:
            _, label, path = line.rstrip("\n").split("\t")
            writer.write({"image": (root / path).read_bytes(), "label": int(float(label))})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
