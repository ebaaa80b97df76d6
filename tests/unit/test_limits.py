"""The table of limits in docs/design.md, through the API: what is at a limit, and beyond it."""

import json
import re
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.blobs import LINK_SECONDS
from quarterdeck.http.bodies import MAX_BODY_BYTES
from quarterdeck.http.services import Services
from quarterdeck.names import read_clock
from quarterdeck.systems.records import System
from quarterdeck.tasks import submission
from quarterdeck.tasks.ending import store_outcome
from quarterdeck.tasks.outcome import Outcome
from quarterdeck.tasks.transitions import claim_task, finish_task
from tests import systems
from tests.api_calls import Answer, call

DESIGN = Path(__file__).parents[2] / "docs" / "design.md"
TASK = {"description": "x", "crew_name": "research"}


@pytest.fixture
def system(services: Services) -> System:
    return systems.deploy(services.systems, systems.system())


def assert_problem(answer: Answer, status: int, type_: str, field: str | None = None) -> None:
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.status == answer.json["status"] == status, answer.json
    assert answer.json["type"] == f"urn:quarterdeck:problem:{type_}"
    assert answer.json["title"]
    assert answer.json["detail"]
    if field:
        assert field in answer.faults


def test_a_body_has_a_megabyte(services: Services) -> None:
    assert MAX_BODY_BYTES == 1024 * 1024
    body = json.dumps(systems.system())
    padded = body + " " * (MAX_BODY_BYTES - len(body))
    query = {"validate_only": "true"}
    assert call("POST", "/crews", padded, query=query).status == 200
    assert_problem(call("POST", "/crews", padded + " ", query=query), 413, "too-large", "body")


def test_a_description_has_a_hundred_thousand_characters(system: System) -> None:
    path = f"/crews/{system.system_id}/tasks"
    assert call("POST", path, TASK | {"description": "é" * 100_000}).status == 202
    beyond = call("POST", path, TASK | {"description": "x" * 100_001})
    assert_problem(beyond, 422, "invalid-input", "description")


def make_crews(number: int) -> dict[str, Any]:
    return systems.system(crews=[systems.crew(f"crew-{n}") for n in range(number)])


def make_agents(number: int) -> dict[str, Any]:
    agents = [systems.agent(f"Agent {n}") for n in range(number)]
    return systems.system(crews=[systems.crew(agents=agents)])


def make_steps(number: int) -> dict[str, Any]:
    steps = [{"name": f"s-{n}", "description": "x", "agent": "Researcher"} for n in range(number)]
    return systems.system(crews=[systems.crew(tasks=steps)])


@pytest.mark.parametrize(
    ("make", "most", "field"),
    [
        (make_crews, 50, "crews"),
        (make_agents, 20, "crews[0].agents"),
        (make_steps, 50, "crews[0].tasks"),
    ],
)
def test_a_system_has_so_many(
    services: Services, make: Callable[[int], dict[str, Any]], most: int, field: str
) -> None:
    query = {"validate_only": "true"}
    assert call("POST", "/crews", make(most), query=query).status == 200
    assert_problem(call("POST", "/crews", make(most + 1), query=query), 422, "invalid-input", field)


def test_a_crew_has_so_many_queued_tasks(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    assert submission.MAX_QUEUED == 10_000
    monkeypatch.setattr(submission, "MAX_QUEUED", 2)
    path = f"/crews/{system.system_id}/tasks"
    answers = [call("POST", path, TASK) for _ in range(4)]
    assert [answer.status for answer in answers] == [202, 202, 202, 429]
    assert_problem(answers[3], 429, "queue-full")
    assert answers[3].headers["Retry-After"] == "30"
    first, *_, last = call("GET", path).json["tasks"][::-1]
    call("POST", f"{path}/{last['task_id']}/cancel")
    retry = f"{path}/{last['task_id']}/retry"
    assert call("POST", path, TASK).status == 202
    assert_problem(call("POST", retry), 429, "queue-full")
    assert call("GET", f"{path}/{first['task_id']}").json["status"] == "dispatched"


@pytest.mark.parametrize(("characters", "inline"), [(250_000, True), (270_000, False)])
def test_a_long_result_is_a_link(
    services: Services, system: System, characters: int, inline: bool
) -> None:
    path = f"/crews/{system.system_id}/tasks"
    task_id = call("POST", path, TASK).json["task_id"]
    scope, table, blobs = system.scope, services.table, services.blobs
    table.write(claim_task(scope, services.tasks.get_state(scope, task_id), "w", read_clock()))
    state = services.tasks.get_state(scope, task_id)
    outcome = Outcome(status="succeeded", output="y" * characters)
    document = store_outcome(blobs, scope, state, outcome)
    table.write(*finish_task(scope, state, outcome, document, read_clock()))
    answer = call("GET", f"{path}/{task_id}")
    assert (answer.status, answer.json["status"]) == (200, "succeeded")
    assert ("result" in answer.json, "result_url" in answer.json) == (inline, not inline)
    if not inline:
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(answer.json["result_url"]).query)
        assert query["X-Amz-Expires"] == [str(LINK_SECONDS)] == ["900"]


