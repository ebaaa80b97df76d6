"""Lost workers, cancels and dead letters on the deployed template."""

import time
from collections.abc import Callable
from typing import Any

from infra.local.api import Api
from infra.local.service import Service
from infra.redrive import redrive
from quarterdeck.execution.lease import Limits
from tests import systems
from tests.emulated.main_job import Provider, deploy, poll, read_running, submit, wait


def test_a_running_task_is_cancelled_at_its_next_call(
    api: Api, provider: tuple[Provider, str]
) -> None:
    model, url = provider
    agents = [systems.agent(name, llm={"model": "openai/local", "base_url": url}) for name in "AB"]
    system_id = deploy(api, systems.system("cancelled", crews=[systems.crew(agents=agents)]))
    checked = model.calls
    task_id = submit(api, system_id, description="BLOCK")
    poll(lambda: str(model.at_once), {"1"})
    path = f"/crews/{system_id}/tasks/{task_id}"
    (started,) = api.get(f"{path}/events?wait=10").json["events"]
    assert (started["seq"], started["type"]) == (1, "step_started")
    asked = api.post(f"{path}/cancel")
    assert (asked.status, asked.json["status"]) == (202, "running")
    assert api.post(f"{path}/retry").status == 409
    told = api.get(f"{path}/events?after=1&wait=10").json
    assert [event["type"] for event in told["events"]] == ["cancel_requested"]
    time.sleep(Limits().fresh)
    model.released.set()
    while not told["ended"]:
        told = api.get(f"{path}/events?after={told['last']}&wait=10").json
    assert (told["events"][-1]["type"], told["events"][-1]["status"]) == ("ended", "cancelled")
    task = wait(api, system_id, task_id)
    assert task["status"] == "cancelled"
    assert model.calls - checked == 1
    assert api.post(f"{path}/cancel").status == 409
    assert read_running(api, system_id) == 0
    assert api.post(f"{path}/retry").status == 202


def test_a_dead_letter_is_put_back_and_runs(
    api: Api, aws: Callable[[str], Any], service: Service
) -> None:
    sqs = aws("sqs")
    dead_letters = service.outputs["TasksDeadLettersUrl"]
    system_id = deploy(api, systems.system("redriven"))
    task_id = submit(api, system_id, description="Ships follow a light.")
    wait(api, system_id, task_id)
    stale = {"system_id": system_id, "generation": 1, "task_id": task_id, "epoch": 0}
    for body in (str(stale).replace("'", '"'), "no message of ours"):
        sqs.send_message(QueueUrl=dead_letters, MessageBody=body, MessageGroupId=system_id)
    assert redrive(sqs, dead_letters, service.outputs["TasksQueueUrl"]) == 2
    assert redrive(sqs, dead_letters, service.outputs["TasksQueueUrl"]) == 0
    assert wait(api, system_id, task_id)["status"] == "succeeded"
    assert read_running(api, system_id) == 0
