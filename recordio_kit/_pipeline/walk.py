"""Scanning a tree of images: what is taken, what is left out, and why.

Strategy: one ``os.scandir`` a folder and, where sizes are wanted, one stat an image, on a stack of its own (no tree is too
deep), into columns and not into an object a file; each folder is sorted as it is met, so nothing depends on the file
system's order. Where all files of a folder are plainly images, they are taken together, and one by one where not. Every
entry that is not hidden ends in exactly one place: it is taken, tallied and told as a finding, or refused. Nothing here
knows of classes or labels, and no file is opened.
"""

from __future__ import annotations

import fnmatch
import os
import re
import sys
from array import array
from bisect import bisect_left
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

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


class Run(NamedTuple):
    """Hold images of one folder that follow each other.

    Args:
        folder: what their paths start with: nothing, or a relative path with ``/`` at its end.
        paths: their paths with NUL between them, which no file system has in a name.
        size: how many there are.
    """

    folder: str
    paths: str
    size: int

    @property
    def first(self) -> str:
        """Return the first one's path."""
        return self.paths.partition("\0")[0]


@dataclass(slots=True)
class Scan:
    """Hold what a walk found: the images as columns, by the code points of their paths' parts, and tallies of the rest.

    Args:
        given: the root as the caller wrote it.
        root: its absolute path.
        runs: the images, their paths relative to the root, with ``/``.
        sizes: their sizes in bytes, if those were wanted.
        stamps: their modification times in ns, likewise.
        folders: the folders below the root that were walked, relative, with ``/``.
        others: files that are no images, by suffix.
        links: links that were not followed.
        ignored: files and folders that ``ignore=`` names.
        repeated: folders that are one of those above them again.
    """

    given: str
    root: str
    runs: list[Run] = field(default_factory=list)
    sizes: array[int] = field(default_factory=lambda: array("q"))
    stamps: array[int] = field(default_factory=lambda: array("q"))
    folders: list[str] = field(default_factory=list)
    others: dict[str, Tally] = field(default_factory=dict)
    links: Tally = field(default_factory=Tally)
    ignored: Tally = field(default_factory=Tally)
    repeated: Tally = field(default_factory=Tally)

    @property
    def paths(self) -> str:
        """Return the paths of all images with NUL between them."""
        return "\0".join([run.paths for run in self.runs])

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


def walk(
    root: str | os.PathLike[str], *, exts: Iterable[str], ignore: Iterable[str], follow_links: bool, sizes: bool = True
) -> Scan:
    """Find every image below a folder.

    Args:
        root: the folder.
        exts: suffixes of images; neither case nor a leading dot matters.
        ignore: patterns (``fnmatch``, case matters) of names or relative paths, files or folders, to leave out.
        follow_links: take files behind links, and walk folders behind links unless they are above themselves.
        sizes: whether to look up each image's size and time.

    Raises:
        ValueError: there is no such folder, it has no images, or it has image files with other suffixes.
        UnsafePathError: a name cannot stand in a list, an entry is neither file nor folder, or a followed link is broken.
        StorageError: a folder cannot be read.
    """
    walker = _Walker(root, exts, ignore, follow_links=follow_links, sizes=sizes)
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
    folders, _ = _Walker(root, IMAGE_EXTS, ignore, follow_links=follow_links, sizes=False).look("")
    return folders