@pytest.mark.parametrize(
    ("field", "most", "beyond"),
    [
        ("systems", 50, 51),
        ("expires_in_days", 3650, 3651),
        ("expires_in_days", 1, 0),
    ],
)
def test_a_key_has_so_many(system: System, field: str, most: int, beyond: int) -> None:
    def ask(number: int) -> Answer:
        value = [system.system_id] * number if field == "systems" else number
        return call("POST", "/keys", {"name": "nightly", "scopes": ["read"], field: value})

    assert ask(most).status == 201
    assert_problem(ask(beyond), 422, "invalid-input", field)


@pytest.mark.parametrize(
    "path",
    [
        "/crews",
        "/keys",
        *(
            f"/crews/SYSTEM/{each}"
            for each in ("tasks", "deployments", "memories", "alerts", "backups", "restores")
        ),
    ],
)
def test_a_page_has_two_hundred_entries_at_most(system: System, path: str) -> None:
    path = path.replace("SYSTEM", system.system_id)
    assert call("GET", path, query={"limit": "200"}).status == 200
    for limit in ("201", "0"):
        answer = call("GET", path, query={"limit": limit})
        assert_problem(answer, 422, "invalid-input", "limit")


def test_a_question_has_a_time_and_feedback_a_length(system: System) -> None:
    def check(seconds: int) -> Answer:
        body = systems.system("asking", crews=[systems.crew(input_timeout=seconds)])
        return call("POST", "/crews", body, query={"validate_only": "true"})

    assert [check(seconds).status for seconds in (60, 2_592_000)] == [200, 200]
    for beyond in (59, 2_592_001):
        assert_problem(check(beyond), 422, "invalid-input", "crews[0].input_timeout")
    task = call("POST", f"/crews/{system.system_id}/tasks", TASK).json["task_id"]
    path = f"/crews/{system.system_id}/tasks/{task}/resume"
    assert_problem(call("POST", path, {"feedback": "x" * 20_000}), 409, "conflict")
    beyond_that = call("POST", path, {"feedback": "x" * 20_001})
    assert_problem(beyond_that, 422, "invalid-input", "feedback")


TRIED = {
    "request body": test_a_body_has_a_megabyte,
    "description": test_a_description_has_a_hundred_thousand_characters,
    "crews a system, agents a crew, steps a crew": test_a_system_has_so_many,
    "queued tasks a crew": test_a_crew_has_so_many_queued_tasks,
    "result inline": test_a_long_result_is_a_link,
    "systems a key, days of a key": test_a_key_has_so_many,
    "export of a task inline, at all": "test_task_export.py",
    "events a task": "test_event_log.py",
    "a question's time, feedback": test_a_question_has_a_time_and_feedback_a_length,
    "tasks, events, journals, traces kept": "test_retention.py",
    "metric buckets, scaling decisions, history of alerts": "test_retention.py",
}


def test_every_limit_of_the_design_is_tried() -> None:
    table = DESIGN.read_text().partition("| limit | value | beyond |\n|---|---|---|\n")[2]
    limits = re.findall(r"^\| ([^|]+?) \|", table.partition("\n\n")[0], re.MULTILINE)
    assert set(limits) == set(TRIED)
    elsewhere = [tried for tried in TRIED.values() if isinstance(tried, str)]
    assert all((Path(__file__).parent / name).exists() for name in elsewhere)
