"""Several writers of one task's log, whatever becomes of them: all is told once, in order."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.errors import Contention
from quarterdeck.execution.arguments import LONGEST_TEXT, MOST_ARGUMENTS, describe_arguments
from quarterdeck.keys import EVENT_PREFIX, Scope
from quarterdeck.systems.configuration import Events
from quarterdeck.table import Item
from quarterdeck.tasks import event_batches, event_log
from quarterdeck.tasks.event_batches import BATCH, Batch, read_batch
from quarterdeck.tasks.event_log import EventLog, append_event, read_batches
from quarterdeck.tasks.events import (
    CancelRequested,
    Ended,
    Event,
    LlmCall,
    StepEnded,
    StepStarted,
    TaskEvent,
    ToolCall,
    WorkerLost,
)
from quarterdeck.tasks.outcome import Usage
from tests.fakes import FakeTable
from tests.faults import Conflict, Crash, LostAnswer, Unreachable
from tests.prove import PROVE

SCOPE = Scope("s", 1)
EXAMPLES = 1_500 if PROVE else 100
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
FAULTS = [None, None, None, Crash, Conflict, Unreachable, "lost", "unknown", "crash after"]


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def call(name: str, place: str | None = None) -> LlmCall:
    return LlmCall(model=name, call=place)


def open_log(table: FakeTable, clock: Clock | None = None) -> EventLog:
    return EventLog(table, SCOPE, "t", clock or Clock())


def read_log(table: FakeTable) -> list[Batch]:
    return list(read_batches(table, SCOPE, "t", 0))


def read_events(table: FakeTable, after: int = 0) -> list[Event]:
    return [
        event
        for batch in read_batches(table, SCOPE, "t", after)
        for event in batch.events
        if event.seq > after
    ]


def list_models(events: list[Any]) -> list[str]:
    return [event.model for event in events]


class Writers:
    """Each of whose requests may be interrupted by another's turn, or go wrong."""

    def __init__(self, table: FakeTable, turns: list[Any], gaps: list[int]) -> None:
        self.table = table
        self.turns = turns
        self.gaps = gaps
        self.logs = [open_log(table) for _ in range(3)]
        self.told: list[list[str]] = [[], [], []]
        self.acknowledged: set[str] = set()
        self.busy: set[int] = set()
        self.fault: Any = None
        self.requests = 0
        self.read: list[str] = []
        self.cursor = 0
        table.calls.before_read = lambda *_: self.interrupt()
        table.calls.before_write = self.before_write
        table.calls.after_write = self.after_write

    def interrupt(self) -> None:
        self.requests += 1
        if self.busy and self.requests in self.gaps:
            self.take_turn()
        if self.busy and self.requests + 1 in self.gaps and 9 not in self.busy:
            self.busy.add(9)
            self.follow()
            self.busy.discard(9)

    def before_write(self) -> None:
        self.interrupt()
        if self.fault in {Crash, Conflict, Unreachable}:
            fault, self.fault = self.fault, None
            raise fault

    def after_write(self) -> None:
        later = {"lost": LostAnswer, "unknown": Unreachable, "crash after": Crash}
        if self.fault in later:
            fault, self.fault = later[self.fault], None
            raise fault

    def take_turn(self) -> None:
        place = next((n for n, turn in enumerate(self.turns) if turn[0] not in self.busy), None)
        if place is None:
            return
        writer, events, fault = self.turns.pop(place)
        self.busy.add(writer)
        self.fault = fault
        try:
            for _ in range(events):
                name = f"{writer}-{len(self.told[writer]):04}"
                self.told[writer].append(name)
                self.logs[writer].record(call(name))
            if self.logs[writer].flush():
                self.acknowledged |= set(self.told[writer][-events:])
        except Crash:
            # Another process goes on in its place.
            self.logs[writer] = open_log(self.table)
        self.fault = None
        self.busy.discard(writer)

    def follow(self) -> None:
        """A reader that asks for what is new."""
        for event in read_events(self.table, self.cursor):
            assert event.seq == self.cursor + 1
            self.cursor = event.seq
            self.read += list_models([event])


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quarterdeck.tasks.event_log.time.sleep", lambda _: None)
    monkeypatch.setattr("quarterdeck.tasks.event_log.logger.exception", lambda *_, **__: None)


