"""A system as its callers change it: versions, the way back, pause, deletion, health."""

import json
from typing import Any

import boto3
import pytest

from quarterdeck.errors import FieldError
from quarterdeck.http.services import Services
from quarterdeck.keys import Scope
from quarterdeck.names import read_clock
from quarterdeck.systems.lifecycle import finish_deletion
from quarterdeck.tasks.attempt import claim
from quarterdeck.tasks.ending import CANCELLED
from quarterdeck.tasks.queue import TaskMessage
from quarterdeck.tasks.upkeep import Upkeep
from tests import systems
from tests.api_calls import Answer, call, read_items

REQUEST = {"description": "x", "crew_name": "research"}


@pytest.fixture
def system_id(services: Services) -> str:
    """Active, with one crew of capacity one."""
    return systems.deploy(services.systems, systems.system()).system_id


def put(system_id: str, body: Any, etag: str | None = '"1"', **rest: Any) -> Answer:
    headers = {"if-match": etag} if etag else {}
    return call("PUT", f"/crews/{system_id}", body, headers=headers, **rest)


def receive(url: str) -> list[Any]:
    answer = boto3.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def test_a_further_version_takes_the_etag_that_was_read(services: Services, system_id: str) -> None:
    etag = call("GET", f"/crews/{system_id}").headers["ETag"]
    answer = put(system_id, systems.system(retention_days=7), etag)
    assert (answer.status, answer.json["status"]) == (202, "active")
    assert answer.json["deployment"]["number"] == 2
    assert receive(services.deployment_queue.url)[-1] == {"system_id": system_id, "number": 2}
    read = call("GET", f"/crews/{system_id}")
    assert (read.headers["ETag"], read.json["current_version"]) == ('"2"', 1)
    assert read.json["configuration"]["retention_days"] == 30
    systems.activate(services.systems, system_id)
    read = call("GET", f"/crews/{system_id}")
    assert read.json["current_version"] == 2
    assert read.json["configuration"]["retention_days"] == 7


def test_a_version_without_or_with_an_old_etag_is_refused(system_id: str) -> None:
    before = read_items()
    missing = put(system_id, systems.system(), None)
    assert missing.status == 428
    assert missing.faults == {"If-Match": 'is to be the system\'s ETag, now "1"'}
    old = put(system_id, systems.system(), '"7"')
    assert old.status == 412
    assert old.faults == {"If-Match": 'the system has changed: its ETag is "1"'}
    assert read_items() == before


def test_a_system_keeps_its_name(system_id: str) -> None:
    answer = put(system_id, systems.system("other"))
    assert (answer.status, answer.faults) == (
        422,
        {"name": "is 'desk': a system keeps its name"},
    )


def test_no_version_while_another_is_deployed(services: Services, system_id: str) -> None:
    put(system_id, systems.system())
    answer = put(system_id, systems.system(), '"2"')
    assert answer.status == 409
    assert answer.json["detail"] == "deployment 2 of the system is running: wait for its end"
    assert call("POST", f"/crews/{system_id}/rollback").status == 409
    assert call("POST", f"/crews/{system_id}/pause").status == 409
    assert call("DELETE", f"/crews/{system_id}").status == 409


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        (
            {"thresholds": {"completion_rate": {"warning": 0.5, "critical": 0.8}}},
            "thresholds.completion_rate.critical",
            "critical (0.8) must be under warning (0.5)",
        ),
        (
            {"thresholds": {"error_rate": {"warning": 0.1, "critical": 0.1}}},
            "thresholds.error_rate.critical",
            "critical (0.1) must be over warning (0.1)",
        ),
        (
            {"health_checks": {"smoke_task": {"crew_name": "nobody", "description": "x"}}},
            "health_checks.smoke_task.crew_name",
            "unknown crew 'nobody'; the crews are: research",
        ),
        (
            {
                "crews": [systems.crew(agents=[systems.agent(goal="On {topic}")])],
                "health_checks": {"smoke_task": {"crew_name": "research", "description": "x"}},
            },
            "health_checks.smoke_task.inputs.topic",
            "a text of the crew has the placeholder {topic}",
        ),
        (
            {
                "health_checks": {
                    "smoke_task": {"crew_name": "research", "description": "x", "timeout": 600}
                }
            },
            "health_checks.smoke_task.timeout",
            "Input should be less than or equal to 120",
        ),
    ],
)
def test_faults_between_fields_are_told_with_their_paths(
    services: Services, change: dict[str, Any], field: str, rule: str
) -> None:
    answer = call("POST", "/crews", systems.system() | change)
    assert (answer.status, answer.faults) == (422, {field: rule})
    assert read_items() == []


