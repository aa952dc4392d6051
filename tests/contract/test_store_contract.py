"""The local and the in-memory store keep the promises of the protocol."""

from __future__ import annotations

import pytest

from recordio_kit._storage.local import LocalStore
from recordio_kit._storage.memory import MemoryStore
from recordio_kit.testing import FaultyStore, StoreContract


class TestLocalStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        return LocalStore(tmp_path / "root")


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self):
        return MemoryStore()


class TestFaultyStoreWithoutFault(StoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        return FaultyStore(LocalStore(tmp_path / "root"), fail_at=1_000_000)
