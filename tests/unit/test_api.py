"""The API as its callers see it: answers, problems, and what is written."""

import base64
import json
from typing import Any

import boto3
import pytest

import api
from quarterdeck.http.bodies import MAX_BODY_BYTES
from quarterdeck.http.services import Services
from quarterdeck.identity.principal import Principal
from tests import systems
from tests.api_calls import CONTEXT, call, read_items
from tests.events import http_event


@pytest.fixture
def system_id(services: Services) -> str:
    """An active system of one crew of capacity one."""
    system_id: str = call("POST", "/crews", systems.system()).json["system_id"]
    systems.activate(services.systems, system_id)
    return system_id


def test_health_needs_no_key(services: Services) -> None:
    answer = call("GET", "/health", principal=None)
    assert (answer.status, answer.json) == (200, {"status": "ok", "environment": "development"})


def test_deploy_is_accepted_and_queued(services: Services) -> None:
    answer = call("POST", "/crews", systems.system())
    system_id = answer.json["system_id"]
    assert (answer.status, answer.json["status"]) == (202, "deploying")
    assert answer.headers["Location"] == f"/crews/{system_id}"
    messages = boto3.client("sqs").receive_message(QueueUrl=services.deployment_queue.url)
    assert json.loads(messages["Messages"][0]["Body"]) == {"system_id": system_id, "number": 1}


def test_name_is_unique(services: Services) -> None:
    call("POST", "/crews", systems.system())
    before = read_items()
    answer = call("POST", "/crews", systems.system())
    assert answer.status == 409
    assert answer.faults == {"name": "a system named 'desk' exists"}
    assert read_items() == before


def test_system_shows_configuration_and_capacity(services: Services, system_id: str) -> None:
    answer = call("GET", f"/crews/{system_id}")
    assert answer.json["state"] == "active"
    assert answer.json["crews"] == [{"name": "research", "capacity": 1, "running": 0}]
    assert answer.json["deployment"]["status"] == "succeeded"
    assert answer.json["configuration"]["crews"][0]["agents"][0]["llm"] == {"model": "rehearsal"}


def test_task_is_dispatched_while_a_slot_is_free(services: Services, system_id: str) -> None:
    request = {"description": "Find out", "crew_name": "research"}
    answers = [call("POST", f"/crews/{system_id}/tasks", request) for _ in range(3)]
    assert [a.status for a in answers] == [202, 202, 202]
    assert [a.json["status"] for a in answers] == ["dispatched", "queued", "queued"]
    assert [a.json.get("position") for a in answers] == [None, 1, 2]
    messages = boto3.client("sqs").receive_message(
        QueueUrl=services.task_queue.url, MaxNumberOfMessages=10
    )["Messages"]
    assert [json.loads(m["Body"]) for m in messages] == [
        {
            "system_id": system_id,
            "generation": 1,
            "task_id": answers[0].json["task_id"],
            "epoch": 0,
        }
    ]


def test_position_goes_by_priority(services: Services, system_id: str) -> None:
    positions = [
        call(
            "POST",
            f"/crews/{system_id}/tasks",
            {"description": "x", "crew_name": "research", "priority": priority},
        ).json.get("position")
        for priority in ("medium", "low", "medium", "high")
    ]
    assert positions == [None, 1, 1, 1]


def test_lists_go_on_by_cursor(services: Services, system_id: str) -> None:
    request = {"description": "x", "crew_name": "research"}
    tasks = [call("POST", f"/crews/{system_id}/tasks", request).json["task_id"] for _ in range(5)]
    seen: list[str] = []
    query = {"limit": "2"}
    while True:
        page = call("GET", f"/crews/{system_id}/tasks", query=query).json
        seen += [task["task_id"] for task in page["tasks"]]
        if "next_cursor" not in page:
            break
        query["cursor"] = page["next_cursor"]
    assert sorted(seen) == sorted(tasks)


def test_cursor_is_good_for_its_own_list_alone(services: Services, system_id: str) -> None:
    request = {"description": "x", "crew_name": "research"}
    for _ in range(2):
        call("POST", f"/crews/{system_id}/tasks", request)
    cursor = call("GET", f"/crews/{system_id}/tasks", query={"limit": "1"}).json["next_cursor"]
    assert call("GET", "/crews", query={"cursor": cursor}).faults == {
        "cursor": "is not a cursor of this list"
    }
    forged = cursor[:-4] + "AAA="
    assert call("GET", f"/crews/{system_id}/tasks", query={"cursor": forged}).status == 422


