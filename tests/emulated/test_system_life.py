"""A crew system's life over HTTP: versions, the way back, pauses, health, its end."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest

from infra.local.api import Answer, Api
from infra.local.service import Service
from quarterdeck.blobs import BlobStore
from quarterdeck.keys import find_shard
from quarterdeck.names import generate_id, read_clock
from quarterdeck.systems.configuration import SystemConfiguration
from quarterdeck.systems.deployments import claim
from quarterdeck.systems.health import CHECK_MINUTES, is_due
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import Table
from quarterdeck.tasks.queue import DeletionMessage, LifecycleMessage, Queue
from tests import systems
from tests.emulated.main_job import Provider, deploy, poll, read_running, submit, wait

type Configuration = dict[str, Any]
STAGES = [
    *("validate", "create_crews", "monitoring", "scaling", "backups", "health_checks", "activate")
]


class Inside(NamedTuple):
    """What the functions see of the account, with root's rights."""

    systems: SystemStore
    deployments: Queue[LifecycleMessage]
    run_monitor: Callable[[], Mapping[str, int]]


@pytest.fixture
def inside(aws: Callable[[str], Any], service: Service) -> Inside:
    outputs = service.outputs
    return Inside(
        SystemStore(
            Table(aws("dynamodb"), outputs["TableName"]),
            BlobStore(aws("s3"), outputs["BucketName"]),
        ),
        Queue(aws("sqs"), outputs["DeploymentsQueueUrl"]),
        lambda: invoke(aws("lambda"), "monitor"),
    )


def invoke(client: Any, name: str) -> Any:
    """What the function answers to an empty event."""
    (arn,) = [
        function["FunctionArn"]
        for function in client.list_functions()["Functions"]
        if function["Handler"] == f"{name}.lambda_handler"
    ]
    answer = client.invoke(FunctionName=arn, Payload=b"{}")
    body = json.load(answer["Payload"])
    assert "FunctionError" not in answer, body
    return body


@pytest.fixture
def asking(provider: tuple[Provider, str]) -> Callable[[str], Configuration]:
    """A system of one crew with room for one task, whose model is the provider."""
    llm = {"model": "openai/local", "base_url": provider[1]}
    return lambda name: systems.system(name, crews=[systems.crew(agents=[systems.agent(llm=llm)])])


def put(
    api: Api, system_id: str, configuration: Configuration, etag: str | None, query: str = ""
) -> Answer:
    headers = {"Prefer": "wait=10"} | ({"If-Match": etag} if etag else {})
    return api.send("PUT", f"/crews/{system_id}{query}", configuration, headers)


def update(api: Api, system_id: str, configuration: Configuration) -> Any:
    """The deployment of a further version, once it has ended."""
    etag = api.get(f"/crews/{system_id}").headers["etag"]
    return finish(api, put(api, system_id, configuration, etag))


def finish(api: Api, begun: Answer) -> Any:
    assert begun.status in {200, 202}, begun
    number = begun.json["deployment"]["number"]
    path = f"/crews/{begun.json['system_id']}/deployments/{number}"
    poll(lambda: api.get(path).json["status"], {"succeeded", "failed"})
    return api.get(path).json


def post(api: Api, system_id: str, act: str) -> tuple[int, str | None]:
    answer = api.post(f"/crews/{system_id}/{act}")
    return answer.status, answer.json.get("system_id") and answer.json["status"]


def read_status(api: Api, system_id: str, task_id: str) -> str:
    status: str = api.get(f"/crews/{system_id}/tasks/{task_id}").json["status"]
    return status


def test_a_further_version_is_for_new_tasks(
    api: Api, provider: tuple[Provider, str], asking: Callable[[str], Configuration]
) -> None:
    model, _ = provider
    old, new = asking("versions"), systems.system("versions", retention_days=7)
    system_id = deploy(api, old)
    running, queued = (submit(api, system_id, description="BLOCK") for _ in range(2))
    poll(lambda: str(model.at_once), {"1"})
    etag = api.get(f"/crews/{system_id}").headers["etag"]
    assert put(api, system_id, new, None).status == 428
    assert put(api, system_id, new, '"0"').status == 412
    assert put(api, system_id, asking("other"), etag).json["errors"][0]["field"] == "name"
    checked = put(api, system_id, new, etag, "?validate_only=true")
    assert (checked.status, checked.json["valid"]) == (200, True)
    assert api.get(f"/crews/{system_id}").headers["etag"] == etag
    assert finish(api, put(api, system_id, new, etag))["status"] == "succeeded"
    assert put(api, system_id, new, etag).status == 412
    fresh = submit(api, system_id, description="Ships follow a light.")
    assert read_running(api, system_id) == 1
    model.released.set()
    ended = [wait(api, system_id, task_id) for task_id in (running, queued, fresh)]
    assert [task["status"] for task in ended] == ["succeeded"] * 3
    assert [task["rehearsal"] for task in ended] == [False, False, True]
    listed = api.get(f"/crews/{system_id}/deployments?limit=1").json
    (latest,) = listed["deployments"]
    assert (latest["number"], latest["version"], latest["kind"]) == (2, 2, "deploy")
    assert [stage["name"] for stage in latest["stages"]] == STAGES
    assert {stage["status"] for stage in latest["stages"]} == {"succeeded"}
    more = api.get(f"/crews/{system_id}/deployments?cursor={listed['next_cursor']}").json
    assert [each["number"] for each in more["deployments"]] == [1]
    kept = [api.get(f"/crews/{system_id}/deployments/{n}").json["configuration"] for n in (1, 2)]
    assert [each["retention_days"] for each in kept] == [30, 7]
    assert api.get(f"/crews/{system_id}/deployments/3").status == 404


