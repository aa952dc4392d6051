"""Hypothesis strategies: what goes into records and lists, biased to what breaks readers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordio_kit._core.framing import MAGIC_BYTES
from recordio_kit._core.imagelist import ImageList
from recordio_kit._core.lst import check_path
from recordio_kit.errors import UnsafePathError


if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy


def payloads(*, max_size: int = 200) -> SearchStrategy[bytes]:
    """Return bytes that often hold frame magics: whole, cut, with one bit wrong, at aligned and other positions.

    Args:
        max_size: the most bytes a payload has.
    """
    from hypothesis import strategies as st

    flips = [(at, 1 << bit) for at in range(4) for bit in (0, 7)]
    near = [MAGIC_BYTES[:at] + bytes([MAGIC_BYTES[at] ^ flip]) + MAGIC_BYTES[at + 1 :] for at, flip in flips]
    cuts = [MAGIC_BYTES[:cut] for cut in (1, 2, 3)] + [MAGIC_BYTES[cut:] for cut in (1, 2, 3)]
    word = st.just(MAGIC_BYTES) | st.sampled_from([MAGIC_BYTES[::-1], *near, *cuts])
    place = st.integers(0, max_size // 4).map(lambda number: number * 4) | st.integers(0, max_size)
    changes = st.lists(st.tuples(place, word), max_size=8)

    def build(size: int, tile: bytes, changes: list[tuple[int, bytes]]) -> bytes:
        data = bytearray((tile * size)[:size])
        for start, found in changes:
            data[start : start + len(found)] = found
        return bytes(data[:max_size])

    return st.builds(build, st.integers(0, max_size), st.binary(min_size=1, max_size=9), changes) | st.binary(max_size=max_size)


def labels() -> SearchStrategy[float]:
    """Return finite float32 values, class numbers more often than not."""
    from hypothesis import strategies as st

    numbers = st.integers(0, 9).map(float) | st.integers(0, 1 << 24).map(float)
    return numbers | st.floats(width=32, allow_nan=False, allow_infinity=False)


def paths() -> SearchStrategy[str]:
    """Return paths that a ``.lst`` can hold: class folders, any script, bytes that are no UTF-8 as surrogate escapes."""
    from hypothesis import strategies as st

    name = st.text("abcXYZ019 ._-", min_size=1, max_size=12)
    plain = st.builds("{}/{}.{}".format, name, name, st.sampled_from(["jpg", "png", "JPEG"]))
    raw = st.binary(min_size=1, max_size=12).map(lambda name: name.decode("utf-8", "surrogateescape"))
    return (plain | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20) | raw).filter(_fits_a_row)


def image_lists(*, min_size: int = 0, max_size: int = 20) -> SearchStrategy[ImageList]:
    """Return lists with unique indexes, one to three labels, unique paths, and no class names.

    Args:
        min_size: the fewest entries.
        max_size: the most entries.
    """
    from hypothesis import strategies as st

    path, index = paths(), st.integers(0, (1 << 63) - 1) | st.integers(0, 30)
    row = {width: st.tuples(*[labels()] * width) for width in (1, 2, 3)}

    @st.composite
    def build(draw: DrawFn) -> ImageList:
        chosen = draw(st.lists(path, min_size=min_size, max_size=max_size, unique=True))
        count = len(chosen)
        indexes = draw(st.lists(index, min_size=count, max_size=count, unique=True))
        rows = draw(st.lists(row[draw(st.integers(1, 3))], min_size=count, max_size=count))
        return ImageList.from_entries(zip(indexes, rows, chosen, strict=True))

    return build()


def _fits_a_row(path: str) -> bool:
    try:
        check_path(path)
    except UnsafePathError:
        return False
    return True
