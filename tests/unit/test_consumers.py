"""What each consumer would stumble over: one test a rule."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import recordio_kit as rk
from recordio_kit._core.framing import MAGIC
from recordio_kit._core.index import first_loose_line, format_idx
from recordio_kit._pipeline.consumers import CONSUMERS
from recordio_kit._pipeline.consumers.insightface import Columns, judge_faces
from recordio_kit._storage.memory import MemoryStore
from recordio_kit.cli import main
from tests.samples import encoded, jpeg, png, write_tree
from tests.unit.test_records import faces


def image(label=0.0, number=0, body=None, id2=0):
    return rk.pack_record(rk.IRHeader(0, label, number, id2), jpeg(number % 5) if body is None else body)


SOUND = [image(float(number % 3), number) for number in range(6)]
GIF = encoded(np.zeros((4, 4, 3), np.uint8), "GIF")


def store_with(payloads=SOUND, keys=None, name="x.rec"):
    store = MemoryStore()
    with rk.RecordWriter(name, store=store) as writer:
        writer.write_many(payloads, keys=keys)
    return store


def offsets_of(store, name="x.rec"):
    return rk.RecordReader(name, store=store).offsets.tolist()


def found(store, consumer, name="x.rec", **options):
    """The messages of a consumer's findings; every one must begin with its name."""
    report = rk.verify(name, consumer=consumer, store=store, **options)
    assert report.consumer == consumer
    messages = [finding.message for finding in report.findings if finding.kind == "consumer"]
    assert all(message.startswith(f"{consumer}: ") for message in messages)
    return [message.removeprefix(f"{consumer}: ") for message in messages]


def alone(payloads=SOUND):
    """A file as SageMaker wants it: nothing beside it."""
    store = store_with(payloads)
    del store.files["x.idx"]
    return store


@pytest.mark.parametrize("level", ["structure", "checksum", "decode"])
@pytest.mark.parametrize("consumer", CONSUMERS)
def test_a_file_that_suits_its_consumer_has_no_findings(consumer, level):
    store = alone() if consumer == "sagemaker" else store_with()
    report = rk.verify("x.rec", consumer=consumer, level=level, store=store)
    assert (report.ok, report.findings) == (True, ())
    assert f"for {consumer}" in str(report)


def test_without_a_consumer_nothing_of_this_is_asked():
    store = store_with([image([0.5, 3.0], 7, GIF, id2=3), image(math.nan, 7)], keys=[5, 9])
    assert rk.verify("x.rec", store=store).ok


def test_the_consumer_is_one_of_five():
    with pytest.raises(ValueError, match="sagemaker, mxnet, gluon, dali, insightface"):
        rk.verify("x.rec", consumer="torch", store=store_with())