def test_what_fails_changes_nothing_and_what_was_current_comes_back(api: Api) -> None:
    first = systems.system("returning")
    llm = {"model": "openai/gpt-4o", "secret": "nowhere"}
    faulty = systems.system("returning", crews=[systems.crew(agents=[systems.agent(llm=llm)])])
    system_id = deploy(api, first)
    assert post(api, system_id, "rollback") == (409, None)
    failed = update(api, system_id, faulty)
    (reason,) = failed["reasons"]
    assert (failed["status"], reason["field"]) == ("failed", "crews[0]")
    assert "quarterdeck/development/nowhere" in reason["rule"]
    assert [stage["status"] for stage in failed["stages"]] == ["succeeded", "failed"]
    system = api.get(f"/crews/{system_id}").json
    assert (system["state"], system["current_version"]) == ("active", 1)
    task_id = submit(api, system_id, description="Ships follow a light.")
    assert wait(api, system_id, task_id)["status"] == "succeeded"
    renamed = systems.system("returning", crews=[systems.crew("writing")])
    assert update(api, system_id, renamed)["status"] == "succeeded"
    unknown = api.post(f"/crews/{system_id}/tasks", {"description": "x", "crew_name": "research"})
    assert (unknown.status, unknown.json["errors"][0]["field"]) == (422, "crew_name")
    assert api.post(f"/crews/{system_id}/rollback", {"version": 2}).status == 409
    back = finish(api, api.post(f"/crews/{system_id}/rollback", headers={"Prefer": "wait=10"}))
    assert (back["status"], back["kind"], back["of_version"]) == ("succeeded", "rollback", 1)
    system = api.get(f"/crews/{system_id}").json
    assert (system["current_version"], system["crews"][0]["name"]) == (4, "research")
    task_id = submit(api, system_id, description="Ships follow a light.")
    assert wait(api, system_id, task_id)["status"] == "succeeded"


def test_what_is_only_validated_is_not_there(api: Api) -> None:
    checked = api.post("/crews?validate_only=true", systems.system("validated"))
    assert (checked.status, checked.json["valid"]) == (200, True)
    assert "validated" not in [each["name"] for each in api.get("/crews?limit=200").json["systems"]]
    faulty = systems.system("validated", crews=[systems.crew(min_agents=4, max_agents=2)])
    assert api.post("/crews?validate_only=true", faulty).status == 422
    deploy(api, systems.system("validated"))
    assert api.post("/crews?validate_only=true", systems.system("validated")).status == 409


def test_a_paused_system_starts_nothing_until_it_goes_on(
    api: Api,
    inside: Inside,
    provider: tuple[Provider, str],
    asking: Callable[[str], Configuration],
) -> None:
    model, _ = provider
    system_id = deploy(api, asking("paused"))
    running, queued = (submit(api, system_id, description="BLOCK") for _ in range(2))
    poll(lambda: str(model.at_once), {"1"})
    assert post(api, system_id, "unpause") == (409, None)
    assert post(api, system_id, "pause") == (200, "paused")
    assert post(api, system_id, "pause") == (409, None)
    request = {"description": "Go", "crew_name": "research"}
    refused = api.post(f"/crews/{system_id}/tasks", request)
    assert (refused.status, "paused" in refused.json["detail"]) == (409, True)
    model.released.set()
    assert wait(api, system_id, running)["status"] == "succeeded"
    inside.run_monitor()
    assert read_status(api, system_id, queued) == "queued"
    assert post(api, system_id, "unpause") == (200, "active")
    inside.run_monitor()
    assert wait(api, system_id, queued)["status"] == "succeeded"


