"""One correlation id from a request to its task, the task's worker, its tools and the log."""

import io
import json
from contextlib import suppress
from typing import Any

import boto3
import pytest

from quarterdeck.http.services import Services
from quarterdeck.keys import Scope
from quarterdeck.observability import UNTRACED, Trace, current_trace, follow, logger
from tests import systems
from tests.api_calls import call

ID = "order-4711/retry:2"


@pytest.fixture
def system_id(services: Services) -> str:
    system_id: str = call("POST", "/crews", systems.system()).json["system_id"]
    systems.activate(services.systems, system_id)
    return system_id


def submit(system_id: str, **headers: str) -> Any:
    request = {"description": "x", "crew_name": "research"}
    return call("POST", f"/crews/{system_id}/tasks", request, headers=headers)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    lines = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", lines)
    return lines


def find_lines(log: io.StringIO, message: str) -> list[Any]:
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    return [line for line in lines if line["message"] == message]


def test_the_callers_id_is_in_answer_task_and_log(
    services: Services, system_id: str, log: io.StringIO
) -> None:
    answer = submit(system_id, **{"x-correlation-id": ID})
    task_id = answer.json["task_id"]
    assert answer.headers["X-Correlation-Id"] == ID
    assert services.tasks.get_state(Scope(system_id, 1), task_id).correlation_id == ID
    assert call("GET", f"/crews/{system_id}/tasks/{task_id}").json["correlation_id"] == ID
    [said] = find_lines(log, "Submitted")
    assert (said["correlation_id"], said["task_id"]) == (ID, task_id)


def test_without_one_it_is_the_requests_own(system_id: str, services: Services) -> None:
    answer = submit(system_id)
    assert answer.headers["X-Correlation-Id"] == "request-1"
    state = services.tasks.get_state(Scope(system_id, 1), answer.json["task_id"])
    assert state.correlation_id == "request-1"


def test_a_retry_goes_back_to_its_own_request(system_id: str, services: Services) -> None:
    path = f"/crews/{system_id}/tasks"
    task_id = submit(system_id, **{"x-correlation-id": "first"}).json["task_id"]
    assert call("POST", f"{path}/{task_id}/cancel").json["correlation_id"] == "first"
    answer = call("POST", f"{path}/{task_id}/retry", headers={"x-correlation-id": "second"})
    retry = services.tasks.get_state(Scope(system_id, 1), answer.json["task_id"])
    assert retry.correlation_id == "second"


@pytest.mark.parametrize("given", ["", "two words", "x" * 129, "Zoë"])
def test_what_is_no_id_is_refused_with_the_requests_own(
    system_id: str, services: Services, given: str
) -> None:
    answer = submit(system_id, **{"x-correlation-id": given})
    assert answer.status == 422
    assert "1 to 128 visible ASCII characters" in answer.faults["X-Correlation-Id"]
    assert answer.headers["X-Correlation-Id"] == "request-1"


@pytest.mark.parametrize("path", ["/health", "/nowhere", "/crews/unknown"])
def test_every_answer_has_it(services: Services, path: str) -> None:
    answer = call("GET", path, headers={"x-correlation-id": ID})
    assert answer.headers["X-Correlation-Id"] == ID


def test_what_is_refused_about_a_task_is_found_by_the_task(
    system_id: str, log: io.StringIO
) -> None:
    call("GET", f"/crews/{system_id}/tasks/gone", headers={"x-correlation-id": ID})
    [said] = find_lines(log, "Refused")
    assert (said["correlation_id"], said["task_id"]) == (ID, "gone")
    call("GET", "/crews/gone")
    [_, other] = find_lines(log, "Refused")
    assert "task_id" not in other


def test_a_trace_ends_where_it_began(log: io.StringIO) -> None:
    with suppress(ZeroDivisionError), follow(Trace("t-1", None)):
        logger.info("Said")
        assert current_trace.get() == Trace("t-1", None)
        raise ZeroDivisionError
    logger.info("Said")
    inside, outside = find_lines(log, "Said")
    assert (inside["task_id"], "correlation_id" in inside) == ("t-1", False)
    assert "task_id" not in outside
    assert current_trace.get() == UNTRACED


def test_a_task_that_is_cancelled_is_told_at_once_with_it(
    system_id: str, services: Services
) -> None:
    task_id = submit(system_id, **{"x-correlation-id": ID}).json["task_id"]
    bus, sqs = services.announcer.bus, boto3.client("sqs")
    url = sqs.create_queue(QueueName="subscriber")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    pattern = json.dumps({"detail-type": ["Task Ended"], "detail": {"crew": ["research"]}})
    bus.client.put_rule(Name="ends", EventBusName=bus.name, EventPattern=pattern)
    targets: Any = [{"Id": "queue", "Arn": arn["QueueArn"]}]
    bus.client.put_targets(Rule="ends", EventBusName=bus.name, Targets=targets)
    call("POST", f"/crews/{system_id}/tasks/{task_id}/cancel")
    [message] = sqs.receive_message(QueueUrl=url)["Messages"]
    detail = json.loads(message["Body"])["detail"]
    assert (detail["task_id"], detail["status"]) == (task_id, "cancelled")
    assert detail["correlation_id"] == ID
