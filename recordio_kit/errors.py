"""What can go wrong, as one tree.

Strategy: data that is wrong raises a class from here, whose message says what, where and what to do next, and whose
attributes carry the same facts for programs. Misuse of the API raises the builtin it deserves (ValueError, TypeError,
RuntimeError). Any other exception out of this library is a bug in it. Leaves also inherit the builtin that people
already catch. Every class survives pickling, since failures cross process boundaries.

    RecordIOKitError
    |- FormatError(ValueError)            the bytes are wrong
    |  |- CorruptRecordError              a frame or a record breaks the format
    |  |- TruncatedRecordError            the data ends inside a record
    |  |- IndexMismatchError              a sidecar and its .rec disagree
    |  |- ListSyntaxError                 a row of a .lst that cannot be read
    |  `- ManifestError                   a manifest that cannot be read
    |- RecordTooLargeError(ValueError)    a payload of 2**29 bytes or more
    |- ImageError(ValueError)             one image that may not be packed
    |- PackError                          bad images under on_error="raise"
    |- UnsafePathError(ValueError)        a path that leaves its root or that a consumer cannot open
    |- OutputExistsError(FileExistsError) the destination holds something else
    |- ResumeMismatchError                an unfinished run that this one may not continue
    |- PreflightError(ValueError)         a training request that would fail
    |- StorageError(OSError)              disk, network or permission
    |- WorkerDiedError                    a worker process was killed or hung
    `- SourceChangedError                 an image changed while it was being packed

Only exception classes may live here, and nothing but the standard library is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar


if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "CorruptRecordError",
    "FormatError",
    "ImageError",
    "IndexMismatchError",
    "ListSyntaxError",
    "ManifestError",
    "OutputExistsError",
    "PackError",
    "PreflightError",
    "RecordIOKitError",
    "RecordTooLargeError",
    "ResumeMismatchError",
    "SourceChangedError",
    "StorageError",
    "TruncatedRecordError",
    "UnsafePathError",
    "WorkerDiedError",
]


def _restore(cls: type[RecordIOKitError], args: tuple[Any, ...], state: dict[str, Any]) -> RecordIOKitError:
    """Rebuild a pickled error without calling its keyword-only constructor."""
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class RecordIOKitError(Exception):
    """Be the root of every error that this library raises about data, files or services.

    ``exit_code`` is what the command line ends with when this error reaches it: 1 findings, 2 refused to start,
    3 the environment failed in mid-run.
    """

    exit_code: ClassVar[int] = 2

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by class, arguments and attributes."""
        return _restore, (type(self), self.args, self.__dict__)


class FormatError(RecordIOKitError, ValueError):
    """Report bytes that do not follow their format.

    Args:
        message: what is wrong and what to do next.
        source: the file, URL or name the bytes came from, where known.
        offset: the byte offset in that source, where known.
    """

    def __init__(self, message: str, *, source: str | None = None, offset: int | None = None) -> None:
        """Keep the facts and prefix the message with the place."""
        place = "" if source is None else f"{source}: "
        if offset is not None:
            place += f"at byte {offset}: "
        super().__init__(place + message)
        self.message = message
        self.source = source
        self.offset = offset


class CorruptRecordError(FormatError):
    """Report a frame, header or record that breaks the format."""


class TruncatedRecordError(FormatError):
    """Report data that ends inside a record."""


class IndexMismatchError(FormatError):
    """Report an ``.idx`` or ``.rkm`` that cannot be read or that disagrees with its ``.rec``."""


class ListSyntaxError(FormatError):
    """Report a row of a list or CSV file that cannot be read; ``line`` counts from 1."""

    def __init__(self, message: str, *, source: str | None = None, line: int | None = None) -> None:
        """Keep the line number and put it in front of the message."""
        super().__init__(message if line is None else f"line {line}: {message}", source=source)
        self.line = line


class ManifestError(FormatError):
    """Report a manifest that cannot be read or that contradicts itself."""


class RecordTooLargeError(RecordIOKitError, ValueError):
    """Report a payload of 2**29 bytes or more, which the frame's 29-bit length cannot hold."""


class ImageError(RecordIOKitError, ValueError):
    """Report one image that may not be packed.

    Args:
        message: what is wrong, in words.
        path: the image's path as the list names it.
        reason: one word of the closed set in ``recordio_kit._images.gate.REASONS``; unlike the message it never depends
            on the codec engine, so it may be stored in a manifest.
    """

    exit_code = 1

    def __init__(self, message: str, *, path: str | None = None, reason: str = "undecodable") -> None:
        """Keep the facts and prefix the message with the path."""
        super().__init__(message if path is None else f"{path}: {message}")
        self.message = message
        self.path = path
        self.reason = reason


class PackError(RecordIOKitError):
    """Report the bad images that stopped a pack; ``failures`` lists them in list order."""

    exit_code = 1

    def __init__(self, message: str, *, failures: Sequence[Any] = ()) -> None:
        """Keep the failures."""
        super().__init__(message)
        self.failures = tuple(failures)


class UnsafePathError(RecordIOKitError, ValueError):
    """Report a path that leaves its root, is no regular file, or that a consumer cannot open."""


class OutputExistsError(RecordIOKitError, FileExistsError):
    """Report a destination that already holds something else; nothing was changed."""


class ResumeMismatchError(RecordIOKitError):
    """Report an unfinished run whose inputs or options differ from this one's; nothing was changed."""


class PreflightError(RecordIOKitError, ValueError):
    """Report a training request that would fail; ``problems`` lists every reason found."""

    def __init__(self, message: str, *, problems: Sequence[Any] = ()) -> None:
        """Keep the problems."""
        super().__init__(message)
        self.problems = tuple(problems)


class StorageError(RecordIOKitError, OSError):
    """Report a disk, network, service or permission failure; the original error is the ``__cause__``.

    Args:
        message: what failed, what is there now, and what to do next.
        uri: the file or object concerned.
        operation: the operation that failed, such as ``"write"`` or ``"UploadPart"``.
    """

    exit_code = 3

    def __init__(self, message: str, *, uri: str | None = None, operation: str | None = None) -> None:
        """Keep the facts and prefix the message with the place."""
        super().__init__(message if uri is None else f"{uri}: {message}")
        self.uri = uri
        self.operation = operation


class WorkerDiedError(RecordIOKitError):
    """Report a worker process that was killed, hung past its deadline, or could not start."""

    exit_code = 3


class SourceChangedError(RecordIOKitError):
    """Report an image that changed between the moment it was listed or packed and now."""

    exit_code = 3