def test_a_system_is_as_healthy_as_its_secrets(
    api: Api, aws: Callable[[str], Any], provider: tuple[Provider, str]
) -> None:
    secrets, name = aws("secretsmanager"), "quarterdeck/development/of-health"
    secrets.create_secret(Name=name, SecretString="s3cret")
    llm = {"model": "openai/local", "base_url": provider[1], "secret": "of-health"}
    crew = systems.crew(agents=[systems.agent(llm=llm)])
    system_id = deploy(api, systems.system("ailing", crews=[crew, systems.crew("other")]))
    healthy = api.get(f"/crews/{system_id}/health").json
    assert (healthy["status"], healthy["state"]) == ("healthy", "active")
    secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    ailing = api.get(f"/crews/{system_id}/health")
    assert (ailing.status, ailing.json["status"]) == (200, "unhealthy")
    assert [(crew["name"], crew["reasons"]) for crew in ailing.json["crews"]] == [
        ("research", ["there is no secret 'of-health'"]),
        ("other", []),
    ]


def test_the_monitor_notes_the_health_of_those_whose_minute_it_is(api: Api, inside: Inside) -> None:
    llm = {"model": "openai/local", "base_url": "http://localhost:11434/v1", "secret": "never"}
    crew = systems.crew(agents=[systems.agent(llm=llm)])
    now = read_clock()
    # The minute can pass before the monitor looks at its clock.
    noted = {minute: make_due(now + timedelta(minutes=minute)) for minute in (0, 1)}
    for minute, system_id in noted.items():
        configuration = systems.system(f"noted-{minute}", crews=[crew])
        inside.systems.create(system_id, SystemConfiguration.model_validate(configuration), now)
        systems.activate(inside.systems, system_id)
    assert inside.run_monitor()["systems_checked"] > 0
    found = [api.get(f"/crews/{system_id}/health").json for system_id in noted.values()]
    assert "unhealthy" in [each["monitor"]["status"] for each in found if "monitor" in each]


def make_due(minute: datetime) -> str:
    """An id of a system that the monitor checks in this minute."""
    while True:
        system_id = generate_id()
        if is_due(find_shard(system_id, CHECK_MINUTES), minute):
            return system_id


def test_a_deleted_system_leaves_its_name(
    api: Api,
    inside: Inside,
    provider: tuple[Provider, str],
    asking: Callable[[str], Configuration],
) -> None:
    model, _ = provider
    idle, busy = deploy(api, systems.system("idle")), deploy(api, asking("doomed"))
    assert delete(api, idle) == (202, "deleting")
    running, queued = (submit(api, busy, description="BLOCK") for _ in range(2))
    poll(lambda: str(model.at_once), {"1"})
    refused = api.send("DELETE", f"/crews/{busy}", None)
    assert (refused.status, "2 tasks live" in refused.json["detail"]) == (409, True)
    assert delete(api, busy, "?force=true") == (202, "deleting")
    assert post(api, busy, "pause") == (409, None)
    request = {"description": "Go", "crew_name": "research"}
    assert api.post(f"/crews/{busy}/tasks", request).status == 409
    # What the API has sent comes when no request can be left that saw the system open.
    message = DeletionMessage(system_id=busy, delete=True)
    inside.deployments.send(message)
    poll(lambda: read_status(api, busy, queued), {"cancelled"})
    assert read_status(api, busy, running) == "running"
    model.released.set()
    poll(lambda: str(read_running(api, busy)), {"0"})
    inside.deployments.send(message)
    for system_id in (busy, idle):
        wait_until_gone(api, system_id)
        assert delete(api, system_id) == (404, None)
        assert system_id not in [
            each["system_id"] for each in api.get("/crews?limit=200").json["systems"]
        ]
    again = deploy(api, systems.system("doomed"))
    assert api.get(f"/crews/{again}").json["state"] == "active"


def wait_until_gone(api: Api, system_id: str) -> None:
    poll(lambda: str(api.get(f"/crews/{system_id}").status), {"404"})


def delete(api: Api, system_id: str, query: str = "") -> tuple[int, str | None]:
    answer = api.send("DELETE", f"/crews/{system_id}{query}", None)
    return answer.status, answer.json.get("system_id") and answer.json["status"]


def test_what_a_lost_deployer_began_is_finished_by_another(api: Api, inside: Inside) -> None:
    configuration = SystemConfiguration.model_validate(systems.system("adopted"))
    system_id = inside.systems.create(generate_id(), configuration, read_clock()).system_id
    lost = claim(inside.systems, system_id, 1, read_clock, left=-60)
    assert lost
    lost.begin_stage("create_crews")
    lost.prepare_crews()
    assert inside.run_monitor()["deployments_resent"] >= 1
    poll(lambda: api.get(f"/crews/{system_id}").json["state"], {"active", "failed"})
    (deployment,) = api.get(f"/crews/{system_id}/deployments").json["deployments"]
    assert [stage["name"] for stage in deployment["stages"]] == STAGES
    task_id = submit(api, system_id, description="Ships follow a light.")
    assert wait(api, system_id, task_id)["status"] == "succeeded"
