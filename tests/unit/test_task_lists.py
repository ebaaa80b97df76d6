"""`GET …/tasks`: of some statuses, of a crew, of a time; page by page."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.http.openapi import build_openapi
from quarterdeck.http.services import Services
from quarterdeck.keys import Scope, system_key
from quarterdeck.names import format_time
from quarterdeck.systems.records import System
from quarterdeck.table import Put, Update
from quarterdeck.tasks import listing
from quarterdeck.tasks.listing import TaskFilter, find_page, summarize_task
from tests import systems
from tests.api_calls import call
from tests.fakes import FakeTable

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SCOPE = Scope("desk", 1)
STATUSES = ["queued", "running", "succeeded", "failed"]


def put_task(
    table: Any, number: int, status: str, crew: str, created: datetime, scope: Scope = SCOPE
) -> str:
    task_id = f"{number:024}"
    item = {"status": status, "crew_name": crew, "priority": "low"} | scope.by_time(
        task_id, created
    )
    table.write(Put(scope.state_key(task_id), item))
    return task_id


def read_all(table: FakeTable, wanted: TaskFilter, limit: int) -> list[str]:
    seen, start, pages = [], None, 0
    while start or not pages:
        page = find_page(table, SCOPE, wanted, limit, start)
        assert len(page.items) <= limit
        seen += [summarize_task(entry).task_id for entry in page.items]
        start, pages = page.last_key, pages + 1
        assert pages < 100
    return seen


moments = st.integers(0, 4).map(lambda minutes: NOON + timedelta(minutes=minutes))
tasks = st.lists(
    st.tuples(st.sampled_from(STATUSES), st.sampled_from(["a", "b"]), moments), max_size=25
)
filters = st.builds(
    TaskFilter,
    st.none() | st.frozensets(st.sampled_from(STATUSES), min_size=1),
    st.none() | st.sampled_from(["a", "b"]),
    st.none() | moments,
    st.none() | moments,
).filter(lambda f: not (f.since and f.until) or f.since <= f.until)


@given(tasks, filters, st.integers(1, 7), st.integers(1, 5))
def test_the_pages_have_each_task_that_fits_once_and_no_other(
    made: list[tuple[str, str, datetime]], wanted: TaskFilter, limit: int, read_at_once: int
) -> None:
    table = FakeTable()
    ids = [put_task(table, number, *task) for number, task in enumerate(made)]
    fitting = [
        (created, task_id)
        for task_id, (status, crew, created) in zip(ids, made, strict=True)
        if (wanted.statuses is None or status in wanted.statuses)
        and wanted.crew in {None, crew}
        and (wanted.since is None or created >= wanted.since)
        and (wanted.until is None or created < wanted.until)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "READ_AT_ONCE", read_at_once)
        seen = read_all(table, wanted, limit)
    assert seen == [task_id for _, task_id in sorted(fitting, reverse=True)]


def test_a_page_of_what_is_seldom_reads_no_more_than_it_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = FakeTable()
    for number in range(20):
        put_task(table, number, "failed" if number == 0 else "queued", "a", NOON)
    monkeypatch.setattr(listing, "READ_AT_ONCE", 3)
    reads: list[str] = []
    table.calls.before_read = lambda operation, request: reads.append(operation)
    page = find_page(table, SCOPE, TaskFilter(frozenset({"failed"})), 50, None)
    assert (page.items, len(reads)) == ([], listing.MOST_READS)
    assert page.last_key
    assert len(read_all(table, TaskFilter(frozenset({"failed"})), 50)) == 1


@pytest.fixture
def system(services: Services) -> System:
    return systems.deploy(services.systems, systems.system())


@pytest.fixture
def made(services: Services, system: System) -> list[str]:
    """Four tasks, a minute apart, each of another status."""
    return [
        put_task(
            services.table,
            number,
            status,
            "research",
            NOON + timedelta(minutes=number),
            system.scope,
        )
        for number, status in enumerate(STATUSES)
    ]


def list_ids(system: System, **query: str) -> list[str]:
    answer = call("GET", f"/crews/{system.system_id}/tasks", query=query)
    assert answer.status == 200, answer.json
    return [task["task_id"] for task in answer.json["tasks"]]


def test_filters_of_the_api(system: System, made: list[str]) -> None:
    assert list_ids(system) == made[::-1]
    assert list_ids(system, status="failed") == [made[3]]
    # The gateway joins what is repeated with commas.
    assert list_ids(system, status="failed,queued") == [made[3], made[0]]
    assert list_ids(system, crew="research", status="running") == [made[1]]
    assert list_ids(system, crew="other") == []
    second = format_time(NOON + timedelta(minutes=1))
    assert list_ids(system, since=second) == made[:0:-1]
    assert list_ids(system, until=second) == made[:1]
    assert list_ids(system, since=second, until="2026-11-23T13:02:00+01:00") == [made[1]]
    assert list_ids(system, since=second, until=second) == []
    assert list_ids(system, since="2026-11-23T12:01") == made[:0:-1]
    assert list_ids(system, since="2026-11-23", until="2026-11-24") == made[::-1]
    assert list_ids(system, since="2026-11-24") == list_ids(system, until="2026-11-23") == []
    assert list_ids(system, since="2026-11-23T12:01:00.0001Z") == made[:1:-1]
    assert list_ids(system, until="2026-11-23T12:01:00.0001Z") == made[1::-1]


def test_a_cursor_is_good_for_its_filters_alone(system: System, made: list[str]) -> None:
    path = f"/crews/{system.system_id}/tasks"
    query = {"status": "failed,queued", "limit": "1"}
    cursor = call("GET", path, query=query).json["next_cursor"]
    again = call("GET", path, query={**query, "status": "queued,failed", "cursor": cursor})
    assert [task["task_id"] for task in again.json["tasks"]] == [made[0]]
    for other in ({"status": "failed"}, {"crew": "research"}, {"since": format_time(NOON)}, {}):
        answer = call("GET", path, query={**other, "cursor": cursor})
        assert answer.faults == {"cursor": "is not a cursor of this list"}


def test_a_cursor_is_good_for_its_generation_alone(
    services: Services, system: System, made: list[str]
) -> None:
    """The table refuses a place that is not in what it is asked for."""
    path = f"/crews/{system.system_id}/tasks"
    cursor = call("GET", path, query={"limit": "1"}).json["next_cursor"]
    services.table.write(Update(system_key(system.system_id), {"generation": 2}, {}))
    answer = call("GET", path, query={"cursor": cursor})
    assert answer.faults == {"cursor": "is not a cursor of this list"}


@pytest.mark.parametrize(
    ("query", "field", "rule"),
    [
        ({"status": "done"}, "status[0]", "Input should be 'queued', 'dispatched'"),
        ({"status": "failed,"}, "status[1]", "Input should be"),
        ({"crew": "No Name"}, "crew", "String should match pattern"),
        ({"since": "yesterday"}, "since", "must be a date or a time of this millennium, as"),
        ({"since": "1700000000"}, "since", "must be a date or a time"),
        ({"since": "0.5"}, "since", "must be a date or a time"),
        ({"until": "2026-13-23T12:00:00Z"}, "until", "must be a date or a time"),
        ({"until": "0001-01-01T00:00:00+14:00"}, "until", "must be a date or a time"),
        ({"until": "2026-11-23T12:00:00+99:00"}, "until", "must be a date or a time"),
        (
            {"since": "2026-11-23T12:00:00Z", "until": "2026-11-22T12:00:00Z"},
            "until",
            "is before since",
        ),
        ({"limit": "0"}, "limit", "Input should be greater than or equal to 1"),
        ({"limit": "201"}, "limit", "Input should be less than or equal to 200"),
        ({"cursor": "x"}, "cursor", "is not a cursor of this list"),
    ],
)
def test_a_faulty_filter_is_refused(
    system: System, query: dict[str, str], field: str, rule: str
) -> None:
    answer = call("GET", f"/crews/{system.system_id}/tasks", query=query)
    assert answer.status == 422
    assert answer.faults[field].startswith(rule)


def test_the_document_names_the_filters() -> None:
    operation = build_openapi()["paths"]["/crews/{system_id}/tasks"]["get"]
    parameters = {each["name"]: json.dumps(each["schema"]) for each in operation["parameters"]}
    assert set(parameters) == {
        "system_id", "status", "crew", "since", "until", "limit", "cursor",
    }  # fmt: skip
    assert "timed_out" in parameters["status"]
    assert "date-time" in parameters["since"]
