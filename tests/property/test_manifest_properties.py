from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from recordio_kit._core.manifest import FileInfo, Manifest, SplitInfo
from recordio_kit._core.plan import Failure
from recordio_kit.errors import ManifestError


COUNTS = st.integers(0, 2**40)
TEXTS = st.text(st.characters(codec="utf-8") | st.sampled_from(["\udcff", "\udc80"]), max_size=8)
PARTS = st.text(st.characters(exclude_characters="/\\:\0", exclude_categories=["Cs"]), min_size=1, max_size=6)
PATHS = st.lists(PARTS.filter(lambda part: part not in (".", "..")), min_size=1, max_size=3).map("/".join)
FILES = st.builds(FileInfo, path=PATHS, bytes=COUNTS, crc32=st.integers(0, 2**32 - 1))
RANGES = st.none() | st.tuples(COUNTS, COUNTS).map(sorted).map(tuple)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(TEXTS, values, max_size=3),
    max_leaves=5,
)
SPLITS = st.builds(
    SplitInfo,
    record=FILES,
    index=st.none() | FILES,
    checksums=st.none() | FILES,
    list=st.none() | FILES,
    class_names=st.none() | FILES,
    records=COUNTS,
    label_width=st.integers(1, 9),
    labels=st.none() | st.dictionaries(st.integers(-5, 10**6), COUNTS, max_size=4),
    height=RANGES,
    width=RANGES,
    fingerprint=TEXTS,
    failures=st.lists(st.builds(Failure, COUNTS, TEXTS, TEXTS, st.just("")), max_size=2).map(tuple),
    keys_are_ids=st.booleans(),
)
MANIFESTS = st.builds(
    Manifest,
    splits=st.dictionaries(TEXTS, SPLITS, max_size=2),
    classes=st.none() | st.lists(TEXTS, max_size=3).map(tuple),
    options=st.dictionaries(TEXTS, JSON, max_size=3),
)


def places(value, path=()):
    """Every path into a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield (*path, name)
        yield from places(inner, (*path, name))


def read_or_refuse(data):
    try:
        manifest = Manifest.from_json(data)
    except ManifestError:
        return
    again = Manifest.from_json(manifest.to_json())
    assert again == manifest
    assert again.to_json() == manifest.to_json()


@given(MANIFESTS)
def test_a_manifest_comes_back_and_its_bytes_are_canonical(manifest):
    data = manifest.to_json()
    assert Manifest.from_json(data) == manifest
    assert Manifest.from_json(data).to_json() == data


@given(MANIFESTS, JSON, st.data())
def test_a_changed_manifest_is_read_whole_or_refused(manifest, value, draw):
    document = json.loads(manifest.to_json())
    *parents, last = draw.draw(st.sampled_from(list(places(document))))
    place = document
    for name in parents:
        place = place[name]
    if draw.draw(st.booleans()):
        place[last] = value
    else:
        del place[last]
    read_or_refuse(json.dumps(document).encode())


@given(MANIFESTS, st.data())
def test_changed_bytes_are_read_whole_or_refused(manifest, draw):
    data = bytearray(manifest.to_json())
    data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    read_or_refuse(bytes(data))


@given(st.binary(max_size=50) | JSON.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_bytes_are_refused(data):
    read_or_refuse(data)
