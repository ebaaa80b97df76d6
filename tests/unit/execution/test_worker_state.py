"""What a worker takes from a task's state, and what it leaves there."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from quarterdeck.execution.journal_entry import Entry
from quarterdeck.execution.journal_store import JournalStore, Place
from quarterdeck.http.services import Services
from quarterdeck.table import Update
from quarterdeck.tasks.event_log import read_batches
from quarterdeck.tasks.events import Diverged
from tests.openai_server import Body, Message, OpenAIServer
from tests.unit.execution.sites import Site, answer


def test_faults_are_counted_on_and_not_waited_out_past_the_tasks_time(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Body) -> Message:
        raise ConnectionResetError

    monkeypatch.setattr("quarterdeck.execution.gate.choose_delay", lambda *_: 30.0)
    with OpenAIServer(fail) as server:
        site = Site(services, server.url)
        task_id = site.submit(timeout=5)
        key = site.system.scope.state_key(task_id)
        services.table.write(Update(key, {"attempts": 3}, {}))
        message = site.take()
        assert message
        site.worker.handle(message, lambda: 900.0)
    view = site.view(task_id)
    assert (view.status, view.attempts, len(server.requests)) == ("queued", 4, 1)


def test_a_run_that_leaves_out_what_was_recorded_says_so(services: Services) -> None:
    with OpenAIServer(answer) as server:
        site = Site(services, server.url)
        scope, task_id = site.system.scope, site.submit()
        journal = JournalStore(services.table, services.blobs, scope, task_id)
        journal.record(Place("a" * 64, 0), Entry("llm", "another-model", "salt"))
        site.work()
    assert site.view(task_id).status == "succeeded"
    batches = read_batches(services.table, scope, task_id, 0)
    events = [event for batch in batches for event in batch.events]
    (told,) = [event.calls for event in events if isinstance(event, Diverged)]
    assert told == ("another-model",)


def test_a_process_that_hangs_ends_even_when_that_cannot_be_recorded(services: Services) -> None:
    def refuse(_: int) -> bool:
        raise ConnectionError("no table")

    ended = threading.Event()
    site = Site(services, "http://127.0.0.1:9/v1", end_process=ended.set)
    attempt: Any = SimpleNamespace(state=SimpleNamespace(task_id="1"), hand_on=refuse)
    lease: Any = SimpleNamespace(ran_ms=1)
    site.worker._give_up(attempt, lease, "out_of_time")
    assert ended.is_set()
