"""Walk a ``.rec`` that may be damaged: every byte belongs to a sound record or to a lost range.

Strategy: an aligned magic in a sound file is a frame head and nothing else, so a record is sound when its frames follow
each other, hold no aligned magic, are padded with zeros, and a head or the end of the file stands behind them. Where
something else stands there, either this record's length is wrong or the next head is: the words around decide
(``_length_is_wrong``), and in doubt the record is kept. After damage the next head is taken where the alignment is kept;
at another phase only if its frame leads to a further head or to the end. Cost is linear in the file, memory is a window
and one record, whatever the bytes are.

Structure is all that is judged here: checksums, indexes and images are the callers'.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

import numpy as np

from recordio_kit._core.framing import HEAD_SIZE, MAGIC, MAGIC_BYTES, decode_at, parse_head
from recordio_kit._core.header import unpack_record
from recordio_kit.errors import FormatError, StorageError, TruncatedRecordError


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from recordio_kit._storage.base import Source

Damage: TypeAlias = Literal["garbage", "truncated", "length", "parts", "padding"]

#: What each kind of damage means, for people.
DAMAGE: Final[Mapping[str, str]] = {
    "garbage": "no record starts here",
    "truncated": "the file ends inside this record",
    "length": "this record does not end where its length says",
    "parts": "the parts of this record do not follow each other",
    "padding": "the padding behind this record is not zero",
}

_WINDOW_BYTES: Final = 4 << 20
#: A record of at most this size is read once, a larger one up to three times.
_HELD_BYTES: Final = 1 << 20
#: The first look for a magic; each further one is eight times as long.
_FIRST_STEP_BYTES: Final = 1 << 10
#: A word that differs from the magic in so few bits was one: a random word does with a chance of 1 to 100,000.
_NEAR_MAGIC_BITS: Final = 4
#: Runs of parts are followed this far, so that a hostile file cannot have them followed again and again.
_MOST_PARTS: Final = 64
#: Fewer bytes than this between a record's end and the next head mean that bytes were put in or taken out.
_SHIFT_BYTES: Final = 8
#: So many zeros in a row are no piece of a payload.
_ZEROS_BYTES: Final = 64
_HEAD_PATTERN: Final = re.compile(re.escape(MAGIC_BYTES) + rb"(?=[\0-\xff]{3}[\0-\x3f])")
_IMAGE_ENDS: Final = ((b"\xff\xd8", b"\xff\xd9"), (b"\x89PNG", b"IEND\xaeB`\x82"))


class Piece(NamedTuple):
    """Describe a range of the file.

    Args:
        begin: its first byte.
        end: the byte behind its last one.
        damage: what is wrong, or None for a sound record.
        frames: a sound record's bytes on disk; keeping them keeps the buffer that they lie in.
    """

    begin: int
    end: int
    damage: Damage | None
    frames: memoryview = memoryview(b"")


class Window:
    """Read a range of a source through a buffer that moves along.

    Args:
        source: where to read.
        stop: where the range ends; None is the end of the source.
    """

    def __init__(self, source: Source, stop: int | None = None) -> None:
        """Start with an empty buffer."""
        self._source = source
        self.stop = source.size if stop is None else stop
        self._base = 0
        self._data = memoryview(b"")

    def hold(self, begin: int) -> None:
        """Make sure that what follows an offset is in the buffer."""
        end = self._base + len(self._data)
        if not self._base <= begin <= end or min(begin + _HELD_BYTES, self.stop) > end:
            self._move(begin, _WINDOW_BYTES)

    def read(self, begin: int, end: int) -> memoryview:
        """Return the bytes between two offsets, fewer at the end of the range; the buffer moves there."""
        end = min(end, self.stop)
        if not self._base <= begin <= end <= self._base + len(self._data):
            self._move(begin, max(end - begin, _WINDOW_BYTES))
        return self._data[begin - self._base : end - self._base]

    def peek(self, begin: int, end: int) -> memoryview:
        """Return a few bytes; the buffer stays where it is."""
        end = min(end, self.stop)
        if self._base <= begin <= end <= self._base + len(self._data):
            return self._data[begin - self._base : end - self._base]
        return self._fetch(begin, max(end - begin, 0))

    def find_head(self, begin: int) -> int:
        """Return the offset of the next record head at any phase, or the end of the range."""
        while begin < self.stop:
            data = self.read(begin, begin + _HELD_BYTES)
            match = _HEAD_PATTERN.search(data)
            if match:
                return begin + match.start()
            begin += max(len(data) - HEAD_SIZE + 1, 1)
        return self.stop

    def find_aligned_magic(self, begin: int, end: int) -> bool:
        """Tell whether a magic stands at a multiple of four bytes from ``begin``, before ``end``."""
        step = _FIRST_STEP_BYTES  # grows: the cost is that of the way to the first magic, not of the whole range
        while begin + 4 <= end:
            words = np.frombuffer(self.read(begin, min(begin + step, end - (end - begin & 3))), "<u4")
            if (words == MAGIC).any():
                return True
            begin += 4 * len(words)
            step = min(8 * step, _HELD_BYTES)
        return False

    def _move(self, begin: int, length: int) -> None:
        self._data = self._fetch(begin, min(length, self.stop - begin))
        self._base = begin

    def _fetch(self, begin: int, length: int) -> memoryview:
        data = self._source.read_at(begin, length)
        if len(data) < length:
            msg = f"the file ends at byte {begin + len(data)}, it had {self._source.size} bytes when it was opened"
            raise StorageError(msg, uri=self._source.uri, operation="read")
        return memoryview(data)


class Frames(NamedTuple):
    """Describe the frames of one record: where they end, what is wrong, and the last part's head and length."""

    end: int
    damage: Damage | None
    last: int = 0
    length: int = 0