def test_a_check_alone_changes_nothing(services: Services, system_id: str) -> None:
    before = read_items()
    query = {"validate_only": "true"}
    new = call("POST", "/crews", systems.system("other"), query=query)
    assert (new.status, new.json) == (200, {"valid": True})
    taken = call("POST", "/crews", systems.system(), query=query)
    assert (taken.status, taken.faults) == (409, {"name": "a system named 'desk' exists"})
    assert put(system_id, systems.system(), query=query).json == {"valid": True}
    assert put(system_id, systems.system("other"), query=query).status == 422
    bad = call("POST", "/crews", systems.system("Bad name"), query=query)
    assert set(bad.faults) == {"name"}
    assert read_items() == before


def test_deployments_are_listed_and_read(services: Services, system_id: str) -> None:
    for number in (1, 2):
        put(system_id, systems.system(retention_days=number), f'"{number}"')
        systems.activate(services.systems, system_id)
    path = f"/crews/{system_id}/deployments"
    first = call("GET", path, query={"limit": "2"}).json
    assert [d["number"] for d in first["deployments"]] == [3, 2]
    rest = call("GET", path, query={"cursor": first["next_cursor"]}).json
    assert [d["number"] for d in rest["deployments"]] == [1]
    assert "next_cursor" not in rest
    one = call("GET", f"{path}/2").json
    assert (one["status"], one["configuration"]["retention_days"]) == ("succeeded", 1)
    assert [stage["name"] for stage in one["stages"]] == ["create_crews"]
    assert "epoch" not in one
    assert call("GET", f"{path}/9").status == 404


def test_a_rollback_deploys_an_earlier_configuration(services: Services, system_id: str) -> None:
    assert call("POST", f"/crews/{system_id}/rollback").json["detail"] == (
        "the system has no earlier version"
    )
    put(system_id, systems.system(retention_days=7))
    systems.activate(services.systems, system_id)
    assert call("POST", f"/crews/{system_id}/rollback", {"version": 9}).faults == {
        "version": "the system has no version 9"
    }
    assert call("POST", f"/crews/{system_id}/rollback", {"version": "1"}).status == 422
    answer = call("POST", f"/crews/{system_id}/rollback", {"version": 1})
    assert answer.status == 202
    assert answer.json["deployment"] | {"started_at": ""} == {
        "number": 3,
        "version": 3,
        "kind": "rollback",
        "of_version": 1,
        "status": "running",
        "stages": [],
        "reasons": [],
        "started_at": "",
    }
    systems.activate(services.systems, system_id)
    read = call("GET", f"/crews/{system_id}").json
    assert (read["current_version"], read["configuration"]["retention_days"]) == (3, 30)


def test_a_task_keeps_the_version_that_it_was_submitted_to(
    services: Services, system_id: str
) -> None:
    old = call("POST", f"/crews/{system_id}/tasks", REQUEST).json["task_id"]
    put(system_id, systems.system())
    systems.activate(services.systems, system_id)
    new = call("POST", f"/crews/{system_id}/tasks", REQUEST).json["task_id"]
    versions = [
        call("GET", f"/crews/{system_id}/tasks/{task}").json["version"] for task in (old, new)
    ]
    assert versions == [1, 2]


def test_a_crew_that_a_version_drops_ends_what_it_has(services: Services, system_id: str) -> None:
    tasks = [call("POST", f"/crews/{system_id}/tasks", REQUEST).json["task_id"] for _ in range(2)]
    put(system_id, systems.system(crews=[systems.crew("other")]))
    systems.activate(services.systems, system_id)
    refused = call("POST", f"/crews/{system_id}/tasks", REQUEST)
    assert refused.faults == {"crew_name": "unknown crew 'research'; the crews are: other"}
    assert call("POST", f"/crews/{system_id}/tasks/{tasks[0]}/cancel").status == 200
    assert call("GET", f"/crews/{system_id}/tasks/{tasks[1]}").json["status"] == "dispatched"


def test_a_paused_system_takes_and_starts_nothing(services: Services, system_id: str) -> None:
    held, queued = (
        call("POST", f"/crews/{system_id}/tasks", REQUEST).json["task_id"] for _ in range(2)
    )
    answer = call("POST", f"/crews/{system_id}/pause")
    assert (answer.status, answer.json) == (200, {"system_id": system_id, "status": "paused"})
    refused = call("POST", f"/crews/{system_id}/tasks", REQUEST)
    assert refused.status == 409
    assert refused.json["detail"] == ("system 'desk' is paused: it takes tasks when it is active")
    call("POST", f"/crews/{system_id}/tasks/{held}/cancel")
    upkeep = Upkeep(
        services.table, services.blobs, services.task_queue, services.announcer, read_clock
    )
    assert upkeep.admit_everywhere() == 0
    assert call("GET", f"/crews/{system_id}/tasks/{queued}").json["status"] == "queued"
    again = call("POST", f"/crews/{system_id}/pause")
    assert (again.status, again.json["detail"]) == (409, "system 'desk' is paused, not active")

    put(system_id, systems.system(crews=[systems.crew(), systems.crew("other")]))
    systems.activate(services.systems, system_id)
    assert call("GET", f"/crews/{system_id}").json["state"] == "paused"
    assert upkeep.admit_everywhere() == 0

    assert call("POST", f"/crews/{system_id}/unpause").json["status"] == "active"
    assert upkeep.admit_everywhere() == 1
    assert call("GET", f"/crews/{system_id}/tasks/{queued}").json["status"] == "dispatched"