class _Walker:
    """Walk one tree into one scan."""

    def __init__(
        self, root: str | os.PathLike[str], exts: Iterable[str], ignore: Iterable[str], *, follow_links: bool, sizes: bool
    ) -> None:
        self.scan = Scan(os.fspath(root), _existing_folder(os.fspath(root)))
        self._exts = _suffixes(exts)
        self._plain = _plain_names(self._exts)
        self._ignored = _matcher(ignore)
        self._follow_links = follow_links
        self._sizes = sizes
        self._broken, self._special, self._unsafe = Tally(), Tally(), Tally()

    def run(self) -> None:
        """Walk depth first, folders and files by name: the order of the paths' parts."""
        branch = [_identity(self.scan.root)]
        levels = [self._enter("")]
        while levels:
            deeper = next(levels[-1], None)
            if deeper is None:
                levels.pop()
                branch.pop()
            elif (identity := _identity(os.path.join(self.scan.root, deeper))) in branch:
                self.scan.repeated.add(deeper)
            else:
                self.scan.folders.append(deeper)
                branch.append(identity)
                levels.append(self._enter(deeper + "/"))

    def _enter(self, prefix: str) -> Iterator[str]:
        """Take a folder's images and yield its folders, by name."""
        folders, images = self.look(prefix)
        begin = 0
        for folder in folders:
            end = bisect_left(images, folder, begin)
            self._take(prefix, images[begin:end])
            begin = end
            yield prefix + folder
        self._take(prefix, images[begin:])

    def _take(self, prefix: str, names: list[str]) -> None:
        """Take images of a folder that follow each other."""
        if not names:
            return
        paths = prefix + ("\0" + prefix).join(names)
        # a space sorts before all else that prints: the first path starts with one, or none does
        if not (prefix + "".join(names)).isprintable() or paths[0] == " ":
            for name in names:
                if not _fits_a_row(prefix + name):
                    self._unsafe.add(prefix + name)
        self.scan.runs.append(Run(prefix, paths, len(names)))
        folder = os.path.join(self.scan.root, prefix)
        with _reading(folder):
            if not self._sizes:
                os.stat(os.path.join(folder, names[0]))  # whether a folder lets its files be reached is asked of one
                return
            for status in _statuses(folder, names):
                self.scan.sizes.append(status.st_size)
                self.scan.stamps.append(status.st_mtime_ns)

    def look(self, prefix: str) -> tuple[list[str], list[str]]:
        """Return the names of a folder's folders and of its images, each sorted."""
        files: list[str] = []
        folders: list[str] = []
        rest: list[os.DirEntry[str]] = []
        folder = os.path.join(self.scan.root, prefix)
        with _reading(folder), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    files.append(entry.name)
                else:
                    rest.append(entry)
            if self._ignored or not self._plain.fullmatch("/".join([*files, ""]).lower()):
                files = [name for name in files if self._is_image(prefix, name)]
            for entry in rest:
                if not self._is_shown(prefix, entry.name) or not self._leads_on(prefix, entry):
                    continue
                if entry.is_dir():
                    folders.append(entry.name)
                elif not entry.is_file():
                    self._special.add(prefix + entry.name)
                elif self._is_image(prefix, entry.name):
                    files.append(entry.name)
        return sorted(folders), sorted(files)

    def _is_image(self, prefix: str, name: str) -> bool:
        if not self._is_shown(prefix, name):
            return False
        if name.lower().endswith(self._exts):
            return True
        self.scan.others.setdefault(os.path.splitext(name)[1].lower(), Tally()).add(prefix + name)
        return False

    def _is_shown(self, prefix: str, name: str) -> bool:
        if name[0] == "." or name.lower() in _LITTER:
            return False
        if self._ignored and (self._ignored.match(name) or self._ignored.match(prefix + name)):
            self.scan.ignored.add(prefix + name)
            return False
        return True

    def _leads_on(self, prefix: str, entry: os.DirEntry[str]) -> bool:
        """Tell whether an entry is no link, or one that is followed to something."""
        if not entry.is_symlink():
            return True
        if not self._follow_links:
            self.scan.links.add(prefix + entry.name)
        elif os.path.exists(entry.path):
            return True
        else:
            self._broken.add(prefix + entry.name)
        return False

    def refuse(self) -> None:
        """Raise what forbids a list of this tree."""
        advice = "remove it, or leave it out with ignore= (--ignore)"
        _refuse(self._special, "entry is neither file nor folder", "entries are neither files nor folders", advice)
        _refuse(self._broken, "link leads nowhere", "links lead nowhere", advice)
        advice = "rename what has TAB, line breaks, NUL, outer white space or half a character"
        _refuse(self._unsafe, "file name cannot stand in a .lst", "file names cannot stand in a .lst", advice)
        if images := {suffix: tally for suffix, tally in self.scan.others.items() if _IMAGE_LIKE.fullmatch(suffix)}:
            told = total(images.values()).say("image file would be left out", "image files would be left out")
            advice = "take them with exts= (--exts) and re-encode them (--resize), or leave them out with ignore= (--ignore GLOB)"
            msg = f"{told} ({counts(images)}); {advice}"
            raise ValueError(msg)
        if not self.scan.runs:
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
        uri = os.path.join(folder, error.filename) if error.filename else folder
        raise StorageError(msg, uri=uri, operation="list") from error


def _statuses(folder: str, names: list[str]) -> Iterator[os.stat_result]:
    """Yield the status of each of these files of a folder, of what it leads to where it is a link."""
    if sys.platform == "win32":  # there the entries of a folder hold it, and a look at a file opens the file
        with os.scandir(folder) as entries:
            known = {entry.name: entry for entry in entries}
        yield from (known[name].stat() if name in known else os.stat(os.path.join(folder, name)) for name in names)
        return
    descriptor = os.open(folder, os.O_RDONLY)  # so that the system does not walk the whole path for each
    try:
        for name in names:
            yield os.stat(name, dir_fd=descriptor)
    finally:
        os.close(descriptor)


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


def _plain_names(exts: tuple[str, ...]) -> re.Pattern[str]:
    """Return what fits any number of image names in lower case, a ``/`` after each, none of them hidden or litter."""
    ends = "|".join([re.escape(ext) for ext in exts if "/" not in ext]) or "(?!)"
    litter = "|".join(map(re.escape, sorted(_LITTER)))
    return re.compile(rf"(?:(?!(?:{litter})/)[^./][^/]*(?:{ends})/)*+")


def _fits_a_row(path: str) -> bool:
    if path.isprintable() and path[0] != " ":  # nearly all paths, without leaving C; a suffix never ends in a space
        return True
    try:
        check_path(path)
        path.encode("utf-8", "surrogateescape")  # Windows lets half a surrogate pair into names
    except ValueError:
        return False
    return True
