"""A task as it is read: also one that changes meanwhile."""

from collections.abc import Iterator
from typing import Any

import pytest

from quarterdeck.http.services import Services
from quarterdeck.names import read_clock
from quarterdeck.systems.records import System
from quarterdeck.table import Item
from quarterdeck.tasks import event_batches
from quarterdeck.tasks.attempt import Attempt, claim
from quarterdeck.tasks.events import LlmCall
from quarterdeck.tasks.outcome import Outcome
from quarterdeck.tasks.questions import Asked, Progress
from quarterdeck.tasks.queue import TaskMessage
from tests import systems
from tests.api_calls import Answer, call

ASKED = Asked(kind="review", step="s", agent="A", text="Good?", place=("digest", 0))


@pytest.fixture
def system(services: Services) -> System:
    return systems.deploy(services.systems, systems.system())


@pytest.fixture
def attempt(services: Services, system: System) -> Attempt:
    body = {"description": "x", "crew_name": "research"}
    task_id = call("POST", f"/crews/{system.system_id}/tasks", body).json["task_id"]
    message = TaskMessage(**system.scope._asdict(), task_id=task_id, epoch=0)
    table, blobs, queue = services.table, services.blobs, services.task_queue
    attempt = claim(table, blobs, queue, message, read_clock)
    assert attempt
    return attempt


def read_while(monkeypatch: pytest.MonkeyPatch, attempt: Attempt, act: Any) -> Answer:
    """Reads the task, which changes before the last item is read: STATE."""
    table, key = attempt.table, attempt.scope.state_key(attempt.state.task_id)
    query = table.query

    def change(*request: Any, **more: Any) -> Iterator[Item]:
        found = list(query(*request, **more))
        monkeypatch.undo()
        act()
        yield from (item for item in found if item["sk"] != key.sk)
        yield table.get(key) or {}

    monkeypatch.setattr(type(table), "query", lambda _, *request, **more: change(*request, **more))
    return call("GET", f"/crews/{attempt.scope.system_id}/tasks/{attempt.state.task_id}")


def test_one_that_begins_to_wait_has_its_question(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = read_while(monkeypatch, attempt, lambda: attempt.wait(1, ASKED, Progress()))
    assert (told.status, told.json["status"]) == (200, "waiting")
    assert told.json["question"]["text"] == "Good?"


def test_one_that_ends_has_its_result(attempt: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = Outcome(status="succeeded", output="Done")
    told = read_while(monkeypatch, attempt, lambda: attempt.end(outcome, 1))
    assert (told.json["status"], told.json["result"]) == ("succeeded", {"output": "Done"})


def test_what_its_log_had_no_room_for_is_known_after_the_end(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_batches, "MOST_CALLS", 1)
    for number in range(3):
        attempt.log.record(LlmCall(model=str(number)))
    assert attempt.end(Outcome(status="succeeded"), 1)
    path = f"/crews/{attempt.scope.system_id}/tasks/{attempt.state.task_id}"
    assert call("GET", f"{path}/events").json["events"][-1]["events_dropped"] == 2
    assert call("GET", path).json["events_dropped"] == 2


def test_a_cancel_that_is_not_done_yet_says_where_to_look(attempt: Attempt) -> None:
    path = f"/crews/{attempt.scope.system_id}/tasks/{attempt.state.task_id}"
    told = call("POST", f"{path}/cancel")
    assert (told.status, told.headers["Location"], told.headers["Retry-After"]) == (202, path, "1")
