"""The command line as people meet it: what it does, and what it says when they err."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import recordio_kit as rk
from recordio_kit._core.mnist_idx import format_idx_array
from recordio_kit.cli import main
from recordio_kit.cli.demo import draw_shapes
from tests.samples import jpeg, write_tree


SHARES = ("--split", "train=0.7", "--split", "validation=0.3")


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """The current folder, with photos of two classes in it."""
    monkeypatch.chdir(tmp_path)
    write_tree(tmp_path / "photos", {"ant": 10, "bee": 10})
    return tmp_path


def run(*words):
    return main([str(word) for word in words])


def refusal(capsys, code, *words):
    """Run a command that must fail; return its one line of error."""
    assert run(*words) == code
    captured = capsys.readouterr()
    errors = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""
    return errors[0]


def test_prepare_then_look_at_everything(desk, capsys):
    assert run("prepare", "photos", "out", *SHARES) == 0
    assert "train: 14 images" in (said := capsys.readouterr().err), said
    for words in (
        ["verify", "out"],
        ["info", "out"],
        ["info", "out/train/train.rec"],
        ["verify", "out/train/train.rec", "--level", "decode"],
    ):
        assert run(*words, "--json") == 0
        captured = capsys.readouterr()
        json.loads(captured.out)
        assert captured.out.isascii()


def test_step_by_step_gives_what_prepare_gives(desk):
    assert run("list", "photos", "all.lst") == 0
    assert run("split", "all.lst", *SHARES) == 0
    assert (desk / "all_train.classes.txt").read_text() == "ant\nbee\n"
    assert run("pack", "all_train.lst", "photos", "train.rec") == 0
    assert run("prepare", "photos", "out", *SHARES) == 0
    assert (desk / "train.rec").read_bytes() == (desk / "out" / "train" / "train.rec").read_bytes()
    assert (desk / "all_train.lst").read_bytes() == (desk / "out" / "lists" / "train.lst").read_bytes()


def test_a_dry_run_writes_nothing(desk, capsys):
    assert run("prepare", "photos", "out", "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["splits"] == {"train": 14, "validation": 6}
    assert os.listdir(desk) == ["photos"]


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_idx_files_come_out_as_they_went_in(desk, kind):
    pixels, labels = draw_shapes()
    pixels, labels = pixels[:120], labels[:120]
    (desk / "i.gz").write_bytes(gzip.compress(format_idx_array(pixels)))
    (desk / "l.gz").write_bytes(gzip.compress(format_idx_array(labels)))
    assert run("extract-idx", "i.gz", "l.gz", "images", "--class-names", "fashion-mnist", "--format", kind) == 0
    assert sorted(os.listdir(desk / "images"))[1:3] == ["0_T-shirt-top", "1_Trouser"]
    assert run("prepare", "images", "out", *SHARES) == 0
    assert rk.Manifest.load("out").classes[0] == "T-shirt/top"
    seen = set()
    for name in ("train", "validation"):
        listed = rk.read_list(f"out/lists/{name}.lst")
        with rk.ImageReader(f"out/{name}/{name}.rec") as images:
            for entry, record in zip(listed, images, strict=True):
                number = int(entry.path.rpartition("/")[2].partition(".")[0])
                seen.add(number)
                assert record.label == labels[number]
                error = np.abs(record.decode().astype(int) - pixels[number][..., None]).mean()
                # the shapes have hard edges and noise, which JPEG likes less than clothes
                assert error == 0 if kind == "png" else error < 6
    assert seen == set(range(120))


def test_jpegs_of_smooth_images_are_within_two_grey_levels(desk):
    y, x = np.mgrid[0:28, 0:28]
    pixels = np.stack([np.clip(40 + 3 * x + 2 * y + n, 0, 255) for n in range(40)]).astype(np.uint8)
    (desk / "i").write_bytes(format_idx_array(pixels))
    (desk / "l").write_bytes(format_idx_array(np.arange(40, dtype=np.uint8) % 4))
    assert run("extract-idx", "i", "l", "images") == 0
    for entry in rk.make_list("images"):
        number = int(entry.path.rpartition("/")[2].partition(".")[0])
        back = rk.decode_image((desk / "images" / entry.path).read_bytes())
        assert np.abs(back[..., 0].astype(int) - pixels[number]).mean() < 2


def test_two_idx_pairs_share_a_folder_under_prefixes(desk, capsys):
    pixels, labels = draw_shapes()
    (desk / "i").write_bytes(format_idx_array(pixels[:20]))
    (desk / "l").write_bytes(format_idx_array(labels[:20]))
    names = ("--class-names", "mnist")
    assert run("extract-idx", "i", "l", "images", *names, "--prefix", "train_") == 0
    assert run("extract-idx", "i", "l", "images", *names, "--prefix", "t10k_") == 0
    assert len(rk.make_list("images")) == 40
    capsys.readouterr()
    assert "another --prefix" in refusal(capsys, 2, "extract-idx", "i", "l", "images", *names, "--prefix", "t10k_")
    assert "other classes" in refusal(
        capsys, 2, "extract-idx", "i", "l", "images", "--class-names", "fashion-mnist", "--prefix", "x"
    )
    assert len(rk.make_list("images")) == 40


def test_idx_files_in_the_wrong_order_are_recognised(desk, capsys):
    pixels, labels = draw_shapes()
    (desk / "i").write_bytes(format_idx_array(pixels[:20]))
    (desk / "l").write_bytes(format_idx_array(labels[:20]))
    assert "swapped" in refusal(capsys, 2, "extract-idx", "l", "i", "images")
    assert not (desk / "images").exists()


def test_local_to_s3_and_back(desk, bucket, capsys):
    assert run("prepare", "photos", "out", *SHARES) == 0
    assert run("copy", "out", f"s3://{bucket}/a/") == 0
    assert run("prepare", "photos", f"s3://{bucket}/b/", *SHARES) == 0
    assert run("prepare", "photos", f"s3://{bucket}/b/", *SHARES) == 0
    for prefix in "ab":
        assert run("verify", f"s3://{bucket}/{prefix}/") == 0
        assert run("copy", f"s3://{bucket}/{prefix}/", f"back-{prefix}") == 0
    for name in ("manifest.json", "train/train.rec", "index/validation.idx", "index/train.rkm", "lists/train.lst"):
        assert (
            (desk / "out" / name).read_bytes() == (desk / "back-a" / name).read_bytes() == (desk / "back-b" / name).read_bytes()
        )
    capsys.readouterr()
    assert run("uploads", "list", f"s3://{bucket}/", "--json") == 0
    assert json.loads(capsys.readouterr().out)["uploads"] == []


def test_pack_straight_to_s3_from_worker_processes(desk, bucket):
    assert run("list", "photos", "all.lst") == 0
    assert run("pack", "all.lst", "photos", "x.rec", "--resize", "12") == 0
    assert run("pack", "all.lst", "photos", f"s3://{bucket}/deep/x.rec", "--resize", "12", "--workers", "2") == 0
    with rk.RecordReader(f"s3://{bucket}/deep/x.rec", checksums=True) as there, rk.RecordReader("x.rec") as here:
        assert list(there) == list(here)


def test_endpoint_and_region_can_be_given_as_arguments(desk, bucket, s3_endpoint, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    place = ("--endpoint-url", s3_endpoint, "--region", "eu-west-1")
    assert run("prepare", "photos", f"s3://{bucket}/c/", *SHARES, *place) == 0
    assert run("info", f"s3://{bucket}/c/", *place) == 0


def test_submit_prints_the_request_that_the_aws_cli_takes(desk, bucket, capsys):
    for number in range(10):
        (desk / "photos" / "ant" / f"big{number}.jpg").write_bytes(jpeg(number + 50, 256, 300))
    assert run("prepare", "photos", f"s3://{bucket}/d/", *SHARES, "--resize", "224") == 0
    capsys.readouterr()
    words = ("submit", f"s3://{bucket}/d/", "--role", "arn:aws:iam::123456789012:role/r", "--output", f"s3://{bucket}/models")
    assert run(*words, "--set", "epochs=3", "--dry-run") == 0
    captured = capsys.readouterr()
    request = json.loads(captured.out)
    assert (
        request["HyperParameters"] | {"image_shape": "3,224,224", "num_layers": "18", "epochs": "3", "num_classes": "2"}
        == request["HyperParameters"]
    )
    for word in ("num_layers", "epochs", "image_shape", "mini_batch_size"):
        assert word in captured.err
    assert run(*words, "--dry-run", "-o", "request.json") == 0
    assert json.loads((desk / "request.json").read_text())["RoleArn"].endswith("role/r")
    assert run(*words) == 0
    name = request["TrainingJobName"]
    assert run("job", "status", json.loads((desk / "request.json").read_text())["TrainingJobName"]) == 0
    assert name


def test_images_too_small_for_training_name_the_way_out(desk, bucket, capsys):
    write_tree(desk / "middle", {"ant": 4, "bee": 4}, height=100, width=100)
    assert run("prepare", "middle", f"s3://{bucket}/e/", "--split", "train=0.5", "--split", "validation=0.5") == 0
    capsys.readouterr()
    said = refusal(
        capsys,
        2,
        "submit",
        f"s3://{bucket}/e/",
        "--role",
        "arn:aws:iam::123456789012:role/r",
        "--output",
        "s3://models/y",
        "--dry-run",
    )
    assert "--resize" in said


def test_skipped_images_end_with_exit_code_one(desk, capsys):
    (desk / "photos" / "ant" / "0003.jpg").write_bytes(b"no image")
    assert run("prepare", "photos", "out", *SHARES, "--on-error", "skip", "--max-skipped", "0.1") == 1
    assert "1 images left out (first: ant/0003.jpg: not-an-image)" in capsys.readouterr().err


def test_damage_ends_with_exit_code_one_and_salvage_keeps_the_rest(desk, capsys):
    assert run("prepare", "photos", "out", *SHARES) == 0
    place = desk / "out" / "train" / "train.rec"
    damaged = bytearray(place.read_bytes())
    damaged[2000] ^= 1
    place.write_bytes(damaged)
    assert run("verify", "out") == 1
    assert "train.rec" in capsys.readouterr().err
    assert run("salvage", place, "good.rec") == 1
    with rk.RecordReader("good.rec") as records:
        assert len(records) == 13


def test_index_rebuilds_what_is_missing(desk):
    assert run("list", "photos", "all.lst") == 0
    assert run("pack", "all.lst", "photos", "x.rec", "--no-checksums") == 0
    before = (desk / "x.idx").read_bytes()
    (desk / "x.idx").unlink()
    assert run("index", "x.rec") == 0
    assert (desk / "x.idx").read_bytes() == before
    assert run("index", "x.rec") == 2


def test_unpack_writes_the_same_images(desk):
    assert run("prepare", "photos", "out", *SHARES) == 0
    assert run("unpack", "out/train/train.rec", "back") == 0
    assert sorted(os.listdir(desk / "back")) == ["ant", "bee"]
    originals = {path.read_bytes() for path in (desk / "photos").glob("*/*.jpg")}
    back = [path.read_bytes() for path in (desk / "back").glob("*/*")]
    assert len(back) == 14
    assert set(back) <= originals
    assert run("unpack", "out/train/train.rec", "back") == 2
    assert run("unpack", "out/train/train.rec", "back", "--overwrite") == 0
    (desk / "names.txt").write_text("A\nB\n")
    assert run("unpack", "out/train/train.rec", "other", "--classes", "names.txt") == 0
    assert len(list((desk / "other").glob("*/*"))) == 14


def test_manifest_for_files_of_others(desk):
    assert run("list", "photos", "all.lst") == 0
    assert run("pack", "all.lst", "photos", "set/train.rec") == 0
    assert run("manifest", "train=set/train.rec", "--out", "set") == 0
    assert rk.Manifest.load("set").splits["train"].records == 20
    assert run("manifest", "train=set/train.rec", "--out", "set") == 2


def test_doctor_finds_what_is_needed(capsys):
    assert run("doctor", "--json") == 0
    result, words = capsys.readouterr()
    found = json.loads(result)
    assert found["missing"] == []
    assert found["im2rec_exact"]["jpeg"] is True
    assert found["tried"]["decode"]["pillow"] == found["tried"]["resize"]["numpy"] == "ready"
    for work, words_for_it in (("decode", "decode JPEG"), ("encode", "encode JPEG"), ("resize", "resize")):
        assert f"{words_for_it}: {found['engines'][work]}\n" in words


def test_doctor_tells_one_turbojpeg_from_the_other(capsys, monkeypatch):
    from recordio_kit._images import engines

    engines.try_engine.cache_clear()
    monkeypatch.setitem(sys.modules, "turbojpeg", type(sys)("turbojpeg"))
    monkeypatch.delitem(sys.modules, "recordio_kit._images.engine_turbojpeg", raising=False)
    assert run("doctor") == 0
    engines.try_engine.cache_clear()
    assert capsys.readouterr().err.count("pip uninstall turbojpeg, then pip install --force-reinstall") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["prepare", "nowhere", "out"], "nowhere"),
        (["prepare", "empty", "out"], "no images"),
        (["prepare", "flat", "out"], "labels"),
        (["prepare", "photos/ant/0000.jpg", "out"], "0000.jpg"),
        (["prepare", "photos", "out", "--split", "train=0.7", "--split", "validation=0.2"], "0.9"),
        (["prepare", "photos", "out", "--split", "train"], "NAME=SHARE"),
        (["prepare", "photos", "out", "--split", "train=1", "--split-from", "folders"], "not both"),
        (["prepare", "photos", "out;x"], "MXNet cannot open"),
        (["prepare", "photos", "ftp://host/x"], "unknown scheme"),
        (["prepare", "photos", "out", "--resize", "0"], "short_edge"),
        (["prepare", "photos", "out", "--quality", "200"], "quality"),
        (["prepare", "photos", "out", "--workers", "-3"], "workers"),
        (["pack", "nowhere.lst", "photos", "x.rec"], "nowhere.lst"),
        (["pack", "bad.lst", "photos", "x.rec"], "line 2"),
        (["pack", "good.lst", "nowhere", "x.rec"], "nowhere"),
        (["pack", "away.lst", "photos", "x.rec"], "leaves the root"),
        (["info", "nowhere"], "no manifest"),
        (["submit", "nowhere", "--role", "r", "--output", "s3://b/x"], "no manifest"),
        (["split", "good.lst", "--split", "train=0.5", "--split", "val=0.5"], "too few images"),
        (["uploads", "list", "photos"], "s3://"),
        (["prepare", "photos", "photos/ant/out"], "among the images"),
        (["prepare", "photos", "good.lst"], "a file where a folder belongs"),
        (["pack", "photos", "photos", "x.rec"], "not a regular file"),
        (["verify", "nowhere.rec"], "nowhere.rec"),
        (["copy", "photos", "z"], "manifest"),
    ],
)
def test_what_users_get_wrong_is_refused_in_one_line(desk, capsys, words, said):
    (desk / "empty").mkdir()
    (desk / "flat").mkdir()
    (desk / "flat" / "1.jpg").write_bytes(jpeg(1))
    (desk / "good.lst").write_text("0\t0\tant/0000.jpg\n")
    (desk / "bad.lst").write_text("0\t0\tant/0000.jpg\nx\t0\tant/0001.jpg\n")
    (desk / "away.lst").write_text("0\t0\t../secret.jpg\n")
    before = sorted(os.listdir(desk))
    assert said.lower() in refusal(capsys, 2, *words).lower()
    assert sorted(os.listdir(desk)) == before


def test_a_list_that_names_a_file_that_is_gone(desk, capsys):
    (desk / "gone.lst").write_text("0\t0\tant/0000.jpg\n1\t0\tant/gone.jpg\n")
    assert "ant/gone.jpg: there is no such file" in refusal(capsys, 1, "pack", "gone.lst", "photos", "x.rec")
    assert sorted(os.listdir(desk)) == ["gone.lst", "photos"]


def test_a_destination_with_other_content(desk, capsys):
    assert run("prepare", "photos", "out") == 0
    capsys.readouterr()
    assert "--overwrite" in refusal(capsys, 2, "prepare", "photos", "out", "--seed", "9")
    assert run("prepare", "photos", "out", "--seed", "9", "--overwrite") == 0


def test_a_bucket_that_is_not_there(desk, bucket, capsys):
    assert "does not exist" in refusal(capsys, 3, "prepare", "photos", "s3://no-such-bucket-here/x/")


def test_no_credentials(desk, bucket, capsys, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    assert "credentials" in refusal(capsys, 3, "prepare", "photos", f"s3://{bucket}/x/")


def test_an_endpoint_where_nobody_answers(desk, bucket, capsys):
    assert "127.0.0.1:9" in refusal(capsys, 3, "prepare", "photos", f"s3://{bucket}/x/", "--endpoint-url", "http://127.0.0.1:9")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder that not even root may write to")
def test_no_permission_to_write(desk, capsys):
    assert "/proc/self/out" in refusal(capsys, 3, "prepare", "photos", "/proc/self/out")


def test_debug_shows_where(desk, capsys):
    assert run("prepare", "nowhere", "out", "--debug") == 2
    assert "Traceback" in capsys.readouterr().err


def test_file_names_that_no_terminal_can_show_do_not_stop_an_error(desk, capsys):
    strange = b"photos/ant/\xff.jpg"
    os.rename(b"photos/ant/0000.jpg", strange)
    with open(strange, "wb") as file:
        file.write(b"no image")
    assert run("prepare", "photos", "out") == 1
    assert ".jpg" in capsys.readouterr().err


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    for verb in ("demo", "extract-idx", "prepare", "list", "split", "pack", "info", "verify", "index", "manifest", "salvage",
                 "unpack", "copy", "uploads", "doctor", "submit", "job", "im2rec"):  # fmt: skip
        assert re.search(rf"^ +{verb}\b", shown, re.MULTILINE), verb


def test_the_demo_runs_the_whole_chain(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "recordio_kit", "demo", tmp_path / "demo"],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["HyperParameters"]["image_shape"] == "3,28,28"
    for step in ("1 idx", "2 files", "3 lists", "4 pack", "5 read", "6 s3", "7 train"):
        assert f"\n{step}" in "\n" + done.stderr
    assert "the same bytes" in done.stderr
    assert rk.verify(tmp_path / "demo" / "out").ok
