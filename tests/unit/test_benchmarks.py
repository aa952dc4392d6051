"""The benchmark harness: it runs, its figures are what it says, and its files are whole. Speed itself is not judged here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import recordio_kit as rk
from benchmarks import memory, plot, report
from benchmarks.corpus import jpegs, make_digits, make_mosaics, make_photos
from benchmarks.equality import compare_records, verify_row
from benchmarks.peers import Peers
from benchmarks.race import Comparison, Contender, Sample, compare, race
from benchmarks.rows import Row, Setting, resize


PYTHON = sys.executable


def sample(*walls):
    return [Sample(wall, 0.0) for wall in walls]


def result(*ratios):
    row = Row("photos", "photos & more", "photos", lambda _: [], ())
    return report.Result(row, "3 images", {}, list(ratios))


def test_a_run_without_peers_writes_json_and_svg(tmp_path):
    environment = {name: told for name, told in os.environ.items() if not name.startswith(("MXNET_", "IM2REC_", "BENCH_"))}
    environment["PATH"] = str(tmp_path)  # no tar, no find
    sizes = ["--count", "5", "--camera-count", "1", "--small-count", "7", "--files", "12", "--entries", "1200", "--rounds", "1"]
    rows = ["--rows", "photos", "small", "list"]
    outputs = ["--json", str(tmp_path / "figures.json"), "--plot", str(tmp_path / "ratios.svg"), "--temp", str(tmp_path)]
    done = subprocess.run(
        [PYTHON, "-m", "benchmarks", *sizes, *rows, *outputs],
        cwd=Path(__file__).parents[2], env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    times = {row["row"]: row["seconds"] for row in figures["rows"]}
    assert all(seconds > 0 for row in times.values() for rounds in row.values() for seconds in rounds)
    assert list(times["photos"]) == list(times["small"]) == ["recordio_kit", "recordio_kit, not synced"]
    assert figures["machine"]["python"] in done.stdout
    ET.parse(tmp_path / "ratios.svg")
    assert {path.name for path in tmp_path.iterdir()} == {"figures.json", "ratios.svg"}


def test_a_ratio_is_taken_within_its_round_and_against_the_fastest_peer_of_it():
    times = {"ours": sample(1, 2, 4), "a": sample(3, 8, 8), "b": sample(5, 4, 16)}
    ratio = compare(Comparison("x", "ours", ("a", "b"), 2.5), times)
    assert (ratio.median, ratio.low, ratio.high, ratio.met) == (2, 2, 3, False)


def test_a_peer_that_ran_in_one_round_only_counts_in_that_round():
    times = {"ours": sample(1, 1), "slow": sample(9), "other": sample(12, 10)}
    assert compare(Comparison("x", "ours", ("slow",)), times).median == 9
    ratio = compare(Comparison("x", "ours", ("slow", "other")), times)
    assert (ratio.low, ratio.high) == (9, 10)


def test_a_comparison_without_its_peer_is_none():
    assert compare(Comparison("x", "ours", ("gone",)), {"ours": sample(1)}) is None


def test_a_peer_that_fails_is_left_out_and_said(tmp_path, capsys):
    contenders = [
        Contender("ours", (PYTHON, "-c", "open('all.lst')"), ours=True),
        Contender("peer", (PYTHON, "-c", "raise SystemExit('broken peer')")),
    ]
    (tmp_path / "a.lst").write_text("")
    times = race(contenders, tmp_path / "desk", tmp_path / "a.lst", 2)
    assert {name: len(samples) for name, samples in times.items()} == {"ours": 2}
    assert "broken peer" in capsys.readouterr().err
    assert not (tmp_path / "desk").exists()


def test_a_failure_of_ours_ends_the_run(tmp_path):
    with pytest.raises(SystemExit, match="ours failed with 3"):
        race([Contender("ours", (PYTHON, "-c", "raise SystemExit(3)"), ours=True)], tmp_path / "desk", None, 1)


def test_a_corpus_has_the_images_it_says_and_a_list_of_them(tmp_path):
    photos = make_photos(tmp_path / "photos", 12, None)
    camera = make_mosaics(tmp_path / "camera", 2, photos, height=300, width=400)
    digits = make_digits(tmp_path / "digits", 5, None)
    for corpus in (photos, camera, digits):
        listed = rk.read_list(corpus.list)
        assert sorted(listed.paths) == sorted(path.relative_to(corpus.root).as_posix() for path in jpegs(corpus.root))
        assert sum(path.stat().st_size for path in jpegs(corpus.root)) == corpus.bytes
    assert rk.decode_image(jpegs(camera.root)[0].read_bytes()).shape == (300, 400, 3)
    assert len({path.read_bytes() for path in jpegs(digits.root)}) == 5


def test_files_of_the_same_records_are_identical_and_others_are_counted(tmp_path):
    made = []
    for number, payloads in enumerate([[b"one", b"two"], [b"one", b"2"], [b"one"]]):
        with rk.RecordWriter(tmp_path / f"{number}.rec") as writer:
            writer.write_many(payloads)
        made.append((tmp_path / f"{number}.rec").read_bytes())
    assert compare_records(made[0], bytes(made[0])) == "identical"
    assert compare_records(made[0], made[1]) == "1 of 2 records differ"
    assert compare_records(made[0], made[2]) == "1 of 2 records differ"


def test_the_resize_row_verifies_what_it_times_and_its_floor_runs(tmp_path):
    row = resize(Setting(Peers(None, None, None, None, None, None, None), 2, None))
    images = make_photos(tmp_path / "photos", 3, None)
    assert verify_row(row, images, tmp_path / "desk", ("im2rec.py",)) == {"recordio_kit im2rec": "identical"}
    floor = [contender for contender in row.contenders(images) if contender.name == "codec floor"]
    assert len(race(floor, tmp_path / "desk", images.list, 1)["codec floor"]) == 1


@pytest.mark.skipif(not memory.available(), reason="this system does not say how much memory a process took")
def test_the_peak_of_a_worker_is_told_apart_from_its_parents(tmp_path):
    hold = "import time; data = bytearray(80_000_000); time.sleep(.1)"
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}], check=True)"
    peak = memory.peak_of(Contender("x", (PYTHON, "-c", start)), tmp_path)
    assert peak.parent < 60_000_000
    assert 80_000_000 < peak.worker < 140_000_000


def test_the_plot_has_a_bar_a_ratio_and_says_its_figures():
    ratios = [
        compare(Comparison("peer <a>", "ours", ("a",), 2.0), {"ours": sample(1, 1), "a": sample(3, 5)}),
        compare(Comparison("b", "ours", ("b",)), {"ours": sample(1), "b": sample(0.001)}),
    ]
    drawn = ET.fromstring(plot.draw([result(*ratios), result()], "a machine"))
    space = "{http://www.w3.org/2000/svg}"
    bars = [bar for bar in drawn.iter(f"{space}rect") if bar.get("class") in ("met", "missed", "plain")]
    assert [bar.get("class") for bar in bars] == ["met", "plain"]
    words = "".join(drawn.itertext())
    assert "peer <a>" in words
    assert "4.00x  (target 2x)" in words
    width = float(drawn.get("width"))
    assert all(0 <= float(bar.get("x")) <= float(bar.get("x")) + float(bar.get("width")) <= width for bar in bars)


def test_the_text_says_whether_a_target_is_met():
    times = {"ours": sample(2), "a": sample(3)}
    assert report.ratio_words(compare(Comparison("a", "ours", ("a",), 1.5), times)).endswith("target 1.50: met")
    assert report.ratio_words(compare(Comparison("a", "ours", ("a",), 1.6), times)).endswith("target 1.60: MISSED")
    assert "limit 10: MISSED" in report.memory_lines([report.Limit("x", 10.5, "MB", 10)])
