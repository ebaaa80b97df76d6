"""A release by the AWS CDK's own program, onto an emulator that enforces no IAM: the CDK cannot
publish to one that does.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
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
from tests.prove import prove

pytestmark = prove
WORKS_S = 90.0
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


def synthesise(directory: Path, **settings: str) -> Path:
    """Development with other settings."""
    target = load_target("development", platform=find_host_platform(), local=True)
    environment = target.environment.model_copy(update=settings)
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = App(analytics_reporting=False, context=context, outdir=str(directory))
    changed = target.model_copy(update={"environment": environment})
    add_stacks(app, changed, build_all())
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
