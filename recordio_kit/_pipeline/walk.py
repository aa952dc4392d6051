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
from recordio_kit._pipeline.tally import MOST_KINDS, Tally, by_count, counts, plain, total
from recordio_kit._storage.open import is_url
from recordio_kit.errors import StorageError, UnsafePathError


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: What is an image, unless ``exts=`` says otherwise.
IMAGE_EXTS: Final = (".jpg", ".jpeg", ".png")

#: Suffixes that images have: such a file is never left out without being asked for.
_IMAGE_LIKE: Final = re.compile(
    r"\.(apng|arw|avif|bmp|cr2|dib|dng|exr|gif|hdr|hei[cf]|ico|j2k|jfif|jif|jp[2ex]|jpe?g|jxl|nef|p[bgnp]m|pcx|png|psd|svg|tga|tiff?|webp|xbm)"
)
#: What systems and archivers leave behind, in lower case; whatever starts with a dot is hidden as well.
_LITTER: Final = frozenset(("__macosx", "thumbs.db", "desktop.ini"))
#: Stands where a file has its size.
_FOLDER: Final = -1


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
        kinds = by_count(self.others)
        told = [(tally, plain(suffix) or "no suffix") for suffix, tally in kinds[:MOST_KINDS]]
        told.append((total(tally for _, tally in kinds[MOST_KINDS:]), "other suffixes"))
        lines = [
            tally.say(f"file that is no image ({kind}) was left out", f"files that are no images ({kind}) were left out")
            for tally, kind in told
            if tally
        ]
        if self.links:
            told_links = self.links.say("link was not followed", "links were not followed")
            lines.append(f"{told_links}; give follow_links=True (--follow-links) to take what they lead to")
        if self.repeated:
            lines.append(
                self.repeated.say("folder leads back above itself; left out", "folders lead back above themselves; left out")
            )
        if self.ignored:
            lines.append(self.ignored.say("entry left out by ignore=", "entries left out by ignore="))
        return [Finding(0, line) for line in lines]


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
        """Walk depth first, folders and files by name: the order of the paths' parts."""
        branch: list[tuple[int, int | str]] = []
        levels = [self._enter("", branch)]
        while levels:
            deeper = next(levels[-1], None)
            if deeper is None:
                levels.pop()
                branch.pop()
            elif _identity(os.path.join(self.scan.root, deeper)) in branch:
                self.scan.repeated.add(deeper)
            else:
                self.scan.folders.append(deeper)
                levels.append(self._enter(deeper + "/", branch))

    def _enter(self, prefix: str, branch: list[tuple[int, int | str]]) -> Iterator[str]:
        """Look into a folder, then take its images and yield its folders, by name."""
        branch.append(_identity(os.path.join(self.scan.root, prefix)))
        return self._take(prefix, self._look(prefix))

    def _take(self, prefix: str, items: list[tuple[str, int, int]]) -> Iterator[str]:
        paths, sizes, stamps = self.scan.paths, self.scan.sizes, self.scan.stamps
        for name, size, stamp in items:
            path = prefix + name
            if size == _FOLDER:
                yield path
                continue
            if not _fits_a_row(path):
                self._unsafe.add(path)
            paths.append(path)
            sizes.append(size)
            stamps.append(stamp)

    def _look(self, prefix: str) -> list[tuple[str, int, int]]:
        """Return name, size and stamp of a folder's images, and its folders between them, sorted by name."""
        items = []
        exts = self._exts
        with _reading(os.path.join(self.scan.root, prefix)):
            for entry in self.visible(prefix):
                name = entry.name
                if entry.is_dir():
                    items.append((name, _FOLDER, 0))
                elif not entry.is_file():
                    self._special.add(prefix + name)
                elif name.lower().endswith(exts):
                    status = entry.stat()
                    items.append((name, status.st_size, status.st_mtime_ns))
                else:
                    self.scan.others.setdefault(os.path.splitext(name)[1].lower(), Tally()).add(prefix + name)
        items.sort()
        return items

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
        advice = "remove it, or leave it out with ignore= (--ignore)"
        _refuse(self._special, "entry is neither file nor folder", "entries are neither files nor folders", advice)
        _refuse(self._broken, "link leads nowhere", "links lead nowhere", advice)
        advice = "rename what has TAB, line breaks, NUL, outer white space or half a character"
        _refuse(self._unsafe, "file name cannot stand in a .lst", "file names cannot stand in a .lst", advice)
        if images := {suffix: tally for suffix, tally in self.scan.others.items() if _IMAGE_LIKE.fullmatch(suffix)}:
            told = total(images.values()).say("image file would be left out", "image files would be left out")
            advice = "take them with exts= (--exts), or leave them out with ignore= (--ignore GLOB)"
            msg = f"{told} ({counts(images)}); {advice}"
            raise ValueError(msg)
        if not self.scan.paths:
            raise ValueError(self._no_images())

    def _no_images(self) -> str:
        scan = self.scan
        seen = [f"{len(scan.folders)} folders", f"{total(scan.others.values()).count} files"]
        seen += [counts(scan.others)] if scan.others else []
        seen += [f"{scan.links.count} links, which only follow_links=True (--follow-links) takes"] if scan.links else []
        seen += [f"{scan.ignored.count} entries that ignore= leaves out"] if scan.ignored else []
        if {".lst", ".rec"} & scan.others.keys():
            cause = "it holds .lst or .rec files, so perhaps the root and the output are swapped"
        else:
            cause = f"images are files that end in {', '.join(self._exts)}; exts= (--exts) takes others"
        return f"{scan.given} holds no images (looked in {scan.root}: {', '.join(seen)}): {cause}"


