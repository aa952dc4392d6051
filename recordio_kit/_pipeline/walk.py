"""Scanning a tree of images: what is taken, what is left out, and why.

Strategy: one ``os.scandir`` a folder and one stat an image, on a stack of its own (no tree is too deep), into columns and
not into an object a file; each folder is sorted as it is met, so nothing depends on the file system's order. Every entry
that is not hidden ends in exactly one place: it is taken, tallied and told as a finding, or refused. Nothing here knows
of classes or labels, and no file is opened.
"""

from __future__ import annotations

import fnmatch
import os
import re
from array import array
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from recordio_kit._core.imagelist import Finding
from recordio_kit._core.lst import check_path
from recordio_kit._storage.open import is_url
from recordio_kit.errors import StorageError, UnsafePathError


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: What is an image, unless ``exts=`` says otherwise.
IMAGE_EXTS: Final = (".jpg", ".jpeg", ".png")

#: Suffixes that images have: such a file is never left out without being asked for.
_IMAGE_LIKE: Final = frozenset(
    (*IMAGE_EXTS, ".apng", ".arw", ".avif", ".bmp", ".cr2", ".dib", ".dng", ".exr", ".gif", ".hdr", ".heic", ".heif", ".ico")
    + (".j2k", ".jfif", ".jif", ".jp2", ".jpe", ".jpx", ".jxl", ".nef", ".pbm", ".pcx", ".pgm", ".pnm", ".ppm", ".psd")
    + (".svg", ".tga", ".tif", ".tiff", ".webp", ".xbm")
)
#: What systems and archivers leave behind, in lower case; whatever starts with a dot is hidden as well.
_LITTER: Final = frozenset(("__macosx", "thumbs.db", "desktop.ini"))
#: Suffixes of left-out files that get a finding each; the rarer ones share one.
_MOST_KINDS: Final = 10
#: Stands where a file has its size.
_FOLDER: Final = -1


@dataclass(slots=True)
class Tally:
    """Count paths and keep the one that sorts first, to name it."""

    count: int = 0
    least: str = ""

    def __bool__(self) -> bool:
        return self.count > 0

    def add(self, path: str, count: int = 1) -> None:
        """Count one more, or several of which this is the least."""
        self.least = min(self.least, path) if self.count else path
        self.count += count

    @property
    def first(self) -> str:
        """Return the least path on one line: as it is, or quoted where a sign in it does not print."""
        return self.least if self.least.isprintable() else repr(self.least)

    def of(self, noun: str, plural: str = "") -> str:
        """Return the count with its noun, such as ``1 file`` or ``3 files``."""
        return f"1 {noun}" if self.count == 1 else f"{self.count} {plural or noun + 's'}"


@dataclass(slots=True)
class Scan:
    """Hold what a walk found: the images as columns, by the code points of their paths' parts, and tallies of the rest.

    Args:
        given: the root as the caller wrote it.
        root: its absolute path.
        paths: the images, relative to the root, with ``/``.
        sizes: their sizes in bytes.
        stamps: their modification times in ns.
        folders: the folders below the root that were walked, relative, with ``/``.
        others: files that are no images, by suffix.
        links: links that were not followed.
        ignored: files and folders that ``ignore=`` names.
        repeated: folders that are one of those above them again.
    """

    given: str
    root: str
    paths: list[str] = field(default_factory=list)
    sizes: array[int] = field(default_factory=lambda: array("q"))
    stamps: array[int] = field(default_factory=lambda: array("q"))
    folders: list[str] = field(default_factory=list)
    others: dict[str, Tally] = field(default_factory=dict)
    links: Tally = field(default_factory=Tally)
    ignored: Tally = field(default_factory=Tally)
    repeated: Tally = field(default_factory=Tally)

    def findings(self) -> list[Finding]:
        """Say what was left out, one finding a kind."""
        kinds = sorted(self.others.items(), key=lambda item: (-item[1].count, item[0]))
        rest = Tally()
        for _, tally in kinds[_MOST_KINDS:]:
            rest.add(tally.least, tally.count)
        told = [(tally, suffix or "no suffix") for suffix, tally in kinds[:_MOST_KINDS]]
        told += [(rest, f"{len(kinds) - _MOST_KINDS} other suffixes")] if rest else []
        lines = [
            f"{tally.of('file that is no image', 'files that are no images')} ({kind}) {_were(tally)} left out, the first is {tally.first}"
            for tally, kind in told
        ]
        if self.links:
            advice = "give follow_links=True (--follow-links) to take what they lead to"
            lines.append(f"{self.links.of('link')} {_were(self.links)} not followed, the first is {self.links.first}; {advice}")
        if self.repeated:
            lines.append(
                f"{self.repeated.of('folder')} led back to a folder above and {_were(self.repeated)} left out, the first is {self.repeated.first}"
            )
        if self.ignored:
            lines.append(
                f"{self.ignored.of('entry', 'entries')} matched ignore= and {_were(self.ignored)} left out, the first is {self.ignored.first}"
            )
        return [Finding(0, line) for line in lines]