TURNS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 2 * BATCH), st.sampled_from(FAULTS)), max_size=14
)


@settings(max_examples=EXAMPLES)
@given(TURNS, st.lists(st.integers(1, 80), max_size=40))
def test_writers_at_once_lose_nothing_and_tell_nothing_twice(
    turns: list[Any], gaps: list[int]
) -> None:
    table = FakeTable()
    writers = Writers(table, turns, gaps)
    with patch.object(event_log, "MOST_FAILURES", 1000):
        while writers.turns:
            writers.take_turn()
    table.calls.before_write = table.calls.after_write = lambda: None
    table.calls.before_read = lambda *_: None
    assert all(log.flush() for log in writers.logs)
    batches = read_log(table)
    numbers = [event.seq for batch in batches for event in batch.events]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [batch.first for batch in batches] == [1, *(batch.last + 1 for batch in batches)][:-1]
    models = list_models(read_events(table))
    assert len(models) == len(set(models))
    assert writers.acknowledged <= set(models)
    for number, told in enumerate(writers.told):
        own = [model for model in models if model.startswith(f"{number}-")]
        assert own == [name for name in told if name in own]
    writers.follow()
    assert writers.read == models


KINDS: dict[str, Any] = {
    "call": lambda n: call(str(n), str(n % 3)),
    "tool": lambda n: ToolCall(tool=str(n), outcome="ok"),
    "step": lambda n: StepStarted(step=str(n % 5), agent="A"),
    "turn": lambda n: WorkerLost(crashes=n),
}


@settings(max_examples=EXAMPLES)
@given(st.lists(st.lists(st.sampled_from(sorted(KINDS)), max_size=30), max_size=6))
def test_the_bound_is_kept_and_the_rest_is_counted(attempts: list[list[str]]) -> None:
    """Each list is told by a worker of its own; the reserves keep steps and the end."""
    bounds: dict[str, Any] = {"MOST_CALLS": 20, "MOST_TURNS": 25, "MOST_EVENTS": 32}
    with patch.multiple(event_batches, **bounds), patch.object(event_log, "MOST_CALLS", 20):
        table = FakeTable()
        number, identities, without = 0, set(), 0
        for kinds in attempts:
            log = open_log(table)
            for kind in kinds:
                number += 1
                event = KINDS[kind](number)
                log.record(event)
                without += event.identity is None
                identities.add(event.identity)
            assert log.flush()
        append_event(table, SCOPE, "t", Ended(status="succeeded"), NOON)
        events = read_events(table)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert len(events) <= 32
        ended = events[-1]
        assert isinstance(ended, Ended)
        dropped = sum(batch.dropped for batch in read_log(table))
        assert ended.events_dropped == dropped
        if dropped == 0:
            assert len(events) - 1 == without + len(identities - {None})
        steps = {event.identity for event in events if isinstance(event, StepStarted)}
        assert steps == {each for each in identities if each and each[0] == "step_started"}


def test_of_one_writer_all_that_has_no_room_is_counted() -> None:
    table = FakeTable()
    log = open_log(table)
    for number in range(2_500):
        log.record(call(str(number)))
    log.record(StepStarted(step="a", agent="A"))
    append_event(table, SCOPE, "t", Ended(status="failed", error="timeout"), NOON)
    *calls, step, ended = read_events(table)
    assert (len(calls), step.seq, ended.seq) == (1_700, 1_701, 1_702)
    assert isinstance(ended, Ended)
    assert (ended.events_dropped, ended.status, ended.error) == (800, "failed", "timeout")
    assert len(table.dump()) == 1_700 // BATCH + 2