MANY_PLACEHOLDERS = "".join(f"{{a{n}}}" for n in range(101))
FAULTY_SYSTEMS = [
    (systems.system(colour="red"), "colour", "is not a field of this object"),
    ({"crews": [systems.crew()]}, "name", "is missing"),
    (systems.system("Desk"), "name", "String should match pattern '^[a-z][a-z0-9-]{0,39}$'"),
    (
        systems.system(crews=[systems.crew(agents=[systems.agent(), systems.agent()])]),
        "crews[0].agents[1].role",
        "the role 'Researcher' stands twice",
    ),
    (
        systems.system(crews=[systems.crew(min_agents=3, max_agents=2)]),
        "crews[0].max_agents",
        "min_agents (3) is over max_agents (2)",
    ),
    (
        systems.system(crews=[systems.crew(agents=[systems.agent(llm="gpt-4o")])]),
        "crews[0].agents[0].llm.model",
        "'gpt-4o' is neither 'rehearsal' nor 'provider/name' of a provider of"
        " anthropic, bedrock, ollama, openai",
    ),
    (
        systems.system(crews=[systems.crew(agents=[systems.agent(llm="openai/gpt-4o")])]),
        "crews[0].agents[0].llm",
        "openai models need 'secret', the name of the secret that holds the API key",
    ),
    (
        systems.system(
            crews=[
                systems.crew(
                    agents=[
                        systems.agent(llm={"model": "openai/x", "base_url": "http://10.0.0.1/v1"})
                    ]
                )
            ]
        ),
        "crews[0].agents[0].llm.base_url",
        "'http://10.0.0.1/v1' is not among those the environment allows",
    ),
    (
        systems.system(crews=[systems.crew(agents=[systems.agent(tools=["shell"])])]),
        "crews[0].agents[0].tools[0]",
        "unknown tool 'shell'; known are: calculator, read_web_page",
    ),
    (
        systems.system(crews=[systems.crew(agents=[systems.agent(tools=["calculator"] * 2)])]),
        "crews[0].agents[0].tools[1]",
        "the tool 'calculator' stands twice",
    ),
    (
        systems.system(
            crews=[systems.crew(tasks=[{"name": "one", "description": "x", "agent": "Nobody"}])]
        ),
        "crews[0].tasks[0].agent",
        "step 'one' names the agent 'Nobody'; the roles are: Researcher",
    ),
    (
        systems.system(crews=[systems.crew(budget={"usd_per_day": 0})]),
        "crews[0].budget.usd_per_day",
        "Input should be greater than or equal to 0.000001",
    ),
    ("{]", "body", "is not valid JSON: Expecting property name enclosed in double quotes"),
    (None, "body", "is missing"),
    ([systems.system()], "body", "must be an object, and is a list"),
    ("[" * 100_000, "body", "is nested too deeply"),
    ('{"n": ' + "9" * 5000 + "}", "body", "has a number of too many digits"),
    ('{"name": "\\udc00"}', "body", "is not valid UTF-8, or has half of a surrogate pair"),
    (systems.system(crews="x"), "crews", "must be a list"),
    (systems.system(crews=[systems.crew(min_agents=True)]), "crews[0].min_agents", "Input should"),
    (
        systems.system(crews=[systems.crew(agents=[systems.agent(goal=MANY_PLACEHOLDERS)])]),
        "crews[0]",
        "its texts have over 100 different placeholders",
    ),
]


@pytest.mark.parametrize(("body", "field", "rule"), FAULTY_SYSTEMS)
def test_faulty_system_is_refused(services: Services, body: Any, field: str, rule: str) -> None:
    answer = call("POST", "/crews", body)
    assert answer.status == 422
    assert answer.faults[field].startswith(rule)
    assert read_items() == []


def test_all_faults_are_told_at_once(services: Services) -> None:
    crews = [
        systems.crew("one", agents=[systems.agent(goal="")]),
        systems.crew("two", agents=[systems.agent(llm="x/y")], max_agents=0),
    ]
    answer = call("POST", "/crews", systems.system("Bad", crews=crews))
    assert set(answer.faults) == {
        "name",
        "crews[0].agents[0].goal",
        "crews[1].agents[0].llm.model",
        "crews[1].max_agents",
    }


