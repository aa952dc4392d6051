"""From what a caller names (a path, a URL, a store) to a store and a name: the one table of URL schemes.

Strategy: ``s3://`` is found by name on first use, so that boto3 costs nothing where it is not needed; this is the single
exception to the downward arrows. A Windows drive letter is never a scheme.
"""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from recordio_kit._storage.base import Store
from recordio_kit._storage.local import LocalStore
from recordio_kit.errors import UnsafePathError


if TYPE_CHECKING:
    from collections.abc import Mapping

#: What a destination or source may be given as.
Place: TypeAlias = str | os.PathLike[str] | Store

_SCHEMES: Final[Mapping[str, tuple[str, str]]] = {"s3": ("recordio_kit.s3", "S3Store")}
_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
#: dmlc splits file names at ``;`` and takes what follows ``#`` and ``?`` as a cache name and arguments.
_UNREADABLE: Final = ";#?"


def is_url(place: str | os.PathLike[str]) -> bool:
    """Tell whether a place is a URL; a path with a drive letter is none."""
    return _URL.match(os.fspath(place)) is not None


def open_folder(place: Place) -> Store:
    """Return the store that a folder, URL prefix or store names.

    Args:
        place: a path, an ``s3://`` URL, or a store, which is returned as it is.

    Raises:
        ValueError: the URL has an unknown scheme, or the path is that of a file.
    """
    if isinstance(place, Store):
        return place
    text = os.fspath(place)
    match = _URL.match(text)
    if match is None:
        if os.path.isfile(text):
            msg = f"{text} is a file where a folder belongs"
            raise ValueError(msg)
        return LocalStore(text)
    scheme = match[1].lower()
    if scheme not in _SCHEMES:
        msg = f"{text}: unknown scheme {scheme!r}; use a local path or {', '.join(f'{name}://' for name in _SCHEMES)}"
        raise ValueError(msg)
    module, name = _SCHEMES[scheme]
    return cast("Store", getattr(importlib.import_module(module), name)(text))


def open_file(place: str | os.PathLike[str], store: Store | None = None) -> tuple[Store, str]:
    """Return the store and the name in it of one file.

    Args:
        place: a path or URL of a file; with ``store``, a name in it.
        store: where the name stands, if it is not to be found from the place itself.

    Raises:
        ValueError: the place names no file.
    """
    text = os.fspath(place)
    if store is not None:
        return store, text
    if not is_url(text):
        path = Path(text)
        return LocalStore(path.parent), path.name
    folder, _, name = text.rpartition("/")
    if not name:
        msg = f"{text} names a folder where a file belongs"
        raise ValueError(msg)
    return open_folder(folder + "/"), name


def refuse_unreadable(uri: str) -> None:
    """Refuse an output path that MXNet and SageMaker's algorithm could not open.

    Raises:
        UnsafePathError: it holds ``;``, ``#`` or ``?``.
    """
    for sign in _UNREADABLE:
        if sign in uri:
            msg = f"{uri}: MXNet cannot open a path with {sign!r}; choose another destination"
            raise UnsafePathError(msg)