def test_a_finding_is_plain_data_and_names_the_record(tmp_path, capsys):
    with rk.RecordWriter(tmp_path / "x.rec") as writer:
        writer.write_many([image(), image(1.0, 1, GIF)])
    assert main(["verify", str(tmp_path / "x.rec"), "--for", "mxnet", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    (finding,) = report["findings"]
    assert (report["consumer"], finding["kind"], finding["position"]) == ("mxnet", "consumer", 1)
    assert finding["offset"] == rk.RecordReader(tmp_path / "x.rec").offsets[1]
    assert main(["verify", str(tmp_path / "x.rec"), "--for", "gluon"]) == 0
    assert main(["verify", str(tmp_path / "none.rec"), "--for", "gluon"]) == 2
    with pytest.raises(SystemExit) as stop:
        main(["verify", str(tmp_path / "x.rec"), "--for", "torch"])
    assert stop.value.code == 2


def test_one_rule_that_is_broken_throughout_does_not_hide_the_others():
    report = rk.verify("x.rec", consumer="mxnet", store=store_with([image(body=b"")] * 1500 + [image(id2=1)]))
    messages = [finding.message for finding in report.findings]
    assert any("id2" in message for message in messages)
    assert "500 more of kind 'mxnet image'" in messages


@pytest.mark.parametrize("consumer", ["mxnet", "sagemaker", "dali"])
@pytest.mark.parametrize(("body", "words"), [(b"", "no image"), (GIF, "GIF"), (b"text", "no format")])
def test_a_record_without_an_image_stops_who_decodes_all(consumer, body, words):
    (message, *_) = [message for message in found(store_with([*SOUND, image(1.0, 6, body)]), consumer) if "record 6" in message]
    assert words in message


@pytest.mark.parametrize("consumer", ["mxnet", "sagemaker", "dali", "insightface"])
def test_a_record_without_image_header_is_always_found(consumer):
    report = rk.verify("x.rec", consumer=consumer, store=store_with([b"raw", b"raw too", image()]))
    assert [finding.position for finding in report.findings if finding.kind == "header"] == [0, 1]


def test_gluon_reads_any_payload():
    assert rk.verify("x.rec", consumer="gluon", store=store_with([b"", b"raw", image()])).ok


@pytest.mark.parametrize(("keys", "row"), [([1, 2, 3, 4, 5, 6], 1), ([0, 1, 2, 3, 5, 6], 5), ([0, 1, 3, 2, 4, 5], 3)])
def test_gluon_wants_keys_that_count(keys, row):
    (message,) = found(store_with(keys=keys), "gluon")
    assert f"row {row}," in message


def test_gluon_opens_the_index_beside_the_file_only(tmp_path):
    store = store_with()
    del store.files["x.idx"]
    assert "has no .idx" in found(store, "gluon")[0]
    rk.prepare(write_tree(tmp_path / "photos", {"cat": 4, "dog": 4}), tmp_path / "out", splits={"train": 0.5, "validation": 0.5})
    report = rk.verify(tmp_path / "out", consumer="gluon")
    assert len(report.findings) == 2
    assert all("elsewhere" in finding.message for finding in report.findings)


@pytest.mark.parametrize("consumer", ["gluon", "insightface"])
def test_an_index_that_only_cpp_reads_is_found(consumer):
    store = store_with()
    store.files["x.idx"] = store.files["x.idx"].replace(b"3\t", b"3 ")
    (message,) = found(store, consumer)
    assert "line 4" in message


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"", None),
        (b"0\t0\n1\t8\n", None),
        (b"0\t0\n1\t8", None),
        (b"0\t0\r\n1\t8\r\n", None),
        (b"0\t0 \n", None),
        (b"0\t0\n\n1\t8\n", 2),
        (b"0\t0\n\n", 2),
        (b"0 0\n", 1),
        (b"0\t \t8\n", 1),
    ],
)
def test_lines_that_mxnets_python_refuses(data, line):
    def as_mxnet_does():
        for text in data.decode().splitlines(keepends=True):
            fields = text.strip().split("\t")
            int(fields[0]), int(fields[1])

    assert first_loose_line(data) == line
    if line is None:
        as_mxnet_does()
    else:
        with pytest.raises((ValueError, IndexError)):
            as_mxnet_does()


def test_dali_needs_an_index_with_rows():
    store = store_with()
    store.files["x.idx"] = b""
    assert any("empty" in message for message in found(store, "dali"))
    del store.files["x.idx"]
    assert "no .idx" in found(store, "dali")[0]


def test_dali_misreads_a_header_that_holds_a_magic():
    label = float(np.array([MAGIC], "<u4").view("<f4")[0])
    store = store_with([*SOUND[:2], image(0.0, MAGIC), image(label, 3)])
    messages = found(store, "dali")
    assert [message.split(" has")[0] for message in messages] == ["record 2", "record 3"]
    # behind the header it is read well
    assert not found(store_with([image(body=b"\xff\xd8\xff" + b"x" + MAGIC.to_bytes(4, "little"))]), "dali")


