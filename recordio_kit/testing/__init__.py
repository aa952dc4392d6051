"""What tests of stores, and of code that uses this library, can build on.

Strategy: ``StoreContract`` holds any store against the protocol, ``FaultyStore`` fails on demand, and the strategies make
payloads, paths, labels and lists that are nastier than life. pytest and hypothesis are imported only by what needs them;
neither is a dependency of the library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final


if TYPE_CHECKING:
    from collections.abc import Mapping

    from recordio_kit.testing._contract import StoreContract
    from recordio_kit.testing._faulty import FaultyStore
    from recordio_kit.testing._strategies import image_lists, labels, paths, payloads

_HOMES: Final[Mapping[str, str]] = {
    "FaultyStore": "_faulty",
    "StoreContract": "_contract",
    "image_lists": "_strategies",
    "labels": "_strategies",
    "paths": "_strategies",
    "payloads": "_strategies",
}

__all__ = ["FaultyStore", "StoreContract", "image_lists", "labels", "paths", "payloads"]


def __getattr__(name: str) -> Any:
    """Load a public name from its home."""
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    if name == "StoreContract":
        import pytest

        pytest.register_assert_rewrite("recordio_kit.testing._contract")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
