"""Targets of the text formats: lists, class names, indexes, manifests.

Strategy: the fast reader and the careful one agree, what is read comes back from the writer's text as it was, and that
text is read without a finding. A manifest is read as it is, or made from a sound one by what the input says to change,
since few bytes that a fuzzer makes up are JSON.
"""

from __future__ import annotations

import json

import numpy as np

from recordio_kit._core import lst
from recordio_kit._core.imagelist import ImageList
from recordio_kit._core.index import _fields, format_idx, parse_idx
from recordio_kit._core.lst import format_classes, format_lst, parse_classes, parse_lst
from recordio_kit._core.manifest import FileInfo, Manifest, SplitInfo
from recordio_kit._core.plan import Failure
from recordio_kit.errors import IndexMismatchError, ListSyntaxError, ManifestError


WORDS_LST = (b"0\t0\ta\n", b"\t", b"\n", b"\r\n", b"1e39", b"-0", b"0.1", b"16777217", b"\xef\xbb\xbf", b"\xc2\x85")
WORDS_CLASSES = (b"\xef\xbb\xbf", b"\r\n", b"\n", b"\xc2\x85", b"\xed\xa0\x80", b"cat\n")
WORDS_IDX = (b"18446744073709551615", b"18446744073709551616", b"0\t0\n", b"\t", b"\r\n", b"\0")


def check_lst(data):
    blocks = lst._parse_blocks(data)
    assert blocks == _in_small_blocks(data)
    try:
        images = lst._parse_rows(data, None)
    except ListSyntaxError:
        assert blocks is None
        return
    if blocks is not None:
        assert blocks == images
        assert not images.findings
    text = format_lst(images)
    again = parse_lst(text)
    assert again == images
    assert format_lst(again) == text
    assert not again.findings


def _in_small_blocks(data):
    whole = lst._BLOCK_BYTES
    lst._BLOCK_BYTES = 1
    try:
        return lst._parse_blocks(data)
    finally:
        lst._BLOCK_BYTES = whole


def seeds_lst():
    yield format_lst(ImageList([0, 2**63 - 1], [1.0, 0.1], ["a/b.jpg", "c \udcff.png"]))
    yield format_lst(ImageList([3, 1], [[1.0, -1e-9], [0.1, 5.0]], ["a", "b"]))
    yield b"\xef\xbb\xbf0\t1\ta\r\n\r\n1 2 b c\r\n"
    yield b"0 1 2 a b\n1 2 3 4 c\n"
    yield b"0\t1\ta\n 1\t2 \tb\x85\n\t\n"
    yield from (b"", b"\n", b"0\t1\n", b"0\tnan\ta\n", b"0\t16777217\ta\n", b"0\t1\ta\n0\t1\tb\n", b"0\t1e39\ta\n", b"-1\t0\ta\n")


def check_classes(data):
    try:
        classes = parse_classes(data)
    except ValueError:
        return
    assert classes
    assert parse_classes(format_classes(classes)) == classes


def seeds_classes():
    yield from (
        b"cat\ndog\n",
        b"\xef\xbb\xbfcat\r\ndog\r\n\r\n",
        b"a\n\nb",
        b"a\na\n",
        b"\xff\n \n",
        b"\xe2\x80\xa8b\n",
        b"",
        b"\n",
    )


def check_idx(data):
    try:
        index = parse_idx(data)
    except IndexMismatchError:
        try:
            _fields(data, None)
        except IndexMismatchError:
            return
        raise AssertionError("the careful reader reads it") from None
    columns = np.array(list(map(int, _fields(data, None))), np.uint64).reshape(-1, 2)
    assert np.array_equal(index.keys, columns[:, 0])
    assert np.array_equal(index.offsets, columns[:, 1])
    text = format_idx(index.keys, index.offsets)
    again = parse_idx(text)
    assert np.array_equal(again.keys, index.keys)
    assert np.array_equal(again.offsets, index.offsets)
    assert format_idx(again.keys, again.offsets) == text


def seeds_idx():
    yield from (b"", b"0\t0\n1\t12\n", b"5 0\r\n\r\n3\t \t24", b"0\t18446744073709551615\n", b"0\t18446744073709551616\n")
    yield from (b"00000000000000000001\t2\n", b"1\t2\t3\n", b"1\n2\n", b"\t1\n2\t", b"0\t-1\n", b"\x0b0\t1\n")


_SOUND = Manifest(
    splits={
        "train": SplitInfo(
            record=FileInfo(path="t/t.rec", bytes=36, crc32=1),
            index=FileInfo(path="t.idx", bytes=8, crc32=2**32 - 1),
            records=3,
            labels={10: 3},
            height=(1, 2),
            failures=(Failure(4, "a", "corrupt", ""),),
        )
    },
    classes=("cat", "dog"),
    options={"transform": {"quality": 95}},
).to_json()


def _places(value, way=()):
    """Yield the way to each value of a document, from the inside out."""
    for key, below in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _places(below, (*way, key))
        yield (*way, key)


_PLACES = tuple(_places(json.loads(_SOUND)))
_ODD = (
    *("null", "true", "false", "0", "1", "-1", "18446744073709551616", "1.0", "1e999", '""', '".."', '"a:b"', '"00000000"'),
    *(r'"\ud800"', "[]", "{}", "[[0, 1]]", "[[0, 1], [0, 2]]", "[2, 1]"),
)
_KEYS = sorted({way[-1] for way in _PLACES if isinstance(way[-1], str)})
WORDS_MANIFEST = (
    *(b'"%s"' % key.encode() for key in _KEYS),
    *(b'"recordio_kit manifest"', b"null", b"true", b"NaN", b"-Infinity", b"1e999", b'"\\ud800"', b"[[0,1]]", b"{}", b"[]"),
)


def check_manifest(data):
    document = _changed(data[1:]) if data[:1] == b"\0" else data
    try:
        manifest = Manifest.from_json(document)
    except ManifestError:
        return
    again = Manifest.from_json(manifest.to_json())
    assert again.splits == manifest.splits
    assert again.classes == manifest.classes
    assert json.dumps(again.options, sort_keys=True) == json.dumps(manifest.options, sort_keys=True)  # NaN differs from itself
    assert isinstance(manifest.options.get("transform") or {}, dict)
    assert manifest.label_width >= 1
    assert manifest.num_classes is None or isinstance(manifest.num_classes, int)
    for split in manifest.splits.values():
        assert split.files[0] is split.record


def _changed(data):
    """Return the sound manifest with changes: a line each, its first byte says where, the rest is JSON or picks something odd."""
    document = json.loads(_SOUND)
    for line in data.split(b"\n"):
        if not line:
            continue
        *way, key = _PLACES[line[0] % len(_PLACES)]
        above = document
        try:
            for step in way:
                above = above[step]
            above[key] = _value(line[1:])
            if len(line) == 1:
                del above[key]
        except (KeyError, IndexError, TypeError):
            continue  # an earlier line has changed what is above
    return json.dumps(document).encode()


def _value(data):
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return json.loads(_ODD[sum(data) % len(_ODD)])


def seeds_manifest():
    yield from (_SOUND, b"", b"{}", b"[]", b"null", Manifest(splits={}).to_json(), _SOUND.decode().encode("utf-16"))
    yield json.dumps(json.loads(_SOUND), separators=(",", ":")).encode()
    yield from (b"[" * 2000, _SOUND.replace(b'"quality": 95', b'"quality": ' + b"[" * 29 + b"]" * 29))
    yield from (b"\0" + bytes([at]) + b"x" * at for at in range(len(_PLACES)))
    yield from (b"\0" + bytes([at]) for at in range(len(_PLACES)))
