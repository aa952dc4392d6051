"""Drop-in for MXNet's ``tools/im2rec.py``: the same flags, the same lists, and the same ``.rec`` and ``.idx`` files.

Strategy: MXNet 1.9.1 with OpenCV 4.8.1 is the reference, warts included: ``--list``, ``--pass-through`` and images made anew
as JPEG or PNG are what its tool writes, byte for byte. Each wart that costs images is said on stderr, and the exit code tells
what happened, where MXNet's tool ends with 0 or a traceback: 0 well; 1 done, but images or rows were dropped; 2 refused to
start; 3 the disk or a worker process failed; 130 interrupted. Deviations, all of them safe: files appear whole or not at all,
lists are UTF-8 with LF and '/' everywhere, a bad image is dropped whatever ``--num-thread`` is, damaged images and formats
other than JPEG and PNG are dropped too, only regular files are read, and nothing is written for no images.

``options`` reads the command line, ``listing`` makes lists, ``packing`` makes record files of what ``loading`` makes of their
rows, ``encoding`` makes images anew, ``console`` speaks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordio_kit.errors import RecordIOKitError
from recordio_kit.im2rec.console import Console
from recordio_kit.im2rec.listing import write_lists
from recordio_kit.im2rec.options import parse_options
from recordio_kit.im2rec.packing import pack_lists


if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool.

    Args:
        argv: MXNet's own arguments, without the program's name; None means the process's.

    Returns:
        The exit code: 0 well, 1 images or rows were dropped, 2 refused to start, 3 disk or process failed, 130 interrupted.
    """
    console = Console()
    try:
        options = parse_options(argv)
        try:
            (write_lists if options.list else pack_lists)(options, console)
        finally:
            console.say_warts()
    except SystemExit as stop:  # argparse has said why
        return int(stop.code or 0)
    except KeyboardInterrupt:
        console.report("interrupted; the files that were under way are as they were before")
        return 130
    except RecordIOKitError as error:
        console.report(str(error))
        return error.exit_code
    except ValueError as error:
        console.report(str(error))
        return 2
    except OSError as error:
        console.report(f"{error}; the files that were under way are as they were before")
        return 3
    return 1 if console.losses else 0