def survey(
    source: Source, *, begin: int = 0, stop: int | None = None, starts: NDArray[np.uint64] | None = None
) -> Iterator[Piece]:
    """Yield the pieces of a file, in order, without a gap between them.

    Args:
        source: a ``.rec``.
        begin: the first byte to look at.
        stop: the byte behind the last one; None is the end of the file.
        starts: rising offsets at which records are known to have started.

    Raises:
        StorageError: the file cannot be read.
    """
    window = Window(source, stop)
    position = phase = begin
    while position < window.stop:
        window.hold(position)
        frames = _judge(window, position, starts)
        if frames.damage is None:
            yield Piece(position, frames.end, None, window.read(position, frames.end))
            position = phase = frames.end
        else:
            following = _resync(window, position + 1, phase)
            cut = frames.damage == "truncated" and following < window.stop  # a length beyond the end, though more follows
            yield Piece(position, following, "length" if cut else frames.damage)
            position = following


def _judge(window: Window, begin: int, starts: NDArray[np.uint64] | None) -> Frames:
    """Return the frames of the record at an offset, and whether it is sound."""
    frames = walk_frames(window, begin)
    if frames.damage is not None or frames.end == window.stop:
        return frames
    if window.peek(frames.end, frames.end + 4) == MAGIC_BYTES:
        # Further parts behind a last one: its flag is damaged, unless it could not have had any, or they go nowhere.
        damaged = not frames.length & 3 and _parts_follow(window, frames.end)
        return frames._replace(damage="parts") if damaged else frames
    return frames._replace(damage="length") if _length_is_wrong(window, begin, frames, starts) else frames