@pytest.mark.parametrize(("consumer", "words"), [("dali", "drops"), ("mxnet", "hangs")])
def test_two_rows_for_one_record_are_found(consumer, words):
    store = store_with()
    offsets = offsets_of(store)
    store.files["x.idx"] = format_idx(range(7), [*offsets, offsets[2]])
    (message,) = found(store, consumer)
    assert "row 7" in message
    assert words in message


@pytest.mark.parametrize(("consumer", "words"), [("dali", "leaves them out"), ("mxnet", "trained on all the same")])
def test_an_index_of_some_records_is_read_differently_by_each(consumer, words):
    store = store_with()
    store.files["x.idx"] = format_idx(range(2), offsets_of(store)[:2])
    (message,) = found(store, consumer)
    assert "4 records" in message
    assert words in message


def test_mxnet_crashes_at_an_empty_index():
    store = store_with()
    store.files["x.idx"] = b""
    assert any("crashes" in message for message in found(store, "mxnet"))


def test_mxnet_wants_one_number_of_labels():
    payloads = [*SOUND[:3], image([1.0, 2.0], 3), image([1.0], 4)]
    (message,) = found(store_with(payloads), "mxnet")  # one label in a list is as good as one in the header
    assert message.startswith("record 3 has 2 labels, most have 1")


@pytest.mark.parametrize("sign", ";#?")
@pytest.mark.parametrize("consumer", ["mxnet", "sagemaker"])
def test_a_path_that_dmlc_takes_apart_is_found(sign, consumer):
    store = store_with()
    store.files = {f"a{sign}b.rec": store.files["x.rec"]}  # the writer refuses such a name
    assert any(repr(sign) in message for message in found(store, consumer, f"a{sign}b.rec"))


@pytest.mark.parametrize("consumer", ["mxnet", "sagemaker"])
@pytest.mark.parametrize(
    ("payload", "words"), [(image(id2=5), "id2 5"), (image(math.nan), "label nan"), (image([1.0, math.inf]), "inf")]
)
def test_headers_that_mxnet_cannot_use_are_found(consumer, payload, words):
    assert any(words in message for message in found(store_with([payload]), consumer))


@pytest.mark.parametrize("consumer", ["mxnet", "sagemaker"])
def test_a_file_without_records_cannot_be_opened(consumer):
    assert any("no record" in message for message in found(store_with([]), consumer))


def test_sagemaker_wants_the_file_alone(tmp_path):
    store = store_with()
    (message,) = found(store, "sagemaker")
    assert "1 more files" in message
    assert "x.idx" in message
    rk.prepare(write_tree(tmp_path / "photos", {"cat": 4, "dog": 4}), tmp_path / "out", splits={"train": 0.5, "validation": 0.5})
    for place in (tmp_path / "out", tmp_path / "out" / "train" / "train.rec"):
        assert rk.verify(place, consumer="sagemaker").ok
    (tmp_path / "out" / "train" / "sub").mkdir()
    (tmp_path / "out" / "train" / "sub" / "notes.txt").write_bytes(b"")
    for place in (tmp_path / "out", tmp_path / "out" / "train" / "train.rec"):
        (finding,) = rk.verify(place, consumer="sagemaker").findings
        assert "notes.txt" in str(finding)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (image([1.0]), "flag 1"),
        (image(0.5), "0.5"),
        (image(-1.0), "-1"),
        (image(1.0, 1, encoded(np.zeros((4, 4, 3), np.uint8), "BMP")), "BMP"),
    ],
)
def test_what_sagemakers_algorithm_cannot_take_is_found(payload, words):
    (message,) = found(alone([*SOUND, payload]), "sagemaker")
    assert "record 6" in message
    assert words in message
    assert not found(alone([*SOUND, image(2.0, 6, png(6))]), "sagemaker")


