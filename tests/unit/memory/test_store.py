"""What a store keeps, forgets and erases."""

from collections.abc import Callable

import pytest

from quarterdeck.keys import MEMORY_SHARDS
from quarterdeck.memory.filters import Filter
from quarterdeck.memory.store import MemoryStore
from quarterdeck.memory.vectors import OtherDimensions
from tests.fakes import FakeTable
from tests.memories import FakeS3, make_memory, open_store

type Open = Callable[[], MemoryStore]


def list_ids(store: MemoryStore, chosen: Filter | None = None) -> list[str]:
    return [each.record_id for each in store.list_newest(chosen or Filter())]


def test_a_memory_comes_back_as_it_was_put(store: MemoryStore, other: Open) -> None:
    memory = make_memory(
        1,
        scope="/crew/desk",
        categories=("towers", "Ünï"),
        metadata={"height": 2.0, "lit": None, "built": [1, {"at": "sea"}]},
        importance=0.25,
        source="task-1",
        private=True,
    )
    store.put([memory])
    assert [store.get("memory-1"), other().get("memory-1")] == [memory, memory]
    assert other().get("memory-2") is None


def test_a_memory_that_is_put_again_is_replaced(store: MemoryStore, other: Open) -> None:
    store.put([make_memory(1), make_memory(2)])
    changed = make_memory(1, content="Lighthouse 1 is red.", vector=b"")
    store.put([changed])
    for each in (store, other()):
        assert each.get("memory-1") == changed
        assert (each.count(), list_ids(each)) == (2, ["memory-2", "memory-1"])


def test_the_newest_are_first(store: MemoryStore, other: Open) -> None:
    store.put([make_memory(number) for number in (3, 1, 20, 7, 12)])
    everything = [f"memory-{number}" for number in (20, 12, 7, 3, 1)]
    assert list_ids(store) == list_ids(other()) == everything
    some = other().list_newest(limit=2, offset=1)
    assert [each.record_id for each in some] == everything[1:3]


def test_what_is_forgotten_is_gone_for_everyone(store: MemoryStore, other: Open) -> None:
    reader = other()
    store.put([make_memory(number, scope=f"/crew/{number % 2}") for number in range(20)])
    assert reader.count() == 20
    assert store.delete(Filter(scope="/crew/1")) == 10
    assert store.delete(Filter(scope="/crew/1")) == 0
    for each in (store, reader, other()):
        assert each.count() == len(list_ids(each)) == 10
        assert each.get("memory-1") is None


def test_long_contents_are_read_when_they_are_asked_for(table: FakeTable) -> None:
    s3 = FakeS3()
    texts = {1: "a" * 5_000, 2: "b" * 50_000, 3: "c" * 10}
    open_store(table, s3).put([make_memory(n, content=text) for n, text in texts.items()])
    reader = open_store(table, s3)
    assert [each.content for each in reader.list_newest()] == [texts[3], texts[2], texts[1]]
    assert {memory.content for memory, _ in reader.search([1.0, 1.0])} == set(texts.values())
    assert [len(each.content) for each in reader.survey()].count(0) == 2
    assert len(s3.objects) == 1


def test_an_erasure_leaves_no_content(table: FakeTable, other: Open) -> None:
    s3 = FakeS3()
    store = open_store(table, s3)
    store.put([make_memory(1, content="secret" * 10_000), make_memory(2, content="a secret")])
    store.put([make_memory(1, content="a secret, again"), make_memory(3, content="open")])
    store.delete(Filter(record_ids={"memory-2"}))
    assert sorted(store.erase(record_ids=["memory-1", "memory-2"])) == ["memory-1", "memory-2"]
    assert "secret" not in str(table.dump())
    assert not s3.objects
    for each in (store, other()):
        assert (each.count(), list_ids(each)) == (1, ["memory-3"])
        each.put([make_memory(1), make_memory(2)])
        assert list_ids(each) == ["memory-3"]


def test_a_memory_that_left_a_scope_is_not_erased_with_it(store: MemoryStore, other: Open) -> None:
    store.put([make_memory(1, scope="/a"), make_memory(2, scope="/a")])
    store.put([make_memory(1, scope="/b")])
    store.delete(Filter(record_ids={"memory-2"}))
    assert other().erase(scope="/a") == ["memory-2"]
    assert list_ids(other()) == ["memory-1"]


def test_erased_content_does_not_come_back_in_s3(table: FakeTable) -> None:
    s3 = FakeS3()
    store, late = open_store(table, s3), open_store(table, s3)
    memory = make_memory(1, content="secret" * 10_000)
    store.put([memory])
    late.count(Filter(scope="/"))
    store.erase()
    store.put([memory])
    late.put([memory])
    assert not s3.objects
    assert s3.written == 1


def test_what_is_erased_while_it_is_put_is_not_left_in_s3(table: FakeTable) -> None:
    s3 = FakeS3()
    store, late = open_store(table, s3), open_store(table, s3)
    store.put([make_memory(1)])

    def erase() -> None:
        table.calls.before_write = lambda: None
        store.erase()

    table.calls.before_write = erase
    late.put([make_memory(1, content="secret" * 10_000)])
    assert not s3.objects


def test_a_batch_of_several_embedders_is_refused_whole(store: MemoryStore) -> None:
    with pytest.raises(OtherDimensions):
        store.put([make_memory(1, [1.0, 2.0]), make_memory(2, [1.0, 2.0, 3.0])])
    with pytest.raises(ValueError, match="metadata: at most 65536 bytes"):
        store.put([make_memory(1), make_memory(2, metadata={"k": "x" * 70_000})])
    assert store.count() == 0


def test_a_scope_is_erased_with_those_below_it(store: MemoryStore, table: FakeTable) -> None:
    scopes = ("/crew", "/crew/a", "/crew/a/b", "/crew/ab", "/")
    store.put([make_memory(n, scope=scope) for n, scope in enumerate(scopes)])
    assert sorted(store.erase(scope="/crew/a")) == ["memory-1", "memory-2"]
    assert list_ids(store) == ["memory-4", "memory-3", "memory-0"]
    assert store.erase(scope="/crew/a") == []


def test_crews_have_memories_of_their_own(table: FakeTable, store: MemoryStore) -> None:
    store.put([make_memory(1)])
    assert open_store(table, crew="other").list_newest() == []


def test_vectors_of_another_embedder_are_refused(store: MemoryStore, other: Open) -> None:
    store.put([make_memory(1, [1.0, 2.0, 3.0]), make_memory(2, vector=b"")])
    for act in (
        lambda: other().put([make_memory(3, [1.0, 2.0])]),
        lambda: other().search([1.0, 2.0]),
    ):
        with pytest.raises(OtherDimensions, match="2 dimensions, where the memories have 3"):
            act()
    store.erase()
    store.put([make_memory(4, [1.0, 2.0])])
    assert [memory.record_id for memory, _ in other().search([1.0, 2.0])] == ["memory-4"]


def test_memories_are_spread_over_the_shards(store: MemoryStore, table: FakeTable) -> None:
    store.put([make_memory(number) for number in range(40)])
    assert len({item["pk"] for item in table.dump()}) == MEMORY_SHARDS
