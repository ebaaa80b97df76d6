"""`GET …/tasks/{id}/export`: all that is kept of a task, in one JSON."""

import json
import urllib.parse
from typing import Any

import pytest

from quarterdeck.errors import NotFound
from quarterdeck.execution.journal_entry import Entry
from quarterdeck.execution.journal_store import JournalStore, Place
from quarterdeck.http.services import Services
from quarterdeck.names import read_clock
from quarterdeck.systems.records import System
from quarterdeck.table import Put
from quarterdeck.tasks import export
from quarterdeck.tasks.deletion import delete_task
from quarterdeck.tasks.ending import store_outcome
from quarterdeck.tasks.event_log import append_event
from quarterdeck.tasks.events import StepStarted
from quarterdeck.tasks.export import TaskExport, export_task
from quarterdeck.tasks.outcome import Outcome
from quarterdeck.tasks.traces import Trace, TraceLog
from quarterdeck.tasks.transitions import claim_task, finish_task
from tests import systems
from tests.api_calls import call

LONG = "Ann " * 20_000
ANSWER = {"found": None, "rows": [1, None]}


@pytest.fixture
def system(services: Services) -> System:
    return systems.deploy(services.systems, systems.system())


@pytest.fixture
def path(services: Services, system: System) -> str:
    """Of a task that has ended, with a long request, an event, and a journal of three calls."""
    tasks = f"/crews/{system.system_id}/tasks"
    body = {"description": LONG, "crew_name": "research"}
    task_id: str = call("POST", tasks, body).json["task_id"]
    table, blobs, scope = services.table, services.blobs, system.scope
    state = services.tasks.get_state(scope, task_id)
    table.write(claim_task(scope, state, "worker-1", read_clock()))
    journal = JournalStore(table, blobs, scope, task_id)
    journal.record(Place("a", 0), Entry("tool", "search", ANSWER, effect=True))
    journal.record(Place("b", 0), Entry("llm", "openai/x", LONG, usage={"prompt_tokens": 3}))
    journal.mark_started(Place("c", 0), "mail", "code")
    for step in ("one", "two"):
        event = StepStarted(step=step, agent="Researcher")
        append_event(table, scope, task_id, event, read_clock())
    said = Trace(kind="llm", name="openai/x", call="b", asked="Who?", answered="Ann")
    assert TraceLog(table, blobs, scope, task_id, read_clock).keep(said)
    table.write(Put(scope.spending_key(task_id), {"spent_tokens": 3}))
    table.write(Put(scope.hold_key(task_id, "h"), {"tokens": 1}))
    running = services.tasks.get_state(scope, task_id)
    outcome = Outcome(status="succeeded", output="Done")
    document = store_outcome(blobs, scope, running, outcome)
    table.write(*finish_task(scope, running, outcome, document, read_clock()))
    return f"{tasks}/{task_id}"


def test_an_export_has_all_of_the_task(path: str) -> None:
    answer = call("GET", f"{path}/export")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    told = answer.json
    TaskExport.model_validate(told)
    assert told["request"]["description"] == LONG
    assert (told["state"]["status"], told["state"]["crew_name"]) == ("succeeded", "research")
    assert (told["outcome"]["output"], told["outcome"]["error"]) == ("Done", None)
    assert [event["type"] for event in told["events"]] == ["step_started"] * 2
    (trace,) = told["trace"]
    assert (trace["seq"], trace["asked"], trace["answered"]) == (1, "Who?", "Ann")
    assert told["spending"] == {"spent_tokens": 3}
    search, model, mail = told["calls"]
    assert (search["kind"], search["name"], search["answer"]) == ("tool", "search", ANSWER)
    assert (model["answer"], model["usage"]) == (LONG, {"prompt_tokens": 3})
    assert (mail["name"], mail["started"]) == ("mail", True)
    assert [each["call"] for each in told["calls"]] == ["a-0", "b-0", "c-0"]
    assert (told["omitted"], told["export_url"]) == (0, None)
    for word in ("worker-1", "expires_at", "tasks_of", "writer", "blobs/"):
        assert word not in json.dumps(told)


def test_a_task_that_lives_is_exported_as_it_is(services: Services, system: System) -> None:
    tasks = f"/crews/{system.system_id}/tasks"
    body = {"description": "x", "crew_name": "research", "inputs": {"n": 1}}
    task_id = call("POST", tasks, body).json["task_id"]
    told = call("GET", f"{tasks}/{task_id}/export").json
    assert (told["outcome"], told["state"]["status"]) == (None, "dispatched")
    assert told["request"]["inputs"] == {"n": 1}


def test_a_long_export_is_a_link(
    services: Services, system: System, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = call("GET", f"{path}/export").json
    monkeypatch.setattr(export, "INLINE_BYTES", 100_000)
    told = call("GET", f"{path}/export").json
    assert told["request"] is None
    key = urllib.parse.unquote(urllib.parse.urlsplit(told["export_url"]).path)
    key = key[key.index("blobs/tasks/") :]
    assert key.split("/")[3] == path.rpartition("/")[2]
    stored = json.loads(services.blobs.load_document({"blob": key, "bytes": told["bytes"]}))
    assert stored | {"exported_at": ""} == whole | {"exported_at": ""}
    assert call("DELETE", path).status == 204
    assert services.blobs.list_blobs(key) == []


def test_an_export_is_measured_as_it_is_sent(
    services: Services, system: System, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function's answer has it as a text in JSON, where each quote is two characters."""
    place, rows = Place("d", 0), [{"n": str(n)} for n in range(1_000)]
    task_id = path.rpartition("/")[2]
    journal = JournalStore(services.table, services.blobs, system.scope, task_id)
    journal.record(place, Entry("tool", "search", json.dumps(rows)))
    whole = call("GET", f"{path}/export").body
    monkeypatch.setattr(export, "INLINE_BYTES", len(whole.encode()) + 100)
    assert call("GET", f"{path}/export").json["export_url"] is not None


def test_what_is_too_long_is_named(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "MOST_BYTES", 100_000)
    told = call("GET", f"{path}/export").json
    assert told["omitted"] == 1
    parts: list[Any] = [told["request"], *told["calls"]]
    (left_out,) = (part for part in parts if "omitted_bytes" in part)
    assert left_out["omitted_bytes"] > 80_000


def test_a_task_that_is_deleted_meanwhile_leaves_no_export(
    services: Services, system: System, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = path.rpartition("/")[2]
    table, blobs, scope = services.table, services.blobs, system.scope
    monkeypatch.setattr(export, "INLINE_BYTES", 1)
    store = blobs.store_document

    def overtake(key: str, text: str) -> Any:
        assert delete_task(table, blobs, scope, task_id, read_clock())
        return store(key, text)

    monkeypatch.setattr(blobs, "store_document", overtake)
    with pytest.raises(NotFound):
        export_task(table, blobs, scope, task_id, read_clock())
    assert blobs.list_blobs(f"{scope.blob_prefix}/{task_id}/") == []


@pytest.mark.parametrize("task_id", ["0123", "A#b", "a" * 3000])
def test_what_is_not_there_is_not_exported(system: System, task_id: str) -> None:
    assert call("GET", f"/crews/{system.system_id}/tasks/{task_id}/export").status == 404
