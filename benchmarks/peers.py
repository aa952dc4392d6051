"""Which peers are present, and how they are called.

Strategy: nothing is installed here. MXNet is where ``MXNET_PYTHON`` says, its C++ im2rec where ``IM2REC_CPP`` says; the Python
packages are looked for in this interpreter, then in that of ``BENCH_PEERS_PYTHON``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Peers:
    """What is there: each an interpreter or a program, None where it is missing.

    Args:
        mxnet: an interpreter with MXNet.
        im2rec_cpp: MXNet's ``tools/im2rec``, compiled.
        webdataset: an interpreter with webdataset.
        streaming: an interpreter with MosaicML Streaming.
        tar: GNU or BSD tar.
        find: GNU find, for its ``-printf``.
        sync: a ``sync`` that takes a file.
    """

    mxnet: str | None
    im2rec_cpp: str | None
    webdataset: str | None
    streaming: str | None
    tar: str | None
    find: str | None
    sync: str | None


def find_peers() -> Peers:
    """Return the peers that are present."""
    return Peers(
        mxnet=os.environ.get("MXNET_PYTHON"),
        im2rec_cpp=os.environ.get("IM2REC_CPP"),
        webdataset=_interpreter_with("webdataset"),
        streaming=_interpreter_with("streaming"),
        tar=shutil.which("tar"),
        find=_answering("find", "/dev/null", "-printf", ""),
        sync=_answering("sync", "--version"),
    )


def versions(peers: Peers) -> dict[str, str]:
    """Return the version of each peer that is present, as it gives it."""
    return {
        name: told
        for name, told in {
            "mxnet": _distribution(peers.mxnet, "mxnet"),
            "mxnet's opencv": _distribution(peers.mxnet, "opencv-python-headless") or _distribution(peers.mxnet, "opencv-python"),
            "im2rec (C++)": peers.im2rec_cpp or "",
            "webdataset": _distribution(peers.webdataset, "webdataset"),
            "mosaicml-streaming": _distribution(peers.streaming, "mosaicml-streaming"),
            "tar": _first_line(peers.tar),
            "find": _first_line(peers.find),
        }.items()
        if told
    }


def _interpreter_with(module: str) -> str | None:
    code = f"import sys, importlib.util; sys.exit(importlib.util.find_spec({module!r}) is None)"
    candidates = [sys.executable, os.environ.get("BENCH_PEERS_PYTHON")]
    return next((python for python in candidates if python and _succeeds(python, "-c", code)), None)


def _answering(program: str, *arguments: str) -> str | None:
    place = shutil.which(program)
    return place if place and _succeeds(place, *arguments) else None


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _distribution(python: str | None, name: str) -> str:
    code = f"import importlib.metadata; print(importlib.metadata.version({name!r}))"
    return _first_line(python, "-c", code)


def _first_line(program: str | None, *arguments: str) -> str:
    if program is None:
        return ""
    done = subprocess.run([program, *(arguments or ("--version",))], capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0] if done.returncode == 0 else ""
