"""The main job through the real handlers: each under awslambdaric, on its layers alone."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from quarterdeck.blobs import BlobStore
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import Table
from tests import systems
from tests.account import ENVIRONMENT, prepare_account
from tests.events import http_event, sqs_event
from tests.moto_server import start_moto
from tests.runtime.conftest import StartFunction
from tests.runtime.runtime_api import FunctionProcess

WORKER_SECONDS = 300
"""Of an invocation. A worker begins no call in the last minute of one."""

BACKUP_SECONDS = 300
"""It begins no chunk in the last two minutes."""


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """moto as a server, one caller at a time; the variables of every function."""
    server, endpoint = start_moto()
    variables = ENVIRONMENT | {"AWS_ENDPOINT_URL": endpoint}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    open_client: Any = boto3.client
    yield variables | prepare_account(open_client)
    urllib.request.urlopen(f"{endpoint}/moto-api/reset", data=b"").close()
    server.stop()


@pytest.fixture
def start(runtime: StartFunction, account: dict[str, str]) -> Callable[[str], FunctionProcess]:
    def start_function(name: str) -> FunctionProcess:
        return runtime(f"{name}.lambda_handler", account)

    return start_function


def receive(url: str) -> dict[str, Any]:
    (message,) = boto3.client("sqs").receive_message(QueueUrl=url)["Messages"]
    return sqs_event(message["Body"])


def test_a_system_is_deployed_and_runs_a_task(
    start: Callable[[str], FunctionProcess], account: dict[str, str]
) -> None:
    api = start("api")

    def call(method: str, path: str, body: Any = None) -> Any:
        answer = api.invoke(http_event(method, path, body))
        assert answer["statusCode"] in {200, 202}, answer
        return json.loads(answer["body"])

    system_id = call("POST", "/crews", systems.system())["system_id"]
    start("deployer").invoke(receive(account["DEPLOYMENTS_QUEUE_URL"]))
    assert call("GET", f"/crews/{system_id}")["state"] == "active"
    request = {
        "description": "What guides ships? A lighthouse guides ships at night. Bread is baked.",
        "crew_name": "research",
    }
    task_id = call("POST", f"/crews/{system_id}/tasks", request)["task_id"]
    worker = start("worker")
    message = receive(account["TASKS_QUEUE_URL"])
    assert worker.invoke(message, timeout=WORKER_SECONDS) is None
    task = call("GET", f"/crews/{system_id}/tasks/{task_id}")
    assert task["status"] == "succeeded"
    assert "A lighthouse guides ships at night." in task["result"]["output"]
    assert task["rehearsal"] is True
    assert worker.invoke(message, timeout=WORKER_SECONDS) is None
    deeds = start("monitor").invoke({})
    # Each system has its minute of the quarter of an hour.
    assert deeds.pop("systems_checked") in {0, 1}
    assert deeds.pop("systems") == 1
    assert set(deeds.values()) == {0}, deeds


def test_a_system_is_backed_up(
    start: Callable[[str], FunctionProcess], account: dict[str, str]
) -> None:
    blobs = BlobStore(boto3.client("s3"), account["BUCKET_NAME"])
    store = SystemStore(Table(boto3.client("dynamodb"), account["TABLE_NAME"]), blobs)
    path = f"/crews/{systems.deploy(store, systems.system()).system_id}/backup"
    api, backup = start("api"), start("backup")
    begun = api.invoke(http_event("POST", path))
    message = receive(account["BACKUPS_QUEUE_URL"])
    assert backup.invoke(message, timeout=BACKUP_SECONDS) is None
    found = api.invoke(http_event("GET", begun["headers"]["Location"]))
    made = json.loads(found["body"])["backup"]
    assert (made["status"], made["parts"]) == ("completed", {"crew_configurations": 2})
    assert backup.invoke({"time": "2026-11-23T12:00:00Z"}) == {
        "backups": 0,
        "tests": 0,
        "prunes": 0,
    }


def test_tools_run_on_their_layers(start: Callable[[str], FunctionProcess]) -> None:
    tools = start("tools_runner")

    def call(tool: str, **arguments: str) -> Any:
        return tools.invoke({"tool": tool, "arguments": arguments, "idempotency_key": "k"})

    assert call("calculator", expression="2*3") == {"text": "6"}
    assert call("read_web_page", url="https://127.0.0.1/")["error"]["type"] == "Refused"
    assert call("shell")["error"] == {
        "type": "ToolUnknown",
        "message": "unknown tool 'shell'; known are: calculator, read_web_page",
    }


def test_the_authorizer_knows_the_admin_key(start: Callable[[str], FunctionProcess]) -> None:
    authorizer = start("authorizer")
    assert authorizer.invoke({"headers": {"authorization": "Bearer the admin-key"}})["isAuthorized"]
    assert authorizer.invoke({"headers": {"authorization": "Bearer x"}}) == {"isAuthorized": False}


@pytest.mark.parametrize(
    ("path", "content_type", "beginning"),
    [("/openapi.json", "application/json", "{"), ("/docs", "text/html", "<!DOCTYPE html>")],
)
def test_the_api_documents_itself(
    start: Callable[[str], FunctionProcess], path: str, content_type: str, beginning: str
) -> None:
    answer = start("api").invoke(http_event("GET", path, principal=None))
    assert answer["statusCode"] == 200
    assert answer["headers"]["Content-Type"].startswith(content_type)
    assert answer["body"].startswith(beginning)


def test_a_malformed_message_is_dropped(start: Callable[[str], FunctionProcess]) -> None:
    worker = start("worker")
    assert worker.invoke(sqs_event("{", '{"task_id": 5}')) is None
    log = worker.log.read_text()
    assert "Malformed message" in log
    assert '"MalformedMessage":[1.0]' in log
