"""People on the deployed template: several tasks ask, are answered, cancelled, or left alone."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from infra.local.api import Api
from infra.local.emulator import Emulator
from infra.local.service import Service
from quarterdeck.keys import Scope, lease_index
from quarterdeck.table import Table, Update
from tests import systems
from tests.emulated.main_job import Provider, deploy, poll, read_running, run_monitor, submit, wait

TASKS = 4


def make_system(url: str) -> dict[str, Any]:
    agents = [systems.agent(role, llm={"model": "openai/local", "base_url": url}) for role in "AB"]
    steps = [
        {"name": "write", "agent": "A", "description": "{description}", "human_input": True},
        {"name": "check", "agent": "B", "description": "Check it."},
    ]
    return systems.system("asking", crews=[systems.crew(agents=agents, tasks=steps)])


def let_expire(aws: Callable[[str], Any], service: Service, system_id: str, task_id: str) -> None:
    """The time of its question is over."""
    due = lease_index(task_id, datetime.now(UTC) - timedelta(seconds=1))
    table = Table(aws("dynamodb"), service.outputs["TableName"])
    table.write(Update(Scope(system_id, 1).state_key(task_id), due, {}))


def kill_workers(aws: Callable[[str], Any], emulator: Emulator) -> int:
    """All processes of the function `worker`, whatever they do; how many."""
    functions = aws("lambda").list_functions()["Functions"]
    [name] = [f["FunctionName"] for f in functions if f["Description"].endswith(": worker")]
    marks = (f"AWS_LAMBDA_FUNCTION_NAME={name}\0".encode(), bytes(emulator.workdir))
    killed = 0
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            content = environment.read_bytes() + b"\0"
            if all(mark in content for mark in marks):
                os.kill(int(environment.parent.name), signal.SIGKILL)
                killed += 1
    return killed


def test_tasks_wait_for_people_side_by_side_and_pay_for_no_call_twice(
    api: Api,
    aws: Callable[[str], Any],
    emulator: Emulator,
    service: Service,
    provider: tuple[Provider, str],
) -> None:
    model, url = provider
    system_id = deploy(api, make_system(url))
    before = model.calls
    tasks = [submit(api, system_id, description=f"Write {n}.") for n in range(TASKS)]
    paths = {task_id: f"/crews/{system_id}/tasks/{task_id}" for task_id in tasks}
    for path in paths.values():
        poll(lambda path=path: api.get(path).json["status"], {"waiting"})  # type: ignore[misc]
    assert model.calls - before == TASKS
    assert read_running(api, system_id) == 0
    approved, corrected, cancelled, left = tasks
    question = api.get(paths[approved]).json["question"]
    assert (question["number"], question["step"], question["agent"]) == (1, "write", "A")
    assert question["answer_so_far"] == "Done."
    assert kill_workers(aws, emulator)

    # The same answer at once from several people lets the task go on once.
    with ThreadPoolExecutor(4) as pool:
        path = f"{paths[approved]}/resume"
        answers = list(pool.map(lambda _: api.post(path, {"approve": True}).status, range(4)))
    assert sorted(answers) == [200, 200, 200, 202]
    assert api.post(f"{paths[corrected]}/resume", {"feedback": "Be brief."}).status == 202
    assert api.post(f"{paths[cancelled]}/cancel").json["status"] == "cancelled"
    let_expire(aws, service, system_id, left)
    run_monitor(aws)

    assert wait(api, system_id, approved)["status"] == "succeeded"
    expired = wait(api, system_id, left)
    assert (expired["status"], expired["error"]["type"]) == ("failed", "input_expired")
    assert expired["usage"]["requests"] == 1

    def number() -> str:
        return str(api.get(paths[corrected]).json.get("question", {}).get("number"))

    poll(number, {"2"})
    stale = api.post(f"{paths[corrected]}/resume", {"approve": True, "question": 1})
    assert stale.status == 409
    assert api.post(f"{paths[corrected]}/resume", {"feedback": "Briefer."}).status == 202
    poll(number, {"3"})
    assert api.post(f"{paths[corrected]}/resume", {"approve": True, "question": 3}).status == 202
    assert wait(api, system_id, corrected)["status"] == "succeeded"
    # One for each task, one for each feedback, and the second step of the two that were approved.
    assert model.calls - before == TASKS + 2 + 2
    assert read_running(api, system_id) == 0