def test_several_labels_are_a_multi_hot_row_for_sagemaker():
    rows = [image([0.0, 1.0, 1.0], 0), image([1.0, 0.0, 0.0], 1)]
    assert not found(alone(rows), "sagemaker")
    (message,) = found(alone([*rows, image([2.0, 0.0, 5.0], 2)]), "sagemaker")
    assert "[2.0, 0.0, 5.0]" in message
    assert any("has 1 labels, most have 3" in message for message in found(alone([*rows, image(1.0)]), "sagemaker"))


@pytest.mark.parametrize(("labels", "gap", "count"), [([1, 2], 0, 1), ([0, 2, 3], 1, 1), ([0, 1, 900_000], 2, 899_998)])
def test_sagemaker_wants_classes_without_gaps(labels, gap, count):
    (message,) = found(alone([image(float(label), place) for place, label in enumerate(labels)]), "sagemaker")
    assert message.startswith(f"{count} of the classes 0 to {max(labels)} have no record, the first is {gap}")


def channels(tmp_path, train, validation):
    """A data set with three class names and these labels."""
    for name, labels in (("train", train), ("validation", validation)):
        (tmp_path / name).mkdir(parents=True)
        with rk.RecordWriter(tmp_path / name / f"{name}.rec", index=False) as writer:
            writer.write_many([image(label, place) for place, label in enumerate(labels)])
    parts = {name: tmp_path / name / f"{name}.rec" for name in ("train", "validation")}
    made = rk.Manifest.from_records(parts, classes=["a", "b", "c"], root=tmp_path)
    (tmp_path / "manifest.json").write_bytes(made.to_json())
    return tmp_path


def test_the_manifest_says_which_classes_there_are(tmp_path):
    whole = channels(tmp_path / "a", [0.0, 1.0, 2.0], [0.0, 1.0])
    assert rk.verify(whole, consumer="sagemaker").ok  # a class may be missing from validation
    assert rk.verify(whole / "validation" / "validation.rec", consumer="sagemaker").ok
    (finding,) = rk.verify(channels(tmp_path / "b", [0.0, 1.0], [0.0, 1.0]), consumer="sagemaker").findings
    assert "the first is 2" in finding.message
    assert finding.source.endswith("train.rec")


def test_a_label_beyond_the_class_names_is_found():
    from recordio_kit._pipeline.consumers import FileFacts, RecordFacts, rules_for
    from recordio_kit._pipeline.findings import Findings

    findings = Findings("x.rec")
    rules = rules_for("sagemaker", findings)
    for position in range(4):
        rules.look(RecordFacts(position, 8 * position, rk.IRHeader(0, float(position), 0, 0), 9, ".jpg"))
    rules.judge(FileFacts(uri="x.rec", offsets=np.arange(4, dtype=np.uint64), num_classes=3, split="validation"))
    (finding,) = findings.result()
    assert "label 3 is not one of the 3 classes" in finding.message


def test_sagemaker_needs_both_channels_with_the_same_labels(tmp_path):
    tree = channels(tmp_path, [0.0, 1.0, 2.0], [[0.0, 1.0, 0.0]])
    assert any("different numbers of labels" in str(finding) for finding in rk.verify(tree, consumer="sagemaker").findings)
    manifest = rk.Manifest.load(tree)
    only = rk.Manifest(splits={"train": manifest.splits["train"]}, classes=manifest.classes)
    (tree / "manifest.json").write_bytes(only.to_json())
    (finding,) = rk.verify(tree, consumer="sagemaker").findings
    assert "no split 'validation'" in finding.message


def face_store(payloads, keys):
    return store_with(payloads, keys)


@pytest.mark.parametrize("aligned", [True, False])
def test_the_layouts_of_insightface_are_well(aligned):
    assert not found(face_store(*faces(aligned=aligned)), "insightface")
    assert not found(store_with(), "insightface")


def changed(place, label, keys=None):
    """The layout with one record's labels replaced."""
    payloads, old = faces()
    header, body = rk.unpack_record(payloads[place])
    payloads[place] = rk.pack_record(header._replace(label=label), body)
    return payloads, old if keys is None else keys


