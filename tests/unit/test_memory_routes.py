"""What crews have learned, over the API: read, searched by words, counted, erased."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quarterdeck.http.services import Services
from quarterdeck.memory.records import Memory
from quarterdeck.memory.store import MemoryStore
from quarterdeck.systems.records import System
from tests import systems
from tests.api_calls import Answer, call, read_items

START = datetime(2026, 11, 23, 8, tzinfo=UTC)
TEXTS = {
    "m0": ("research", "/company/team", "Berlin has 3.7 million people."),
    "m1": ("research", "/company", "The customer pays in EUR."),
    "m2": ("review", "/", "People in Berlin like it short."),
    "m3": ("research", "/companies", "x" * 5000 + " BERLIN"),
}
"""In the order in which they were learned."""


@pytest.fixture
def system(services: Services) -> System:
    crews = [systems.crew(), systems.crew("review")]
    system = systems.deploy(services.systems, systems.system(crews=crews))
    for number, (record_id, (crew, scope, content)) in enumerate(TEXTS.items()):
        at = START + timedelta(seconds=number)
        memory = Memory(
            record_id=record_id,
            content=content,
            scope=scope,
            created_at=at,
            last_accessed=at,
            categories=("a",),
            metadata={"topics": ["b"]},
            vector=b"\x00\x3c",
        )
        open_store(services, system, crew).put([memory])
    return system


def open_store(services: Services, system: System, crew: str) -> MemoryStore:
    return MemoryStore(services.table, services.blobs, system.scope, crew)


def ask(system: System, **query: str) -> Answer:
    return call("GET", f"/crews/{system.system_id}/memories", query=query)


def erase(system: System, **query: str) -> Answer:
    return call("DELETE", f"/crews/{system.system_id}/memories", query=query)


def list_ids(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.json
    return [memory["memory_id"] for memory in answer.json["memories"]]


def test_a_memory_is_told_whole(system: System) -> None:
    (memory,) = ask(system, crew="review").json["memories"]
    assert memory == {
        "memory_id": "m2",
        "crew": "review",
        "scope": "/",
        "content": "People in Berlin like it short.",
        "categories": ["a"],
        "importance": 0.5,
        "metadata": {"topics": ["b"]},
        "private": False,
        "created_at": "2026-11-23T08:00:02.000Z",
        "last_accessed": "2026-11-23T08:00:02.000Z",
    }


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({}, ["m3", "m2", "m1", "m0"]),
        ({"crew": "research"}, ["m3", "m1", "m0"]),
        ({"scope": "/company"}, ["m1", "m0"]),
        ({"scope": "company/"}, ["m1", "m0"]),
        ({"scope": "/nothing"}, []),
        ({"query": "berlin"}, ["m3", "m2", "m0"]),
        ({"query": " people  BERLIN "}, ["m2", "m0"]),
        ({"query": "berlin", "crew": "research", "scope": "/company"}, ["m0"]),
        ({"query": "paris"}, []),
    ],
)
def test_memories_are_chosen(query: dict[str, str], ids: list[str], system: System) -> None:
    assert list_ids(ask(system, **query)) == ids


@pytest.mark.parametrize("query", [{}, {"query": "berlin"}])
def test_pages_hold_each_memory_once(query: dict[str, str], system: System) -> None:
    whole, found = list_ids(ask(system, **query)), []
    answer = ask(system, limit="2", **query)
    while cursor := answer.json.get("next_cursor"):
        found += list_ids(answer)
        answer = ask(system, limit="2", cursor=cursor, **query)
    assert found + list_ids(answer) == whole


def test_what_is_learned_meanwhile_moves_no_page(system: System, services: Services) -> None:
    cursor = ask(system, limit="2").json["next_cursor"]
    now = START + timedelta(days=1)
    new = Memory(record_id="new", content="c", created_at=now, last_accessed=now)
    open_store(services, system, "review").put([new])
    assert list_ids(ask(system, cursor=cursor)) == ["m1", "m0"]


@pytest.mark.parametrize(
    ("method", "query", "field"),
    [
        ("GET", {"crew": "sales"}, "crew"),
        ("GET", {"cursor": "abc"}, "cursor"),
        ("GET", {"limit": "0"}, "limit"),
        ("GET", {"query": "x" * 1001}, "query"),
        ("DELETE", {"scope": "/"}, "crew"),
        ("DELETE", {"crew": "sales", "scope": "/"}, "crew"),
        ("DELETE", {"crew": "research"}, "memory_id"),
        ("DELETE", {"crew": "research", "scope": ""}, "memory_id"),
        ("DELETE", {"crew": "research", "scope": "/", "memory_id": "m0"}, "memory_id"),
    ],
)
def test_a_request_that_cannot_be_meant_is_refused(
    method: str, query: dict[str, str], field: str, system: System
) -> None:
    answer = call(method, f"/crews/{system.system_id}/memories", query=query)
    assert (answer.status, [*answer.faults]) == (422, [field])
    assert len(list_ids(ask(system))) == len(TEXTS)


def test_one_is_erased(system: System) -> None:
    answer = erase(system, crew="research", memory_id="m0")
    assert (answer.status, answer.json) == (200, {"erased": 1, "left": 0})
    assert list_ids(ask(system)) == ["m3", "m2", "m1"]
    assert "3.7 million" not in str(read_items())
    assert erase(system, crew="research", memory_id="m0").json == {"erased": 0, "left": 0}


def test_a_scope_is_erased(system: System) -> None:
    assert erase(system, crew="research", scope="/company").json == {"erased": 2, "left": 0}
    assert list_ids(ask(system)) == ["m3", "m2"]
    assert erase(system, crew="research", scope="/").json == {"erased": 1, "left": 0}
    assert list_ids(ask(system)) == ["m2"]


def test_a_crew_that_is_gone_is_read_and_erased(system: System, services: Services) -> None:
    etag = call("GET", f"/crews/{system.system_id}").headers["ETag"]
    body: dict[str, Any] = systems.system(crews=[systems.crew()])
    put = call("PUT", f"/crews/{system.system_id}", body, headers={"If-Match": etag})
    assert put.status == 202, put.json
    systems.activate(services.systems, system.system_id)
    assert list_ids(ask(system)) == ["m3", "m1", "m0"]
    assert list_ids(ask(system, crew="review")) == ["m2"]
    assert erase(system, crew="review", scope="/").json == {"erased": 1, "left": 0}


def test_health_counts_them(system: System) -> None:
    path = f"/crews/{system.system_id}/health"
    assert call("GET", path).json["memories"] == {"research": 3, "review": 1}
    erase(system, crew="research", memory_id="m0")
    assert call("GET", path).json["memories"] == {"research": 2, "review": 1}
