"""A crew system deployed and a task run over the API, with progress on the terminal."""

import math
import time
from collections.abc import Mapping
from typing import Any

from infra.local.api import Answer, Api
from infra.local.failure import LocalRunFailed
from infra.local.progress import describe_steps

DEPLOY_S = 120.0
POLL_S = 0.25
PENDING = {"queued", "dispatched", "running"}


def deploy_system(api: Api, configuration: Mapping[str, Any]) -> str:
    """The id of the system once it is active; raises LocalRunFailed with the reasons."""
    accepted = require(
        api.post("/crews", configuration, {"Prefer": "wait=10"}), "the crew system was refused"
    )
    system_id: str = accepted["system_id"]
    give_up = time.monotonic() + DEPLOY_S
    while True:
        system = require(api.get(f"/crews/{system_id}"), "the crew system cannot be read")
        if system["state"] == "active":
            return system_id
        if system["state"] == "failed" or time.monotonic() > give_up:
            raise LocalRunFailed(f"the crew system was not deployed: {system['deployment']}")
        time.sleep(POLL_S)


def run_task(
    api: Api, system_id: str, task: Mapping[str, Any], limit_s: float = math.inf
) -> dict[str, Any]:
    """The task once it succeeded, its steps printed meanwhile; raises LocalRunFailed."""
    give_up = time.monotonic() + limit_s
    accepted = require(api.post(f"/crews/{system_id}/tasks", task), "the task was refused")
    path = f"/crews/{system_id}/tasks/{accepted['task_id']}"
    shown: list[dict[str, Any]] = []
    while True:
        read: dict[str, Any] = require(api.get(path), "the task cannot be read")
        for line in describe_steps(shown, read["steps"]):
            print(line, flush=True)
        shown = read["steps"]
        if read["status"] == "succeeded":
            return read
        if read["status"] not in PENDING:
            error = read.get("error") or {}
            raise LocalRunFailed(f"the task {read['status']}: {error.get('message', 'no reason')}")
        if time.monotonic() > give_up:
            waited = f"after {limit_s:.0f} s: the worker's log says why"
            raise LocalRunFailed(f"the task is still {read['status']} {waited}")
        time.sleep(POLL_S)


def require(answer: Answer, complaint: str) -> Any:
    """The body of an answer that is not an error."""
    if answer.status >= 400:
        raise LocalRunFailed(f"{complaint}: {answer.status} {answer.json}")
    return answer.json
