"""MXNet 1.9.1 itself as the judge: it reads what this library writes, the reverse, and both make the same lists and files.

Runs where the environment variable MXNET_PYTHON names an interpreter that has MXNet 1.9.1.
"""

from __future__ import annotations

import base64
import io
import json
import os
import random
import subprocess

import numpy as np
import pytest
from PIL import Image

from recordio_kit import mxrecordio
from recordio_kit._images.png_write import write_png
from recordio_kit._images.resize_wide import resize_wide
from recordio_kit._storage.reader import RecordReader
from recordio_kit.im2rec import main
from tests.image_samples import odd_jpegs, odd_pngs


MXNET_PYTHON = os.environ.get("MXNET_PYTHON")
pytestmark = pytest.mark.skipif(MXNET_PYTHON is None, reason="MXNET_PYTHON names no interpreter with MXNet 1.9.1")

MAGIC = bytes.fromhex("0a23d7ce")
IMWRITE_PNG_COMPRESSION = 16
SEED = int(os.environ.get("ORACLE_SEED", "0"))
ROUNDS = int(os.environ.get("ORACLE_ROUNDS", "25"))

# One start of MXNet takes seconds, so each call carries many jobs: [name, arguments] in, results out.
DRIVER = r"""
import base64, contextlib, io, json, os, runpy, sys
import cv2
import numpy as np
np.bool = bool
import mxnet as mx
R = mx.recordio
b64 = lambda data: base64.b64encode(data).decode()

def im2rec(cwd, argv):
    tool = os.path.join(os.path.dirname(mx.__file__), "tools", "im2rec.py")
    sys.argv, stdout = [tool, *argv], io.StringIO()
    os.chdir(cwd)
    try:
        with contextlib.redirect_stdout(stdout):
            runpy.run_path(tool, run_name="__main__")
    except Exception as error:
        return repr(error)
    return stdout.getvalue()

def read(idx, rec):
    record, plain = R.MXIndexedRecordIO(idx, rec, "r"), R.MXRecordIO(rec, "r")
    return {"keys": record.keys, "by_key": [b64(record.read_idx(key)) for key in record.keys], "in_order": [b64(r) for r in iter(plain.read, None)]}

def write(idx, rec, payloads):
    record = R.MXIndexedRecordIO(idx, rec, "w")
    for key, payload in enumerate(payloads):
        record.write_idx(key, base64.b64decode(payload))
    record.close()

def pack(label, key, id2, body):
    return b64(R.pack(R.IRHeader(0, label, key, id2), base64.b64decode(body)))

def unpack(payload):
    header, body = R.unpack(base64.b64decode(payload))
    return [header.flag, header.label.tolist() if header.flag else header.label, header.id, header.id2, b64(body)]

def array(shape, data):
    return np.frombuffer(base64.b64decode(data), np.uint8).reshape(shape)

def pack_img(shape, data, *options):
    return b64(R.pack_img((0, 3.0, 7, 0), array(shape, data), *options))

def unpack_img(payload, *options):
    header, image = R.unpack_img(base64.b64decode(payload), *options)
    return [list(header), list(image.shape), b64(image.tobytes())]

def imdecode(data, flag):
    image = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), flag)
    return None if image is None else [image.dtype.str, list(image.shape), b64(image.tobytes())]

def imencode(dtype, shape, data, suffix, *options):
    image = np.frombuffer(base64.b64decode(data), dtype).reshape(shape)
    return b64(cv2.imencode(suffix, image, options)[1].tobytes())

def resize(dtype, shape, data, height, width):
    image = np.frombuffer(base64.b64decode(data), dtype).reshape(shape)
    return b64(cv2.resize(image, (width, height)).tobytes())

jobs = json.load(sys.stdin)
out = os.dup(1)
os.dup2(2, 1)
results = [globals()[name](*arguments) for name, *arguments in jobs]
with open(out, "w") as stream:
    json.dump(results, stream)
"""


