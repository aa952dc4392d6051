"""The promises of the ``Store`` protocol, as a pytest class that any store can be held against."""

from __future__ import annotations

import pickle
import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from recordio_kit._storage.base import Store, iter_chunks, read_all, write_all
from recordio_kit.errors import OutputExistsError, RecordIOKitError, StorageError


if TYPE_CHECKING:
    from collections.abc import Iterator

    from recordio_kit._core.framing import Buffer


class StoreContract:
    """Test a store: subclass this in a test module, and override the fixture ``store`` with one that returns an empty store.

    For instance::

        class TestMyStore(StoreContract):
            @pytest.fixture
            def store(self, tmp_path):
                return MyStore(tmp_path)

    ``big_bytes`` should be more than what the store keeps in memory or sends at once. A store that cannot be pickled
    says ``picklable = False``.
    """

    big_bytes: ClassVar[int] = 3 << 20
    picklable: ClassVar[bool] = True

    @pytest.fixture
    def store(self) -> Iterator[Any]:
        """Be overridden."""
        msg = "override the fixture 'store' with one that returns an empty store"
        raise NotImplementedError(msg)

    def test_is_a_store(self, store: Store) -> None:
        """A store has every method."""
        assert isinstance(store, Store)

    def test_what_is_committed_reads_back(self, store: Store) -> None:
        """The bytes of a file are those written, whatever holds them and whatever becomes of that afterwards."""
        sink = store.create("a/b.rec")
        reused = bytearray(b"one")
        pieces: list[Buffer] = [reused, b"", b"two", memoryview(b"-three-")[1:-1]]
        for piece in pieces:
            sink.write(piece)
        reused[:] = b"XXX"
        sink.commit()
        assert read_all(store, "a/b.rec") == b"onetwothree"

    def test_an_empty_file_is_a_file(self, store: Store) -> None:
        """No bytes are content too."""
        write_all(store, "empty", b"")
        stat = store.stat("empty")
        assert stat is not None
        assert stat.size == 0
        source = store.open("empty")
        assert (source.size, source.read_at(0, 10)) == (0, b"")
        source.close()

    def test_many_small_writes_are_one_file(self, store: Store) -> None:
        """Pieces stay in order."""
        sink = store.create("small")
        pieces = [b"%d," % number for number in range(5000)]
        for piece in pieces:
            sink.write(piece)
        sink.commit()
        assert read_all(store, "small") == b"".join(pieces)

    @pytest.mark.parametrize("at_once", [True, False])
    def test_a_big_file_reads_back(self, store: Store, at_once: bool) -> None:
        """Neither one huge write nor many uneven ones lose or move a byte."""
        data = self._pattern(self.big_bytes)
        sink = store.create("big")
        step = len(data) if at_once else 700_001
        for start in range(0, len(data), step):
            sink.write(data[start : start + step])
        sink.commit()
        source = store.open("big")
        assert source.size == len(data)
        assert b"".join(iter_chunks(source)) == data
        source.close()

    def test_nothing_is_visible_before_commit(self, store: Store) -> None:
        """Neither writing nor sealing shows the name."""
        sink = store.create("new")
        sink.write(b"data")
        self._refuse_absent(store, "new")
        sink.seal()
        self._refuse_absent(store, "new")
        sink.commit()
        assert list(store.list()) == ["new"]

    def test_sealing_twice_is_sealing_once(self, store: Store) -> None:
        """A sealed file can be sealed and committed."""
        sink = store.create("sealed")
        sink.write(b"data")
        sink.seal()
        sink.seal()
        sink.commit()
        assert read_all(store, "sealed") == b"data"

    @pytest.mark.parametrize("sealed", [True, False])
    def test_abort_leaves_nothing(self, store: Store, sealed: bool) -> None:
        """An aborted file never was, cannot be committed, and its name can be used."""
        sink = store.create("gone")
        sink.write(self._pattern(self.big_bytes))
        if sealed:
            sink.seal()
        sink.abort()
        sink.abort()
        with pytest.raises((RecordIOKitError, RuntimeError, ValueError)):
            sink.commit()
        self._refuse_absent(store, "gone")
        write_all(store, "gone", b"back")
        assert read_all(store, "gone") == b"back"

    def test_abort_after_commit_keeps_the_file(self, store: Store) -> None:
        """What is published stays."""
        sink = store.create("kept")
        sink.write(b"data")
        sink.commit()
        sink.abort()
        assert read_all(store, "kept") == b"data"

    def test_a_taken_name_is_refused(self, store: Store) -> None:
        """Nothing is overwritten unasked."""
        write_all(store, "taken", b"old")
        with pytest.raises(OutputExistsError, match="taken"):
            store.create("taken")
        assert read_all(store, "taken") == b"old"

    @pytest.mark.parametrize("size", [5, None], ids=["small", "big"])
    def test_a_name_taken_meanwhile_is_refused(self, store: Store, size: int | None) -> None:
        """Of two writers of one name the first to commit wins, and the second is told."""
        data = self._pattern(size or self.big_bytes)
        first, second = store.create("race"), store.create("race")
        first.write(b"first")
        second.write(data)
        first.commit()
        with pytest.raises(OutputExistsError, match="race"):
            second.commit()
        second.abort()
        assert read_all(store, "race") == b"first"

    def test_overwriting_replaces_at_commit(self, store: Store) -> None:
        """The old file stands until the new one is whole."""
        write_all(store, "again", b"old file")
        dropped, sink = store.create("again", overwrite=True), store.create("again", overwrite=True)
        dropped.write(b"never")
        sink.write(b"new")
        sink.seal()
        dropped.abort()
        assert read_all(store, "again") == b"old file"
        sink.commit()
        assert read_all(store, "again") == b"new"

    def test_two_files_can_be_under_way_at_once(self, store: Store) -> None:
        """Sinks do not share bytes."""
        left, right = store.create("left"), store.create("dir/right")
        for number in range(100):
            left.write(b"L%d" % number)
            right.write(b"R%d" % number)
        left.seal()
        right.commit()
        left.commit()
        assert read_all(store, "left") == b"".join(b"L%d" % number for number in range(100))
        assert read_all(store, "dir/right") == b"".join(b"R%d" % number for number in range(100))

    @pytest.mark.parametrize(
        ("offset", "length"), [(0, 1000), (0, 1), (10, 20), (999, 1), (999, 2), (1000, 1), (5000, 7), (0, 5000), (500, 0), (0, 0)]
    )
    def test_ranges_read_like_slices(self, store: Store, offset: int, length: int) -> None:
        """Reads are exact, and short only at the end."""
        data = self._pattern(1000)
        write_all(store, "ranges", data)
        source = store.open("ranges")
        assert source.read_at(offset, length) == data[offset : offset + length]
        source.close()

    def test_threads_share_a_source(self, store: Store) -> None:
        """Reads at once do not disturb each other."""
        data = self._pattern(100_000)
        write_all(store, "shared", data)
        source = store.open("shared")
        starts = range(0, len(data), 4001)
        with ThreadPoolExecutor(4) as pool:
            assert b"".join(pool.map(lambda start: source.read_at(start, 4001), starts)) == data
        source.close()
        source.close()

    def test_a_source_never_mixes_two_files(self, store: Store) -> None:
        """What was replaced while it is open reads as it was, or is refused."""
        write_all(store, "mixed", b"old" * 100)
        source = store.open("mixed")
        write_all(store, "mixed", b"NEW" * 100, overwrite=True)
        try:
            assert source.read_at(0, 300) == b"old" * 100
        except RecordIOKitError as error:
            assert "mixed" in str(error)  # noqa: PT017  # either is well
        source.close()

    def test_what_does_not_exist_is_said_to_be_absent(self, store: Store) -> None:
        """No file is no size, no bytes, and nothing to delete."""
        self._refuse_absent(store, "dir/none")
        store.delete("dir/none")

    def test_names_are_listed_by_code_point(self, store: Store) -> None:
        """Neither folders, scripts nor UTF-16 matter for the order, and a prefix is no folder."""
        names = ["a b", "a.b", "a/b", "a/b.c/d", "a0", "Z", "caf\u00e9", "x/\uff5e", "x/\U0001f600"]
        for name in names:
            write_all(store, name, b"")
        assert list(store.list()) == sorted(names)
        assert list(store.list("a/")) == ["a/b", "a/b.c/d"]
        assert list(store.list("a")) == ["a b", "a.b", "a/b", "a/b.c/d", "a0"]
        assert list(store.list("nothing")) == []

    def test_delete_removes_one_file(self, store: Store) -> None:
        """Others stay, and the name is free again."""
        write_all(store, "one", b"1")
        write_all(store, "one.more", b"2")
        store.delete("one")
        self._refuse_absent(store, "one")
        assert list(store.list()) == ["one.more"]
        write_all(store, "one", b"3")
        assert read_all(store, "one") == b"3"

    def test_probing_leaves_nothing(self, store: Store) -> None:
        """A check before work is not work."""
        store.probe()
        assert list(store.list()) == []

    def test_uris_tell_names_apart(self, store: Store) -> None:
        """Messages can be acted on."""
        assert store.uri("a/b.rec").endswith("b.rec")
        write_all(store, "a/b.rec", b"")
        source = store.open("a/b.rec")
        assert source.uri == store.uri("a/b.rec") != store.uri("a/c.rec")
        source.close()

    def test_a_parent_holds_the_same_files(self, store: Store) -> None:
        """What a store calls ``x`` its parent calls ``name/x``, where there is one."""
        above = store.parent()
        if above is not None:
            parent, name = above
            write_all(store, "below", b"data")
            assert read_all(parent, f"{name}/below") == b"data"
            assert parent.uri(f"{name}/below") == store.uri("below")

    def test_a_pickled_store_opens_the_same_files(self, store: Store) -> None:
        """A worker sees what its parent sees; a store that cannot travel says so at once."""
        write_all(store, "there", b"data")
        if self.picklable:
            copy: Store = pickle.loads(pickle.dumps(store))  # noqa: S301  # our own
            assert read_all(copy, "there") == b"data"
            assert copy.uri("there") == store.uri("there")
        else:
            with pytest.raises(TypeError):
                pickle.dumps(store)

    @staticmethod
    def _pattern(size: int) -> bytes:
        """Return bytes in which no moved block looks right."""
        return random.Random(size).randbytes(size)  # noqa: S311  # no secret

    @staticmethod
    def _refuse_absent(store: Store, name: str) -> None:
        assert store.stat(name) is None
        assert name not in set(store.list())
        with pytest.raises(StorageError) as caught:
            store.open(name).close()
        assert name in str(caught.value)
