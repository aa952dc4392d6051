"""Workers that write by themselves: the same file, whatever is not as it was foretold."""

from __future__ import annotations

import numpy as np
import pytest

import recordio_kit as rk
from recordio_kit._core.framing import MAGIC_BYTES
from recordio_kit._pipeline import placing
from recordio_kit._pipeline.executors import SupervisedExecutor
from recordio_kit._pipeline.sources import SourceSizes, refuse_unsafe, refuse_unsafe_paths
from recordio_kit._storage.local_sink import LocalTarget
from recordio_kit._storage.memory import MemoryStore
from recordio_kit.errors import UnsafePathError


@pytest.fixture(autouse=True)
def _short_segments(monkeypatch):
    monkeypatch.setattr("recordio_kit._core.plan.SEGMENT_ENTRIES", 4)


def write(folder, bodies):
    for number, body in enumerate(bodies):
        (folder / f"{number}.jpg").write_bytes(body)
    return rk.ImageList(range(len(bodies)), np.zeros(len(bodies)), [f"{number}.jpg" for number in range(len(bodies))])


def in_memory(images, folder, **how):
    store = MemoryStore()
    rk.pack_list(images, "x.rec", root=folder, store=store, check="none", workers=0, **how)
    return store.files


def test_what_is_as_foretold_is_written_by_workers_alone(tmp_path, monkeypatch):
    images = write(tmp_path, [bytes([number]) * (50 + number) for number in range(30)])
    writes = []
    with monkeypatch.context() as patch:
        patch.setattr("recordio_kit._storage.writer.RecordWriter.write_framed", lambda *rest: writes.append(rest))
        rk.pack_list(images, tmp_path / "x.rec", root=tmp_path, check="none", workers=2)
    assert not writes
    assert (tmp_path / "x.rec").read_bytes() == in_memory(images, tmp_path)["x.rec"]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("odd", [[0], [5, 6], [29], [3, 11, 19, 27], list(range(30))])
def test_records_that_hold_magics_move_those_behind_them(tmp_path, odd, workers):
    images = write(tmp_path, [b"abcd" + (MAGIC_BYTES if number in odd else b"efgh") * 3 + bytes(number) for number in range(30)])
    rk.pack_list(images, tmp_path / "x.rec", root=tmp_path, check="none", workers=workers)
    for suffix in (".rec", ".idx", ".rkm"):
        assert (tmp_path / f"x{suffix}").read_bytes() == in_memory(images, tmp_path)[f"x{suffix}"]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("bad", [[0], [7, 8], [29]])
def test_images_that_are_left_out_move_those_behind_them(tmp_path, bad, workers):
    images = write(tmp_path, [b"" if number in bad else bytes([number]) * 60 for number in range(30)])
    how = {"on_error": "skip", "max_skipped": 0.5}
    rk.pack_list(images, tmp_path / "x.rec", root=tmp_path, check="none", workers=workers, **how)
    assert (tmp_path / "x.rec").read_bytes() == in_memory(images, tmp_path, **how)["x.rec"]


def test_an_image_that_grew_since_it_was_listed_moves_those_behind_it(tmp_path):
    images = write(tmp_path, [bytes([number]) * 60 for number in range(30)]).replace(sizes=[60] * 30)
    (tmp_path / "9.jpg").write_bytes(b"longer" * 50)
    rk.pack_list(images, tmp_path / "x.rec", root=tmp_path, check="none", workers=2)
    assert (tmp_path / "x.rec").read_bytes() == in_memory(images, tmp_path)["x.rec"]


def test_a_failing_write_is_the_runs_error_and_an_image_error_is_not_taken_for_one(tmp_path):
    target = LocalTarget(str(tmp_path / "gone" / "x.part"), "x.rec")
    with pytest.raises(rk.errors.StorageError, match=r"x\.rec: cannot write"):
        target.put(0, [[b"data"]])
    (tmp_path / "x.part").write_bytes(b"")

    def failing():
        yield [b"data"]
        raise rk.errors.StorageError("cannot read", uri="source.jpg", operation="read")

    with pytest.raises(rk.errors.StorageError, match=r"source\.jpg: cannot read"):
        LocalTarget(str(tmp_path / "x.part"), "x.rec").put(4, failing())
    assert (tmp_path / "x.part").read_bytes() == b"\0\0\0\0data"


def test_very_many_pieces_are_written(tmp_path):
    (tmp_path / "x.part").write_bytes(b"")
    LocalTarget(str(tmp_path / "x.part"), "x.rec").put(
        2, [[bytes([number % 251])] * 3 for number in range(3000)] + [[b"z"] * 2500]
    )
    assert (tmp_path / "x.part").read_bytes()[2:] == b"".join(bytes([number % 251]) * 3 for number in range(3000)) + b"z" * 2500


def test_what_is_under_way_is_bounded_in_bytes(tmp_path, monkeypatch):
    images = write(tmp_path, [bytes(1000)] * 40)
    monkeypatch.setattr(placing, "_WINDOW_BYTES", 9000)
    most = []
    real = placing.Segments._start

    def look(self):
        going = real(self)
        most.append((len(self._under_way), self._weight))
        return going

    monkeypatch.setattr(placing.Segments, "_start", look)
    rk.pack_list(images, tmp_path / "x.rec", root=tmp_path, check="none", workers=3)
    assert max(most) == (2, 8000)


def test_the_first_failure_in_list_order_is_told_though_a_later_one_came_first(tmp_path, monkeypatch):
    images = write(tmp_path, [bytes([number]) * 60 for number in range(30)])
    for number in (4, 21):
        (tmp_path / f"{number}.jpg").write_bytes(b"")
    with pytest.raises(rk.errors.PackError) as caught, SupervisedExecutor(3) as pool:
        rk.pack_list(images, tmp_path / "x.rec", root=tmp_path, check="none", executor=pool)
    assert [failure.index for failure in caught.value.failures] == [4, 21]


def test_sizes_are_looked_up_as_they_are_needed_and_once(tmp_path, monkeypatch):
    images = write(tmp_path, [bytes(number) for number in range(20)])
    asked = []
    monkeypatch.setattr(
        "recordio_kit._pipeline.sources.source_stamp", lambda prefix, path: (asked.append(path), (int(path[:-4]), 0))[1]
    )
    sizes = SourceSizes(images, str(tmp_path))
    assert sizes.total(0) == 190
    assert sizes.run(0, 8).tolist() == list(range(8))
    assert sizes.run(5, 20).tolist() == list(range(5, 20))
    assert asked == [f"{number}.jpg" for number in range(20)]


@pytest.mark.parametrize(
    "path",
    ["/a", "\\a", "a\0b", "", "C:x", "C:\\x", "..", "../a", "a/..", "a/../b", "a\\..\\b", "a\\..", "\0"],
)
def test_an_unsafe_path_is_found_among_many(path):
    with pytest.raises(UnsafePathError):
        refuse_unsafe(path)
    for place in (0, 1, 4096, 4999):
        paths = [f"a..b/{number}..jpg" for number in range(5000)]
        paths[place] = path
        with pytest.raises(UnsafePathError, match=f"entry {place + 1} of the list"):
            refuse_unsafe_paths(rk.ImageList(range(5000), np.zeros(5000), paths))


@pytest.mark.parametrize("path", ["a..", "..a", "a/..b", "b../c", "ab:c", "ä:x", "a/C:x", "...", " ", "a\\b"])
def test_a_safe_path_is_not_taken_for_an_unsafe_one(path):
    refuse_unsafe(path)
    refuse_unsafe_paths(rk.ImageList(range(3), np.zeros(3), ["x", path, "y"]))
