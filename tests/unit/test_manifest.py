from __future__ import annotations

import json

import pytest

from recordio_kit._core.manifest import FileInfo, Manifest, SplitInfo
from recordio_kit._core.plan import Failure
from recordio_kit.errors import ManifestError


SPLIT = SplitInfo(
    record=FileInfo(path="train/train.rec", bytes=1234, crc32=0xABC),
    index=FileInfo(path="index/train.idx", bytes=20, crc32=0),
    checksums=FileInfo(path="index/train.rkm", bytes=100, crc32=0xFFFFFFFF),
    list=FileInfo(path="lists/train.lst", bytes=60, crc32=7),
    class_names=FileInfo(path="lists/train.classes.txt", bytes=8, crc32=8),
    records=12,
    labels={2: 3, 10: 4, 0: 5},
    height=(28, 300),
    width=(28, 28),
    fingerprint="00ff",
    failures=(Failure(4, "cat/\udcff.jpg", "truncated", ""),),
    keys_are_ids=False,
)
MANIFEST = Manifest(splits={"train": SPLIT}, classes=("cat", "dög"), options={"quality": 95, "transform": {"short_edge": None}})


def document(manifest=MANIFEST):
    return json.loads(manifest.to_json())


def changed(*path, to):
    """The JSON with one value changed, or without it where ``to`` is ..."""
    whole = document()
    *parents, last = path
    place = whole
    for name in parents:
        place = place[name]
    if to is ...:
        del place[last]
    else:
        place[last] = to
    return json.dumps(whole).encode()


def test_a_manifest_comes_back():
    assert Manifest.from_json(MANIFEST.to_json()) == MANIFEST
    bare = Manifest(splits={"train": SplitInfo(record=SPLIT.record, records=0)})
    assert Manifest.from_json(bare.to_json()) == bare
    assert Manifest.from_json(Manifest(splits={}).to_json()) == Manifest(splits={})


def test_the_json_is_canonical():
    data = MANIFEST.to_json()
    assert data.isascii()
    assert data.endswith(b"}\n")
    assert b"\r" not in data
    assert data == (json.dumps(json.loads(data), indent=2, sort_keys=True) + "\n").encode()
    shuffled = Manifest(splits=MANIFEST.splits, classes=MANIFEST.classes, options=dict(reversed(MANIFEST.options.items())))
    assert shuffled.to_json() == data


def test_labels_stand_in_the_order_of_their_numbers():
    assert document()["splits"]["train"]["labels"] == [[0, 5], [2, 3], [10, 4]]
    negative = Manifest(splits={"train": SplitInfo(record=SPLIT.record, records=1, labels={-1: 1})})
    assert Manifest.from_json(negative.to_json()) == negative


def test_the_words_of_a_failure_stay_out_of_the_manifest():
    # They differ by codec engine; the closed set of reasons does not.
    split = SplitInfo(record=SPLIT.record, records=0, failures=(Failure(1, "a.jpg", "truncated", "engine's words"),))
    data = Manifest(splits={"train": split}).to_json()
    assert b"engine" not in data
    assert Manifest.from_json(data).splits["train"].failures == (Failure(1, "a.jpg", "truncated", ""),)


def test_the_files_of_a_split_start_with_the_record():
    assert [info.path for info in SPLIT.files] == [
        "train/train.rec", "index/train.idx", "index/train.rkm", "lists/train.lst", "lists/train.classes.txt",
    ]  # fmt: skip
    assert SplitInfo(record=SPLIT.record, records=0).files == (SPLIT.record,)


def test_a_split_of_which_nothing_is_said_has_scalar_labels_and_ids_for_keys():
    split = SplitInfo(record=SPLIT.record, records=1)
    assert (split.label_width, split.keys_are_ids, split.labels, split.failures) == (1, True, None, ())


def split_of(**facts):
    return SplitInfo(record=SPLIT.record, records=0, **facts)


@pytest.mark.parametrize(
    ("manifest", "classes", "width"),
    [
        (MANIFEST, 2, 1),
        (Manifest(splits={"train": SPLIT}), 11, 1),
        (Manifest(splits={"train": split_of(labels={0: 1}), "validation": split_of(labels={5: 1})}), 6, 1),
        (Manifest(splits={"train": split_of()}), None, 1),
        (Manifest(splits={"train": split_of(labels={})}), None, 1),
        (Manifest(splits={"train": split_of(label_width=2, labels={0: 9})}), 2, 2),
        (Manifest(splits={}), None, 1),
    ],
)
def test_the_number_of_classes_is_that_of_the_names_else_what_the_labels_show(manifest, classes, width):
    assert manifest.num_classes == classes
    assert manifest.label_width == width


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe\xff", b"[" * 100_000, b"9" * 10_000, b"\x00", "{}".encode("utf-16")[:3]])
def test_what_is_no_json_is_refused(data):
    with pytest.raises(ManifestError, match=r"^m\.json: not a JSON document") as caught:
        Manifest.from_json(data, source="m.json")
    assert caught.value.source == "m.json"
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    "data", [b"[]", b"null", b"{}", b'{"format": "sagemaker manifest"}', b'[{"prefix": "s3://b/p/"}, "train.rec"]']
)
def test_what_is_another_kind_of_document_is_refused(data):
    with pytest.raises(ManifestError, match="not a manifest of this library"):
        Manifest.from_json(data)


