"""crewai in a process that sees only the layers and functions/, as on Lambda."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.openai_server import OpenAIServer
from tests.runtime.sandbox import ENVIRONMENT, Sandbox


@pytest.fixture(params=["sequential", "hierarchical"])
def process(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def outcome(process: str, sandbox: Sandbox, openai_server: OpenAIServer) -> dict[str, Any]:
    """What two_agents.py prints."""
    command = sandbox.run_module(
        "two_agents", process, openai_server.url, beside=[Path(__file__).parent]
    )
    finished = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    result: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return result


def test_crew_with_a_tool_runs(
    process: str, outcome: dict[str, Any], openai_server: OpenAIServer, sandbox: Sandbox
) -> None:
    gathered, written = outcome["steps"]
    last_prompt = openai_server.requests[-1]["messages"][-1]["content"]
    called = [
        call["function"]["name"]
        for request in openai_server.requests
        for message in request["messages"][-2:]
        for call in message.get("tool_calls") or []
    ]

    assert gathered.startswith("As the tool says: ")
    assert gathered.endswith(" words")
    if process == "sequential":
        assert called == ["count_words"]
        assert gathered in last_prompt, "the writer is given what the researcher found"
        assert written.startswith("In short: ")
    else:
        assert called == ["count_words", "delegate_work_to_coworker"]
        assert written.startswith("As the tool says: In short: "), "the coworker's answer"

    python = str(sandbox.opt / "python")
    assert all(file.startswith(python) for file in outcome["imported"])
    assert not [entry for entry in outcome["path"] if "site-packages" in entry]
