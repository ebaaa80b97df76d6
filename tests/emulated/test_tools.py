"""Tools on the deployed template: a crew that uses one, and one that tries what it must not."""

import io
import json
import sys
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.local.api import Api
from infra.local.service import Service
from infra.logs import show_logs
from layers.build import build_all
from quarterdeck.keys import OutboxKey, Scope
from quarterdeck.names import read_clock
from quarterdeck.table import Table
from quarterdeck.tasks.announcements import fill_outbox
from quarterdeck.tooling.manifest import ADAPTER
from tests import systems
from tests.emulated.main_job import deploy, run_monitor, submit, wait
from tests.emulated.test_roles import ADMIN_KEY, GET, READ_BLOB, RECEIVE, SEND
from tests.unit.tooling.manifests import describe

type Invoke = Callable[[str, dict[str, Any]], dict[str, Any]]

INTRUDER = Path(__file__).with_name("intruder.py")


@pytest.fixture
def invoke(aws: Callable[[str], Any]) -> Invoke:
    def invoke_function(name: str, event: dict[str, Any]) -> dict[str, Any]:
        answer = aws("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
        assert "FunctionError" not in answer, answer["Payload"].read()
        said: dict[str, Any] = json.loads(answer["Payload"].read())
        return said

    return invoke_function


def test_a_crew_uses_a_tool_and_its_answer_is_in_the_journal(
    api: Api, service: Service, aws: Callable[[str], Any]
) -> None:
    crew = systems.crew(agents=[systems.agent("Clerk", tools=["calculator"])])
    system_id = deploy(api, systems.system("sums", crews=[crew]))
    assert api.get(f"/crews/{system_id}").json["state"] == "active"
    task = wait(api, system_id, submit(api, system_id, description="17 * 23"))
    assert (task["status"], task["result"]["output"]) == ("succeeded", "391")
    items = aws("dynamodb").scan(
        TableName=service.outputs["TableName"],
        FilterExpression="contains(pk, :task) AND begins_with(sk, :call)",
        ExpressionAttributeValues={":task": {"S": task["task_id"]}, ":call": {"S": "CALL#"}},
    )["Items"]
    kept = [item for item in items if "calculator" in json.dumps(item)]
    assert any('{"text":"391"}' in json.dumps(item).replace("\\", "") for item in kept)


@pytest.fixture
def subscriber(aws: Callable[[str], Any], service: Service) -> str:
    """URL of a queue that a rule on the bus feeds with the ends of tasks."""
    sqs, events, bus = aws("sqs"), aws("events"), service.outputs["EventBusName"]
    url: str = sqs.create_queue(QueueName="ends-test")["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    detail = {"system": ["traced"], "status": ["succeeded"]}
    pattern = {"source": ["quarterdeck"], "detail-type": ["Task Ended"], "detail": detail}
    events.put_rule(Name="ends-test", EventBusName=bus, EventPattern=json.dumps(pattern))
    targets = [{"Id": "queue", "Arn": found["Attributes"]["QueueArn"]}]
    events.put_targets(Rule="ends-test", EventBusName=bus, Targets=targets)
    return url


def test_who_asked_is_told_and_finds_every_line_about_it(
    api: Api, service: Service, aws: Callable[[str], Any], subscriber: str
) -> None:
    crew = systems.crew(agents=[systems.agent("Clerk", tools=["calculator"])])
    system_id = deploy(api, systems.system("traced", crews=[crew]))
    request = {"crew_name": "research", "description": "17 * 23"}
    headers = {"X-Correlation-Id": "order-1"}
    answer = api.post(f"/crews/{system_id}/tasks", request, headers)
    task_id = answer.json["task_id"]
    [told] = receive(aws, subscriber)
    assert (told["task_id"], told["result"]["output"]) == (task_id, "391")
    assert told["correlation_id"] == answer.headers["x-correlation-id"] == "order-1"

    # As if its worker had died between telling it and taking it from the outbox.
    key = OutboxKey(Scope(system_id, 1), task_id, 1, "ended")
    earlier = read_clock() - timedelta(minutes=2)
    Table(aws("dynamodb"), service.outputs["TableName"]).write(fill_outbox(key, {}, earlier))
    run_monitor(aws)
    assert receive(aws, subscriber) == [told]

    lines = show_logs(aws, "development", task_id, 1)
    said = {line.text.split()[0] for line in lines if "correlation_id=order-1" in line.text}
    assert said == {"api", "worker", "tools"}
    assert lines == sorted(lines)


def receive(aws: Callable[[str], Any], url: str) -> list[Any]:
    """The details of the events that come next."""
    for _ in range(9):
        answer = aws("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=10)
        if messages := answer.get("Messages"):
            for message in messages:
                aws("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return [json.loads(message["Body"])["detail"] for message in messages]
    return []


def test_a_tool_that_is_not_there_is_refused(api: Api) -> None:
    crew = systems.crew(agents=[systems.agent(tools=["shell"])])
    answer = api.post("/crews", systems.system("shells", crews=[crew]))
    assert (answer.status, answer.json["errors"]) == (
        422,
        [
            {
                "field": "crews[0].agents[0].tools[0]",
                "rule": "unknown tool 'shell'; known are: calculator, read_web_page",
            }
        ],
    )


def test_the_metadata_address_is_not_read(service: Service, invoke: Invoke) -> None:
    said = invoke(
        service.outputs["ToolsFunction"],
        {
            "tool": "read_web_page",
            "arguments": {"url": "https://169.254.169.254/latest/meta-data/"},
            "idempotency_key": "k",
        },
    )
    assert said["error"]["message"] == (
        "the host 169.254.169.254 is at 169.254.169.254, which is not on the public internet"
    )


def bundle_intruder() -> bytes:
    """The functions bundle with one more tool."""
    tool = describe("intruder", has_effect=False, secrets=(), timeout=60)
    content = io.BytesIO()
    with (
        zipfile.ZipFile(build_all(names=["functions"])["functions"]) as bundle,
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as changed,
    ):
        for name in bundle.namelist():
            if name != "tools.json":
                changed.writestr(name, bundle.read(name))
        changed.writestr("tools.json", ADAPTER.dump_json({"intruder": tool}))
        changed.writestr("tools/intruder.py", INTRUDER.read_text())
    return content.getvalue()


@pytest.mark.skipif(sys.platform != "linux", reason="the intruder reads /proc")
def test_a_tool_gets_at_nothing_even_with_the_rights_of_its_function(
    service: Service, aws: Callable[[str], Any], invoke: Invoke
) -> None:
    functions = aws("lambda")
    tools = functions.get_function_configuration(FunctionName=service.outputs["ToolsFunction"])
    functions.create_function(
        FunctionName="intruder",
        Role=tools["Role"],
        Runtime=tools["Runtime"],
        Handler=tools["Handler"],
        Timeout=tools["Timeout"],
        MemorySize=tools["MemorySize"],
        Environment={"Variables": tools["Environment"]["Variables"]},
        Layers=[layer["Arn"] for layer in tools["Layers"]],
        Code={"ZipFile": bundle_intruder()},
    )
    for name in ("quarterdeck/development/intruded", "quarterdeck/development/tools/intruded"):
        aws("secretsmanager").create_secret(Name=name, SecretString="s3cret")
    calls = [ADMIN_KEY, GET, SEND, RECEIVE, READ_BLOB]
    calls += [(*ADMIN_KEY[:2], {"SecretId": "quarterdeck/development/intruded"})]
    calls += [(*ADMIN_KEY[:2], {"SecretId": "quarterdeck/development/tools/intruded"})]
    asked = [
        (service_name, operation, {k: resolve(service, v) for k, v in parameters.items()})
        for service_name, operation, parameters in calls
    ]
    said = invoke(
        "intruder",
        {
            "tool": "intruder",
            "arguments": {"calls": json.dumps(asked)},
            "idempotency_key": "k",
        },
    )
    found = json.loads(said["text"])
    assert not [name for name in found["variables"] if name.startswith("AWS")]
    assert set(found["without"]) == {"NoCredentialsError"}
    *refused, own = found["stolen"]
    assert set(refused) <= {"AccessDenied", "AccessDeniedException"}
    assert own == "done"


def resolve(service: Service, value: Any) -> Any:
    return service.outputs.get(value, value) if isinstance(value, str) else value
