"""A provider, a table, and a process that forks the workers which are killed."""

import hashlib
import json
import os
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from quarterdeck.table import Table
from tests.account import ENVIRONMENT, create_table
from tests.openai_server import Body, Message, OpenAIServer, answer_by_rule
from tests.unit.execution.memory_answers import answer_memory

ROOT = Path(__file__).parents[3]

type Point = tuple[str, int]
"""(phase, the how-manieth time that it is reached)."""


def answer(body: Body) -> Message:
    """By rule, with the digest of all that was said, and with another id for each tool call.

    A manager delegates: it is offered the tools of its agents first.
    """
    if "response_format" in body:
        return answer_memory(body)
    tools = sorted(body.get("tools", ()), key=lambda tool: tool["function"]["name"])
    message = answer_by_rule({**body, "tools": tools})
    if message.get("tool_calls"):
        call = message["tool_calls"][0]
        call["id"] = secrets.token_hex(4)
        arguments = call["function"]["arguments"]
        call["function"]["arguments"] = arguments.replace("[]", '["Salt is in the sea."]')
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

    def __init__(
        self, server: OpenAIServer, worker: "subprocess.Popen[str]", room: Path, table: Table
    ) -> None:
        self.server = server
        self.worker = worker
        self.room = room
        self.table = table
        self.tasks = 0

    def begin(self, process: str, system: str | None = None) -> "Trial":
        """A task, of a system of its own or of an earlier one."""
        self.tasks += 1
        self.server.requests.clear()
        self.server.embedded.clear()
        task_id = f"task-{self.tasks}"
        return Trial(self, process, task_id, system or task_id)

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

    def __init__(self, lab: Lab, process: str, task_id: str, system: str) -> None:
        self.lab = lab
        self.process = process
        self.task_id = task_id
        self.system = system
        self.effects = lab.room / f"{task_id}.jsonl"
        self.effects.touch()

    def run(self, point: Point | None = None) -> dict[str, Any]:
        return self.lab.send(
            {
                "process": self.process,
                "task_id": self.task_id,
                "system": self.system,
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


@contextmanager
def open_lab(room: Path) -> Iterator[Lab]:
    environment = {**os.environ, **ENVIRONMENT}
    environment["PYTHONPATH"] = os.pathsep.join(
        str(ROOT / part) for part in ("functions", "layers/crewai/stubs", ".")
    )
    with serve_moto() as url:
        yield from open_lab_at(url, room, environment)


@contextmanager
def serve_moto() -> Iterator[str]:
    """In a process of its own: in this one, any test that mocks AWS would empty it."""
    moto = subprocess.Popen(
        [sys.executable, "-m", "tests.moto_server"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with moto:
        assert moto.stdin
        assert moto.stdout
        yield moto.stdout.readline().strip()
        moto.stdin.close()


def open_lab_at(url: str, room: Path, environment: dict[str, str]) -> Iterator[Lab]:
    options: Any = {
        "endpoint_url": url,
        "region_name": "eu-west-1",
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }
    client = boto3.client("dynamodb", **options)
    create_table(client)
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.unit.execution.crash_worker", options["endpoint_url"]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    )
    with worker, OpenAIServer(answer) as server:
        yield Lab(server, worker, room, Table(client, "quarterdeck"))
        assert worker.stdin
        worker.stdin.close()