def test_cancel_of_a_queued_task_is_done_at_once(services: Services, system_id: str) -> None:
    request = {"description": "x", "crew_name": "research"}
    _, task_id = (
        call("POST", f"/crews/{system_id}/tasks", request).json["task_id"] for _ in range(2)
    )
    answer = call("POST", f"/crews/{system_id}/tasks/{task_id}/cancel")
    assert (answer.status, answer.json["status"]) == (200, "cancelled")
    assert answer.json["error"]["type"] == "cancelled"
    again = call("POST", f"/crews/{system_id}/tasks/{task_id}/cancel")
    assert again.status == 409
    assert again.json["detail"] == "the task is cancelled: it cannot be cancelled any more"


def test_retry_is_a_new_task_of_the_same_request(services: Services, system_id: str) -> None:
    request = {"description": "x", "crew_name": "research", "priority": "high", "timeout": 7}
    _, task_id = (
        call("POST", f"/crews/{system_id}/tasks", request).json["task_id"] for _ in range(2)
    )
    path = f"/crews/{system_id}/tasks/{task_id}"
    live = call("POST", f"{path}/retry")
    assert live.status == 409
    assert live.json["detail"] == (
        "the task is queued: one that ended without success can be retried"
    )
    call("POST", f"{path}/cancel")
    new = call("POST", f"{path}/retry")
    assert (new.status, new.json["status"]) == (202, "queued")
    scope = services.systems.get(system_id).scope
    spec = services.tasks.get_spec(scope, new.json["task_id"])
    assert (spec.description, spec.timeout, spec.retries) == ("x", 7, (task_id,))
    view = call("GET", f"/crews/{system_id}/tasks/{new.json['task_id']}").json
    assert (view["retry_of"], view["priority"]) == (task_id, "high")


FAULTY_TASKS = [
    ({"crew_name": "research"}, "description", "is missing"),
    ({"description": "x" * 100_001}, "description", "String should have at most 100000 characters"),
    ({"crew_name": "nobody"}, "crew_name", "unknown crew 'nobody'; the crews are: research"),
    ({"priority": "urgent"}, "priority", "Input should be 'high', 'medium' or 'low'"),
    ({"timeout": 0}, "timeout", "Input should be greater than or equal to 1"),
    ({"timeout": 604_800}, "timeout", "Input should be less than or equal to 86400"),
    ({"timeout": "60"}, "timeout", "Input should be a valid integer"),
    ({"colour": "red"}, "colour", "is not a field of this object"),
    ({"inputs": {"a b": "x"}}, "inputs.a b", "String should match pattern"),
    ({"inputs": {"a": None}}, "inputs.a", "must be a text, a number, true or false"),
    ({"inputs": {f"a{n}": 1 for n in range(101)}}, "inputs", "Dictionary should have at most 100"),
    ({"inputs": {"description": "x"}}, "inputs.description", "stands for the task's own"),
]


@pytest.mark.parametrize(("change", "field", "rule"), FAULTY_TASKS)
def test_faulty_task_is_refused(
    services: Services, system_id: str, change: dict[str, Any], field: str, rule: str
) -> None:
    request = {"description": "Find out", "crew_name": "research"} | change
    if list(change) == ["crew_name"] and rule == "is missing":
        del request["description"]
    before = read_items()
    answer = call("POST", f"/crews/{system_id}/tasks", request)
    assert answer.status == 422
    assert answer.faults[field].startswith(rule)
    assert read_items() == before


def test_missing_input_is_named(services: Services) -> None:
    crew = systems.crew(
        tasks=[{"name": "one", "description": "On {topic}: {description}", "agent": "Researcher"}]
    )
    system_id = call("POST", "/crews", systems.system(crews=[crew])).json["system_id"]
    systems.activate(services.systems, system_id)
    request: dict[str, Any] = {"description": "x", "crew_name": "research"}
    answer = call("POST", f"/crews/{system_id}/tasks", request)
    assert answer.faults == {"inputs.topic": "a text of the crew has the placeholder {topic}"}
    request["inputs"] = {"topic": "{braces} are text"}
    assert call("POST", f"/crews/{system_id}/tasks", request).status == 202


def test_system_that_is_not_active_takes_no_task(services: Services) -> None:
    system_id = call("POST", "/crews", systems.system()).json["system_id"]
    request = {"description": "x", "crew_name": "research"}
    answer = call("POST", f"/crews/{system_id}/tasks", request)
    assert answer.status == 409
    assert "deploying" in answer.json["detail"]


