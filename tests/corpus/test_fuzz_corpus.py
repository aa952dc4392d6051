"""What the fuzzer found, and the smallest inputs that reach all it has reached, through the same checks without it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.fuzz import texts
from tests.fuzz.kept import read_kept
from tests.fuzz.run import last_error, read_figures
from tests.fuzz.targets import TARGETS, load


FINDINGS = {f"{target}: {name}": (target, data) for target in TARGETS for name, data in read_kept(target) if name}


@pytest.mark.parametrize("target", TARGETS)
def test_the_kept_corpus_breaks_no_promise(target):
    functions = load(target)
    kept = [data for name, data in read_kept(target) if not name]
    assert kept
    for data in (*functions.seeds(), *kept):
        try:
            functions.check(data)
        except BaseException as error:
            error.add_note(f"the input: {data.hex()}")
            raise


@pytest.mark.parametrize(("target", "data"), FINDINGS.values(), ids=FINDINGS)
def test_what_was_found_is_mended(target, data):
    load(target).check(data)


def test_a_broken_promise_is_seen(monkeypatch):
    monkeypatch.setattr(texts, "format_classes", lambda classes: "\n".join(classes).upper().encode())
    with pytest.raises(AssertionError):
        texts.check_classes(b"cat\ndog\n")


def test_figures_are_read_from_what_the_fuzzer_prints():
    text = (
        "INFO: Instrumenting recordio_kit._core.lst\n"
        "#2\tINITED cov: 6 ft: 6 corp: 1/1b exec/s: 0 rss: 62Mb\n"
        "#131072\tpulse  cov: 19 ft: 22 corp: 4/77b lim: 512 exec/s: 43690 rss: 62Mb\n"
    )
    assert list(vars(read_figures(text, 2.04, "done")).values()) == [131_072, 2.0, 19, 22, 4, "done"]
    assert read_figures(text + "stat::number_of_executed_units: 200000\n", 2, "done").runs == 200_000
    assert read_figures("", 0, "ended").runs == 0
    assert (
        last_error(text + " === Uncaught Python exception: ===\nValueError: no\nTraceback\n==1== ERROR: exited\n")
        == "ValueError: no"
    )
    assert last_error(text + "==1== ERROR: libFuzzer: deadly signal\nSUMMARY\n") == "==1== ERROR: libFuzzer: deadly signal"
    assert last_error("") == "no output"


def test_without_atheris_one_line_says_how_to_get_it():
    code = (
        "import sys; sys.modules['atheris'] = None; sys.argv = ['fuzz']; from tests.fuzz.__main__ import main; sys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "this needs atheris: pip install atheris (Linux and macOS)\n"
