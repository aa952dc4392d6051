"""What the packing flags of ``pack`` and ``prepare`` ask to be done to images."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from recordio_kit import ImageReader, Reencode, StripMetadata
from recordio_kit._images import foreign
from recordio_kit.cli import build_parser, main
from recordio_kit.cli.options import transform_of
from tests.image_samples import exif, insert, jpeg, orientation, smooth


def asked(*flags, suffixes=()):
    return transform_of(build_parser().parse_args(["prepare", "photos", "out", *flags]), suffixes)


@pytest.mark.parametrize(
    ("flags", "transform"),
    [
        ([], None),
        (["--resize", "256"], Reencode(short_edge=256)),
        (["--max-edge", "512"], Reencode(max_edge=512)),
        (["--resize", "256", "--max-edge", "512", "--center-crop"], Reencode(short_edge=256, max_edge=512, center_crop=True)),
        (["--color", "grey"], Reencode(color="grey")),
        (["--encoding", "png"], Reencode(format="png")),
        (["--encoding", "jpeg", "--quality", "80"], Reencode(quality=80)),
        (["--encoding", "webp", "--quality", "80"], Reencode(format="webp", quality=80)),
        (["--max-edge", "512", "--antialias"], Reencode(max_edge=512, antialias=True)),
        (["--center-crop", "--keep-metadata"], Reencode(center_crop=True, metadata="keep")),
        (["--strip-metadata"], StripMetadata()),
    ],
)
def test_flags_become_a_transform(flags, transform):
    assert asked(*flags) == transform


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--quality", "80"], "--quality is about re-encoding: give --resize"),
        (["--keep-metadata"], "--keep-metadata is about re-encoding"),
        (["--antialias"], "--antialias is about re-encoding"),
        (["--antialias", "--color", "grey"], "--antialias is about resizing: give --resize or --max-edge"),
        (["--encoding", "png", "--quality", "80"], "png is lossless"),
        (["--strip-metadata", "--resize", "256"], "re-encoding drops metadata by itself"),
        (["--strip-metadata", "--keep-metadata"], "re-encoding drops metadata by itself"),
        (["--resize", "0"], "short_edge is 1 to"),
        (["--max-edge", "0"], "max_edge is 1 to"),
    ],
)
def test_flags_that_contradict_each_other_are_refused_in_one_line(flags, said):
    with pytest.raises(ValueError, match=said) as caught:
        asked(*flags)
    assert "\n" not in str(caught.value)


def test_suffixes_say_which_formats_are_taken_to_be_reencoded():
    assert asked("--resize", "9").sources == ("jpeg", "png")
    assert asked("--resize", "9", suffixes=[".JPG", "webp", " *.Tif", ".jp2", ""]).sources == ("jpeg", "png", "tiff", "webp")
    assert asked(suffixes=[".webp"]) is None


def test_a_library_that_is_missing_is_named_before_anything_is_done(monkeypatch):
    monkeypatch.setattr(foreign, "_has_codec", lambda name: name not in ("heic", "webp"))
    with pytest.raises(ValueError, match="pip install pillow-heif"):
        asked("--resize", "9", suffixes=[".heic"])
    with pytest.raises(ValueError, match="WEBP needs"):
        asked("--encoding", "webp")


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(2):
            (tmp_path / f"photos/{name}/{number}.jpg").write_bytes(insert(jpeg(smooth(60, 80)), exif(orientation(6))))
    return tmp_path


def packed(path):
    with ImageReader(path) as images:
        return [images[position] for position in range(len(images))]


def test_prepare_caps_the_long_edge(photos):
    assert main(["prepare", "photos", "out", "--split", "train=1", "--max-edge", "40", "--antialias", "--workers", "0"]) == 0
    assert [record.decode().shape for record in packed("out/train/train.rec")] == [(40, 30, 3)] * 4


def test_without_reencoding_a_foreign_image_is_refused_and_the_way_is_said(photos, capsys):
    out = io.BytesIO()
    Image.fromarray(smooth(9, 9)).save(out, "WEBP")
    (photos / "photos/cat/2.webp").write_bytes(out.getvalue())
    assert main(["prepare", "photos", "out", "--split", "train=1", "--exts", ".jpg", ".webp", "--workers", "0"]) != 0
    assert "--resize N --exts .webp" in capsys.readouterr().err