def test_a_system_with_live_tasks_is_not_deleted(services: Services, system_id: str) -> None:
    for _ in range(3):
        call("POST", f"/crews/{system_id}/tasks", REQUEST)
    answer = call("DELETE", f"/crews/{system_id}")
    assert answer.status == 409
    assert answer.json["detail"] == (
        "3 tasks live: cancel what is queued, running or waiting, or delete with force=true"
    )
    assert call("GET", f"/crews/{system_id}").json["state"] == "active"


def test_a_deletion_by_force_cancels_what_lives(services: Services, system_id: str) -> None:
    tasks = [call("POST", f"/crews/{system_id}/tasks", REQUEST).json["task_id"] for _ in range(3)]
    answer = call("DELETE", f"/crews/{system_id}", query={"force": "true"})
    assert (answer.status, answer.json["status"]) == (202, "deleting")
    assert call("POST", f"/crews/{system_id}/tasks", REQUEST).status == 409
    assert call("DELETE", f"/crews/{system_id}").status == 202
    assert finish_deletion(services.systems, system_id, read_clock)
    for path in ("", "/health", "/deployments", f"/tasks/{tasks[0]}"):
        assert call("GET", f"/crews/{system_id}{path}").status == 404
    assert call("GET", "/crews").json["systems"] == []
    scope = Scope(system_id, 1)
    states = [services.tasks.get_state(scope, task).status for task in tasks]
    assert states == ["cancelled"] * 3
    assert call("POST", "/crews", systems.system()).status == 202
    assert finish_deletion(services.systems, system_id, read_clock)


def test_a_running_task_ends_before_its_system(services: Services, system_id: str) -> None:
    task_id = call("POST", f"/crews/{system_id}/tasks", REQUEST).json["task_id"]
    system = services.systems.get(system_id)
    message = TaskMessage(system_id=system_id, generation=1, task_id=task_id, epoch=0)
    attempt = claim(services.table, services.blobs, services.task_queue, message, read_clock)
    assert attempt
    call("DELETE", f"/crews/{system_id}", query={"force": "true"})
    assert not finish_deletion(services.systems, system_id, read_clock)
    assert services.tasks.get_state(system.scope, task_id).cancel_requested
    assert attempt.end(CANCELLED, 5)
    assert finish_deletion(services.systems, system_id, read_clock)


def test_a_failed_system_can_be_deleted(services: Services) -> None:
    system_id = call("POST", "/crews", systems.system()).json["system_id"]
    services.systems.abandon(system_id, 1, FieldError("deployment", "no"), read_clock())
    other = call("POST", "/crews", systems.system()).json["system_id"]
    assert call("DELETE", f"/crews/{system_id}").status == 202
    assert finish_deletion(services.systems, system_id, read_clock)
    assert call("GET", f"/crews/{system_id}").status == 404
    taken = call("POST", "/crews", systems.system())
    assert (taken.status, call("GET", f"/crews/{other}").json["name"]) == (409, "desk")


def test_health_names_the_crew_and_what_it_lacks(services: Services) -> None:
    llm = {"model": "openai/gpt-4o", "secret": "openai"}
    ill = systems.crew("ill", agents=[systems.agent(llm=llm, tools=["calculator"])])
    crews = [systems.crew("well"), ill]
    system_id = systems.deploy(services.systems, systems.system(crews=crews)).system_id
    answer = call("GET", f"/crews/{system_id}/health")
    assert (answer.status, answer.json["status"], answer.json["state"]) == (
        200,
        "unhealthy",
        "active",
    )
    assert answer.json["crews"] == [
        {"name": "well", "status": "healthy", "reasons": []},
        {"name": "ill", "status": "unhealthy", "reasons": ["there is no secret 'openai'"]},
    ]
    secrets = boto3.client("secretsmanager")
    secrets.create_secret(Name="quarterdeck/development/openai", SecretString="k")
    assert call("GET", f"/crews/{system_id}/health").json["status"] == "healthy"
    secrets.delete_secret(SecretId="quarterdeck/development/openai", RecoveryWindowInDays=7)
    assert call("GET", f"/crews/{system_id}/health").json["status"] == "unhealthy"


def test_a_tool_that_a_release_takes_away_is_told(services: Services) -> None:
    crew = systems.crew(agents=[systems.agent(tools=["calculator", "abacus"])])
    system = systems.deploy(services.systems, systems.system(crews=[crew]))
    answer = call("GET", f"/crews/{system.system_id}/health")
    assert answer.json["crews"][0]["reasons"] == [
        "unknown tool 'abacus'; known are: calculator, read_web_page"
    ]
