"""`make smoke URL=… KEY=…`: the sample crew through a deployed service, over its API alone.

What it deploys has a name of its own, and is deleted at the end, however that is.
"""

import os
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.error import URLError

from infra.crews.deploy import NotDeployed, open_api
from infra.local.api import Api
from infra.local.command import run_command, show_stage
from infra.local.crew_run import POLL_S, deploy_system, require, run_task
from infra.local.failure import LocalRunFailed
from infra.local.sample import load_configuration, make_task

TASK_S = JOB_S = 120.0
FOUND = 3
"""Sentences of the document that the rehearsal model's answer has at the least."""


def run_smoke(api: Api, limit_s: float) -> None:
    """Raises LocalRunFailed at the first thing that does not work."""
    name = f"smoke-{secrets.token_hex(4)}"
    configuration = load_configuration() | {"name": name, "retention_days": 1}
    request = make_task(configuration)
    with show_stage("GET /health, with no key"):
        require(Api(api.url, None).get("/health"), "the API is not healthy")
    with show_stage("GET /crews, with the key"):
        require(api.get("/crews?limit=1"), "the key was refused")
    with show_stage(f"Deploy {configuration['name']}"):
        system_id = deploy_system(api, configuration)
    with removing(api, system_id):
        print(f"  Run its task, for {limit_s:.0f} s at most")  # noqa: T201 - a command
        task = run_task(api, system_id, request, limit_s)
        check_answer(task, request["inputs"]["document"])
        system = f"/crews/{system_id}"
        with show_stage("Back it up"):
            backup = run_job(api, f"{system}/backup", f"{system}/backups", "backup")
        check_backup(backup)
        with show_stage("Verify the backup"):
            path = f"{system}/backups/{backup['backup_id']}/verify"
            run_job(api, path, f"{system}/verifications", "verification")


def check_answer(task: Mapping[str, Any], document: str) -> None:
    """Raises LocalRunFailed unless the answer is made of what the crew was given to read."""
    words = " ".join(document.split())
    output = " ".join(str((task.get("result") or {}).get("output", "")).split())
    found = [part for part in output.split(". ") if len(part) > 40 and part in words]
    if len(found) < FOUND:
        raise LocalRunFailed(
            f"the task's answer has {len(found)} sentences of its document, not {FOUND}"
        )


def run_job(api: Api, begin: str, jobs: str, kind: str) -> dict[str, Any]:
    """The backup or verification once it is completed; raises LocalRunFailed."""
    job: dict[str, Any] = require(api.post(begin), f"the {kind} was refused")[kind]
    give_up = time.monotonic() + JOB_S
    while job["status"] == "running":
        if time.monotonic() > give_up:
            raise LocalRunFailed(f"the {kind} still runs after {JOB_S:.0f} s")
        time.sleep(POLL_S)
        answer = api.get(f"{jobs}/{job[f'{kind}_id']}")
        job = require(answer, f"the {kind} cannot be read")[kind]
    if job["status"] != "completed":
        reasons = "; ".join(job.get("reasons") or ["no reason"])
        raise LocalRunFailed(f"the {kind} {job['status']}: {reasons}")
    return job


def check_backup(backup: Mapping[str, Any]) -> None:
    """Raises LocalRunFailed unless the task that ran is in it."""
    if not backup["parts"].get("task_histories"):
        raise LocalRunFailed(f"the backup has no task: {backup['parts']}")


@contextmanager
def removing(api: Api, system_id: str) -> Iterator[None]:
    """Deletes the system after the block; what fails there does not hide what failed before."""
    try:
        yield
    except BaseException:
        api.send("DELETE", f"/crews/{system_id}?force=true", None)
        raise
    with show_stage("Delete it"):
        deleted = api.send("DELETE", f"/crews/{system_id}?force=true", None)
        require(deleted, "it was not deleted")


def main() -> None:
    url = os.environ.get("URL", "")
    try:
        run_smoke(open_api(url, os.environ.get("KEY", "")), TASK_S)
    except NotDeployed as refused:
        raise LocalRunFailed(str(refused)) from None
    except (URLError, TimeoutError) as error:
        raise LocalRunFailed(f"{url} does not answer: {error}") from None
    print(f"quarterdeck: {url} works")  # noqa: T201 - a command


if __name__ == "__main__":
    sys.exit(run_command(main))
