"""Write a list's files, as they are, with their labels, through webdataset's ``ShardWriter``: ROOT."""

from __future__ import annotations

import sys
from pathlib import Path

from webdataset import ShardWriter  # type: ignore[import-not-found,unused-ignore]


def main(root: Path) -> None:
    """Write the shards ``x-*.tar``, at the writer's own limits."""
    with Path("all.lst").open(encoding="utf-8") as lines, ShardWriter("x-%06d.tar", verbose=0) as writer:
        for line in lines:
            index, label, path = line.rstrip("\n").split("\t")
            writer.write({"__key__": f"{int(index):08d}", "jpg": (root / path).read_bytes(), "cls": int(float(label))})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
