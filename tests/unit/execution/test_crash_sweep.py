"""The worker's process is killed at every call of a crew, and another one finishes its task."""

import hashlib
import json
import os
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from quarterdeck.execution.journal_key import digest
from tests.account import ENVIRONMENT, create_table
from tests.openai_server import Body, Message, OpenAIServer, answer_by_rule

pytestmark = pytest.mark.xdist_group("crash-sweep")

ROOT = Path(__file__).parents[3]
CALLS = {"sequential": (8, 2), "hierarchical": (16, 2)}
"""Of each crew: all calls, and those of the tool."""

type Point = tuple[str, int]


def list_points(process: str) -> list[Point]:
    calls, letters = CALLS[process]
    phases = ("before", calls), ("between", calls), ("after", calls), ("marked", letters)
    return [(phase, n) for phase, times in phases for n in range(1, times + 1)]


SAMPLE: dict[str, list[Point]] = {
    "sequential": [("before", 4), ("between", 2), ("after", 6), ("marked", 2)],
    "hierarchical": [("between", 3), ("after", 9), ("before", 14)],
}
EVERY = bool(os.environ.get("QUARTERDECK_PROVE"))
POINTS = [
    (process, point)
    for process, sample in SAMPLE.items()
    for point in (list_points(process) if EVERY else sample)
]


def answer(body: Body) -> Message:
    """By rule, with the digest of all that was said, and with another id for each tool call.

    A manager delegates: it is offered the tools of its agents first.
    """
    tools = sorted(body.get("tools", ()), key=lambda tool: tool["function"]["name"])
    message = answer_by_rule({**body, "tools": tools})
    if message.get("tool_calls"):
        message["tool_calls"][0]["id"] = secrets.token_hex(4)
        return message
    return {**message, "content": f"{message['content'][:40]} {identify(body)}"}


def identify(body: Body) -> str:
    """The same for two requests that differ in the ids of tool calls alone."""
    text = json.dumps(body, sort_keys=True)
    for said in body["messages"]:
        for call in said.get("tool_calls") or ():
            text = text.replace(call["id"], "id")
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class Lab:
    """A provider, a table, and a process that forks workers."""

    def __init__(self, server: OpenAIServer, worker: "subprocess.Popen[str]", room: Path) -> None:
        self.server = server
        self.worker = worker
        self.room = room
        self.tasks = 0

    def begin(self, process: str) -> "Trial":
        self.tasks += 1
        self.server.requests.clear()
        return Trial(self, process, f"task-{self.tasks}")

    def send(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self.worker.stdin
        assert self.worker.stdout
        self.worker.stdin.write(json.dumps(order) + "\n")
        self.worker.stdin.flush()
        result: dict[str, Any] = json.loads(self.worker.stdout.readline())
        assert "error" not in result, result
        return result


class Trial:
    """One task, run by as many workers as it takes."""

    def __init__(self, lab: Lab, process: str, task_id: str) -> None:
        self.lab = lab
        self.process = process
        self.task_id = task_id
        self.effects = lab.room / f"{task_id}.jsonl"
        self.effects.touch()

    def run(self, point: Point | None = None) -> dict[str, Any]:
        return self.lab.send(
            {
                "process": self.process,
                "task_id": self.task_id,
                "url": self.lab.server.url,
                "effects": str(self.effects),
                "point": point,
            }
        )

    @property
    def asked(self) -> Counter[str]:
        return Counter(identify(body) for body in self.lab.server.requests)

    @property
    def sent(self) -> Counter[tuple[str, str]]:
        lines = self.effects.read_text().splitlines()
        return Counter(tuple(json.loads(line)) for line in lines)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    environment = {**os.environ, **ENVIRONMENT}
    environment["PYTHONPATH"] = os.pathsep.join(
        str(ROOT / part) for part in ("functions", "layers/crewai/stubs", ".")
    )
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    options: Any = {
        "endpoint_url": f"http://{host}:{port}",
        "region_name": "eu-west-1",
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }
    create_table(boto3.client("dynamodb", **options))
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.unit.execution.crash_worker", options["endpoint_url"]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    )
    with worker, OpenAIServer(answer) as server:
        yield Lab(server, worker, tmp_path_factory.mktemp("effects"))
        assert worker.stdin
        worker.stdin.close()
    moto.stop()


@pytest.fixture(scope="module")
def undisturbed(lab: Lab) -> dict[str, dict[str, Any]]:
    """What each crew does when nobody kills it."""
    results = {}
    for process, (calls, letters) in CALLS.items():
        trial = lab.begin(process)
        result = trial.run()
        assert result["reached"]["after"] == calls
        assert trial.sent.total() == result["reached"]["marked"] == letters
        assert set(trial.asked.values()) == {1}
        results[process] = {**result, "asked": trial.asked}
    return results


@pytest.mark.parametrize(("process", "point"), POINTS, ids=str)
def test_a_task_whose_worker_was_killed_ends_as_if_it_had_not(
    process: str, point: Point, lab: Lab, undisturbed: dict[str, dict[str, Any]]
) -> None:
    trial, expected = lab.begin(process), undisturbed[process]
    killed = trial.run(point)
    in_flight = killed["in_flight"]
    result = trial.run()
    for fact in ("output", "usage", "unclaimed"):
        assert result[fact] == expected[fact]
    assert order_steps(result) == order_steps(expected)
    assert set(trial.asked) == set(expected["asked"])
    again = trial.asked.total() - expected["asked"].total()
    effects_again = trial.sent.total() - CALLS[process][1]
    assert 0 <= again + effects_again <= in_flight
    assert len(trial.sent) == CALLS[process][1], "a repeated effect has the key of the first"
    if point[0] == "after":
        assert again + effects_again < in_flight, "what is recorded is not in flight"


def test_a_task_whose_workers_die_after_each_call_ends(
    lab: Lab, undisturbed: dict[str, dict[str, Any]]
) -> None:
    trial, expected = lab.begin("sequential"), undisturbed["sequential"]
    repeated = 0
    for _ in range(20):
        result = trial.run(("after", 1))
        if "output" in result:
            break
        repeated += result["in_flight"] - 1
    assert result["output"] == expected["output"]
    assert result["replayed"] == CALLS["sequential"][0]
    assert trial.asked.total() - expected["asked"].total() <= repeated
    assert len(trial.sent) == CALLS["sequential"][1]


def order_steps(result: dict[str, Any]) -> list[Any]:
    """Steps side by side end in any order."""
    return sorted(digest(step) for step in result["steps"])