@pytest.mark.parametrize("version", [0, 2, True, 1.0, "1", None, [1]])
def test_another_version_is_refused(version):
    with pytest.raises(ManifestError, match="reads version 1; update"):
        Manifest.from_json(changed("version", to=version))


TRAIN = ("splits", "train")


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("splits",), [None, [], "train", 3]),
        (("classes",), ["cat", {"0": "cat"}, [1], [None], [["cat"]], 2]),
        (("options",), [None, [], "fast", [["a", 1]]]),
        (TRAIN, [None, [], "x", 3, {}]),
        ((*TRAIN, "record"), [None, [], "train.rec", 3, {}]),
        *(((*TRAIN, name), [[], "x", 3, {}]) for name in ("index", "checksums", "list", "class_names")),
        ((*TRAIN, "record", "path"), [None, 3, [], "", "/", "/etc/passwd", "..", ".", "a/../b", "../a", "a/..", "a/./b", "a//b", "a/",
                                      "a\n/../../b", "a\\b", "C:/a", "s3://b/k", "a\0b"]),
        ((*TRAIN, "record", "bytes"), [None, -1, 1.0, True, "1", []]),
        ((*TRAIN, "record", "crc32"), [None, 7, "", "abc", "0000000g", "FFFFFFFF", "0x000000", "000000000", "0000000\n", "\uff10" * 8]),
        ((*TRAIN, "records"), [None, -1, 1.5, True, "12", []]),
        ((*TRAIN, "label_width"), [None, 0, -1, 1.0, True, "1"]),
        ((*TRAIN, "labels"), ["", "ab", {}, {"0": 5}, 3, [0], [[0]], [[0, 1, 2]], [["0", 1]], [[0, -1]], [[0, 1.0]], [[True, 1]],
                              [[0.0, 1]], [[[0], 1]], [[0, 1], [0, 2]], ["ab"], [None]]),
        *(((*TRAIN, name), ["ab", "", {}, [], [1], [1, 2, 3], [-1, 2], [2, 1], [1, 2.0], [None, 2], {"1": 1, "2": 2}, 3])
          for name in ("height", "width")),
        ((*TRAIN, "fingerprint"), [None, 3, []]),
        ((*TRAIN, "failures"), [None, "", {}, 3, "abc", [None], [[]], [{}], [3]]),
        ((*TRAIN, "failures", 0, "index"), [None, -1, "4", True, 4.0]),
        ((*TRAIN, "failures", 0, "path"), [None, 3, []]),
        ((*TRAIN, "failures", 0, "reason"), [None, 3, []]),
        ((*TRAIN, "keys_are_ids"), [None, 0, 1, "true"]),
    ],
    ids=lambda value: "/".join(map(str, value)) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_a_wrong_field_is_refused(path, wrong):
    # A manifest may do without a whole split, a split without none of its fields.
    for value in wrong if path == TRAIN else [*wrong, ...]:
        with pytest.raises(ManifestError, match="broken manifest"):
            Manifest.from_json(changed(*path, to=value))


def test_options_that_no_reader_of_them_expects_are_refused():
    assert Manifest.from_json(changed("options", to={"transform": None})).options == {"transform": None}
    assert Manifest.from_json(changed("options", to=nested(31))).options == nested(31)
    for wrong in ({"transform": "resize"}, {"transform": ["format", "webp"]}, nested(32), nested(400)):
        with pytest.raises(ManifestError, match="broken manifest"):
            Manifest.from_json(changed("options", to=wrong))


def nested(lists):
    value = 95
    for _ in range(lists):
        value = [value]
    return {"quality": value}


def test_unknown_fields_are_left_for_newer_versions():
    assert Manifest.from_json(changed(*TRAIN, "colour", to="red")) == MANIFEST


def test_a_byte_order_mark_does_not_matter():
    assert Manifest.from_json(b"\xef\xbb\xbf" + MANIFEST.to_json()) == MANIFEST
