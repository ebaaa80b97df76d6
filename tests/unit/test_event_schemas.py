"""docs/events/ is what the models say, and what is told of tasks is of it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from infra.event_schemas import DIRECTORY, list_files
from quarterdeck.keys import OutboxKey, Scope
from quarterdeck.names import format_time
from quarterdeck.tasks.announcements import Announced, describe_end, describe_wait
from quarterdeck.tasks.outcome import Outcome, TaskError
from quarterdeck.tasks.questions import QuestionView
from quarterdeck.tasks.states import TaskState

NOON = format_time(datetime(2026, 11, 23, 12, tzinfo=UTC))
KEY = OutboxKey(Scope("5f0c6b1e2a7d4c39b8e1f2a3", 1), "a1", 2, "ended")
STATE: dict[str, Any] = {
    **{"task_id": "a1", "crew_name": "research", "epoch": 2, "priority": "high"},
    **{"version": 3, "rank": "", "created_at": NOON},
}
QUESTION = QuestionView(
    number=1,
    kind="review",
    step="s",
    agent="A",
    text="Good?",
    answer_so_far="",
    asked_at=NOON,
    expires_at=NOON,
)


def end(outcome: Outcome, **rest: Any) -> Announced:
    state = TaskState.model_validate({**STATE, "status": outcome.status, "ended_at": NOON, **rest})
    return describe_end("production", "desk", KEY, state, outcome)


def wait(question: QuestionView) -> Announced:
    state = TaskState.model_validate({**STATE, "status": "waiting"})
    return describe_wait("production", "desk", KEY, state, question)


TOLD = {
    "succeeded": end(Outcome(status="succeeded", output="Done"), correlation_id="c", retry_of="r"),
    "with data": end(Outcome(status="succeeded", output="{}", data={"a": None, "b": [None]})),
    "too large": end(Outcome(status="succeeded", output="x" * 10**5)),
    "failed": end(Outcome(status="failed", error=TaskError(type="E", message="no"))),
    "asked": wait(QUESTION),
    "asked again": wait(QUESTION.model_copy(update={"answer_so_far": "x" * 10**5})),
}


def test_the_files_are_made_from_the_models() -> None:
    found = {path: path.read_text() for path in DIRECTORY.iterdir()}
    assert found == dict(list_files()), "make event-schemas"


@pytest.mark.parametrize("told", TOLD.values(), ids=list(TOLD))
def test_what_is_told_is_of_its_schema_and_has_no_other_field(told: Announced) -> None:
    name = "task-waiting" if told.status == "waiting" else "task-ended"
    schema = json.loads((DIRECTORY / f"{name}.json").read_text())
    Draft202012Validator.check_schema(schema)
    detail = json.loads(told.model_dump_json())
    Draft202012Validator(schema).validate(detail)
    assert set(detail) <= set(schema["properties"])
    other = {**detail, "status": "running"}
    assert list(Draft202012Validator(schema).iter_errors(other))