def _were(tally: Tally) -> str:
    return "was" if tally.count == 1 else "were"


def walk(root: str | os.PathLike[str], *, exts: Iterable[str], ignore: Iterable[str], follow_links: bool) -> Scan:
    """Find every image below a folder.

    Args:
        root: the folder.
        exts: suffixes of images; neither case nor a leading dot matters.
        ignore: patterns (``fnmatch``, case matters) of names or relative paths, files or folders, to leave out.
        follow_links: take files behind links, and walk folders behind links unless they are above themselves.

    Raises:
        ValueError: there is no such folder, it has no images, or it has image files with other suffixes.
        UnsafePathError: a name cannot stand in a list, an entry is neither file nor folder, or a followed link is broken.
        StorageError: a folder cannot be read.
    """
    walker = _Walker(root, exts, ignore, follow_links)
    walker.run()
    walker.refuse()
    return walker.scan


def top_folders(root: str | os.PathLike[str], *, ignore: Iterable[str] = (), follow_links: bool = False) -> list[str]:
    """Return the names of the folders right below a folder, sorted by code point; hidden ones are left out.

    Args:
        root: the folder.
        ignore: patterns of names to leave out.
        follow_links: whether links to folders count.

    Raises:
        ValueError: there is no such folder.
        StorageError: it cannot be read.
    """
    walker = _Walker(root, IMAGE_EXTS, ignore, follow_links)
    with _reading(walker.scan.root):
        return sorted(entry.name for entry in walker.visible("") if entry.is_dir())


class _Walker:
    """Walk one tree into one scan."""

    def __init__(self, root: str | os.PathLike[str], exts: Iterable[str], ignore: Iterable[str], follow_links: bool) -> None:
        self.scan = Scan(os.fspath(root), _existing_folder(os.fspath(root)))
        self._exts = _suffixes(exts)
        self._ignored = _matcher(ignore)
        self._follow_links = follow_links
        self._broken, self._special, self._unsafe = Tally(), Tally(), Tally()

    def run(self) -> None:
        scan = self.scan
        branch = [_identity(scan.root)]
        levels = [("", self._look(""))]
        while levels:
            prefix, items = levels[-1]
            for name, size, stamp in items:
                path = prefix + name
                if size == _FOLDER:
                    break
                if not _fits_a_row(path):
                    self._unsafe.add(path)
                scan.paths.append(path)
                scan.sizes.append(size)
                scan.stamps.append(stamp)
            else:
                levels.pop()
                branch.pop()
                continue
            identity = _identity(os.path.join(scan.root, path))
            if identity in branch:
                scan.repeated.add(path)
                continue
            scan.folders.append(path)
            branch.append(identity)
            levels.append((path + "/", self._look(path + "/")))

    def _look(self, prefix: str) -> Iterator[tuple[str, int, int]]:
        """Return name, size and stamp of a folder's images, and its folders between them, sorted by name."""
        items = []
        exts = self._exts
        with _reading(os.path.join(self.scan.root, prefix)):
            for entry in self.visible(prefix):
                if entry.is_dir():
                    items.append((entry.name, _FOLDER, 0))
                elif not entry.is_file():
                    self._special.add(prefix + entry.name)
                elif entry.name.lower().endswith(exts):
                    status = entry.stat()
                    items.append((entry.name, status.st_size, status.st_mtime_ns))
                else:
                    suffix = os.path.splitext(entry.name)[1].lower()
                    self.scan.others.setdefault(suffix, Tally()).add(prefix + entry.name)
        items.sort()
        return iter(items)

    def visible(self, prefix: str) -> Iterator[os.DirEntry[str]]:
        """Yield a folder's entries but for hidden and ignored ones and for links that lead nowhere or stay unfollowed."""
        ignored = self._ignored
        with os.scandir(os.path.join(self.scan.root, prefix)) as entries:
            for entry in entries:
                name = entry.name
                if name[0] == "." or name.lower() in _LITTER:
                    continue
                if ignored is not None and (ignored.match(name) or ignored.match(prefix + name)):
                    self.scan.ignored.add(prefix + name)
                elif not entry.is_symlink():
                    yield entry
                elif not self._follow_links:
                    self.scan.links.add(prefix + name)
                elif os.path.exists(entry.path):
                    yield entry
                else:
                    self._broken.add(prefix + name)

    def refuse(self) -> None:
        """Raise what forbids a list of this tree."""
        tally = self._special
        if tally:
            msg = f"{tally.of('entry is', 'entries are')} neither file nor folder (pipe, socket, device), the first is {tally.least!r}; remove or ignore= (--ignore) them"
            raise UnsafePathError(msg)
        tally = self._broken
        if tally:
            msg = f"{tally.of('link leads', 'links lead')} nowhere, the first is {tally.least!r}; mend, remove or ignore= (--ignore) them"
            raise UnsafePathError(msg)
        tally = self._unsafe
        if tally:
            msg = (
                f"{tally.of('file name')} cannot stand in a .lst (TAB, line breaks, NUL, outer white space, half characters), "
                f"the first is {tally.least!r}; rename the file or its folder"
            )
            raise UnsafePathError(msg)
        self._refuse_other_images()
        if not self.scan.paths:
            raise ValueError(self._no_images())

    def _refuse_other_images(self) -> None:
        found = {suffix: tally for suffix, tally in self.scan.others.items() if suffix in _IMAGE_LIKE}
        if not found:
            return
        all_found = Tally()
        for tally in found.values():
            all_found.add(tally.least, tally.count)
        example = max(found, key=lambda suffix: (found[suffix].count, suffix))
        msg = (
            f"{all_found.of('image file')} would be left out ({_by_suffix(found)}), the first is {all_found.first}; "
            f"take them with exts= (--exts), or leave them out with ignore= (--ignore {'*' + example!r})"
        )
        raise ValueError(msg)

    def _no_images(self) -> str:
        scan = self.scan
        files = sum(tally.count for tally in scan.others.values())
        seen = f"{len(scan.folders)} folders and {files} files" + (f" ({_by_suffix(scan.others)})" if files else "")
        seen += f", {scan.links.of('link')} not followed (follow_links=True, --follow-links)" if scan.links else ""
        seen += f", {scan.ignored.of('entry', 'entries')} that ignore= names" if scan.ignored else ""
        if {".lst", ".rec"} & set(scan.others):
            cause = "it holds .lst or .rec files, so perhaps the root and the output are swapped"
        else:
            cause = f"images are files that end in {', '.join(self._exts)}; exts= (--exts) takes others"
        return f"{scan.given} holds no images (looked in {scan.root}, saw {seen}): {cause}"