def walk_frames(window: Window, begin: int) -> Frames:
    """Follow the frames of one record, without a look at what stands behind it.

    Args:
        window: where to read.
        begin: the offset of the record.
    """
    position, first = begin, True
    while True:
        try:
            flag, length = parse_head(window.peek(position, position + HEAD_SIZE), 0, first=first)
        except TruncatedRecordError:
            return Frames(window.stop, "truncated" if _is_magic(window, begin) else "garbage")
        except FormatError:
            return Frames(position, "parts" if _is_magic(window, begin) else "garbage")
        content = position + HEAD_SIZE
        padding = content + length
        end = padding + (-length & 3)
        if end > window.stop:
            return Frames(window.stop, "truncated")
        if window.find_aligned_magic(content, end):
            return Frames(end, "length")
        if any(window.peek(padding, end)):
            return Frames(end, "padding")
        if flag in (0, 3):
            return Frames(end, None, position, length)
        position, first = end, False


def _is_magic(window: Window, position: int) -> bool:
    return window.peek(position, position + 4) == MAGIC_BYTES


def _is_head(window: Window, position: int) -> bool:
    return _HEAD_PATTERN.match(window.peek(position, position + HEAD_SIZE)) is not None


def _parts_follow(window: Window, position: int) -> bool:
    """Tell whether a whole run of further parts stands at an offset, with a head or the end behind it."""
    for _ in range(_MOST_PARTS):
        try:
            flag, length = parse_head(window.peek(position, position + HEAD_SIZE), 0, first=False)
        except FormatError:
            return False
        position += HEAD_SIZE + length + (-length & 3)
        if flag == 3:
            return position == window.stop or _is_head(window, position)
    return False


def _length_is_wrong(window: Window, begin: int, frames: Frames, starts: NDArray[np.uint64] | None) -> bool:
    """Tell whether a record's length is to blame that no frame stands behind it, rather than what follows."""
    end = frames.end
    if (int.from_bytes(window.peek(end, end + 4), "little") ^ MAGIC).bit_count() <= _NEAR_MAGIC_BITS:
        return False
    following = _resync(window, begin + HEAD_SIZE, begin)
    if following < end:
        return True  # a head at another phase inside this record: bytes are missing
    if following == window.stop or _is_whole_image(window.read(begin, end)):
        return False
    if following - end < _SHIFT_BYTES and not _known(starts, following):
        return True
    if _known(starts, end):
        return False
    if _known(starts, begin) and _known(starts, following):
        return True
    # One flipped bit in the length explains it; zeros, however, were put behind the record rather than cut off it.
    wanted = following - frames.last - HEAD_SIZE
    flipped = any(-(-(frames.length ^ 1 << bit) // 4) * 4 == wanted for bit in range(29))
    return flipped and any(window.peek(end, min(end + _ZEROS_BYTES, following)))


def _known(starts: NDArray[np.uint64] | None, offset: int) -> bool:
    if starts is None:
        return False
    place = int(np.searchsorted(starts, np.uint64(offset)))
    return place < len(starts) and int(starts[place]) == offset


def _is_whole_image(frames: memoryview) -> bool:
    """Tell whether a record holds a JPEG or PNG that ends with its end marker."""
    try:
        _, body = unpack_record(decode_at(frames).payload)
    except FormatError:
        return False
    return any(body.startswith(first) and body.endswith(last) for first, last in _IMAGE_ENDS)


def _resync(window: Window, begin: int, phase: int) -> int:
    """Return where the next record may start: a head at this phase, or one at another that leads on; else the end."""
    position = begin
    while (position := window.find_head(position)) < window.stop:
        if not (position - phase) & 3 or _leads_on(window, position):
            return position
        position += 1
    return window.stop


def _leads_on(window: Window, position: int) -> bool:
    """Tell whether the frame at an offset ends where the file does or where a frame stands that may follow it."""
    try:
        flag, length = parse_head(window.peek(position, position + HEAD_SIZE), 0, first=True)
    except FormatError:
        return False
    end = position + HEAD_SIZE + length + (-length & 3)
    if flag == 0:
        return end == window.stop or (end < window.stop and _is_head(window, end))
    try:
        parse_head(window.peek(end, end + HEAD_SIZE), 0, first=False)
    except FormatError:
        return False
    return True
