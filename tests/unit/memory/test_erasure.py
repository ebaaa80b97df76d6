"""What was erased for good: gone from the table, and known to every restore."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from quarterdeck.http.services import Services
from quarterdeck.keys import MEMORY_SHARDS, Scope
from quarterdeck.memory.erasure import (
    Erasures,
    erase_memories,
    hash_memory,
    hash_scope,
    list_erasures,
)
from quarterdeck.memory.filters import Filter
from quarterdeck.memory.log import Log
from quarterdeck.memory.records import Memory
from quarterdeck.memory.store import MemoryStore
from quarterdeck.names import read_clock
from quarterdeck.table import Put
from tests.api_calls import read_items

NOW = datetime(2026, 11, 23, 8, 0, 0, 500_000, tzinfo=UTC)
BEFORE, AFTER = NOW - timedelta(days=1), NOW + timedelta(milliseconds=2)


def make_memory(record_id: str, scope: str = "/", at: datetime = BEFORE) -> Memory:
    content = f"What {record_id} says."
    return Memory(
        record_id=record_id, scope=scope, content=content, created_at=at, last_accessed=at
    )


@pytest.mark.parametrize(
    ("mark", "crew", "record_id", "scope", "created_at", "erased"),
    [
        (hash_memory("a", "m"), "a", "m", "/x", BEFORE, True),
        (hash_memory("a", "m"), "a", "m", "/x", AFTER, True),
        (hash_memory("a", "m"), "b", "m", "/x", BEFORE, False),
        (hash_memory("a", "m"), "a", "n", "/x", BEFORE, False),
        (hash_scope("a", "/x"), "a", "m", "/x", BEFORE, True),
        (hash_scope("a", "x/"), "a", "m", "/x/y/z", BEFORE, True),
        (hash_scope("a", "/x"), "a", "m", "/xy", BEFORE, False),
        (hash_scope("a", "/x/y"), "a", "m", "/x", BEFORE, False),
        (hash_scope("a", "/x"), "b", "m", "/x", BEFORE, False),
        (hash_scope("a", "/x"), "a", "m", "/x", AFTER, False),
        # What was kept in the millisecond of the erasure was there before it.
        (hash_scope("a", "/x"), "a", "m", "/x", NOW + timedelta(microseconds=9), True),
        (hash_scope("a", "/"), "a", "m", "/x/y", BEFORE, True),
        (hash_scope("a", "/"), "a", "m", "/", BEFORE, True),
        # Neither stands for the other.
        (hash_memory("a", "/x"), "a", "m", "/x", BEFORE, False),
    ],
)
def test_a_mark_covers(
    mark: str, crew: str, record_id: str, scope: str, created_at: datetime, erased: bool
) -> None:
    found = Erasures({mark: NOW}).is_erased(crew, record_id, scope, created_at)
    assert found == erased


@pytest.fixture
def store(services: Services) -> MemoryStore:
    return MemoryStore(services.table, services.blobs, Scope("s1", 1), "research")


def reopen(store: MemoryStore) -> MemoryStore:
    return MemoryStore(store.table, store.blobs, store.scope, store.crew)


def is_known(store: MemoryStore, record_id: str, scope: str, at: datetime = BEFORE) -> bool:
    return list_erasures(store.table, "s1").is_erased("research", record_id, scope, at)


def test_one_memory_is_erased(store: MemoryStore) -> None:
    store.put([make_memory("m", "/jane"), make_memory("n", "/jane")])
    assert erase_memories(store, NOW, record_ids=["m"]) == (1, 0)
    assert [each.record_id for each in reopen(store).list_newest()] == ["n"]
    assert "What m says" not in str(read_items())
    assert (is_known(store, "m", "/"), is_known(store, "n", "/jane")) == (True, False)


def test_a_scope_is_erased_with_what_was_forgotten_in_it(store: MemoryStore) -> None:
    store.put([make_memory("m", "/jane"), make_memory("n", "/jane/bank"), make_memory("o", "/")])
    store.delete(Filter(record_ids=("m",)))
    erase_memories(store, NOW, scope="/jane")
    assert [each.record_id for each in reopen(store).list_newest()] == ["o"]
    left = str(read_items())
    assert "What o says" in left
    assert not {"What m says", "What n says"} & {left[i : i + 11] for i in range(len(left))}
    assert is_known(store, "trimmed-long-ago", "/jane/bank")
    assert not is_known(store, "learned-since", "/jane", AFTER)


def test_a_memory_that_was_elsewhere_is_not_brought_back(store: MemoryStore) -> None:
    """A backup of before has it under its old scope."""
    store.put([make_memory("m", "/old")])
    store.put([make_memory("m", "/jane")])
    erase_memories(store, NOW, scope="/jane")
    assert is_known(store, "m", "/old")


def test_marks_tell_neither_content_nor_scope(store: MemoryStore) -> None:
    store.put([make_memory("m", "/jane")])
    erase_memories(store, NOW, scope="/jane")
    marks = [item for item in read_items() if item["sk"]["S"].startswith("ERASED#")]
    assert len(marks) == 2
    assert all(item.keys() == {"pk", "sk", "erased_at"} for item in marks)
    assert "jane" not in str(marks)


def test_an_erasure_that_is_cut_short_is_known(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_power(**_: Any) -> list[str]:
        raise OSError("lost")

    store.put([make_memory("m", "/jane")])
    monkeypatch.setattr(store, "erase", lose_power)
    with pytest.raises(OSError, match="lost"):
        erase_memories(store, NOW, scope="/jane")
    assert is_known(store, "m", "/jane")
    monkeypatch.undo()
    assert erase_memories(store, NOW, scope="/jane") == (1, 0)
    assert erase_memories(store, NOW, scope="/jane") == (0, 0)


def test_many_are_erased_in_one_request(store: MemoryStore) -> None:
    at = read_clock()
    store.put([make_memory(f"m{n}", "/jane", at) for n in range(110)])
    assert erase_memories(store, NOW, scope="/jane") == (110, 0)
    assert reopen(store).count() == 0
    assert len(list_erasures(store.table, "s1").moments) == 111


def test_what_it_gets_too_late_for_is_told(store: MemoryStore) -> None:
    store.put([make_memory(f"m{n}") for n in range(60)])
    clock = iter([False, True])
    first = erase_memories(store, NOW, is_late=lambda: next(clock))
    assert first == (50, 10)
    assert store.count() == 10
    assert len(list_erasures(store.table, "s1").moments) == 61
    assert erase_memories(store, NOW) == (10, 0)


def test_a_restored_log_is_without_what_was_erased(services: Services, store: MemoryStore) -> None:
    """Restored into another generation, from entries that were backed up before the erasure."""
    store.put([make_memory("m", "/jane"), make_memory("n"), make_memory("o", "/jane")])
    store.delete(Filter(record_ids=("o",)))
    prefix = store.scope.memory_partition(store.crew, 0, "MEMORY")[:-1]
    backup = [
        item for n in range(MEMORY_SHARDS) for item in services.table.query(f"{prefix}{n}", "")
    ]
    erase_memories(store, NOW, scope="/jane")
    erasures = list_erasures(services.table, "s1")
    restored = MemoryStore(services.table, services.blobs, Scope("s1", 2), store.crew)
    for item in backup:
        shard = int(item["pk"][-1])
        key = restored.scope.memory_key(store.crew, shard, int(item["sk"]), "MEMORY")
        entry = erasures.strip(store.crew, item)
        services.table.write(Put(key, {**entry, **key._asdict()}))
    assert [each.record_id for each in restored.list_newest()] == ["n"]
    assert [each.record_id for each in restored.survey()] == ["n"]
    assert restored.list_erasable(scope="/jane") == []
    assert "What m says" not in str(read_items())
    restored.put([make_memory("later", "/jane"), make_memory("n", "/jane")])
    assert sorted(each.record_id for each in reopen(restored).survey()) == ["later", "n"]


def refuse(**_: Any) -> None:
    """As S3 does with an object that is not there, of who may not list."""
    raise ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, "GetObject")


def test_what_is_erased_while_it_is_read_has_no_content(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put([replace(make_memory("m"), content="Salt. " * 20_000)])
    reader, read_new = reopen(store), Log.read_new

    def be_overtaken(log: Log) -> None:
        """After what it reads first, another process erases the memory."""
        read_new(log)
        monkeypatch.setattr(Log, "read_new", read_new)
        # It has come as far as the blob.
        monkeypatch.setattr(Log, "remove_content", lambda *_: None)
        store.erase(record_ids=["m"])
        monkeypatch.setattr(reader.blobs.client, "get_object", refuse)

    monkeypatch.setattr(Log, "read_new", be_overtaken)
    read = reader.get("m")
    assert read
    assert "Salt" not in read.content
    assert reader.get("m") is None


def test_a_content_that_must_not_be_read_is_a_fault(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put([replace(make_memory("m"), content="Salt. " * 20_000)])
    monkeypatch.setattr(store.blobs.client, "get_object", refuse)
    with pytest.raises(ClientError, match="AccessDenied"):
        reopen(store).get("m")
