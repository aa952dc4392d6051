"""Locks that end with their process: who holds one is alive, on this machine at least.

Strategy: advisory whole-file locks of the system, which the kernel takes back however a process ends, so that nothing can be
left locked. A file system without locks (some network disks) counts as unlocked. Nothing else may live here.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from typing import Final


#: Far behind any journal's end: Windows locks bytes, and locked bytes cannot be read.
_FAR: Final = 1 << 40
_STEP_SECONDS: Final = 0.02


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Lock an open file, at once or not at all.

    Args:
        descriptor: of the file; the lock ends when it is closed.
        shared: several may hold it together, as readers do.

    Returns:
        Whether nobody else holds it.
    """
    if sys.platform == "win32":
        import msvcrt

        if shared:
            return True
        here = os.lseek(descriptor, 0, os.SEEK_CUR)
        try:
            os.lseek(descriptor, _FAR, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, here, os.SEEK_SET)
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
    return True


def unlock(descriptor: int) -> None:
    """Let go of a lock without closing the file."""
    if sys.platform != "win32":
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)


def outwait(descriptor: int, seconds: float) -> bool:
    """Wait until nobody else holds a lock on a file; tell whether that was so in time.

    Args:
        descriptor: of the file, which is not locked afterwards.
        seconds: how long to wait at most.
    """
    end = time.monotonic() + seconds
    while not try_lock(descriptor):
        if time.monotonic() > end:
            return False
        time.sleep(_STEP_SECONDS)
    unlock(descriptor)
    return True
