"""The command line: argparse in, exit codes out.

Strategy: each command is a function of (arguments, output) that calls the public library and shows what came back; all
errors end here, as one clear line and an exit code (0 well, 1 findings, 2 refused to start, 3 the environment failed,
130 and 143 interrupted). Modules are imported when their command runs, so that ``--help`` is quick.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
import traceback
from typing import TYPE_CHECKING

from recordio_kit import __version__
from recordio_kit.cli import aws, data, demo, doctor, files
from recordio_kit.cli.output import Output
from recordio_kit.errors import RecordIOKitError, StorageError


if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["main"]

_DESCRIPTION = "RecordIO and .lst files without MXNet: lists, splits, packing, reading, S3, and SageMaker training."
_EPILOG = "Start with 'recordio-kit demo'. Exit codes: 0 well, 1 findings, 2 refused to start, 3 the environment failed."


class _TerminatedError(KeyboardInterrupt):
    """SIGTERM arrived."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: the arguments without the program's name; None takes the process's own.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported: no command multiplies matrices
    if words[:1] == ["im2rec"]:
        from recordio_kit.im2rec import main as im2rec

        return im2rec(words[1:])
    parser = build_parser()
    args = parser.parse_args(words)
    out = Output(as_json=args.json, quiet=args.quiet)
    try:
        with _sigterm_raises():
            code: int = args.run(args, out)
            return code
    except KeyboardInterrupt as error:
        _show(out, error, debug=False, text="interrupted; what was not finished is not published")
        return 143 if isinstance(error, _TerminatedError) else 130
    except BrokenPipeError:
        # whoever read standard output has gone: no reason for words, and Python must not flush into it at exit
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 3
    except RecordIOKitError as error:
        _show(out, error, debug=args.debug)
        # what is not there cannot be worked on: the command never started
        return 2 if isinstance(error, StorageError) and error.operation == "open" else error.exit_code
    except MemoryError as error:
        _show(out, error, debug=args.debug, text="out of memory; try fewer --workers")
        return 3
    except OSError as error:
        _show(out, error, debug=args.debug)
        return 3
    except (ValueError, TypeError, ImportError) as error:
        _show(out, error, debug=args.debug)
        return 2


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(prog="recordio-kit", description=_DESCRIPTION, epilog=_EPILOG, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"recordio_kit {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (demo, data, files, aws, doctor):
        module.add(commands)
    commands.add_parser("im2rec", help="MXNet's im2rec.py, with its own flags: im2rec PREFIX ROOT ...", add_help=False)
    return parser


def _show(out: Output, error: BaseException, *, debug: bool, text: str = "") -> None:
    if debug:
        traceback.print_exception(error)
    out.error(text or str(error) or type(error).__name__)
    for note in getattr(error, "__notes__", ()):
        out.say("note", note)


@contextlib.contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Let SIGTERM end a command as Ctrl-C does, so that it cleans up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(_signal: int, _frame: object) -> None:
        raise _TerminatedError

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
