"""Traces: kept for systems that ask, once each, whoever else writes; read in pages that fit."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from quarterdeck.http.services import Services
from quarterdeck.keys import TRACE_PREFIX, Scope
from quarterdeck.systems.records import System
from quarterdeck.table import Delete
from quarterdeck.tasks import traces
from quarterdeck.tasks.traces import Trace, TraceLog, read_traces
from tests import systems
from tests.api_calls import call

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def system(services: Services) -> System:
    return systems.deploy(services.systems, systems.system())


@pytest.fixture
def task_id(system: System) -> str:
    body = {"description": "x", "crew_name": "research"}
    return str(call("POST", f"/crews/{system.system_id}/tasks", body).json["task_id"])


def open_log(services: Services, scope: Scope, task_id: str) -> TraceLog:
    return TraceLog(services.table, services.blobs, scope, task_id, lambda: NOON)


def make(name: str, answered: str = '"a"') -> Trace:
    return Trace(kind="llm", name=name, call="c-0", asked='"q"', answered=answered)


def test_two_writers_lose_nothing(services: Services, system: System, task_id: str) -> None:
    logs = [open_log(services, system.scope, task_id) for _ in range(2)]
    for number in range(6):
        assert logs[number % 2].keep(make(str(number)))
    found = read_traces(services.table, services.blobs, system.scope, task_id, 0, 50)
    assert [(t.seq, t.name) for t in found] == [(n + 1, str(n)) for n in range(6)]
    items = services.table.query(system.scope.state_key(task_id).pk, TRACE_PREFIX)
    assert {item["expires_at"] for item in items} == {int(NOON.timestamp()) + 7 * 86_400}


def test_a_number_that_has_expired_is_not_given_again(
    services: Services, system: System, task_id: str
) -> None:
    log = open_log(services, system.scope, task_id)
    for number in range(3):
        assert log.keep(make(str(number)))
    services.table.write(Delete(system.scope.trace_key(task_id, 1)))
    assert open_log(services, system.scope, task_id).keep(make("next"))
    found = read_traces(services.table, services.blobs, system.scope, task_id, 0, 50)
    assert [(t.seq, t.name) for t in found] == [(2, "1"), (3, "2"), (4, "next")]


def test_the_route_gives_pages_that_fit(
    services: Services, system: System, task_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "PAGE_BYTES", 100_000)
    log = open_log(services, system.scope, task_id)
    for number in range(5):
        log.keep(make(str(number), "x" * 40_000))
    path = f"/crews/{system.system_id}/tasks/{task_id}/trace"
    found: list[Any] = []
    pages, last = [], 0
    while (page := call("GET", path, query={"after": str(last)}).json)["traces"]:
        last = page["last"]
        pages.append(len(page["traces"]))
        found += page["traces"]
    assert pages == [2, 2, 1]
    assert [trace["seq"] for trace in found] == [1, 2, 3, 4, 5]
    assert {len(trace["answered"]) for trace in found} == {40_000}
    assert call("GET", path.replace(task_id, "unknown")).status == 404


def test_traces_are_bounded(
    services: Services, system: System, task_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "MOST_TRACES", 2)
    monkeypatch.setattr(traces, "LONGEST", 10)
    log = open_log(services, system.scope, task_id)
    assert [log.keep(make(str(n), "x" * 50)) for n in range(3)] == [True, True, False]
    found = read_traces(services.table, services.blobs, system.scope, task_id, 0, 50)
    assert [len(trace.answered) for trace in found] == [10, 10]


def test_what_has_no_room_leaves_nothing_behind(
    services: Services, system: System, task_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "MOST_TRACES", 1)
    log = open_log(services, system.scope, task_id)
    assert [log.keep(make(str(n), "x" * 40_000)) for n in range(3)] == [True, False, False]
    assert len(services.blobs.list_blobs(f"{system.scope.blob_prefix}/{task_id}/trace-")) == 1


def test_the_longest_trace_in_any_script_can_be_read(
    services: Services, system: System, task_id: str
) -> None:
    said = "界" * traces.LONGEST
    log = open_log(services, system.scope, task_id)
    assert log.keep(make("m", said).model_copy(update={"asked": said}))
    page = call("GET", f"/crews/{system.system_id}/tasks/{task_id}/trace")
    assert len(json.dumps(page.body, ensure_ascii=False).encode()) < 6_000_000
    assert page.json["traces"][0]["asked"] == said