def ask_mxnet(jobs):
    done = subprocess.run([MXNET_PYTHON, "-c", DRIVER], input=json.dumps(jobs), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def b64(data):
    return base64.b64encode(data).decode()


def random_payloads(seed):
    rng = random.Random(seed)
    pieces = [MAGIC, MAGIC[:1], MAGIC[:2], MAGIC[:3], b"", b"abc", b"\0" * 4, b"0123"]
    payloads = [b"".join(rng.choices(pieces, k=rng.randrange(12))) for _ in range(150)]
    return payloads + [rng.randbytes(rng.randrange(40000)) for _ in range(5)] + [b"", MAGIC]


def test_mxnet_reads_what_the_drop_in_writes_and_the_reverse(tmp_path):
    payloads = random_payloads(SEED)
    with mxrecordio.MXIndexedRecordIO(tmp_path / "ours.idx", tmp_path / "ours.rec", "w") as record:
        for key, payload in enumerate(payloads):
            record.write_idx(key, payload)
    ours, theirs = ([str(tmp_path / f"{stem}.idx"), str(tmp_path / f"{stem}.rec")] for stem in ("ours", "theirs"))
    read, _ = ask_mxnet([["read", *ours], ["write", *theirs, [b64(payload) for payload in payloads]]])
    encoded = [b64(payload) for payload in payloads]
    assert read == {"keys": list(range(len(payloads))), "by_key": encoded, "in_order": encoded}
    for suffix in (".rec", ".idx"):
        assert (tmp_path / f"ours{suffix}").read_bytes() == (tmp_path / f"theirs{suffix}").read_bytes()
    with mxrecordio.MXIndexedRecordIO(*theirs, "r") as record:
        assert [record.read_idx(key) for key in record.keys] == payloads


def test_headers_are_packed_and_unpacked_as_mxnet_does():
    rng = random.Random(SEED)
    headers = []
    for size in [0, 1, 2, 5, 40, None, None, None, None, None]:
        label = rng.uniform(-1e6, 1e6) if size is None else [rng.uniform(-9, 9) for _ in range(size)]
        headers.append((label, rng.getrandbits(64), rng.getrandbits(64), b64(rng.randbytes(rng.randrange(60)))))
    ours = [b64(mxrecordio.pack((0, label, key, id2), base64.b64decode(body))) for label, key, id2, body in headers]
    results = ask_mxnet([*(["pack", *header] for header in headers), *(["unpack", payload] for payload in ours)])
    assert results[: len(headers)] == ours
    for payload, want in zip(ours, results[len(headers) :], strict=True):
        header, body = mxrecordio.unpack(base64.b64decode(payload))
        assert [header.flag, header.label.tolist() if header.flag else header.label, header.id, header.id2, b64(body)] == want


def random_image(rng, shape):
    """Return smooth colours with some noise, which JPEG's chroma and rounding both show in."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    planes = [(rows * a + columns * b) % 256 for a, b in zip(range(1, 5), range(5, 1, -1), strict=True)]
    image = np.stack(planes[: shape[2]] if len(shape) == 3 else planes[:1], axis=-1).reshape(shape)
    return (image + rng.randrange(9)).astype(np.uint8)


def test_images_are_packed_and_unpacked_as_mxnet_does():
    rng = random.Random(SEED)
    images = [random_image(rng, shape) for shape in ((7, 9, 3), (40, 33, 3), (16, 16), (21, 5, 1), (30, 31, 4))]
    packs = [(image, *options) for image in images for options in ((95, ".jpg"), (40, ".JPEG"), (9, ".png"))]
    ours = [mxrecordio.pack_img((0, 3.0, 7, 0), *arguments) for arguments in packs]
    reads = [(payload, *color) for payload in ours for color in ((), (-1,), (0,), (1,))]
    jobs = [["pack_img", image.shape, b64(image.tobytes()), *options] for image, *options in packs]
    results = ask_mxnet(jobs + [["unpack_img", b64(payload), *color] for payload, *color in reads])
    for payload, theirs in zip(ours, results, strict=False):
        assert payload == base64.b64decode(theirs)
    for (payload, *color), want in zip(reads, results[len(packs) :], strict=True):
        header, image = mxrecordio.unpack_img(payload, *color)
        assert [list(header), list(image.shape), b64(image.tobytes())] == want


def random_tree(root, rng):
    names = ["a", "b", "A", "é", "日本", "10", "2", ".h", "c d", "x.y", "__MACOSX", "a-b", "a.jpg", "Z_"]
    suffixes = [".jpg", ".jpeg", ".png", ".JPG", ".PnG", ".gif", ".txt", "", ".bmp"]
    root.mkdir()
    folders = [root]
    for _ in range(rng.randrange(8)):
        folder = rng.choice(folders) / rng.choice(names)
        if not folder.exists():
            folder.mkdir()
            folders.append(folder)
    for _ in range(rng.randrange(1, 60)):
        file = rng.choice(folders) / (rng.choice(names) + str(rng.randrange(30)) + rng.choice(suffixes))
        file.write_bytes(rng.randbytes(rng.randrange(50)))
    (root / "one.jpg").write_bytes(b"so that there is always an image")
    if rng.random() < 0.3 and not (root / "link").exists():
        (root / "link").symlink_to(rng.choice(folders), target_is_directory=True)
        (root / "broken.jpg").symlink_to(root / "nowhere")


def random_list_arguments(rng):
    arguments = []
    if rng.random() < 0.8:
        arguments.append("--recursive")
    if rng.random() < 0.3:
        arguments.append("--no-shuffle")
    if rng.random() < 0.6:
        arguments += ["--train-ratio", f"{rng.choice([0, 0.29, 0.5, 0.7, 0.8, 0.9, 1.0, 1.5, rng.random()]):.3g}"]
    if rng.random() < 0.5:
        arguments += ["--test-ratio", f"{rng.choice([0, 0.1, 0.2, 0.3, 1, rng.random()]):.3g}"]
    if rng.random() < 0.4:
        arguments += ["--chunks", str(rng.randrange(1, 7))]
    if rng.random() < 0.2:
        arguments += ["--exts", ".png", ".txt", ".jpg"]
    return arguments


def files_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_lists_and_pass_through_files_are_mxnets_byte_for_byte(tmp_path, capsys):
    rng = random.Random(SEED)
    jobs, runs = [], []
    for number in range(ROUNDS):
        home = tmp_path / str(number)
        for name in ("ours", "theirs"):
            (home / name).mkdir(parents=True)
        random_tree(home / "tree", rng)
        arguments = random_list_arguments(rng)
        make, pack = ["--list", "p", "../tree", *arguments], ["p", "../tree", "--pass-through"]
        jobs += [["im2rec", str(home / "theirs"), make], ["im2rec", str(home / "theirs"), pack]]
        runs.append((home, arguments))
    answers = iter(ask_mxnet(jobs))
    for home, arguments in runs:
        prefix, root = str(home / "ours" / "p"), str(home / "tree")
        assert main(["--list", prefix, root, *arguments]) in (0, 1)
        assert capsys.readouterr().out == next(answers), arguments
        next(answers)
        theirs = files_in(home / "theirs")
        packed = any(data for name, data in theirs.items() if name.endswith(".rec"))
        assert main([prefix, root, "--pass-through"]) == (0 if packed else 2)
        capsys.readouterr()
        ours = files_in(home / "ours")
        # no file where MXNet writes one without records
        empty = {name for name, data in theirs.items() if not data and not name.endswith(".lst")}
        assert ours == {name: data for name, data in theirs.items() if name not in empty}, arguments


def random_list(rng, paths):
    rows = []
    for _ in range(rng.randrange(1, 30)):
        labels = rng.choices(["0", "1.5", "-2", "nan", "1e3", "1_0", " 7 "], k=rng.choice([1, 1, 1, 2, 4]))
        key = rng.choice([str(rng.randrange(50)), "007", " 5", "1_0", "+4", "3.0", "0x10", "", "-1", str(2**64 - 1)])
        path = rng.choice([*paths, *paths, " " + paths[0], paths[0] + "  ", "missing.jpg", ""])
        rows.append(rng.choice(["\t", "\t", "\t", "\t", "\t", " ", "\t\t"]).join([key, *labels, path]))
    text = rng.choice(["\n", "\n", "\r\n", "\r"]).join(
        [*rows, *rng.choices(["# comment", "", "\t", "   "], k=2), f"9\t1\t{paths[0]}"]
    )
    return rng.choice(["", "", "\ufeff"]) + text + rng.choice(["", "\n"])


def test_hand_made_lists_pack_to_mxnets_files(tmp_path):
    rng = random.Random(SEED)
    root = tmp_path / "tree"
    random_tree(root, rng)
    paths = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()] + [str(root / "one.jpg")]
    jobs, runs = [], []
    for number in range(ROUNDS):
        for name in ("ours", "theirs"):
            (tmp_path / name / str(number)).mkdir(parents=True)
        text = random_list(rng, paths)
        for name in ("ours", "theirs"):
            (tmp_path / name / str(number) / "x.lst").write_bytes(text.encode())
        arguments = ["x", str(root), "--pass-through", *rng.choice([[], ["--pack-label"]])]
        # two processes: alone, MXNet's tool dies of the first bad image
        jobs.append(["im2rec", str(tmp_path / "theirs" / str(number)), [*arguments, "--num-thread", "2"]])
        runs.append((number, arguments))
    ask_mxnet(jobs)
    for number, (_, *arguments) in runs:
        main([str(tmp_path / "ours" / str(number) / "x"), *arguments])
        assert files_in(tmp_path / "ours" / str(number)) == files_in(tmp_path / "theirs" / str(number))


def test_re_encoded_files_are_mxnets_byte_for_byte(tmp_path):
    rng = random.Random(SEED)
    root = tmp_path / "tree"
    root.mkdir()
    rows = []
    for number in range(16):
        image = random_image(rng, (rng.randrange(8, 90), rng.randrange(8, 90), rng.choice([3, 3, 1, 4])))
        img_fmt = rng.choice([".jpg", ".png"])
        (root / f"{number}{img_fmt}").write_bytes(mxrecordio.unpack(mxrecordio.pack_img((0, 0, 0, 0), image, 90, img_fmt))[1])
        rows.append(f"{number}\t{number % 3}\t{number}{img_fmt}\n")
    runs = [
        [],
        ["--resize", "24"],
        ["--resize", "100"],
        ["--center-crop"],
        ["--center-crop", "--resize", "17", "--quality", "70"],
        ["--color", "0"],
        ["--color", "-1", "--resize", "20"],
        ["--quality", "0"],
        ["--quality", "101"],
        ["--encoding", ".png"],
        ["--encoding", ".png", "--quality", "-1", "--color", "-1"],
        ["--encoding", ".png", "--quality", "4", "--resize", "33", "--color", "-1"],
    ]
    jobs = []
    for number, arguments in enumerate(runs):
        for name in ("ours", "theirs"):
            (tmp_path / name / str(number)).mkdir(parents=True)
            (tmp_path / name / str(number) / "x.lst").write_text("".join(rows))
        jobs.append(["im2rec", str(tmp_path / "theirs" / str(number)), ["x", str(root), *arguments]])
        assert main([str(tmp_path / "ours" / str(number) / "x"), str(root), *arguments, "--num-thread", "2"]) == 0
    ask_mxnet(jobs)
    for number, arguments in enumerate(runs):
        assert files_in(tmp_path / "ours" / str(number)) == files_in(tmp_path / "theirs" / str(number)), arguments


def random_arguments(rng):
    arguments = ["--color", str(rng.choice([-1, 0, 1]))]
    if rng.random() < 0.6:
        arguments += ["--resize", str(rng.randrange(1, 60))]
    if rng.random() < 0.4:
        arguments.append("--center-crop")
    if rng.random() < 0.3:
        arguments.append("--pack-label")
    if rng.random() < 0.5:
        arguments += ["--encoding", ".png"]
    if rng.random() < 0.7:
        arguments += ["--quality", str(rng.choice([-1, 0, 1, 2, 3, 5, 6, 8, 9, 40, 77, 95, 100, 120]))]
    return arguments


def random_jpegs(rng):
    """Return JPEGs by Pillow, in its ways of subsampling, ordering and marking."""
    images = {}
    for number in range(60):
        image = random_image(rng, (rng.randrange(1, 70), rng.randrange(1, 70), rng.choice([1, 3, 3, 4])))
        options = {"quality": rng.randrange(1, 101), "progressive": rng.random() < 0.5, "optimize": rng.random() < 0.3}
        if image.shape[2] == 3:
            options |= {"subsampling": rng.randrange(3)} if rng.random() < 0.8 else {"keep_rgb": True}
        if rng.random() < 0.3:
            options[rng.choice(["restart_marker_blocks", "restart_marker_rows"])] = rng.randrange(1, 4)
        out = io.BytesIO()
        mode = {1: "L", 3: "RGB", 4: "CMYK"}[image.shape[2]]
        Image.frombytes(mode, image.shape[1::-1], image.tobytes()).save(out, "JPEG", **options)
        images[f"pillow-{number} {mode} {options}"] = out.getvalue()
    return images


def test_odd_images_are_re_encoded_to_mxnets_records(tmp_path):
    rng = random.Random(SEED)
    images = odd_pngs() | odd_jpegs() | random_jpegs(rng)
    rows = []
    for number, data in enumerate(images.values()):
        (tmp_path / f"{number}.img").write_bytes(data)
        labels = "\t".join(str(rng.randrange(9)) for _ in range(rng.choice([1, 1, 3])))
        rows.append(f"{number}\t{labels}\t{number}.img\n")
    jobs, runs = [], []
    for number in range(ROUNDS):
        arguments = random_arguments(rng)
        for name in ("ours", "theirs"):
            (tmp_path / name / str(number)).mkdir(parents=True)
            (tmp_path / name / str(number) / "x.lst").write_text("".join(rows))
        # two processes: alone, MXNet's tool dies of the first bad image
        jobs.append(["im2rec", str(tmp_path / "theirs" / str(number)), ["x", str(tmp_path), *arguments, "--num-thread", "2"]])
        assert main([str(tmp_path / "ours" / str(number) / "x"), str(tmp_path), *arguments]) == 0
        runs.append(arguments)
    ask_mxnet(jobs)
    for number, arguments in enumerate(runs):
        ours, theirs = ({*read_records(tmp_path / name / str(number))} for name in ("ours", "theirs"))
        keys = {int.from_bytes(payload[8:16], "little") for payload in ours ^ theirs}
        differing = {list(images)[key] for key in keys}
        if arguments[1] == "-1" and "--resize" in arguments:  # Intel's IPP resizes 16 bits; its last bit is the processor's
            differing = {name for name in differing if " 16 " not in name}
        assert not differing, arguments


def read_records(folder):
    with RecordReader(folder / "x.rec") as reader:
        return [bytes(payload) for payload in reader]


def test_png_bytes_are_opencvs():
    rng = random.Random(SEED)
    cases = []
    for number in range(20 * ROUNDS):
        shape = [rng.choice([1, 2, 7, 33, 90, rng.randrange(1, 200)]) for _ in range(2)]
        shape += [] if number % 3 == 0 else [number % 3 + 2]
        top = rng.choice([255, 65535])
        plain = np.random.default_rng(SEED + number).integers(0, rng.choice([1, 3, top]) + 1, shape)
        slope = sum(np.ogrid[tuple(slice(size) for size in shape)]) * rng.randrange(9)
        cases.append((((plain + slope) % (top + 1)).astype(np.uint8 if top == 255 else np.uint16), rng.randrange(10)))
    jobs = []
    for pixels, level in cases:
        swapped = pixels if pixels.ndim == 2 else pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
        jobs.append(
            ["imencode", swapped.dtype.str, swapped.shape, b64(swapped.tobytes()), ".png", IMWRITE_PNG_COMPRESSION, level]
        )
    for (pixels, level), theirs in zip(cases, ask_mxnet(jobs), strict=True):
        assert write_png(pixels, level) == base64.b64decode(theirs), (pixels.shape, pixels.dtype, level)


def test_16_bit_samples_are_resized_as_opencv_does_to_the_last_bit_but_one():
    rng = random.Random(SEED)
    cases = []
    for number in range(4 * ROUNDS):
        shape = [rng.choice([1, 5, rng.randrange(1, 90)]) for _ in range(2)] + ([] if number % 3 == 0 else [number % 3 + 2])
        pixels = np.random.default_rng(SEED + number).integers(0, 65536, shape).astype(np.uint16)
        cases.append((pixels, rng.randrange(1, 120), rng.randrange(1, 120)))
    jobs = [["resize", image.dtype.str, image.shape, b64(image.tobytes()), *size] for image, *size in cases]
    for (image, height, width), theirs in zip(cases, ask_mxnet(jobs), strict=True):
        ours = resize_wide(image, height, width)
        want = np.frombuffer(base64.b64decode(theirs), np.uint16).reshape(ours.shape)
        assert abs(ours.astype(np.int64) - want).max() <= 1
