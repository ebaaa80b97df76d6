"""Writers at once, processes that end, readings that pass by: nothing is lost or double."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.keys import MEMORY_SHARDS, memory_shard
from quarterdeck.memory.filters import Filter
from quarterdeck.memory.store import MemoryStore
from quarterdeck.table import Item
from tests.fakes import FakeTable
from tests.faults import Conflict, Crash, LostAnswer, Unreachable
from tests.memories import EXAMPLES, FakeS3, make_memory, open_store

type State = dict[str, str]
type Step = tuple[int, str, int]
"""(writer, what it does, to which of its memories)"""

SAME_SHARD = [n for n in range(40) if memory_shard(f"memory-{n}") == 0]


def read_state(store: MemoryStore) -> State:
    return {each.record_id: each.content for each in store.list_newest()}


def act(store: MemoryStore, number: int, verb: str) -> None:
    record_id = f"memory-{number}"
    match verb:
        case "delete":
            store.delete(Filter(record_ids={record_id}))
        case "erase":
            store.erase(record_ids=[record_id])
        case _:
            store.put([make_memory(number, content=verb)])


class Writers:
    """Each of whose calls is interrupted, at any request, by the next step of another."""

    def __init__(self, table: FakeTable, steps: list[Step], gaps: list[int]) -> None:
        self.stores = [open_store(table) for _ in range(3)]
        self.reader = open_store(table)
        self.expected: State = {}
        self.steps = steps
        self.gaps = gaps
        self.busy: set[int] = set()
        self.requests = 0
        table.calls.before_read = lambda *_: self.interrupt()
        table.calls.before_write = self.interrupt

    def interrupt(self) -> None:
        self.requests += 1
        if self.busy and self.requests in self.gaps:
            self.take_step()
        if self.busy and self.requests + 1 in self.gaps and 9 not in self.busy:
            self.busy.add(9)
            self.reader.list_newest()
            self.busy.discard(9)

    def take_step(self) -> None:
        place = next((n for n, step in enumerate(self.steps) if step[0] not in self.busy), None)
        if place is None:
            return
        writer, verb, which = self.steps.pop(place)
        number = 3 * which + writer
        self.busy.add(writer)
        act(self.stores[writer], number, verb)
        self.busy.discard(writer)
        if verb in {"delete", "erase"}:
            self.expected.pop(f"memory-{number}", None)
        else:
            self.expected[f"memory-{number}"] = verb


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2), st.sampled_from(["white", "red", "green", "delete"]), st.integers(0, 3)
    ),
    max_size=24,
)


@settings(max_examples=EXAMPLES)
@given(STEPS, st.lists(st.integers(1, 120), max_size=40))
def test_writers_at_once_lose_nothing(steps: list[Step], gaps: list[int]) -> None:
    """A writer's memories are its own, so the last that it did is what they are."""
    table = FakeTable()
    writers = Writers(table, steps, gaps)
    while writers.steps:
        writers.take_step()
    for store in (*writers.stores, writers.reader, open_store(table)):
        assert read_state(store) == writers.expected
        assert store.count() == len(writers.expected)


def test_a_writer_that_commits_late_is_not_missed(table: FakeTable) -> None:
    slow, fast, reader = open_store(table), open_store(table), open_store(table)
    first, second, third, *_ = SAME_SHARD

    def overtake() -> None:
        table.calls.before_write = lambda: None
        fast.put([make_memory(second)])
        fast.put([make_memory(third)])
        assert reader.count(Filter(scope="/")) == 2

    table.calls.before_write = overtake
    slow.put([make_memory(first)])
    assert read_state(reader).keys() == {f"memory-{n}" for n in (first, second, third)}
    numbers = [int(item["sk"]) for item in table.dump()]
    assert numbers == [1, 2, 3]


