"""A run that did not finish, and the next one: the bytes of a run that was never interrupted, or a refusal that says why."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import recordio_kit as rk
from recordio_kit._core.journal import parse_journal
from recordio_kit._pipeline.placing import Segments
from recordio_kit._storage.local import LocalStore
from recordio_kit._storage.local_sink import LocalSink
from tests.samples import jpeg, write_tree


@pytest.fixture(autouse=True)
def _short_segments(monkeypatch):
    monkeypatch.setattr("recordio_kit._core.plan.SEGMENT_ENTRIES", 3)


@pytest.fixture
def photos(tmp_path):
    return write_tree(tmp_path / "photos", {"cat": 10, "dog": 10})


@pytest.fixture
def images(photos):
    return rk.make_list(photos)


class StoppedError(Exception):
    """What ends a run in the middle."""


def stop_after(monkeypatch, segments):
    """Let a run end behind so many segments; counts the segments that are made."""
    made = []
    real = Segments.__iter__

    def some(self):
        for segment in real(self):
            if segments is not None and len(made) == segments:
                raise StoppedError
            made.append(segment.receipt.start)
            yield segment

    monkeypatch.setattr(Segments, "__iter__", some)
    return made


def interrupted(monkeypatch, segments, pack):
    with monkeypatch.context() as patch:
        stop_after(patch, segments)
        with pytest.raises(StoppedError) as caught:
            pack()
    return caught.value


def files_of(folder):
    return {
        os.path.relpath(os.path.join(place, name), folder): (Path(place) / name).read_bytes()
        for place, _, names in os.walk(folder)
        for name in names
    }


@pytest.mark.parametrize("options", [{}, {"transform": rk.Reencode(short_edge=12)}, {"checksums": False}, {"workers": 2}])
@pytest.mark.parametrize("segments", [1, 4, 6])
def test_a_pack_goes_on_where_it_stopped(images, tmp_path, monkeypatch, options, segments):
    rk.pack_list(images, tmp_path / "clean" / "x.rec", **options)
    error = interrupted(monkeypatch, segments, lambda: rk.pack_list(images, tmp_path / "out" / "x.rec", **options))
    assert f"{3 * segments} images of {tmp_path / 'out' / 'x.rec'} are kept" in error.__notes__[0]
    assert os.listdir(tmp_path / "out") == [".recordio_kit"]
    made = stop_after(monkeypatch, None)
    report = rk.pack_list(images, tmp_path / "out" / "x.rec", **options)
    assert made == list(range(3 * segments, 20, 3))
    assert report.done
    assert files_of(tmp_path / "out") == files_of(tmp_path / "clean")


def test_a_data_set_goes_on_where_it_stopped(photos, tmp_path, monkeypatch):
    clean = rk.prepare(photos, tmp_path / "clean")
    for segments in (2, 5, 6):
        out = tmp_path / f"out{segments}"
        interrupted(monkeypatch, segments, lambda out=out: rk.prepare(photos, out))
        assert os.listdir(out) == [".recordio_kit"]
        made = stop_after(monkeypatch, None)
        assert rk.prepare(photos, out) == clean
        assert len(made) == 7 - segments
        monkeypatch.undo()
        monkeypatch.setattr("recordio_kit._core.plan.SEGMENT_ENTRIES", 3)
        assert files_of(out) == files_of(tmp_path / "clean")


def test_every_step_of_publishing_can_be_the_last(photos, tmp_path, monkeypatch):
    rk.prepare(photos, tmp_path / "clean")
    whole = files_of(tmp_path / "clean")
    real = LocalSink.commit
    for steps in range(len(whole)):
        done = []

        def some(sink, steps=steps, done=done):
            if len(done) == steps:
                raise StoppedError
            real(sink)
            done.append(sink)

        out = tmp_path / f"out{steps}"
        monkeypatch.setattr(LocalSink, "commit", some)
        with pytest.raises(StoppedError):
            rk.prepare(photos, out)
        monkeypatch.setattr(LocalSink, "commit", real)
        found = {name: data for name, data in files_of(out).items() if not name.startswith(".recordio_kit")}
        assert len(found) == steps
        assert found.items() <= whole.items()
        rk.prepare(photos, out)
        assert files_of(out) == whole


def test_what_was_published_is_not_packed_again(images, tmp_path, monkeypatch):
    real = LocalSink.commit

    def once(sink):
        real(sink)
        raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(LocalSink, "commit", once)
        with pytest.raises(StoppedError):
            rk.pack_list(images, tmp_path / "x.rec")
    assert sorted(os.listdir(tmp_path)) == [".recordio_kit", "photos", "x.rec"]
    made = stop_after(monkeypatch, None)
    rk.pack_list(images, tmp_path / "x.rec")
    assert made == []
    assert sorted(os.listdir(tmp_path)) == ["photos", "x.idx", "x.rec", "x.rkm"]
    assert rk.verify(tmp_path / "x.rec").ok


def test_a_run_killed_when_all_was_done_leaves_nothing_behind_the_next(photos, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("recordio_kit._storage.drafts.JournalFile.remove", lambda journal: journal.close())
        rk.prepare(photos, tmp_path / "out")
    assert os.path.isdir(tmp_path / "out" / ".recordio_kit")
    rk.prepare(photos, tmp_path / "out")
    assert not os.path.exists(tmp_path / "out" / ".recordio_kit")


def test_an_image_that_changed_since_it_was_packed_is_refused_and_one_that_was_not_is_used(images, photos, tmp_path, monkeypatch):
    interrupted(monkeypatch, 2, lambda: rk.pack_list(images, tmp_path / "x.rec"))
    before = files_of(tmp_path / ".recordio_kit")
    used = photos / images.path_at(5)
    stamp = used.stat()
    os.utime(used, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
    with pytest.raises(rk.errors.ResumeMismatchError, match=r"0005\.jpg is not as it was.*--no-resume"):
        rk.pack_list(images, tmp_path / "x.rec")
    assert files_of(tmp_path / ".recordio_kit") == before
    os.utime(used, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    (photos / images.path_at(6)).write_bytes(jpeg(77))
    rk.pack_list(images, tmp_path / "x.rec")
    with rk.RecordReader(tmp_path / "x.rec", checksums=True) as records:
        assert rk.unpack_record(records[6])[1] == jpeg(77)


def test_a_mended_image_goes_on_after_the_bad_one(images, photos, tmp_path, monkeypatch):
    rk.pack_list(images, tmp_path / "clean" / "x.rec")
    good = (photos / images.path_at(10)).read_bytes()
    (photos / images.path_at(10)).write_bytes(good[:-9])
    (photos / images.path_at(15)).write_bytes(b"")
    with pytest.raises(rk.errors.PackError) as caught:
        rk.pack_list(images, tmp_path / "out" / "x.rec")
    assert [failure.index for failure in caught.value.failures] == [10, 15]
    (photos / images.path_at(10)).write_bytes(good)
    (photos / images.path_at(15)).write_bytes(jpeg(15))
    made = stop_after(monkeypatch, None)
    rk.pack_list(images, tmp_path / "out" / "x.rec")
    assert made == [9, 12, 15, 18]
    assert files_of(tmp_path / "out") == files_of(tmp_path / "clean")


def test_skipped_images_are_remembered(images, photos, tmp_path, monkeypatch):
    (photos / images.path_at(1)).write_bytes(b"")
    how = {"on_error": "skip", "max_skipped": 0.5}
    clean = rk.pack_list(images, tmp_path / "clean" / "x.rec", **how)
    interrupted(monkeypatch, 3, lambda: rk.pack_list(images, tmp_path / "out" / "x.rec", **how))
    report = rk.pack_list(images, tmp_path / "out" / "x.rec", **how)
    assert report.info == clean.info
    assert [failure.index for failure in report.failures] == [1]
    assert files_of(tmp_path / "out") == files_of(tmp_path / "clean")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"check": "none"}, "check: fast then, none now"),
        ({"transform": rk.Reencode(short_edge=9)}, "transform: None then"),
    ],
)
def test_other_options_are_refused(images, tmp_path, monkeypatch, change, words):
    interrupted(monkeypatch, 2, lambda: rk.pack_list(images, tmp_path / "x.rec"))
    before = files_of(tmp_path)
    with pytest.raises(rk.errors.ResumeMismatchError, match=f"6 images.*{words}.*--no-resume"):
        rk.pack_list(images, tmp_path / "x.rec", **change)
    assert files_of(tmp_path) == before
    rk.pack_list(images, tmp_path / "x.rec")


def test_another_list_is_refused_and_so_is_another_codec(images, tmp_path, monkeypatch):
    how = {"transform": rk.Reencode(short_edge=9)}
    interrupted(monkeypatch, 2, lambda: rk.pack_list(images, tmp_path / "x.rec", **how))
    with pytest.raises(rk.errors.ResumeMismatchError, match="from another list"):
        rk.pack_list(images[1:], tmp_path / "x.rec", **how)
    with monkeypatch.context() as patch:
        patch.setattr("recordio_kit._images.baseline.is_exact", lambda: False)
        with pytest.raises(rk.errors.ResumeMismatchError, match=r"codec that gives other bytes \(im2rec then, Pillow"):
            rk.pack_list(images, tmp_path / "x.rec", **how)
    rk.pack_list(images, tmp_path / "x.rec", **how)


def test_starting_over_throws_away_what_was_left(images, tmp_path, monkeypatch):
    interrupted(monkeypatch, 2, lambda: rk.pack_list(images, tmp_path / "x.rec"))
    made = stop_after(monkeypatch, None)
    rk.pack_list(images[:5], tmp_path / "x.rec", resume=False)
    assert made == [0, 3]
    assert sorted(os.listdir(tmp_path)) == ["photos", "x.idx", "x.rec", "x.rkm"]


def test_without_resume_nothing_is_left(images, tmp_path, monkeypatch):
    interrupted(monkeypatch, 2, lambda: rk.pack_list(images, tmp_path / "x.rec", resume=False))
    assert os.listdir(tmp_path) == ["photos"]


def test_without_resume_nothing_is_left_of_a_run_that_could_not_publish(images, tmp_path, monkeypatch):
    def refuse(_):
        raise rk.errors.StorageError("cannot publish", operation="publish")

    monkeypatch.setattr(LocalSink, "commit", refuse)
    with pytest.raises(rk.errors.StorageError):
        rk.pack_list(images, tmp_path / "x.rec", resume=False)
    assert os.listdir(tmp_path) == ["photos"]


def test_before_the_first_segment_nothing_is_left(images, tmp_path, monkeypatch):
    interrupted(monkeypatch, 0, lambda: rk.pack_list(images, tmp_path / "x.rec"))
    assert os.listdir(tmp_path) == ["photos"]


@pytest.mark.parametrize("at", [0, 100, 1500, 2200, 8000])
def test_damage_in_what_was_left_costs_the_segments_from_there_on(images, tmp_path, monkeypatch, at):
    rk.pack_list(images, tmp_path / "clean" / "x.rec")
    interrupted(monkeypatch, 5, lambda: rk.pack_list(images, tmp_path / "out" / "x.rec"))
    part = tmp_path / "out" / ".recordio_kit" / "x.rec.part"
    data = bytearray(part.read_bytes())
    data[at] ^= 1
    part.write_bytes(data)
    made = stop_after(monkeypatch, None)
    rk.pack_list(images, tmp_path / "out" / "x.rec")
    assert made[0] <= 12
    assert files_of(tmp_path / "out") == files_of(tmp_path / "clean")


def test_a_journal_cut_at_any_byte_is_believed_as_far_as_it_is_whole(images, tmp_path, monkeypatch):
    rk.pack_list(images, tmp_path / "clean" / "x.rec")
    interrupted(monkeypatch, 5, lambda: rk.pack_list(images, tmp_path / "out" / "x.rec"))
    left = files_of(tmp_path / "out" / ".recordio_kit")
    journal = left["x.rec.journal"]
    for length in [*range(0, len(journal), 97), len(journal) - 1]:
        folder = tmp_path / f"cut{length}" / ".recordio_kit"
        folder.mkdir(parents=True)
        (folder / "x.rec.part").write_bytes(left["x.rec.part"])
        (folder / "x.rec.journal").write_bytes(journal[:length])
        rk.pack_list(images, folder.parent / "x.rec")
        assert files_of(folder.parent) == files_of(tmp_path / "clean")


def test_only_one_run_works_on_a_name(images, tmp_path):
    journal = LocalStore(tmp_path).drafts().journal("x.rec")
    with pytest.raises(rk.errors.OutputExistsError, match=r"another run is making .*x\.rec"):
        rk.pack_list(images, tmp_path / "x.rec")
    journal.close()
    rk.pack_list(images, tmp_path / "x.rec")
    assert sorted(os.listdir(tmp_path)) == ["photos", "x.idx", "x.rec", "x.rkm"]


def test_who_is_at_it_is_named(images, tmp_path, monkeypatch):
    said = []

    def look(_):
        try:
            rk.pack_list(images, tmp_path / "x.rec")
        except rk.errors.OutputExistsError as error:
            said.append(str(error))

    rk.pack_list(images, tmp_path / "x.rec", progress=look)
    assert len(said) == 8
    assert all(f"(process {os.getpid()} on " in words for words in said)


def test_an_unfinished_replacement_leaves_the_old_file_and_goes_on(images, tmp_path, monkeypatch):
    rk.pack_list(images[:4], tmp_path / "x.rec")
    old = files_of(tmp_path)
    interrupted(monkeypatch, 3, lambda: rk.pack_list(images, tmp_path / "x.rec", overwrite=True))
    assert {name: data for name, data in files_of(tmp_path).items() if not name.startswith(".rec")} == old
    with pytest.raises(rk.errors.OutputExistsError):
        rk.pack_list(images, tmp_path / "x.rec")
    made = stop_after(monkeypatch, None)
    rk.pack_list(images, tmp_path / "x.rec", overwrite=True)
    assert made[0] == 9
    with rk.RecordReader(tmp_path / "x.rec", checksums=True) as records:
        assert len(records) == 20


def test_an_old_file_that_is_how_the_new_one_begins_is_not_taken_for_it(images, tmp_path, monkeypatch):
    rk.pack_list(images[:9], tmp_path / "x.rec")
    interrupted(monkeypatch, 3, lambda: rk.pack_list(images, tmp_path / "x.rec", overwrite=True))
    rk.pack_list(images, tmp_path / "x.rec", overwrite=True)
    with rk.RecordReader(tmp_path / "x.rec", checksums=True) as records:
        assert len(list(records)) == 20


def test_temporary_files_of_dead_runs_are_swept_and_those_of_living_ones_are_not(images, tmp_path):
    store = LocalStore(tmp_path)
    living = store.create("y.rec")
    living.write(b"abcd")
    dead = tmp_path / ".recordio_kit" / "z.idx.0123456789ab.tmp"
    dead.write_bytes(b"left")
    rk.pack_list(images, tmp_path / "x.rec")
    assert not dead.exists()
    living.commit()
    assert (tmp_path / "y.rec").read_bytes() == b"abcd"
    assert not (tmp_path / ".recordio_kit").exists()


@pytest.mark.parametrize("options", [{}, {"transform": rk.Reencode(short_edge=12)}])
def test_what_the_journal_says_outlives_the_process(images, tmp_path, options):
    seen = []

    def look(progress):
        if 0 < progress.done < 20:
            text = parse_journal((tmp_path / ".recordio_kit" / "x.rec.journal").read_bytes())
            size = (tmp_path / ".recordio_kit" / "x.rec.part").stat().st_size
            seen.append((text.receipts[-1].stop, size >= sum(receipt.length for receipt in text.receipts)))

    rk.pack_list(images, tmp_path / "x.rec", progress=look, workers=0, **options)
    assert seen == [(stop, True) for stop in range(3, 20, 3)]


def test_a_journal_says_what_was_packed(images, tmp_path, monkeypatch):
    interrupted(monkeypatch, 2, lambda: rk.pack_list(images, tmp_path / "x.rec"))
    text = parse_journal((tmp_path / ".recordio_kit" / "x.rec.journal").read_bytes())
    assert text.head.pid == os.getpid()
    assert [(receipt.start, receipt.stop) for receipt in text.receipts] == [(0, 3), (3, 6)]
    first = text.receipts[0].stamps[0].tolist()
    found = os.stat(os.path.join(images.root, images.path_at(0)))
    assert first == [found.st_size, found.st_mtime_ns]
