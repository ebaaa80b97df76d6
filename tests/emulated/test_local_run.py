"""The emulator starts, refuses and ends as the local run needs it; a failed stack says why."""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.local.assembly import FileAsset, Stack, spell_url
from infra.local.deployment import OpenClient, create_stack, publish_assets
from infra.local.emulator import (
    REGION,
    Emulator,
    is_running,
    run_emulator,
    start_emulator,
    stop_emulator,
)
from infra.local.failure import LocalRunFailed

ENDS_S = 20.0
SLEEPER = """\
import time

def handle(event, context):
    time.sleep(event.get("seconds", 0))
    return {"modules": [name for name in ("boto3", "ministack") if is_found(name)]}

def is_found(name):
    import importlib.util
    return importlib.util.find_spec(name) is not None
"""
FUNCTION: dict[str, dict[str, Any]] = {
    "Role": {
        "Type": "AWS::IAM::Role",
        "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
    },
    "Sleeper": {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "FunctionName": "sleeper",
            "Runtime": "python3.13",
            "Handler": "index.handle",
            "Code": {"ZipFile": SLEEPER},
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "Timeout": 60,
        },
    },
}

# Who runs the tests in the background may have them ignore the keyboard's interrupt.
STARTER = """\
import signal, sys, time
from pathlib import Path
from infra.local.command import run_command
from infra.local.emulator import run_emulator

signal.signal(signal.SIGINT, signal.default_int_handler)

def act():
    with run_emulator(Path(sys.argv[1])) as emulator:
        print(emulator.port, emulator.pid, emulator.workdir, flush=True)
        time.sleep(600)

sys.exit(run_command(act))
"""


def create(resources: dict[str, Any], open_client: OpenClient, name: str = "probe") -> None:
    """A stack, of a template that is published first, as those of an assembly are."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"Resources": resources}, file)
        file.flush()
        asset = FileAsset(Path(file.name), "file", "templates", f"{name}.json")
        publish_assets((asset,), open_client("s3"))
    url = spell_url(f"s3://{asset.bucket}/{asset.key}", REGION)
    create_stack(Stack(name, url, (asset,), None), open_client("cloudformation"))


def list_processes(emulator: Emulator) -> list[int]:
    """Every live process with the emulator's workdir in its command line or its environment."""
    marker = str(emulator.workdir).encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if marker in told:
            found.append(int(process.name))
    return found


def wait_for_end(emulator: Emulator) -> None:
    give_up = time.monotonic() + ENDS_S
    while emulator.workdir.exists() or list_processes(emulator):
        assert time.monotonic() < give_up, f"left: {list_processes(emulator)}"
        time.sleep(0.1)


def start_function(emulator: Emulator) -> None:
    """Leaves a function at work for a minute."""
    create(FUNCTION, emulator.open_client)
    functions = emulator.open_client("lambda")
    functions.invoke(FunctionName="sleeper", Payload=b"{}")
    functions.invoke(
        FunctionName="sleeper", InvocationType="Event", Payload=json.dumps({"seconds": 60})
    )


def test_nothing_is_left_after_the_block(tmp_path: Path) -> None:
    with run_emulator(tmp_path / "log") as emulator:
        start_function(emulator)
        assert len(list_processes(emulator)) >= 3, "supervisor, emulator, function"
    assert not emulator.workdir.exists()
    assert list_processes(emulator) == []


def test_nothing_is_left_after_a_failure(tmp_path: Path) -> None:
    emulator = None

    def fail() -> None:
        nonlocal emulator
        with run_emulator(tmp_path / "log") as emulator:
            start_function(emulator)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert emulator
    assert not emulator.workdir.exists()
    assert list_processes(emulator) == []


def test_a_kept_emulator_outlives_its_starter_until_it_is_stopped(tmp_path: Path) -> None:
    emulator, process = start_emulator(tmp_path / "log", None, "kept")
    try:
        assert process.stdin
        process.stdin.close()
        start_function(emulator)
        time.sleep(1)
        assert is_running(emulator)
    finally:
        stop_emulator(emulator)
        process.wait()
    assert not is_running(emulator)
    wait_for_end(emulator)


def test_functions_see_their_code_and_the_standard_library_alone(emulator: Emulator) -> None:
    create(FUNCTION, emulator.open_client)
    answer = emulator.open_client("lambda").invoke(FunctionName="sleeper", Payload=b"{}")
    assert json.load(answer["Payload"]) == {"modules": []}


def test_a_used_port_is_named(emulator: Emulator, tmp_path: Path) -> None:
    with (
        pytest.raises(LocalRunFailed, match=rf"^port {emulator.port} cannot be had .*PORT="),
        run_emulator(tmp_path / "log", emulator.port),
    ):
        pass


def test_a_failed_stack_says_which_resource_and_why(aws: Callable[[str], Any]) -> None:
    broken = {"Slow": {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": 901}}}
    with pytest.raises(
        LocalRunFailed, match=r"^stack broken is ROLLBACK_COMPLETE: Slow \(AWS::SQS::Queue\): "
    ):
        create(broken, aws, "broken")


def test_a_template_that_is_refused_says_why(aws: Callable[[str], Any]) -> None:
    with pytest.raises(LocalRunFailed, match=r"^stack unknown was refused: .*No::Such"):
        create({"It": {"Type": "No::Such::Type"}}, aws, "unknown")


@pytest.mark.parametrize(
    ("ending", "code", "line"),
    [
        (signal.SIGINT, 130, "\nquarterdeck: interrupted\n"),
        (signal.SIGTERM, 130, "\nquarterdeck: interrupted\n"),
        (signal.SIGKILL, -signal.SIGKILL, ""),
    ],
)
def test_nothing_is_left_when_a_signal_ends_the_starter(
    ending: signal.Signals, code: int, line: str, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, tmp_path / "log"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdout
        port, pid, workdir = starter.stdout.readline().split()
        emulator = Emulator(int(port), int(pid), Path(workdir))
        start_function(emulator)
        starter.send_signal(ending)
        _, said = starter.communicate(timeout=ENDS_S)
    assert (starter.returncode, said) == (code, line)
    wait_for_end(emulator)
