"""`GET …/events`: a task is followed by numbers, and waited for."""

import json
import re
import threading
from datetime import timedelta
from typing import Any

import pytest

from infra.crews.event_reference import DOCUMENT, fill_tables
from quarterdeck.http import waiting
from quarterdeck.http.services import Services
from quarterdeck.names import read_clock
from quarterdeck.systems.records import System
from quarterdeck.tasks.ending import stop_task
from quarterdeck.tasks.event_batches import BATCH
from quarterdeck.tasks.event_log import EventLog, append_event
from quarterdeck.tasks.events import Event, LlmCall, ToolCall, WorkerLost
from tests import systems
from tests.api_calls import Answer, call


@pytest.fixture
def system(services: Services) -> System:
    return systems.deploy(services.systems, systems.system())


@pytest.fixture
def task_id(system: System) -> str:
    """Of a task that is queued behind another."""
    body = {"description": "x", "crew_name": "research"}
    path = f"/crews/{system.system_id}/tasks"
    first, second = (str(call("POST", path, body).json["task_id"]) for _ in range(2))
    assert first != second
    return second


class Clock:
    """That of the waits: each sleep moves it, and `meanwhile` happens then."""

    def __init__(self) -> None:
        self.now = 0.0
        self.meanwhile: Any = lambda: None

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile()

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(waiting, "time", clock)
    return clock


def ask(system: System, task_id: str, **query: Any) -> Answer:
    asked = {name: str(value) for name, value in query.items()}
    return call("GET", f"/crews/{system.system_id}/tasks/{task_id}/events", query=asked)


def tell(services: Services, system: System, task_id: str, number: int = 1) -> None:
    event = WorkerLost(crashes=number)
    append_event(services.table, system.scope, task_id, event, read_clock())


def test_a_task_is_followed_in_pages_to_its_end(
    services: Services, system: System, task_id: str
) -> None:
    log = EventLog(services.table, system.scope, task_id, read_clock)
    for number in range(2 * BATCH):
        log.record(LlmCall(model=f"m{number}", prompt_tokens=5, cost_usd=0.5, duration_ms=7))
    log.record(ToolCall(tool="t", outcome="ok", arguments={"a": None, "b": 1}))
    assert log.flush()
    stop_task(services.table, services.blobs, system.scope, task_id, read_clock)
    found: list[Any] = []
    answer: Any = {"last": 0, "ended": False}
    while not answer["ended"]:
        answer = ask(system, task_id, after=answer["last"], limit=15).json
        found += answer["events"]
    assert [event["seq"] for event in found] == list(range(1, 2 * BATCH + 3))
    assert answer["last"] == 2 * BATCH + 2
    call_, tool, ended = found[0], found[-2], found[-1]
    assert call_ == {
        "seq": 1, "at": call_["at"], "type": "llm_call", "model": "m0", "prompt_tokens": 5,
        "completion_tokens": 0, "cost_usd": 0.5, "duration_ms": 7,
    }  # fmt: skip
    assert tool["arguments"] == {"a": None, "b": 1}
    assert (ended["type"], ended["status"], ended["error"]) == ("ended", "cancelled", "cancelled")
    again = ask(system, task_id, after=answer["last"]).json
    assert again == {"events": [], "last": answer["last"], "ended": True}


def test_what_is_long_comes_in_answers_that_a_function_can_give(
    services: Services, system: System, task_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after the end: a short page is not the last one."""
    log = EventLog(services.table, system.scope, task_id, read_clock)
    arguments: Any = {f"a{number}": "界" * 500 for number in range(30)}
    for _ in range(200):
        log.record(ToolCall(tool="t", outcome="ok", arguments=arguments))
    assert log.flush()
    stop_task(services.table, services.blobs, system.scope, task_id, read_clock)
    later = read_clock() + timedelta(seconds=11)
    monkeypatch.setattr("quarterdeck.http.task_events.read_clock", lambda: later)
    found: list[Any] = []
    answer: Any = {"last": 0, "ended": False}
    while not answer["ended"]:
        given = ask(system, task_id, after=answer["last"], limit=200)
        assert len(json.dumps(given.body, ensure_ascii=False).encode()) < 6_000_000
        answer = given.json
        found += answer["events"]
    assert [event["seq"] for event in found] == list(range(1, 202))


def test_an_end_that_nobody_told_of_is_known_in_time(
    services: Services, system: System, task_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quarterdeck.tasks.ending.append_event", lambda *_: None)
    stop_task(services.table, services.blobs, system.scope, task_id, read_clock)
    assert ask(system, task_id).json == {"events": [], "last": 0, "ended": False}
    later = read_clock() + timedelta(seconds=11)
    monkeypatch.setattr("quarterdeck.http.task_events.read_clock", lambda: later)
    assert ask(system, task_id, wait=10).json == {"events": [], "last": 0, "ended": True}


def test_a_wait_ends_with_the_first_event(
    services: Services, system: System, task_id: str, clock: Clock
) -> None:
    def work() -> None:
        if clock.now == 3:
            tell(services, system, task_id)

    clock.meanwhile = work
    answer = ask(system, task_id, wait=10).json
    assert (clock.now, answer["last"], answer["ended"]) == (3, 1, False)
    assert answer["events"][0]["type"] == "worker_lost"
    clock.meanwhile = lambda: stop_task(
        services.table, services.blobs, system.scope, task_id, read_clock
    )
    answer = ask(system, task_id, after=1, wait=10).json
    assert (clock.now, answer["last"], answer["ended"]) == (3.5, 2, True)


def test_a_wait_is_one_small_read_each_half_second(
    services: Services, system: System, task_id: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(services, system, task_id)
    reads: list[str] = []
    for name in ("query", "get"):
        real = getattr(services.table, name)

        def note(*args: Any, name: str = name, real: Any = real, **rest: Any) -> Any:
            reads.append(name)
            return real(*args, **rest)

        monkeypatch.setattr(services.table, name, note)
    assert ask(system, task_id, after=1).json["events"] == []
    without = len(reads)
    reads.clear()
    assert ask(system, task_id, after=1, wait=10).json == {
        "events": [], "last": 1, "ended": False
    }  # fmt: skip
    assert clock.now == 10
    assert len(reads) <= without + 10 / 0.5 + 2


def test_what_cannot_be_asked_is_refused_by_its_name(system: System, task_id: str) -> None:
    assert set(ask(system, task_id, after=-1, wait=11, limit=0).faults) == {
        "after", "wait", "limit"
    }  # fmt: skip
    assert ask(system, "unknown").status == 404


def test_threads_of_one_run_tell_all(services: Services, system: System, task_id: str) -> None:
    log = EventLog(services.table, system.scope, task_id, read_clock)

    def work(thread: int) -> None:
        for number in range(30):
            log.record(LlmCall(model=f"{thread}-{number}"))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.flush()
    events = ask(system, task_id, limit=200).json["events"]
    assert [event["seq"] for event in events] == list(range(1, 121))
    assert len({event["model"] for event in events}) == 120


def test_the_document_says_what_the_models_are() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    assert fill_tables(document) == document, "make event-fields"
    told = set(re.findall(r"^### `(\w+)`$", document, re.MULTILINE))
    models = [model for model in walk_models(Event) if "type" in model.model_fields]
    assert told == {model.model_fields["type"].default for model in models}


def walk_models(model: type[Event]) -> list[type[Event]]:
    return [found for kind in model.__subclasses__() for found in (kind, *walk_models(kind))]
