"""Tools on the deployed template: a crew that uses one, and one that tries what it must not."""

import io
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.local.api import Api
from infra.local.service import Service
from layers.build import build_all
from quarterdeck.tooling.manifest import ADAPTER
from tests import systems
from tests.emulated.main_job import deploy, submit, wait
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
