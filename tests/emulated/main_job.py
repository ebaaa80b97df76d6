"""What the emulated tests do over and over: deploy, submit, wait; a model that waits for them."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from infra.environment import load_target
from infra.local.api import Api
from quarterdeck.tasks.states import TERMINAL
from tests.openai_server import Body, Message, OpenAIServer

ENDS_S = 90.0


def deploy(api: Api, configuration: dict[str, Any]) -> str:
    answer = api.post("/crews", configuration, {"Prefer": "wait=10"})
    system_id: str = answer.json["system_id"]
    poll(lambda: api.get(f"/crews/{system_id}").json["state"], {"active", "failed"})
    return system_id


def submit(api: Api, system_id: str, **request: Any) -> str:
    answer = api.post(f"/crews/{system_id}/tasks", {"crew_name": "research"} | request)
    assert answer.status == 202, answer
    task_id: str = answer.json["task_id"]
    return task_id


def wait(api: Api, system_id: str, task_id: str, ends_s: float = ENDS_S) -> Any:
    path = f"/crews/{system_id}/tasks/{task_id}"
    poll(lambda: api.get(path).json["status"], set(TERMINAL), ends_s)
    return api.get(f"/crews/{system_id}/tasks/{task_id}").json


def poll(read: Callable[[], str], until: set[str], ends_s: float = ENDS_S) -> None:
    deadline = time.monotonic() + ends_s
    while (value := read()) not in until:
        assert time.monotonic() < deadline, f"{value} after {ends_s} s"
        time.sleep(0.2)


def read_running(api: Api, system_id: str) -> int:
    crews = api.get(f"/crews/{system_id}").json["crews"]
    running: int = crews[0]["running"]
    return running


def run_monitor(aws: Callable[[str], Any]) -> None:
    """Its schedule runs it as well, each minute: here, to wait less."""
    function = next(
        each["FunctionName"]
        for each in aws("lambda").list_functions()["Functions"]
        if each.get("Environment", {}).get("Variables", {}).get("POWERTOOLS_SERVICE_NAME")
        == "monitor"
    )
    answer = aws("lambda").invoke(FunctionName=function, Payload=b"{}")
    assert "FunctionError" not in answer, answer["Payload"].read()


@contextmanager
def serve_allowed(answer: Callable[[Body], Message]) -> Iterator[tuple[OpenAIServer, str]]:
    """A provider, and its base URL: one of those that the environment allows."""
    for url in load_target("development").environment.model_base_urls:
        try:
            server = OpenAIServer(answer, port=url.port or 80)
        except OSError:
            continue
        with server:
            yield server, str(url)
        return
    raise AssertionError("every port of development's model_base_urls is in use")


class Provider:
    """A model server that answers those who ask for BLOCK only when it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self._one = threading.Semaphore(0)
        self.calls = 0
        self.at_once = 0
        self.most_at_once = 0
        self._lock = threading.Lock()

    def answer(self, body: Body) -> Message:
        with self._lock:
            self.calls += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        if "BLOCK" in str(body["messages"]):
            self._wait()
        with self._lock:
            self.at_once -= 1
        return {"role": "assistant", "content": "Thought: I know.\nFinal Answer: Done."}

    def release_one(self) -> None:
        self._one.release()

    def _wait(self) -> None:
        deadline = time.monotonic() + ENDS_S
        while time.monotonic() < deadline and not self.released.is_set():
            if self._one.acquire(timeout=0.1):
                return