def _refuse(tally: Tally, one: str, many: str, advice: str) -> None:
    if tally:
        msg = f"{tally.say(one, many)}; {advice}"
        raise UnsafePathError(msg)


@contextmanager
def _reading(folder: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        msg = f"cannot list this ({error.strerror or error}); mend that, or leave it out with ignore= (--ignore)"
        raise StorageError(msg, uri=error.filename or folder, operation="list") from error


def _identity(folder: str) -> tuple[int, int | str]:
    """Return what tells a folder from all others; some file systems have no inode numbers."""
    with _reading(folder):
        status = os.stat(folder)
    return status.st_dev, status.st_ino or folder


def _existing_folder(given: str) -> str:
    if is_url(given):
        msg = f"{given}: {given.partition('://')[0].upper()} sources are not read yet: copy them first into a local folder"
        raise ValueError(msg)
    root = os.path.abspath(given)
    if not os.path.isdir(root):
        problem = "is no folder" if os.path.lexists(root) else "does not exist"
        msg = f"{given} {problem} (looked in {root}); the root is the folder that holds the images"
        raise ValueError(msg)
    return root


def _suffixes(exts: Iterable[str]) -> tuple[str, ...]:
    names = [exts] if isinstance(exts, str) else exts
    suffixes = tuple("." + name.strip().lower().lstrip("*.") for name in names)
    if not suffixes or "." in suffixes:
        msg = f"exts= names suffixes such as .jpg, not {exts!r}"
        raise ValueError(msg)
    return suffixes


def _matcher(ignore: Iterable[str]) -> re.Pattern[str] | None:
    globs = [ignore] if isinstance(ignore, str) else ignore
    return re.compile("|".join(patterns)) if (patterns := [fnmatch.translate(glob.rstrip("/")) for glob in globs]) else None


def _fits_a_row(path: str) -> bool:
    if path.isprintable() and path[0] != " ":  # nearly all paths, without leaving C; a suffix never ends in a space
        return True
    try:
        check_path(path)
        path.encode("utf-8", "surrogateescape")  # Windows lets half a surrogate pair into names
    except ValueError:
        return False
    return True