@contextmanager
def _reading(folder: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        msg = f"cannot list this ({error.strerror or error}); mend that, or leave it out with ignore= (--ignore)"
        raise StorageError(msg, uri=error.filename or folder, operation="list") from error


def _identity(folder: str) -> tuple[int, int | str]:
    """Return what tells a folder from every other one; some file systems have no inode numbers."""
    with _reading(folder):
        status = os.stat(folder)
    return status.st_dev, status.st_ino or folder


def _existing_folder(given: str) -> str:
    if is_url(given):
        msg = f"{given}: {given.partition('://')[0].upper()} sources are not read yet: copy them first into a local folder"
        raise ValueError(msg)
    root = os.path.abspath(given)
    if not os.path.lexists(root):
        msg = f"{given} does not exist (looked in {root})"
        raise ValueError(msg)
    if not os.path.isdir(root):
        msg = f"{given} is no folder (looked in {root}); the root is the folder that holds the images"
        raise ValueError(msg)
    return root


def _suffixes(exts: Iterable[str]) -> tuple[str, ...]:
    names = [exts] if isinstance(exts, str) else exts
    suffixes = tuple("." + name.strip().lower().removeprefix(".") for name in names)
    if not suffixes or "." in suffixes:
        msg = f"exts= must name suffixes such as .jpg, not {exts!r}"
        raise ValueError(msg)
    return suffixes


def _matcher(ignore: Iterable[str]) -> re.Pattern[str] | None:
    globs = [ignore] if isinstance(ignore, str) else ignore
    return re.compile("|".join(patterns)) if (patterns := [fnmatch.translate(glob.rstrip("/")) for glob in globs]) else None


def _fits_a_row(path: str) -> bool:
    if path.isprintable() and path[0] != " " and path[-1] != " ":  # nearly all paths, without leaving C
        return True
    try:
        check_path(path)
        path.encode("utf-8", "surrogateescape")  # Windows lets half a surrogate pair into names
    except ValueError:
        return False
    return True


def _by_suffix(tallies: dict[str, Tally]) -> str:
    kinds = sorted(tallies.items(), key=lambda item: (-item[1].count, item[0]))
    text = ", ".join([f"{suffix or 'no suffix'} {tally.count}" for suffix, tally in kinds[:_MOST_KINDS]])
    return text + (", ..." if len(kinds) > _MOST_KINDS else "")