def test_an_answer_is_small_however_many_faults_there_are(services: Services) -> None:
    response = api.lambda_handler(
        http_event("POST", "/crews", {"name": "n" * 100_000, "crews": [1] * 100_000}), CONTEXT
    )
    assert response["statusCode"] == 422
    assert len(response["body"]) < 100_000
    assert "has 99" in response["body"]


def test_what_cannot_be_an_id_is_not_there(services: Services, system_id: str) -> None:
    assert call("GET", "/crews/" + "a" * 3000).status == 404
    assert call("GET", f"/crews/{system_id}/tasks/" + "a" * 3000).status == 404
    assert call("GET", "/crews", query={"cursor": "é"}).status == 422


def test_a_body_may_come_in_base64(services: Services) -> None:
    event = http_event("POST", "/crews", systems.system())
    event |= {"body": base64.b64encode(event["body"].encode()).decode(), "isBase64Encoded": True}
    assert api.lambda_handler(event, CONTEXT)["statusCode"] == 202
    event |= {"body": base64.b64encode(b'"\xff"').decode()}
    assert api.lambda_handler(event, CONTEXT)["statusCode"] == 422


def test_a_deployment_that_cannot_be_queued_frees_the_name(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(services.deployment_queue, "url", "https://sqs.invalid/nowhere")
        assert call("POST", "/crews", systems.system()).status == 500
    (system,) = call("GET", "/crews").json["systems"]
    assert system["state"] == "failed"
    assert call("POST", "/crews", systems.system()).status == 202


def test_body_over_the_limit_is_refused(services: Services) -> None:
    answer = call("POST", "/crews", "x" * (MAX_BODY_BYTES + 1))
    assert answer.status == 413
    assert answer.faults == {"body": "is over 1048576 bytes"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/crews/unknown", 404),
        ("GET", "/crews/unknown/tasks", 404),
        ("DELETE", "/health", 405),
        ("PATCH", "/crews", 405),
    ],
)
def test_unknown_place_is_a_problem(
    services: Services, method: str, path: str, status: int
) -> None:
    answer = call(method, path)
    assert (answer.status, answer.json["status"]) == (status, status)
    assert answer.headers["Content-Type"] == "application/problem+json"
    if status == 405:
        assert answer.headers["Allow"]


def test_a_preflight_is_answered_for_the_gateway_to_complete(services: Services) -> None:
    response = api.lambda_handler(http_event("OPTIONS", "/crews", principal=None), CONTEXT)
    assert (response["statusCode"], response["headers"]["Allow"]) == (204, "GET, POST")


def test_unknown_task_is_not_found(services: Services, system_id: str) -> None:
    assert call("GET", f"/crews/{system_id}/tasks/0123").status == 404


def test_key_without_the_scope_is_forbidden(services: Services, system_id: str) -> None:
    reader = Principal(name="reader", scopes=("read",))
    request = {"description": "x", "crew_name": "research"}
    assert call("GET", f"/crews/{system_id}", principal=reader).status == 200
    assert call("POST", "/crews", systems.system("other"), principal=reader).status == 403
    refused = call("POST", f"/crews/{system_id}/tasks", request, principal=reader)
    assert refused.json["detail"] == "this needs a key with the scope 'run'"


def test_foreign_system_is_not_there(services: Services, system_id: str) -> None:
    stranger = Principal(name="x", scopes=("read", "run", "operate", "admin"), systems=("other",))
    request = {"description": "x", "crew_name": "research"}
    assert call("GET", f"/crews/{system_id}", principal=stranger).status == 404
    assert call("GET", f"/crews/{system_id}/tasks", principal=stranger).status == 404
    assert call("POST", f"/crews/{system_id}/tasks", request, principal=stranger).status == 404
    assert call("GET", "/crews", principal=stranger).json == {"systems": []}


def test_failure_tells_nothing_of_itself(
    services: Services, system_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("the table's password is swordfish")

    monkeypatch.setattr(services.systems, "list_page", fail)
    answer = call("GET", "/crews")
    assert answer.status == 500
    assert "swordfish" not in json.dumps(answer.json)


def test_an_answer_that_is_not_as_it_should_be_is_our_failure(
    services: Services, system_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quarterdeck.http.systems.answer_state", lambda _: {"status": "odd"})
    answer = call("POST", f"/crews/{system_id}/pause")
    assert (answer.status, answer.json["status"]) == (500, 500)
    assert answer.json["detail"] == "the failure is in the log under this request's id"


def test_bodies_are_json_whatever_the_header_says(services: Services) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert call("POST", "/crews", systems.system(), headers=headers).status == 202
