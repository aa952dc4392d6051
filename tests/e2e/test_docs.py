"""The documentation is run, not believed: every ``sh`` and ``python`` block of it, in order, in a folder of stand-ins."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from recordio_kit._core.mnist_idx import format_idx_array
from recordio_kit.cli.demo import draw_shapes
from tests.samples import encoded, write_tree


ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("**/*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# These two lines set up an environment; the continuous integration runs the second one itself.
SETUP = "python3 -m venv"


def blocks(page):
    return [(kind, text) for kind, text in BLOCK.findall(page.read_text("utf-8")) if kind != "text" and SETUP not in text]


@pytest.fixture
def desk(tmp_path):
    """A folder with what the pages speak of: IDX files under Fashion-MNIST's names, photos, small shapes."""
    pixels, labels = draw_shapes()
    for name, part in (("train", slice(0, 300)), ("t10k", slice(300, 400))):
        (tmp_path / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(format_idx_array(pixels[part])))
        (tmp_path / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(format_idx_array(labels[part])))
    photos = write_tree(tmp_path / "photos", {"ant": 6, "bee": 6}, height=300, width=400)
    for folder in ("ant", "bee"):
        for number in range(6):
            (photos / folder / f"{number:04d}.jpg").rename(photos / folder / f"subject{number}.jpg")
    for label in range(2):
        (tmp_path / "shapes" / f"s{label}").mkdir(parents=True)
        for number in range(8):
            image = encoded(np.repeat(pixels[label + 10 * number][..., None], 3, axis=2), "PNG")
            (tmp_path / "shapes" / f"s{label}" / f"{number}.png").write_bytes(image)
    return tmp_path


def test_there_are_pages_with_examples():
    assert sum(bool(blocks(page)) for page in PAGES) >= 4


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.name)
def test_every_example_of_a_page_runs(page, desk, bucket):
    folder = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    python = "".join(text for kind, text in blocks(page) if kind == "python")
    shell = [text for kind, text in blocks(page) if kind == "sh"]
    order = [kind for kind, _ in blocks(page)]
    steps = [("sh", text) for text in shell]
    if python:
        steps.insert(len([kind for kind in order[: order.index("python")] if kind == "sh"]), ("python", python))
    for kind, text in steps:
        if kind == "python":
            command = [sys.executable, "-W", "error", "-c", text]
        else:
            words = text.replace("my-bucket", bucket).replace("recordio-kit ", "python -m recordio_kit ")
            command = ["bash", "-euo", "pipefail", "-c", words.replace("python -m", f"{sys.executable} -m")]
        done = subprocess.run(command, cwd=desk, env=environment, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
