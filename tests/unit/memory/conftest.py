"""Memories of one crew, in a table in memory."""

from collections.abc import Callable

import pytest

from quarterdeck.memory.store import MemoryStore
from tests.fakes import FakeTable
from tests.memories import open_store


@pytest.fixture
def table() -> FakeTable:
    return FakeTable()


@pytest.fixture
def store(table: FakeTable) -> MemoryStore:
    return open_store(table)


@pytest.fixture
def other(table: FakeTable) -> Callable[[], MemoryStore]:
    """Another process's store of the same memories."""
    return lambda: open_store(table)