def test_what_a_reading_passes_by_is_read_again(
    table: FakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query is no snapshot: it may show what came after something that it does not show."""
    writer, reader = open_store(table), open_store(table)
    some = SAME_SHARD[:5]
    writer.put([make_memory(some[0])])
    reader.list_newest()
    writer.put([make_memory(number) for number in some[1:]])
    query, hidden = table.query, {2, 4}

    def pass_by(*request: Any, **more: Any) -> Iterator[Item]:
        for item in query(*request, **more):
            if int(item["sk"]) in hidden:
                hidden.discard(int(item["sk"]))
            else:
                yield item

    monkeypatch.setattr(table, "query", pass_by)
    assert read_state(reader).keys() == {f"memory-{number}" for number in some}
    assert not hidden


def test_only_what_is_new_is_read(table: FakeTable) -> None:
    writer, reader = open_store(table), open_store(table)
    writer.put([make_memory(number) for number in range(30)])
    reader.list_newest()
    read: list[Item] = []
    query = table.query

    def note(*request: Any, **more: Any) -> Iterator[Item]:
        for item in query(*request, **more):
            read.append(item)
            yield item

    table.query = note  # type: ignore[method-assign]
    reader.list_newest()
    assert read == []
    writer.put([make_memory(31)])
    assert "memory-31" in read_state(reader)
    assert [item["record_id"] for item in read] == ["memory-31"]


FAULTS = {
    "refused": ("before_write", Crash),
    "done": ("after_write", Crash),
    "unreachable": ("before_write", Unreachable),
    "unknown": ("after_write", Unreachable),
}


def fail_at(table: FakeTable, write: int, fault: str) -> None:
    """The write of that number ends the process, or its caller."""
    hook, error = FAULTS[fault]
    left = iter(range(write))

    def count() -> None:
        if next(left, None) is None:
            raise error

    setattr(table.calls, hook, count)


def heal(table: FakeTable) -> None:
    table.calls.before_write = table.calls.after_write = lambda: None


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("write", range(6))
def test_what_a_task_kept_before_it_ended_is_not_kept_twice(
    table: FakeTable, write: int, fault: str
) -> None:
    told = [make_memory(n, record_id=f"first-{n}") for n in range(5)]
    fail_at(table, write, fault)
    with suppress(Crash, Unreachable):
        open_store(table).put(told, origin="task-1")
    heal(table)
    again = [make_memory(n, record_id=f"second-{n}") for n in range(5)]
    kept = open_store(table).put(again, origin="task-1")
    store = open_store(table)
    assert {each.content for each in told} == set(read_state(store).values())
    assert {each.record_id for each in kept} == read_state(store).keys()
    assert (store.count(), len(table.dump())) == (5, 5)


def test_two_workers_of_one_task_keep_it_once(table: FakeTable) -> None:
    def overtake() -> None:
        table.calls.before_write = lambda: None
        open_store(table).put([make_memory(1)], origin="task-1")

    table.calls.before_write = overtake
    open_store(table).put([make_memory(1)], origin="task-1")
    open_store(table).put([make_memory(1)], origin="task-2")
    assert len(open_store(table).list_newest()) == len(table.dump()) == 2


def test_one_task_may_keep_again_what_it_forgot(table: FakeTable) -> None:
    store = open_store(table)
    store.put([make_memory(1)], origin="task-1")
    store.delete()
    store.put([make_memory(1)], origin="task-1")
    assert [each.origin for each in open_store(table).list_newest()] == ["task-1"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("write", range(8))
@pytest.mark.parametrize("verb", ["red", "delete", "erase"])
def test_a_change_that_breaks_off_is_done_or_not(
    table: FakeTable, verb: str, write: int, fault: str
) -> None:
    """Each memory is as it was or as it was to be; doing it again does all of it."""
    s3 = FakeS3()
    open_store(table, s3).put([make_memory(n, content="white" * 9_000) for n in range(6)])
    fail_at(table, write, fault)

    def change() -> None:
        store = open_store(table, s3)
        match verb:
            case "delete":
                store.delete()
            case "erase":
                store.erase()
            case _:
                store.put([make_memory(n, content=verb) for n in range(6)])

    with suppress(Crash, Unreachable):
        change()
    heal(table)
    after = open_store(table, s3)
    assert set(read_state(after).values()) <= {"white" * 9_000, verb}
    assert after.count() == len(read_state(after))
    change()
    state = read_state(open_store(table, s3))
    assert list(state.values()) == ([verb] * 6 if verb == "red" else [])
    if verb == "erase":
        assert not s3.objects
        assert "document" not in str(table.dump())


@pytest.mark.parametrize("fault", [LostAnswer, Conflict])
def test_lost_answers_and_conflicts_write_once(table: FakeTable, fault: type[Exception]) -> None:
    left = [fault]

    def strike() -> None:
        if left:
            raise left.pop()

    setattr(table.calls, "before_write" if fault is Conflict else "after_write", strike)
    store = open_store(table)
    store.put([make_memory(1), make_memory(2)])
    assert (store.count(), len(table.dump())) == (2, 2)
    assert len({item["pk"] for item in table.dump()}) <= MEMORY_SHARDS
