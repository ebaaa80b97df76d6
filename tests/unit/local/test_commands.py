"""The commands end with one line for a person, and start nothing that cannot work."""

import json
import subprocess
from pathlib import Path

import pytest

from infra.local import standing, up
from infra.local.command import run_command, show_stage
from infra.local.emulator import Emulator, read_port
from infra.local.failure import LocalRunFailed
from infra.local.sample import load_configuration, make_task
from infra.local.service import locate_api
from infra.local.synthesis import pick_reason, require_node
from quarterdeck.systems.configuration import SystemConfiguration
from quarterdeck.tasks.submission import TaskRequest


def fail() -> None:
    with show_stage("Deploy"):
        raise LocalRunFailed("port 4566 cannot be had")


def interrupt() -> None:
    raise KeyboardInterrupt


def test_a_failure_is_one_line_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(fail) == 1
    assert capsys.readouterr().err == "quarterdeck: port 4566 cannot be had\n"


def test_an_interruption_is_one_line_and_exit_code_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(interrupt) == 130
    assert capsys.readouterr().err == "\nquarterdeck: interrupted\n"


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http", "4566x"])
def test_a_port_that_is_none_is_said(text: str) -> None:
    with pytest.raises(LocalRunFailed, match=f"^PORT={text} is not a port"):
        read_port({"PORT": text}, None)


def test_a_port_is_read_from_the_environment() -> None:
    assert read_port({"PORT": "4600"}, 4566) == 4600
    assert read_port({}, 4566) == 4566


def test_a_missing_node_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalRunFailed, match=r"^Node is missing: install Node 20 or later"):
        require_node()


@pytest.mark.parametrize("version", ["v18.20.1", "v0.10.48", ""])
def test_a_node_that_is_too_old_is_said(
    version: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    node = tmp_path / "node"
    node.write_text(f"#!/bin/sh\necho '{version}'\n")
    node.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalRunFailed, match="is too old: install 20 or later"):
        require_node()


def test_a_synthesis_fails_with_its_reason_and_no_traceback() -> None:
    assert pick_reason("a.yaml: x: missing\na.yaml: y: extra\n") == (
        "a.yaml: x: missing\na.yaml: y: extra"
    )
    traceback = "Traceback (most recent call last):\n  File x\nKeyError: 'y'\n"
    assert pick_reason(f"Noise\n{traceback}") == "KeyError: 'y'"
    assert pick_reason("") == "it said nothing"


def test_the_api_is_found_under_the_emulator() -> None:
    url = "https://0f082f98.execute-api.us-east-1.amazonaws.com/"
    assert locate_api("http://127.0.0.1:4566", url) == (
        "http://127.0.0.1:4566/_aws/execute-api/0f082f98"
    )


def test_the_sample_is_what_the_api_takes() -> None:
    configuration = load_configuration()
    crews = SystemConfiguration.model_validate(json.loads(json.dumps(configuration))).crews
    task = TaskRequest.model_validate(make_task(configuration))
    assert task.crew_name == crews[0].name
    assert len(str(task.inputs["document"]).split()) > 1500, "several pages"


def test_a_second_up_says_that_one_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    running = Emulator(4566, 1, tmp_path)
    notice = tmp_path / "up.txt"
    notice.write_text("URL http://127.0.0.1:4566/")
    monkeypatch.setattr(up, "find_standing", lambda: running)
    monkeypatch.setattr(up, "NOTICE", notice)
    up.main()
    said = capsys.readouterr().out
    assert said.startswith("quarterdeck: one runs already, on port 4566")
    assert "URL http://127.0.0.1:4566/" in said


def test_a_state_without_a_living_supervisor_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(standing, "STATE", tmp_path / "up.json")
    assert standing.find_standing() is None
    with subprocess.Popen(["true"]) as ended:
        standing.record_standing(Emulator(4566, ended.pid, tmp_path / "gone"))
    assert standing.find_standing() is None
