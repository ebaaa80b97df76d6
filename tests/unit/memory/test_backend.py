"""The store as crewai uses it."""

from datetime import UTC, datetime

import pytest
from crewai.memory.types import MemoryRecord

from quarterdeck.memory.backend import TableStorage
from quarterdeck.memory.store import MemoryStore
from tests.fakes import FakeTable
from tests.memories import open_store
from tests.storage_conformance import NOON, StorageConformance, make_record


class TestTableStorage(StorageConformance):
    @pytest.fixture
    def storage(self, store: MemoryStore) -> TableStorage:
        return TableStorage(store)


def test_a_task_that_saves_again_keeps_one(table: FakeTable) -> None:
    def save() -> str:
        record = make_record(1, id=MemoryRecord(content="").id)
        TableStorage(open_store(table), lambda: "task-1").save([record])
        return record.id

    first, second = save(), save()
    assert first == second
    storage = TableStorage(open_store(table))
    assert [record.id for record in storage.list_records()] == [first]


def test_a_scope_does_not_reach_into_another_of_a_like_name(store: MemoryStore) -> None:
    """As crewai's storage on Qdrant has it; the one on LanceDB takes every scope that begins so."""
    storage = TableStorage(store)
    storage.save([make_record(1, scope="/crew/bo"), make_record(2, scope="/crew/bob")])
    assert [record.id for record in storage.list_records("/crew/bo")] == ["record-1"]
    assert storage.delete(scope_prefix="/crew/bo") == 1
    assert storage.count() == 1


def test_all_that_a_deletion_names_must_hold(store: MemoryStore) -> None:
    """The storage on LanceDB drops the ids where a category is given, and adds what is in `/`."""
    storage = TableStorage(store)
    storage.save([make_record(n, categories=["a"], scope="/crew"[: 5 * n] or "/") for n in (0, 1)])
    assert storage.delete(record_ids=["record-1"], scope_prefix="/else") == 0
    assert storage.delete(categories=["a"], record_ids=["record-1"]) == 1
    assert storage.delete(scope_prefix="/crew") == 0
    assert storage.count() == 1


def test_times_with_a_zone_become_utc(store: MemoryStore) -> None:
    storage = TableStorage(store)
    aware = datetime.fromisoformat("2026-11-23T14:00:00.123456+02:00")
    storage.save([make_record(1, created_at=aware)])
    (record,) = storage.list_records()
    assert record.created_at == NOON
    assert storage.delete(older_than=NOON.replace(tzinfo=UTC)) == 0
    assert storage.delete(older_than=aware.replace(microsecond=123457)) == 1
