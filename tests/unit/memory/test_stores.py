"""Stores that a process keeps."""

import subprocess
import sys
from pathlib import Path

from quarterdeck.blobs import BlobStore
from quarterdeck.keys import Scope
from quarterdeck.memory.stores import MemoryStores
from tests.fakes import FakeTable
from tests.memories import SCOPE, FakeS3, make_memory

FUNCTIONS = Path(__file__).parents[3] / "functions"


def make_stores(table: FakeTable, held: int) -> MemoryStores:
    return MemoryStores(table, BlobStore(FakeS3(), "blobs"), held=held)  # type: ignore[arg-type]


def test_a_store_is_kept_for_each_generation_crew_and_collection(table: FakeTable) -> None:
    stores = make_stores(table, 100)
    first = stores.open(SCOPE, "research")
    assert stores.open(Scope("s1", 1), "research") is first
    others = (
        stores.open(Scope("s1", 2), "research"),
        stores.open(Scope("s2", 1), "research"),
        stores.open(SCOPE, "other"),
        stores.open(SCOPE, "research", "KNOWLEDGE"),
    )
    first.put([make_memory(1)])
    assert [store.list_newest() for store in others] == [[], [], [], []]


def test_those_not_opened_for_longest_give_way(table: FakeTable) -> None:
    stores = make_stores(table, 10)
    opened = {crew: stores.open(SCOPE, crew) for crew in ("a", "b", "c")}
    for store in opened.values():
        store.put([make_memory(number) for number in range(4)])
    assert stores.open(SCOPE, "c") is opened["c"]
    assert stores.open(SCOPE, "b") is opened["b"]
    again = stores.open(SCOPE, "a")
    assert again is not opened["a"]
    assert again.count() == 4


def test_numpy_is_for_who_searches() -> None:
    """The API's layer has none."""
    code = "import sys, quarterdeck.memory.stores; print({'numpy', 'crewai'} & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=FUNCTIONS, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
