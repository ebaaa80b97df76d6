"""A release by the AWS CDK's own program, onto an emulator that enforces no IAM: the CDK cannot
publish to one that does.
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from aws_cdk import App

from infra.app import add_stacks
from infra.environment import load_target
from infra.local.api import Api
from infra.local.emulator import Emulator, run_emulator
from infra.local.failure import LocalRunFailed
from infra.local.ministack import ROOT, STATE_DIR
from infra.local.service import locate_api
from infra.smoke import run_smoke
from layers.build import build_all, find_host_platform
from tests import systems
from tests.emulated.main_job import deploy, poll, serve_allowed, submit, wait
from tests.openai_server import Body, Message, Refused
from tests.prove import prove
from tests.unit.execution.sites import STEPS, answer, make_crew

pytestmark = prove
WORKS_S = 90.0
PUT_OFF_S = 100
SERVICE = "Quarterdeck-development-Service"


@pytest.fixture(scope="module")
def account() -> Iterator[Emulator]:
    """With nothing in it."""
    with run_emulator(STATE_DIR / "release-tests.log", enforce_iam=False) as emulator:
        yield emulator


def run_cdk(account: Emulator, action: str, assembly: Path) -> str:
    """What the command said; it has to succeed."""
    ended = subprocess.run(
        [sys.executable, "-m", "infra.cdk", action, "development", str(assembly)],
        env=os.environ | account.credentials,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def synthesise(directory: Path, *, functions: Path | None = None, **settings: str) -> Path:
    """Development with other settings, or another bundle of functions."""
    target = load_target("development", platform=find_host_platform(), local=True)
    environment = target.environment.model_copy(update=settings)
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = App(analytics_reporting=False, context=context, outdir=str(directory))
    changed = target.model_copy(update={"environment": environment})
    zips = build_all()
    add_stacks(app, changed, {**zips, "functions": functions} if functions else zips)
    app.synth()
    return directory


def open_service(account: Emulator) -> Api:
    [stack] = account.open_client("cloudformation").describe_stacks(StackName=SERVICE)["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    secrets = account.open_client("secretsmanager")
    key = secrets.get_secret_value(SecretId=outputs["AdminKeySecret"])["SecretString"]
    return Api(locate_api(account.endpoint, outputs["ApiUrl"]), key)


def find_worker(account: Emulator) -> dict[str, str]:
    """What is live: the name of the function, its version and its level of logging."""
    functions = account.open_client("lambda")
    [name] = [
        each["FunctionName"]
        for each in functions.list_functions()["Functions"]
        if each["Handler"] == "worker.lambda_handler"
    ]
    live = functions.get_function_configuration(FunctionName=name, Qualifier="live")
    level = live["Environment"]["Variables"]["LOG_LEVEL"]
    return {"name": name, "version": live["Version"], "level": level}


def list_versions(account: Emulator) -> list[str]:
    """Of the worker, the oldest first."""
    functions = account.open_client("lambda")
    listed = functions.list_versions_by_function(FunctionName=find_worker(account)["name"])
    return [each["Version"] for each in listed["Versions"] if each["Version"] != "$LATEST"]


def test_development_is_deployed_changed_compared_and_destroyed(
    account: Emulator, tmp_path: Path
) -> None:
    first = synthesise(tmp_path / "first")
    run_cdk(account, "bootstrap", first)
    run_cdk(account, "deploy", first)
    assert run_cdk(account, "diff", first).count("There were no differences") == 2
    api = open_service(account)
    run_smoke(api, WORKS_S)

    second = synthesise(tmp_path / "second", log_level="ERROR")
    told = run_cdk(account, "diff", second)
    assert ("LOG_LEVEL" in told, "[-] DEBUG" in told, "[+] ERROR" in told) == (True, True, True)
    before = find_worker(account)
    assert before["level"] == "DEBUG"
    run_cdk(account, "deploy", second)
    after = find_worker(account)
    assert after["level"] == "ERROR"
    assert list_versions(account) == [before["version"], after["version"]]
    run_cdk(account, "deploy", second)
    assert find_worker(account) == after
    assert open_service(account) == api
    run_smoke(api, WORKS_S)

    check_broken_worker(account, api)

    run_cdk(account, "destroy", second)
    left = account.open_client("cloudformation").list_stacks()["StackSummaries"]
    standing = {each["StackName"] for each in left if each["StackStatus"] != "DELETE_COMPLETE"}
    assert standing == {"CDKToolkit"}


def test_a_task_that_is_put_off_ends_under_the_next_release(
    account: Emulator, tmp_path: Path
) -> None:
    """Its second attempt replays what the release before has paid for."""
    first = synthesise(tmp_path / "first")
    run_cdk(account, "bootstrap", first)
    run_cdk(account, "deploy", first)
    api, old = open_service(account), find_worker(account)
    second = synthesise(tmp_path / "second", functions=change_code(tmp_path / "functions.zip"))
    with serve_allowed(refuse_a_draft()) as (provider, url):
        system_id = deploy(api, systems.system("released", crews=[make_crew(url)]))
        checked = len(provider.requests)
        task_id = submit(api, system_id, description="the report")
        path = f"/crews/{system_id}/tasks/{task_id}"
        poll(lambda: str("not_before" in api.get(path).json), {"True"})
        asked = len(provider.requests)
        assert asked - checked == 3  # `gather`, `weigh`, and `draft`, which was refused.
        run_cdk(account, "deploy", second)
        assert find_worker(account)["version"] != old["version"]
        assert api.get(path).json["status"] == "queued"
        task = wait(api, system_id, task_id, PUT_OFF_S + WORKS_S)
        assert (task["status"], task["usage"]["requests"]) == ("succeeded", len(STEPS))
        assert [step["output"] for step in task["steps"]] == [f"Did {step}." for step in STEPS]
        # `draft` again, and `polish`.
        assert len(provider.requests) - asked == 2
    assert count_codes(account, task_id) == [2, 2]


def refuse_a_draft() -> Callable[[Body], Message]:
    """Puts the task off once, for longer than the CDK takes to deploy."""
    refusals = [Refused(HTTPStatus.TOO_MANY_REQUESTS, PUT_OFF_S)]

    def answer_later(body: Body) -> Message:
        if "Do draft" in str(body["messages"][-1]["content"]) and refusals:
            raise refusals.pop()
        if not any(f"Do {step}" in str(body["messages"]) for step in STEPS):
            return {"role": "assistant", "content": "Yes."}  # The check of a deployment.
        return answer(body)

    return answer_later


def change_code(bundle: Path) -> Path:
    """The functions with a line more: other code by its fingerprint, which does the same."""
    shutil.copy(build_all()["functions"], bundle)
    with zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr("quarterdeck/released.py", '"""The next release."""\n')
    return bundle


def count_codes(account: Emulator, task_id: str) -> list[int]:
    """How many calls each release has recorded."""
    [table] = account.open_client("dynamodb").list_tables()["TableNames"]
    found: Counter[str] = Counter()
    for page in account.open_client("dynamodb").get_paginator("scan").paginate(TableName=table):
        for item in page["Items"]:
            if f"#TASK#{task_id}" in item["pk"]["S"] and item["sk"]["S"].startswith("CALL#"):
                found[item["code"]["S"]] += 1
    return sorted(found.values())


def check_broken_worker(account: Emulator, api: Api) -> None:
    worker = find_worker(account)["name"]
    functions = account.open_client("lambda")
    functions.update_function_configuration(FunctionName=worker, Handler="worker.nothing")
    broken = functions.publish_version(FunctionName=worker)["Version"]
    functions.update_alias(FunctionName=worker, Name="live", FunctionVersion=broken)
    with pytest.raises(LocalRunFailed) as caught:
        run_smoke(api, 10)
    assert str(caught.value) == (
        "the task is still dispatched after 10 s: the worker's log says why"
    )
