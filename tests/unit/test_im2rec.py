"""The im2rec mode: its command line, its warnings, its exit codes, and what it does where MXNet's tool would fail."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading

import numpy as np
import pytest

from recordio_kit._images.codec import decode_image, encode_image
from recordio_kit._images.png_pixels import read_stored_png
from recordio_kit._storage.local import LocalStore
from recordio_kit._storage.reader import RecordReader
from recordio_kit.errors import StorageError
from recordio_kit.im2rec import loading, main
from recordio_kit.im2rec.options import parse_options
from tests.image_samples import deep, png_samples


@pytest.fixture
def tree(tmp_path):
    """Two classes of five and four files that are images by name."""
    root = tmp_path / "tree"
    for name, count in (("cat", 5), ("dog", 4)):
        (root / name).mkdir(parents=True)
        for number in range(count):
            (root / name / f"{number}.jpg").write_bytes(f"{name}{number}".encode())
    return root


@pytest.fixture
def prefix(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "p"


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def pack(prefix, root, rows, *args):
    prefix.with_suffix(".lst").write_bytes(rows if isinstance(rows, bytes) else rows.encode())
    return main([str(prefix), str(root), "--pass-through", *args])


def bodies(prefix):
    with RecordReader(prefix.with_suffix(".rec")) as reader:
        return {int(key): payload[24:] for key, payload in zip(reader.keys, reader, strict=True)}


# --- the command line -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("--list=1", "--list"),
        ("--list=True", "--list"),
        ("--list True", "--list"),
        ("--list 1", "--list"),
        ("--list false", ""),
        ("--list=0", ""),
        ("--train_ratio 0.5", "--train-ratio 0.5"),
        ("--train_ratio=0.5", "--train-ratio 0.5"),
        ("--test_ratio=.25 --num_thread 3", "--test-ratio 0.25 --num-thread 3"),
        ("--pass_through", "--pass-through"),
        ("--pass_through=True --center_crop=1", "--pass-through --center-crop"),
        ("--pack_label 1 --recursive=true", "--pack-label --recursive"),
        ("--shuffle False", "--no-shuffle"),
        ("--shuffle=0", "--no-shuffle"),
        ("--shuffle 0 --list 1", "--no-shuffle --list"),
        ("--shuffle", ""),
        ("--shuffle True", ""),
        ("--no_shuffle", "--no-shuffle"),
        ("--no-shuffle False", ""),
        ("--rec", "--recursive"),
        ("--exts .jpg .my_ext --list=1", "--exts .jpg .my_ext --list"),
        ("--exts .jpg .my_ext --list 1 --chunks 1", "--exts .jpg .my_ext --list"),
    ],
)
@pytest.mark.parametrize("order", ["{places} {flags}", "{flags} {places}"])
def test_old_spellings_mean_what_todays_mean(tmp_path, old, new, order):
    places = f"{tmp_path}/p {tmp_path}"
    want = parse_options(f"{places} {new}".split())
    assert parse_options(order.format(places=places, flags=old).split()) == want


def test_a_digit_is_a_prefix_where_mxnet_takes_it_as_one(tmp_path):
    options = parse_options(["--list", "1", str(tmp_path)])
    assert options.list
    assert os.path.basename(options.prefix) == "1"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--bogus"], "unrecognized arguments"),
        (["--color", "2"], "invalid choice"),
        (["--list=maybe"], "--list"),
        (["--chunks", "0"], "--chunks 0"),
        (["--train-ratio", "-0.1"], "--train-ratio -0.1"),
        (["--test-ratio", "nan"], "--test-ratio nan"),
        (["--train-ratio", "inf"], "--train-ratio inf"),
        (["extra"], "unrecognized arguments"),
    ],
)
def test_a_wrong_command_line_is_refused(tree, prefix, capsys, arguments, why):
    assert main(["--list", str(prefix), str(tree), *arguments]) == 2
    assert why in capsys.readouterr().err
    assert names_in(prefix.parent) == []


def test_help_ends_well(capsys):
    assert main(["--help"]) == 0
    assert "exit codes" in capsys.readouterr().out


def test_the_module_runs_as_a_program(tree, prefix):
    command = [sys.executable, "-m", "recordio_kit.im2rec", "--list", "--recursive", str(prefix), str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "cat 0\ndog 1\n", "")
    done = subprocess.run(
        [sys.executable, "-m", "recordio_kit.im2rec", str(prefix), "nowhere"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


# --- lists ----------------------------------------------------------------------------------------------------------


def test_a_list_replaces_an_older_one_whole(tree, prefix):
    prefix.with_suffix(".lst").write_bytes(b"old")
    assert main(["--list", "--recursive", "--no-shuffle", str(prefix), str(tree)]) == 0
    assert names_in(prefix.parent) == ["p.lst"]
    assert prefix.with_suffix(".lst").read_bytes().splitlines()[5] == b"5\t1.000000\tdog/0.jpg"


def test_no_image_writes_nothing_and_says_what_is_there(tree, prefix, capsys):
    assert main(["--list", str(prefix), str(tree)]) == 2
    assert "--recursive" in capsys.readouterr().err
    assert main(["--list", "--recursive", "--exts", ".png", "--", str(prefix), str(tree)]) == 2
    assert ".jpg; --exts takes them: 9" in capsys.readouterr().err
    assert names_in(prefix.parent) == []


def test_images_that_ratios_cut_off_are_counted_and_named(tree, prefix, capsys):
    arguments = ["--list", "--recursive", "--no-shuffle", "--train-ratio", "0.8", "--test-ratio", "0.2", str(prefix), str(tree)]
    assert main(arguments) == 1
    assert "in no list, cut off by the rounding of the ratios: 1 (dog/3.jpg)" in capsys.readouterr().err
    assert names_in(prefix.parent) == ["p_test.lst", "p_train.lst"]


def test_each_chunk_may_cut_images_off(tree, prefix, capsys):
    arguments = ["--list", "--recursive", "--chunks", "2", "--train-ratio", "0.5", "--test-ratio", "0.5", str(prefix), str(tree)]
    assert main(arguments) == 1
    assert "in no list, cut off by the rounding of the ratios: 1 (" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "warning"),
    [
        (".ipynb_checkpoints/a.jpg", "hidden folders"),
        ("__MACOSX/cat/._a.jpg", "__MACOSX"),
        ("cat/._a.jpg", "hidden files"),
        ("root.jpg", "directly in ROOT are a class of their own: 1 ('.' is label 0)"),
        ("cat/kittens/a.jpg", "nested folders are classes of their own: 1 (cat/kittens)"),
        ("cat/a.webp", "left out by their ending .webp"),
    ],
)
def test_what_makes_phantom_classes_or_stays_out_is_said(tree, prefix, capsys, name, warning):
    (tree / name).parent.mkdir(parents=True, exist_ok=True)
    (tree / name).write_bytes(b"")
    assert main(["--list", "--recursive", str(prefix), str(tree)]) == 0
    assert warning in capsys.readouterr().err


def test_images_below_the_root_are_missed_aloud_without_recursive(tree, prefix, capsys):
    (tree / "root.jpg").write_bytes(b"")
    assert main(["--list", str(prefix), str(tree)]) == 0
    assert "every label is 0; --recursive takes them: 1 (" in capsys.readouterr().err
    assert prefix.with_suffix(".lst").read_bytes() == b"0\t0.000000\troot.jpg\n"


@pytest.mark.parametrize("ending", [".JPG", "jpg"])
def test_exts_that_can_match_nothing_are_said(tree, prefix, capsys, ending):
    assert main(["--list", "--recursive", str(prefix), str(tree), "--exts", ".jpg", ending]) == 0
    assert f"match no file; give them with their dot and in lower case: 1 ({ending})" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names, and no links without privileges")
def test_names_that_no_row_holds_and_broken_links_are_losses(tree, prefix, capsys):
    (tree / "cat" / "a\nb.jpg").write_bytes(b"")
    assert main(["--list", "--recursive", str(prefix), str(tree)]) == 1
    assert "no .lst can hold" in capsys.readouterr().err
    (tree / "cat" / "a\nb.jpg").unlink()
    (tree / "cat" / "z.jpg").symlink_to("nowhere")
    assert main(["--list", "--recursive", str(prefix), str(tree)]) == 1
    assert "broken links, left out: 1 (cat/z.jpg)" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="macOS and Windows refuse names that are no UTF-8")
def test_names_that_are_no_utf8_survive_list_and_pack(tree, prefix, capsys):
    (tree / "cat" / os.fsdecode(b"\xff.jpg")).write_bytes(b"latin")
    assert main(["--list", "--recursive", "--no-shuffle", str(prefix), str(tree)]) == 0
    assert b"5\t0.000000\tcat/\xff.jpg\n" in prefix.with_suffix(".lst").read_bytes()
    assert main([str(prefix), str(tree), "--pass-through"]) == 0
    assert bodies(prefix)[5] == b"latin"


def test_a_list_that_cannot_be_written_leaves_the_old_ones(tree, prefix, capsys, monkeypatch):
    (prefix.parent / "p_train.lst").write_bytes(b"old")

    def seal(_sink):
        message = "no room"
        raise StorageError(message)

    monkeypatch.setattr("recordio_kit._storage.local_sink.LocalSink.seal", seal)
    assert main(["--list", "--recursive", "--train-ratio", "0.5", str(prefix), str(tree)]) == 3
    assert "no room" in capsys.readouterr().err
    assert names_in(prefix.parent) == ["p_train.lst"]
    assert (prefix.parent / "p_train.lst").read_bytes() == b"old"


# --- packing --------------------------------------------------------------------------------------------------------


def test_rows_that_the_reader_drops_are_named_with_their_lines(tree, prefix, capsys):
    rows = "\ufeff0\t0\tcat/0.jpg\n1\t0\tcat/1.jpg\n2 0 cat/2.jpg\n\n3.0\t0\tcat/3.jpg\n4\tx\tcat/4.jpg\n 5 \t 1 \t dog/0.jpg \n"
    assert pack(prefix, tree, rows) == 1
    err = capsys.readouterr().err
    for line, why in ((1, "a byte order mark"), (3, "a row is"), (5, "invalid literal"), (6, "could not convert")):
        assert f"p.lst line {line}: dropped: {why}" in err
    assert bodies(prefix) == {1: b"cat1", 5: b"dog0"}


def test_images_that_cannot_be_read_are_dropped_and_named(tree, prefix, capsys):
    rows = "0\t0\tcat/0.jpg\n1\t0\tmissing.jpg\n2\t0\tcat\n-1\t0\tcat/1.jpg\n4\t0\tcat/0.jpg/x\n5\t0\ta\0b\n6\t1\tdog/0.jpg\n"
    assert pack(prefix, tree, rows) == 1
    err = capsys.readouterr().err
    for line in (2, 3, 4, 5, 6):
        assert f"p.lst line {line}: dropped" in err
    assert bodies(prefix) == {0: b"cat0", 6: b"dog0"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs here")
def test_a_pipe_is_dropped_and_not_waited_for(tree, prefix, capsys):
    os.mkfifo(tree / "cat" / "pipe.jpg")
    assert pack(prefix, tree, "0\t0\tcat/pipe.jpg\n1\t0\tcat/0.jpg\n") == 1
    assert "line 1: dropped cat/pipe.jpg" in capsys.readouterr().err
    assert bodies(prefix) == {1: b"cat0"}


def test_a_file_too_large_for_a_record_is_dropped_unread(tree, prefix, capsys):
    with open(tree / "cat" / "0.jpg", "wb") as file:
        file.truncate(1 << 29)
    assert pack(prefix, tree, "0\t0\tcat/0.jpg\n1\t0\tcat/1.jpg\n") == 1
    assert "536870912 bytes" in capsys.readouterr().err
    assert bodies(prefix) == {1: b"cat1"}


def test_paths_out_of_the_root_are_read_as_mxnet_reads_them_and_said(tree, prefix, capsys):
    outside = tree.parent / "outside.jpg"
    outside.write_bytes(b"outside")
    assert pack(prefix, tree, f"0\t0\t{outside}\n1\t0\t../outside.jpg\n2\t0\tcat/..0.jpg\n3\t0\tcat/0.jpg\n") == 1
    assert "lead out of ROOT (absolute path or '..') and are read, as MXNet's tool does: 2" in capsys.readouterr().err
    assert bodies(prefix) == {0: b"outside", 1: b"outside", 3: b"cat0"}


def test_repeated_ids_and_unpacked_labels_are_said(tree, prefix, capsys):
    rows = "7\t0\t1\tcat/0.jpg\n7\t1\t1\tcat/1.jpg\n"
    assert pack(prefix, tree, rows) == 0
    err = capsys.readouterr().err
    assert "a read by key finds only the last: 1 (p.lst: 7)" in err
    assert "without --pack-label only the first is packed: 2 (p.lst line 1, p.lst line 2)" in err
    assert pack(prefix, tree, rows, "--pack-label") == 0
    assert "--pack-label" not in capsys.readouterr().err


def test_a_prefix_that_names_several_lists_packs_all_and_says_so(tree, prefix, capsys):
    for name in ("p_train.lst", "p_val.lst", "q.lst", "p.txt"):
        (prefix.parent / name).write_bytes(b"0\t0\tcat/0.jpg\n")
    (prefix.parent / "p_folder.lst").mkdir()
    assert main([str(prefix), str(tree), "--pass-through"]) == 0
    captured = capsys.readouterr()
    assert "all are packed: 2 (p_train.lst, p_val.lst)" in captured.err
    assert f"Creating .rec file from {prefix.parent / 'p_val.lst'} in {prefix.parent}\n" in captured.out
    assert [name for name in names_in(prefix.parent) if name.endswith(".rec")] == ["p_train.rec", "p_val.rec"]


def test_a_prefix_that_is_a_folder_packs_the_lists_in_it(tree, prefix):
    prefix.with_suffix(".lst").write_bytes(b"0\t0\tcat/0.jpg\n")
    assert main([str(prefix.parent), str(tree), "--pass-through"]) == 0
    assert names_in(prefix.parent) == ["p.idx", "p.lst", "p.rec"]


def test_an_empty_list_beside_a_full_one_makes_no_record_file(tree, prefix, capsys):
    (prefix.parent / "p_0.lst").write_bytes(b"0\t0\tcat/0.jpg\n")
    (prefix.parent / "p_1.lst").write_bytes(b"")
    assert main([str(prefix), str(tree), "--pass-through"]) == 0
    assert "p_1.rec was not written" in capsys.readouterr().err
    assert names_in(prefix.parent) == ["p_0.idx", "p_0.lst", "p_0.rec", "p_1.lst"]


@pytest.mark.parametrize("rows", ["", "0 0 cat/0.jpg\n", "0\t0\tmissing.jpg\n"])
def test_nothing_to_pack_leaves_what_is_there(tree, prefix, rows):
    prefix.with_suffix(".rec").write_bytes(b"old")
    assert pack(prefix, tree, rows) == 2
    assert names_in(prefix.parent) == ["p.lst", "p.rec"]
    assert prefix.with_suffix(".rec").read_bytes() == b"old"


@pytest.mark.parametrize("folder", ["", "nowhere/"])
def test_no_list_is_refused(tree, prefix, capsys, folder):
    assert main([f"{prefix.parent}/{folder}p", str(tree)]) == 2
    assert "make one with --list" in capsys.readouterr().err
    assert main([str(tree), str(tree)]) == 2
    assert "only lists inside it count" in capsys.readouterr().err


def test_sidecars_of_an_older_file_do_not_outlive_it(tree, prefix):
    for suffix in (".rec", ".idx", ".rkm"):
        prefix.with_suffix(suffix).write_bytes(b"old")
    assert pack(prefix, tree, "0\t0\tcat/0.jpg\n") == 0
    assert names_in(prefix.parent) == ["p.idx", "p.lst", "p.rec"]
    assert bodies(prefix) == {0: b"cat0"}


def test_a_failing_disk_leaves_the_old_files(tree, prefix, capsys, monkeypatch):
    assert pack(prefix, tree, "0\t0\tcat/0.jpg\n") == 0
    before = {path: path.read_bytes() for path in prefix.parent.iterdir()}

    def write(_sink, _data):
        message = "no room"
        raise StorageError(message)

    monkeypatch.setattr("recordio_kit._storage.local_sink.LocalSink.write", write)
    assert main([str(prefix), str(tree), "--pass-through"]) == 3
    assert "no room" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in prefix.parent.iterdir()} == before


def test_an_interrupt_leaves_the_old_files(tree, prefix, capsys, monkeypatch):
    def write(_sink, _data):
        raise KeyboardInterrupt

    monkeypatch.setattr("recordio_kit._storage.local_sink.LocalSink.write", write)
    assert pack(prefix, tree, "0\t0\tcat/0.jpg\n") == 130
    assert capsys.readouterr().err.count("\n") == 1
    assert names_in(prefix.parent) == ["p.lst"]


# --- re-encoding ----------------------------------------------------------------------------------------------------


@pytest.fixture
def photos(tmp_path):
    """Eleven JPEGs and a PNG of 24 x 40 to 24 x 51 pixels, and the rows of a list of them."""
    root = tmp_path / "photos"
    root.mkdir()
    rows = []
    for number in range(12):
        image = np.random.default_rng(number).integers(0, 256, (24, 40 + number, 3), np.uint8)
        name = f"{number}.png" if number == 11 else f"{number}.jpg"
        (root / name).write_bytes(encode_image(image, format="png" if number == 11 else "jpeg"))
        rows.append(f"{number}\t{number % 3}\t{name}\n")
    return root, "".join(rows)


def reencode(prefix, photos, *args):
    root, rows = photos
    prefix.with_suffix(".lst").write_bytes(rows.encode())
    code = main([str(prefix), str(root), *args])
    return code, {key: decode_image(body, color="unchanged").shape for key, body in bodies(prefix).items()}


@pytest.mark.parametrize(
    ("args", "shape"),
    [
        ([], (24, 51, 3)),
        (["--resize", "12"], (12, 25, 3)),
        (["--center-crop"], (24, 24, 3)),
        (["--center-crop", "--resize", "30"], (30, 30, 3)),
        (["--color", "0"], (24, 51)),
        (["--color", "-1", "--encoding", ".png", "--quality", "3"], (24, 51, 3)),
    ],
)
def test_images_are_cropped_resized_and_encoded_as_asked(prefix, photos, args, shape):
    code, shapes = reencode(prefix, photos, *args)
    assert code == 0
    assert shapes[11] == shape
    signature = b"\x89PNG" if ".png" in args else b"\xff\xd8"
    assert all(body.startswith(signature) for body in bodies(prefix).values())


def test_threads_never_change_the_bytes(prefix, photos):
    files = []
    for threads in ("1", "2", "5"):
        assert reencode(prefix, photos, "--resize", "16", "--num-thread", threads)[0] == 0
        files.append((prefix.with_suffix(".rec").read_bytes(), prefix.with_suffix(".idx").read_bytes()))
    assert files[0] == files[1] == files[2]


@pytest.mark.parametrize("threads", ["1", "3"])
def test_an_image_that_cannot_be_decoded_is_dropped_and_named(prefix, photos, capsys, threads):
    (photos[0] / "4.jpg").write_bytes(b"no image")
    (photos[0] / "7.jpg").write_bytes((photos[0] / "7.jpg").read_bytes()[:-300])
    code, shapes = reencode(prefix, photos, "--num-thread", threads)
    assert code == 1
    assert sorted(shapes) == [0, 1, 2, 3, 5, 6, 8, 9, 10, 11]
    err = capsys.readouterr().err
    assert "p.lst line 5: dropped 4.jpg" in err
    assert "p.lst line 8: dropped 7.jpg" in err


@pytest.mark.parametrize("size", ["-5", "65501"])
def test_a_size_that_no_image_has_is_refused_where_images_are_resized(prefix, photos, capsys, size):
    prefix.with_suffix(".lst").write_bytes(photos[1].encode())
    assert main([str(prefix), str(photos[0]), "--resize", size]) == 2
    assert f"--resize {size}: give 0 to 65,500" in capsys.readouterr().err
    assert names_in(prefix.parent) == ["p.lst"]
    assert main([str(prefix), str(photos[0]), "--resize", size, "--pass-through"]) == 0


@pytest.mark.parametrize(
    ("beyond", "bound"),
    [
        (["--quality", "0"], ["--quality", "1"]),
        (["--quality", "300"], ["--quality", "100"]),
        (["--encoding", ".png"], ["--encoding", ".png", "--quality", "9"]),
        (["--encoding", ".png", "--quality", "-1"], ["--encoding", ".png", "--quality", "0"]),
    ],
)
def test_a_quality_out_of_bounds_is_the_nearest_bound(prefix, photos, beyond, bound):
    files = []
    for args in (beyond, bound):
        assert reencode(prefix, photos, *args)[0] == 0
        files.append(prefix.with_suffix(".rec").read_bytes())
    assert files[0] == files[1]


def test_images_of_other_formats_are_dropped_and_named(prefix, photos, capsys):
    (photos[0] / "4.jpg").write_bytes(b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0")
    assert reencode(prefix, photos)[0] == 1
    assert "p.lst line 5: dropped 4.jpg: its bytes are BMP" in capsys.readouterr().err


def test_16_bit_images_that_mxnets_tool_turns_white_are_said(prefix, photos, capsys):
    wide = png_samples(deep(24, 40, 3, 16), 16, 2)
    (photos[0] / "11.png").write_bytes(wide)
    assert reencode(prefix, photos, "--color", "-1")[0] == 0
    assert "--color 1 keeps them: 1 (11.png)" in capsys.readouterr().err
    assert decode_image(bodies(prefix)[11]).mean() > 250
    for args in (["--color", "1"], ["--color", "-1", "--encoding", ".png"]):
        assert reencode(prefix, photos, *args)[0] == 0
        assert capsys.readouterr().err == ""
    np.testing.assert_array_equal(read_stored_png(bodies(prefix)[11]), read_stored_png(wide))


def test_pngs_of_another_zlib_are_said(prefix, photos, capsys, monkeypatch):
    monkeypatch.setattr("recordio_kit._images.png_write.png_is_exact", lambda: False)
    assert reencode(prefix, photos, "--encoding", ".png")[0] == 0
    assert "the same pixels, in other bytes" in capsys.readouterr().err
    assert reencode(prefix, photos)[0] == 0
    assert capsys.readouterr().err == ""


@pytest.fixture
def pool(monkeypatch):
    """Give the smallest job to two workers, three rows at a time."""
    monkeypatch.setattr(loading, "usable_cpus", lambda: 2)
    monkeypatch.setattr(loading, "WORTH_A_POOL_SECONDS", 0.002)
    monkeypatch.setattr(loading, "_CHUNK_ROWS", 3)


def test_workers_change_neither_bytes_nor_words(prefix, photos, capsys, pool):
    root, rows = photos
    (root / "4.jpg").write_bytes(b"no image")
    (root / "7.jpg").unlink()
    rows = "first\n" + rows.replace("\n5\t", "\nx\t") + "13\t0\t1\t../photos/1.jpg\n"
    prefix.with_suffix(".lst").write_text(rows)
    results = []
    for workers in ("1", "4"):
        code = main([str(prefix), str(root), "--resize", "16", "--num-thread", workers])
        out, err = capsys.readouterr()
        files = [prefix.with_suffix(suffix).read_bytes() for suffix in (".rec", ".idx")]
        results.append((code, re.sub(r"time: \S+", "", out), err, files))
    assert results[0] == results[1]
    assert results[0][0] == 1
    assert re.findall(r"p\.lst line (\d+): dropped", results[0][2]) == ["1", "6", "7", "9"]


class Deadly(LocalStore):
    """A store that ends the worker that unpacks it."""

    def __reduce__(self):
        return os._exit, (7,)


def test_a_dead_worker_ends_the_run_and_leaves_the_old_files(prefix, photos, capsys, monkeypatch, pool):
    assert reencode(prefix, photos)[0] == 0
    before = {path: path.read_bytes() for path in prefix.parent.iterdir()}
    capsys.readouterr()
    monkeypatch.setattr("recordio_kit.im2rec.packing.LocalStore", Deadly)
    assert main([str(prefix), str(photos[0]), "--resize", "16", "--num-thread", "2"]) == 3
    err = capsys.readouterr().err
    assert "exited with code 7" in err
    assert "lines 1 to 3 of the list (0.jpg to 2.jpg)" in err
    assert {path: path.read_bytes() for path in prefix.parent.iterdir()} == before


@pytest.mark.parametrize("args", [["--num-thread", "1"], ["--num-thread", "2", "--pass-through"]])
def test_no_worker_is_started_for_one_thread_or_to_copy(prefix, photos, monkeypatch, pool, args):
    monkeypatch.setattr("recordio_kit.im2rec.packing.LocalStore", Deadly)
    prefix.with_suffix(".lst").write_bytes(photos[1].encode())
    assert main([str(prefix), str(photos[0]), *args]) == 0


def test_a_failing_disk_ends_the_workers_and_leaves_the_old_files(prefix, photos, capsys, monkeypatch, pool):
    def write(_sink, _data):
        message = "no room"
        raise StorageError(message)

    monkeypatch.setattr("recordio_kit._storage.local_sink.LocalSink.write", write)
    prefix.with_suffix(".lst").write_bytes(photos[1].encode())
    assert main([str(prefix), str(photos[0]), "--num-thread", "2"]) == 3
    assert "no room" in capsys.readouterr().err
    assert names_in(prefix.parent) == ["p.lst"]
    assert not [thread for thread in threading.enumerate() if thread.name == "recordio_kit-keeper"]