def test_what_one_run_told_another_does_not() -> None:
    """Both make the same calls; only what has an identity is known again."""
    table = FakeTable()
    for run in range(3):
        log = open_log(table)
        log.record(StepStarted(step="a", agent="A"))
        for place in range(run + 2):
            log.record(call("m", str(place)), again=place < run + 1)
        log.record(call("failed"))
        log.record(StepEnded(step="a", agent="A", usage=Usage(), duration_ms=run))
    told = [event.model_dump(include={"type", "call"}) for event in read_events(table)]
    calls = [each["call"] for each in told if each["type"] == "llm_call"]
    assert calls == ["0", "1", None, "2", None, "3", None]
    assert len(told) == 7 + 2


def test_what_had_no_room_is_not_counted_again_by_a_replay() -> None:
    table = FakeTable()
    for run in range(3):
        log = open_log(table)
        log.record(StepStarted(step="a", agent="A"))
        for place in range(1_800):
            log.record(call("m", str(place)), again=run > 0)
        assert log.flush()
    assert sum(batch.dropped for batch in read_log(table)) == 101


def test_when_it_is_told() -> None:
    table, clock = FakeTable(), Clock()
    log = open_log(table, clock)

    def count() -> list[int]:
        return [len(batch.events) for batch in read_log(table)]

    log.record(call("a"))
    assert count() == []
    log.record(StepStarted(step="a", agent="A"))
    assert count() == [2]
    for number in range(BATCH - 1):
        log.record(call(str(number)))
    assert count() == [2]
    log.record(call("full"))
    assert count() == [2, BATCH]
    log.record(call("waits"))
    log.flush_due()
    assert count() == [2, BATCH]
    clock.now += timedelta(seconds=1)
    log.flush_due()
    assert count() == [2, BATCH, 1]
    clock.now += timedelta(seconds=1)
    log.record(call("is late"))
    assert count() == [2, BATCH, 1, 1]
    assert log.flush()
    assert len(count()) == 4


def test_an_undisturbed_writer_reads_nothing() -> None:
    table = FakeTable()
    log = open_log(table)
    table.calls.before_read = lambda *_: pytest.fail("it reads")
    for number in range(3 * BATCH):
        log.record(call(str(number)))
    assert log.flush()


def test_one_more_event_costs_one_small_read_and_one_write() -> None:
    table = FakeTable()
    log = open_log(table)
    for number in range(10 * BATCH):
        log.record(call(str(number)))
    requests: list[Any] = []
    table.calls.before_read = lambda _, request: requests.append(request)
    table.calls.before_write = lambda: requests.append("write")
    append_event(table, SCOPE, "t", CancelRequested(), NOON)
    append_event(table, SCOPE, "t", CancelRequested(), NOON)
    assert [each if each == "write" else each["Limit"] for each in requests] == [1, "write", 1]
    assert read_events(table)[-1].seq == 10 * BATCH + 1


def test_a_table_that_refuses_stops_nobody_and_keeps_nothing_from_the_rest() -> None:
    table, clock = FakeTable(), Clock()
    log = open_log(table, clock)

    def refuse() -> None:
        raise Unreachable

    table.calls.before_write = refuse
    for number in range(3):
        clock.now += timedelta(seconds=2)
        log.record(call(str(number)))
    append_event(table, SCOPE, "t", CancelRequested(), NOON)
    table.calls.before_write = lambda: None
    log.record(StepStarted(step="a", agent="A"))
    (batch,) = read_log(table)
    assert [event.type for event in batch.events] == ["step_started"]
    assert batch.dropped == 3


def test_nothing_comes_after_the_end() -> None:
    """Whoever cancelled the task as it ended tells of that too late."""
    table = FakeTable()
    append_event(table, SCOPE, "t", Ended(status="succeeded"), NOON)
    append_event(table, SCOPE, "t", CancelRequested(), NOON)
    assert [event.seq for event in read_events(table)] == [1]


