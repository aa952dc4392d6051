"""Row B6: the power fails at any moment of publishing.

Strategy: a run's syncs, renames, removals and new folders are recorded, and every state that a disk may legally be in after a
crash behind each of them is made up: of each folder, any beginning of the changes since it was synced; of each file, what was
synced, or less where nothing was. In every state a final name is absent, old or whole, and a manifest has its files. Then syncs
are left out of the record, and some state must break that promise, or the row could not fail.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import recordio_kit as rk
from recordio_kit._storage import durable, local, local_sink
from tests.fault.matrix.registry import Outcome, Scale, Trials, expect, posix, row
from tests.samples import write_tree


class Event(NamedTuple):
    """Describe a change or a sync: its kind, the folder it is in or the file's number, and what it is about."""

    kind: str
    place: Any
    name: str = ""
    file: int = 0
    data: bytes = b""


class Record:
    """Record what a run does below a folder, but for its state folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.events: list[Event] = []
        self._files: dict[int, int] = {}  # inodes of files that are gone are taken again: each file has a number of its own
        self._patches: list[Any] = []

    def __enter__(self) -> Record:
        replace, mkdir, unlink = Path.replace, Path.mkdir, Path.unlink
        full, folder = durable.full_sync, durable.sync_folder

        def full_sync(descriptor: int) -> None:
            full(descriptor)
            size = os.fstat(descriptor).st_size
            self.events.append(
                Event("data", None, file=self._number(os.fstat(descriptor).st_ino), data=os.pread(descriptor, size, 0))
            )

        def sync_folder(place: Path) -> None:
            folder(place)
            self._note("sync", place)

        def replaced(path: Path, target: Path) -> Path:
            file, data = self._number(path.stat().st_ino), path.read_bytes()
            if os.path.exists(target):
                self._files.pop(os.stat(target).st_ino, None)
            made = replace(path, target)
            self._note("file", Path(target).parent, Path(target).name, file, data)
            return made

        def made(path: Path, *rest: Any, **options: Any) -> None:
            mkdir(path, *rest, **options)
            self._note("folder", path.parent, path.name)

        def unlinked(path: Path, missing_ok: bool = False) -> None:
            there = path.exists()
            if there:
                self._files.pop(path.stat().st_ino, None)
            unlink(path, missing_ok=missing_ok)
            if there:
                self._note("gone", path.parent, path.name)

        self._patches = [
            mock.patch.object(local_sink, "full_sync", full_sync),
            *(mock.patch.object(module, "sync_folder", sync_folder) for module in (durable, local, local_sink)),
            mock.patch.object(Path, "replace", replaced),
            mock.patch.object(Path, "mkdir", made),
            mock.patch.object(Path, "unlink", unlinked),
        ]
        for patch in self._patches:
            patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        for patch in self._patches:
            patch.stop()

    def _number(self, inode: int) -> int:
        return self._files.setdefault(inode, len(self.events) + 1)

    def _note(self, kind: str, folder: Path, name: str = "", file: int = 0, data: bytes = b"") -> None:
        below = os.path.relpath(folder, self.root)
        if not below.startswith((".recordio_kit", "..")) and name != ".recordio_kit":
            self.events.append(Event(kind, below, name, file, data))


Names = dict[tuple[str, str], tuple[int, bytes]]


def states(events: Sequence[Event], old: Names) -> Iterator[dict[str, bytes]]:
    """Yield what may be on the disk, by path, after a crash behind each event."""
    for count in range(len(events) + 1):
        durable_names, pending, synced = dict(old), dict[str, list[Event]](), {file for file, _ in old.values()}
        for event in events[:count]:
            if event.kind == "data":
                synced.add(event.file)
            elif event.kind == "sync":
                for change in pending.pop(event.place, ()):
                    _apply(durable_names, change)
            else:
                pending.setdefault(event.place, []).append(event)
        for begun in itertools.product(*(range(len(changes) + 1) for changes in pending.values())):
            names = dict(durable_names)
            for changes, some in zip(pending.values(), begun, strict=True):
                for change in changes[:some]:
                    _apply(names, change)
            yield from _contents(names, synced)


def _apply(names: Names, change: Event) -> None:
    if change.kind == "gone":
        names.pop((change.place, change.name), None)
    else:
        names[change.place, change.name] = (change.file, change.data)


def _contents(names: Names, synced: set[int]) -> Iterator[dict[str, bytes]]:
    """Yield the contents of what can be reached: whole where it was synced, else any of it."""
    reached = {}
    for (folder, name), (file, data) in names.items():
        steps = [] if folder == "." else folder.split("/")
        ways = [("/".join(steps[:depth]) or ".", step) for depth, step in enumerate(steps)]
        if file and all(way in names for way in ways):
            reached["/".join([*steps, name])] = [data] if file in synced else [b"", data[: len(data) // 2], data]
    for some in itertools.product(*reached.values()):
        yield dict(zip(reached, some, strict=True))


def broken(state: dict[str, bytes], wholes: Sequence[dict[str, bytes]]) -> str:
    """Say which promise a state breaks, or return no text."""
    for name, data in state.items():
        if not any(whole.get(name) == data for whole in wholes):
            return f"{name} is neither absent, old nor whole"
    manifest = state.get("manifest.json")
    whole = next((whole for whole in wholes if whole["manifest.json"] == manifest), {})
    missing = [name for name, data in whole.items() if state.get(name) != data]
    return f"there is a manifest, but not the {missing[0]} that it is about" if missing else ""


def _files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def _names(root: Path) -> Names:
    found: Names = {}
    for path in root.rglob("*"):
        below = os.path.relpath(path.parent, root)
        found[below, path.name] = (-path.stat().st_ino, path.read_bytes()) if path.is_file() else (0, b"")
    return found


def _without(events: Sequence[Event], left_out: Callable[[int, Event], bool]) -> list[Event]:
    return [event for number, event in enumerate(events) if not left_out(number, event)]


@row(
    "B6",
    "power loss: every state that a disk may be in behind each sync and rename of publishing",
    "0 broken promises; each kind of sync left out is noticed",
    posix,
)
def power_losses(scale: Scale, seed: int, workdir: Path) -> Outcome:
    trials = Trials("B6", seed, limit=120)
    photos = write_tree(workdir / "photos", {"ant": 6, "bee": 6})
    shares = [{"train": 0.5, "validation": 0.5}, {"train": 0.5, "validation": 0.25, "test": 0.25}][: scale.of(1, 2)]
    tried = 0
    for number, (splits, replacing) in enumerate(itertools.product(shares, (False, True))):
        dest = workdir / f"out{number}"
        wholes, old = [], Names()
        if replacing:
            rk.prepare(photos, dest, splits=splits, seed=3)
            wholes, old = [_files(dest)], _names(dest)
        with Record(dest) as record:
            rk.prepare(photos, dest, splits=splits, overwrite=replacing)
        wholes.append(_files(dest))
        for state in states(record.events, old):
            tried += 1
            with trials.trial(f"{number}: state {tried}"):
                expect(not (why := broken(state, wholes)), why)
        for place, event in enumerate(record.events):
            if event.kind == "data":
                with trials.trial(f"{number}: without the sync of file {place}"):
                    events = _without(record.events, lambda at, _, place=place: at == place)
                    expect(any(broken(state, wholes) for state in states(events, old)), "nothing notices")
        for folder in {event.place for event in record.events if event.kind == "sync"}:
            with trials.trial(f"{number}: without the syncs of folder {folder}"):
                events = _without(record.events, lambda _, event, folder=folder: event.kind == "sync" and event.place == folder)
                if folder != "." or replacing:  # else the manifest is the last of its folder, and all others are before it
                    expect(any(broken(state, wholes) for state in states(events, old)), "nothing notices")
    trials.figure("states", f"{tried:,}")
    return trials.outcome()