PAYLOADS, KEYS = faces()  # images 1..6, the directory at position 6, identities 7..9


@pytest.mark.parametrize(
    ("payloads", "keys", "words"),
    [
        (*changed(6, [8.0, 11.0]), "key 0 says [8, 11], the file has 6 images and 3 identities"),
        (*changed(6, [7.0, 10.0, 1.0]), "flag 3"),
        (*changed(7, [1.0, 4.0]), "identity 7 says images 1 to 4, its label stands in 1 to 3"),
        (*changed(8, [2.0, 4.0]), "identity 8 says"),
        (*changed(9, 5.0), "identity 9 has the flag 0"),
        (*changed(1, [2.0, 1.0]), "make 4 runs"),
        (*changed(2, [0.0, 1.0]), "make 2 runs"),
        (*changed(0, [0.5, 1.0]), "label 0.5"),
        (PAYLOADS, [*range(6), 60, *KEYS[7:]], "key 0 is an image with 2 labels"),
        (PAYLOADS, [*range(2, 8), 0, *range(8, 11)], "keys of the images are not 1 to 6, key 2 "),
        (PAYLOADS, [*KEYS[:7], 8, 9, 10], "keys of the identities are not 7 to 9"),
        (SOUND, [1, 2, 3, 4, 5, 6], "no record has the key 0"),
        ([*SOUND, image(body=b"")], range(7), "key 6 has no image"),
        ([*SOUND, image(body=GIF)], range(7), "record 6 is of no format"),
        ([image(float(1 << 24))], [0], "reach 16777216"),
    ],
)
def test_layouts_that_insightface_misreads_are_found(payloads, keys, words):
    messages = found(face_store(payloads, list(keys)), "insightface")
    assert any(words in message for message in messages), messages


def test_two_identities_of_one_label_are_found():
    payloads, keys = faces((1, 1, 1))
    header, body = rk.unpack_record(payloads[2])
    payloads[2] = rk.pack_record(header._replace(label=[0.0, 1.0]), body)
    assert any("stands in two identities" in message for message in found(face_store(payloads, keys), "insightface"))


def test_insightface_reads_by_key():
    store = face_store(*faces())
    del store.files["x.idx"]
    (message,) = found(store, "insightface")
    assert "no .idx" in message


@pytest.mark.parametrize(("text", "words"), [(b"3,112,112\n", None), (b"2,112,112", "2 classes"), (b"many", "not a number")])
def test_property_agrees_with_the_labels(text, words):
    store = face_store(*faces())
    store.files["property"] = text
    messages = found(store, "insightface")
    assert [words in message for message in messages] == ([True] if words else [])


def columns(images, *, per_identity):
    """The layout with identities of one size, as float16 stores it: what float32 does at 2**24 it does at 2**11."""
    identities = images // per_identity
    first = images + 1
    keys = np.arange(first + identities, dtype=np.uint64)
    empty = np.ones(len(keys), bool)
    empty[1:first] = False
    firsts, seconds = np.zeros(len(keys), np.float16), np.ones(len(keys), np.float16)
    firsts[1:first] = np.arange(images) // per_identity
    firsts[first:] = 1 + per_identity * np.arange(identities)
    seconds[first:] = 1 + per_identity * np.arange(1, identities + 1)
    firsts[0], seconds[0] = first, first + identities
    return Columns(keys, np.full(len(keys), 2, np.uint32), firsts, seconds, empty)


def test_bounds_above_what_labels_hold_are_counted_and_not_believed():
    assert list(judge_faces(columns(1024, per_identity=64))) == []
    large = columns(2048 + 64, per_identity=64)
    troubles = list(judge_faces(large))
    assert [trouble.rule for trouble in troubles] == ["exact", "exact"]  # rounded as they must be: ranges and the directory
    assert "2 ranges end above 2048" in troubles[0].message
    large.seconds[-1] += 2
    assert [trouble.rule for trouble in judge_faces(large)] == ["range", "exact", "exact"]