def test_events_with_much_to_tell_have_room_in_an_item() -> None:
    table = FakeTable()
    log = open_log(table)
    arguments = describe_arguments(
        {f"a{n}": "界" * LONGEST_TEXT for n in range(MOST_ARGUMENTS)}, Events(), str
    )
    for number in range(2 * BATCH):
        log.record(ToolCall(tool=str(number), outcome="ok", arguments=arguments))
    assert log.flush()
    told: list[Any] = read_events(table)
    assert [event.tool for event in told] == [str(number) for number in range(2 * BATCH)]
    assert [event.seq for event in told] == list(range(1, 2 * BATCH + 1))


def test_others_that_are_always_faster_end_in_contention() -> None:
    table = FakeTable()
    log, others = open_log(table), iter(range(1000))

    def overtake() -> None:
        table.calls.before_write = lambda: None
        append_event(table, SCOPE, "t", WorkerLost(crashes=next(others)), NOON)
        table.calls.before_write = overtake

    table.calls.before_write = overtake
    log.record(call("slow"))
    assert not log.flush()
    with pytest.raises(Contention):
        log._put_pending()
    table.calls.before_write = lambda: None
    assert log.flush()


@pytest.mark.parametrize("after", range(8))
def test_what_a_reading_passes_by_is_read_again(
    monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    table = FakeTable()
    for number in range(8):
        append_event(table, SCOPE, "t", WorkerLost(crashes=number), NOON)
    query, hidden = table.query, {3, 4, 6}

    def pass_by(*request: Any, **more: Any) -> Iterator[Item]:
        for item in query(*request, **more):
            number = read_batch(item).first
            if number in hidden:
                hidden.discard(number)
            else:
                yield item

    monkeypatch.setattr(table, "query", pass_by)
    assert [event.seq for event in read_events(table, after)] == list(range(after + 1, 9))


def test_what_has_expired_is_not_waited_for() -> None:
    table = FakeTable()
    for number in range(6):
        append_event(table, SCOPE, "t", WorkerLost(crashes=number), NOON)
    partition = table.dynamodb.items[SCOPE.state_key("t").pk]
    for number in (1, 2, 4):
        del partition[SCOPE.event_key("t", number).sk]
    assert [event.seq for event in read_events(table)] == [3, 5, 6]
    log = open_log(table)
    log.read_end()
    log.record(call("next"))
    assert log.flush()
    assert read_events(table)[-1].seq == 7


@pytest.mark.parametrize("limit", [1, 5, BATCH, 200])
def test_pages_of_any_size_give_all(limit: int) -> None:
    table = FakeTable()
    log = open_log(table)
    for number in range(50):
        if number % 7 == 0:
            log.flush()
        log.record(call(str(number)))
    log.flush()
    seen: list[int] = []
    while True:
        batches = read_batches(table, SCOPE, "t", seen[-1] if seen else 0, limit)
        after = seen[-1] if seen else 0
        events = [e.seq for batch in batches for e in batch.events if e.seq > after][:limit]
        if not events:
            break
        assert len(events) == min(limit, 50 - after)
        seen += events
    assert seen == list(range(1, 51))


def test_types_of_another_release_are_passed_over() -> None:
    table = FakeTable()
    append_event(table, SCOPE, "t", WorkerLost(crashes=1), NOON)
    partition = table.dynamodb.items[SCOPE.state_key("t").pk]
    item = partition[f"{EVENT_PREFIX}000001"]
    partition[item["sk"]["S"]] = {**item, "events": {"S": '[{"type":"news","seq":1}]'}}
    append_event(table, SCOPE, "t", WorkerLost(crashes=2), NOON)
    assert [event.seq for event in read_events(table)] == [2]


def test_an_event_says_no_more_than_it_knows() -> None:
    table = FakeTable()
    log = open_log(table)
    event: TaskEvent = ToolCall(
        tool="x" * 300, outcome="ok", arguments={"n": 10**60, "s": "\ud83d"}
    )
    log.record(event)
    assert log.flush()
    (told,) = read_events(table)
    assert isinstance(told, ToolCall)
    assert (len(told.tool), told.at, told.seq) == (200, "2026-11-23T12:00:00.000Z", 1)
    assert told.arguments is not None
    assert (told.arguments["n"], told.arguments["s"]) == (10**60, "?")
