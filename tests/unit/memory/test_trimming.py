"""What is old or too much is forgotten, and later taken out of the table."""

from datetime import datetime, timedelta

import pytest

from quarterdeck.keys import Key, memory_shard
from quarterdeck.memory import log
from quarterdeck.memory import store as store_module
from quarterdeck.memory.filters import Filter
from quarterdeck.memory.records import CONTENT
from quarterdeck.memory.retention import Retention, find_expired
from quarterdeck.memory.store import MemoryStore, Retained
from quarterdeck.table import Put
from tests.fakes import FakeTable
from tests.memories import START, FakeS3, make_memory, open_store

DAY = timedelta(days=1)
ALL = Retention()


class Clock:
    def __init__(self) -> None:
        self.now = START

    def read(self) -> datetime:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(log, "read_clock", clock.read)
    return clock


def list_ids(store: MemoryStore) -> list[str]:
    return [each.record_id for each in store.list_newest()]


def test_the_oldest_of_too_many_and_the_too_old_expire() -> None:
    memories = [make_memory(number) for number in (2, 0, 1, 3)]
    now = START + timedelta(minutes=3)

    def expire(**retention: object) -> set[str]:
        return set(find_expired(memories, Retention(**retention), now))  # type: ignore[arg-type]

    assert expire() == expire(most=4) == expire(age=timedelta(minutes=3)) == set()
    assert expire(most=3) == {"memory-0"}
    assert expire(age=timedelta(minutes=1, seconds=1)) == {"memory-0", "memory-1"}
    assert expire(most=3, age=timedelta(minutes=1)) == {"memory-0", "memory-1"}
    assert expire(most=1, age=timedelta(minutes=2)) == {"memory-0", "memory-1", "memory-2"}
    assert len(expire(most=0)) == 4


def test_a_memory_is_as_old_as_its_last_change() -> None:
    changed = make_memory(1, last_accessed=START + 2 * DAY)
    assert find_expired([changed], Retention(age=DAY), START + 3 * DAY) == []


def test_what_expired_is_taken_out_a_day_later(table: FakeTable, clock: Clock) -> None:
    s3 = FakeS3()
    store = open_store(table, s3)
    store.put([make_memory(n, content=f"{n}" * 40_000) for n in range(20)])
    warm = open_store(table, s3)
    warm.list_newest()
    assert store.retain(Retention(most=8), START) == Retained(12, 0)
    clock.now = START + timedelta(hours=23)
    assert store.retain(Retention(most=8), clock.now) == Retained(0, 0)
    clock.now = START + timedelta(hours=25)
    assert store.retain(Retention(most=8), clock.now) == Retained(0, 12)
    assert store.retain(Retention(most=8), clock.now) == Retained(0, 0)
    kept = {f"memory-{number}" for number in range(12, 20)}
    assert {item["record_id"] for item in table.dump() if "record_id" in item} == kept
    assert len(s3.objects) == 8
    for each in (store, warm, open_store(table, s3)):
        assert set(list_ids(each)) == kept
        assert each.count() == 8


def test_replaced_and_erased_content_is_taken_out_too(table: FakeTable, clock: Clock) -> None:
    store = open_store(table)
    for color in ("white", "red", "green"):
        store.put([make_memory(1, content=color), make_memory(2, content=color)])
    store.erase(record_ids=["memory-2"])
    clock.now = START + 2 * DAY
    open_store(table).retain(ALL, clock.now)
    held = [item for item in table.dump() if "record_id" in item or "erased" in item]
    assert [item["record_id"] for item in held] == ["memory-1"]
    late = open_store(table)
    late.put([make_memory(2)])
    assert list_ids(late) == ["memory-1"]


def test_what_forgets_expires_once_nothing_is_left_to_forget(
    table: FakeTable, clock: Clock
) -> None:
    store = open_store(table)
    store.put([make_memory(number) for number in range(8)])
    store.delete()
    last = {item["sk"] for item in table.dump() if "forgets" in item}
    assert last
    store.put([make_memory(number) for number in range(100, 140)])
    clock.now = START + 2 * DAY
    store.retain(ALL, clock.now)
    forgets = [item for item in table.dump() if "forgets" in item]
    assert forgets
    due = int((clock.now + DAY).timestamp())
    assert {item["expires_at"] for item in forgets} == {due}
    for item in forgets:  # as the table's TTL does it
        del table.dynamodb.items[item["pk"]][item["sk"]]
    assert len(list_ids(open_store(table))) == len(list_ids(store)) == 40


def test_nothing_comes_back_while_it_is_being_taken_out(
    table: FakeTable, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What forgets a memory outlives each of its entries."""
    monkeypatch.setattr(store_module, "TRIMMED_AT_ONCE", 1)
    store = open_store(table)
    for color in ("white", "red"):
        store.put([make_memory(number, content=color) for number in range(8)])
    store.delete()
    store.put([make_memory(number) for number in range(100, 140)])
    clock.now = START + 2 * DAY
    while store.retain(ALL, clock.now).removed:
        for item in table.dump():
            if "expires_at" in item:
                del table.dynamodb.items[item["pk"]][item["sk"]]
        assert len(list_ids(open_store(table))) == 40
    assert len(table.dump()) == 40


def test_what_a_restore_left_out_is_not_counted_for_long(table: FakeTable, clock: Clock) -> None:
    open_store(table).put([make_memory(number) for number in range(8)])
    for item in table.dump():
        if item["record_id"] in {"memory-2", "memory-5"}:
            left = {name: value for name, value in item.items() if name not in CONTENT}
            erased = left | {"erased": item["record_id"]}
            table.write(Put(Key(item["pk"], item["sk"]), erased))
    store = open_store(table)
    store.put([make_memory(2)])
    assert len(list_ids(store)) == 6
    store.retain(ALL, clock.now)
    assert store.count() == 6
    size = len(table.dump())
    store.retain(ALL, clock.now)
    assert len(table.dump()) == size


def test_the_last_entry_stays(table: FakeTable, clock: Clock) -> None:
    """Whoever has read it goes on from there."""
    store, warm = open_store(table), open_store(table)
    numbers = [n for n in range(40) if memory_shard(f"memory-{n}") == 0][:4]
    store.put([make_memory(number) for number in numbers[:3]])
    store.delete()
    assert warm.list_newest() == []
    clock.now = START + 2 * DAY
    store.retain(ALL, clock.now)
    (last,) = table.dump()
    assert last.keys() == {"pk", "sk", "at", "count", "forgets"}
    assert last["sk"] == f"{4:012}"
    open_store(table).put([make_memory(numbers[3])])
    assert list_ids(warm) == [f"memory-{numbers[3]}"]


def test_a_process_that_slept_for_long_reads_all_anew(table: FakeTable, clock: Clock) -> None:
    """What it holds may have been forgotten by an entry that is no longer there."""
    sleeper, store = open_store(table), open_store(table)
    store.put([make_memory(number) for number in range(8)])
    assert len(sleeper.search([1.0, 1.0], limit=20)) == 8
    store.delete(Filter(record_ids={"memory-1", "memory-2"}))
    store.put([make_memory(number) for number in range(100, 120)])
    clock.now = START + 2 * DAY
    store.retain(ALL, clock.now)
    for item in table.dump():
        if "forgets" in item:
            del table.dynamodb.items[item["pk"]][item["sk"]]
    found = {memory.record_id for memory, _ in sleeper.search([1.0, 1.0], limit=50)}
    assert found == set(list_ids(open_store(table)))
    assert len(found) == 26
