"""A task as it is read: its state, its steps, its outcome."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel

from quarterdeck.blobs import BlobStore
from quarterdeck.errors import FieldError, NotFound
from quarterdeck.keys import CALL_PREFIX, EVENT_PREFIX, Scope
from quarterdeck.names import is_id
from quarterdeck.table import Item, Table
from quarterdeck.tasks.event_batches import read_batch
from quarterdeck.tasks.events import TaskEvent
from quarterdeck.tasks.outcome import Outcome, TaskError, Usage
from quarterdeck.tasks.questions import QuestionView, view_question
from quarterdeck.tasks.states import TERMINAL, Priority, Status, TaskSpec, TaskState

INLINE_RESULT_BYTES = 256 * 1024


class StepView(BaseModel):
    """One agent's turn; its output comes with the task's end."""

    name: str
    agent: str
    status: Literal["running", "ended"]
    usage: Usage | None = None
    duration_ms: int | None = None
    output: str | None = None
    data: dict[str, Any] | None = None
    """The output as an object, of a step with an output schema."""


class Result(BaseModel):
    """Of the last step."""

    output: str
    data: dict[str, Any] | None = None
    """The output as an object, if the step has an output schema."""


class TaskView(BaseModel):
    """A task as the API tells it. Times are UTC; tokens are counted once a call."""

    task_id: str
    system_id: str
    crew_name: str
    status: Status
    priority: Priority
    version: int
    """Of the configuration that it runs with."""
    retry_of: str | None = None
    correlation_id: str | None = None
    """Of the request that submitted it: in each line of the log about the task."""
    created_at: str
    dispatched_at: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    not_before: str | None = None
    """While a retry waits: when it may be queued again."""
    cancel_requested: bool | None = None
    attempts: int | None = None
    """Faults of the provider in a row."""
    continuations: int | None = None
    crashes: int | None = None
    """Workers lost in a row, without a new journal entry between them."""
    events_dropped: int | None = None
    """About how many events the task's log had no room for."""
    question: QuestionView | None = None
    """While it waits for a person: what is asked."""
    steps: list[StepView] = []
    result: Result | None = None
    result_url: str | None = None
    """A link for 15 minutes to the whole outcome, when its texts are over 256 KB."""
    error: TaskError | None = None
    usage: Usage | None = None
    duration_ms: int | None = None
    """Of running."""
    rehearsal: bool | None = None
    """Whether the built-in stand-in answered in place of a model."""


class TaskStore:
    def __init__(self, table: Table, blobs: BlobStore) -> None:
        self.table = table
        self.blobs = blobs

    def get_state(self, scope: Scope, task_id: str) -> TaskState:
        item = self.table.get(scope.state_key(task_id)) if is_id(task_id) else None
        if item is None:
            raise not_found(task_id)
        return TaskState.model_validate(item)

    def get_spec(self, scope: Scope, task_id: str) -> TaskSpec:
        item = self.table.get(scope.spec_key(task_id))
        if item is None:
            raise not_found(task_id)
        return TaskSpec.model_validate_json(self.blobs.load_document(item["document"]))

    def get_outcome(self, scope: Scope, task_id: str) -> Outcome:
        """NotFound until it has ended."""
        item = self.table.get(scope.end_key(task_id))
        if item is None:
            raise not_found(task_id)
        return Outcome.model_validate_json(self.blobs.load_document(item["document"]))

    def count_calls(self, scope: Scope, task_id: str) -> int:
        """How many entries the task's journal has."""
        return self.table.count(scope.state_key(task_id).pk, CALL_PREFIX)

    def get_view(self, scope: Scope, task_id: str) -> TaskView:
        """The state, the steps so far, and the outcome, in one strongly consistent query."""
        if not is_id(task_id):
            raise not_found(task_id)
        first, last = scope.end_key(task_id), scope.state_key(task_id)
        items = {item["sk"]: item for item in self.table.query(first.pk, first.sk, up_to=last.sk)}
        if last.sk not in items:
            raise not_found(task_id)
        state = TaskState.model_validate(items[last.sk])
        end = items.get(first.sk)
        if end is None and state.status in TERMINAL:
            end = self.table.get(first)  # It ended while this was read: STATE is the last.
        events = [item for sk, item in items.items() if sk.startswith(EVENT_PREFIX)]
        dropped = sum(item.get("dropped", 0) for item in events) or None
        if end is not None:
            return self._view_ended(scope, state, end, dropped)
        return view_task(
            scope,
            state,
            steps=follow_steps([event for item in events for event in read_batch(item).events]),
            events_dropped=dropped,
            question=self._view_question(scope, state, items),
        )

    def _view_question(
        self, scope: Scope, state: TaskState, items: Mapping[str, Item]
    ) -> QuestionView | None:
        if state.status != "waiting":
            return None
        key = scope.question_key(state.task_id, state.question)
        item = items.get(key.sk) or self.table.get(key)  # It may have been put since.
        return view_question(self.blobs, item) if item else None

    def _view_ended(
        self, scope: Scope, state: TaskState, end: Item, events_dropped: int | None
    ) -> TaskView:
        document, fields = end["document"], end["summary"]
        if document.get("bytes", 0) > INLINE_RESULT_BYTES:
            fields = {**fields, "result_url": self.blobs.link_document(document)}
        else:
            fields = json.loads(self.blobs.load_document(document))
        output = fields.get("output")
        return view_task(
            scope,
            state,
            steps=[StepView(**step, status="ended") for step in fields["steps"]],
            result=None if output is None else Result(output=output, data=fields.get("data")),
            events_dropped=events_dropped,
            **{name: fields.get(name) for name in OUTCOME_FIELDS},
        )


OUTCOME_FIELDS = ("error", "usage", "duration_ms", "rehearsal", "result_url")


def not_found(task_id: str) -> NotFound:
    rule = f"there is no task '{task_id[:64]}' in this system"
    return NotFound(rule, [FieldError("task_id", rule)])


def view_task(scope: Scope, state: TaskState, **rest: Any) -> TaskView:
    shown = set(TaskView.model_fields) - {"question"}
    fields = state.model_dump(include=shown, exclude_defaults=True)
    return TaskView(system_id=scope.system_id, **fields, **rest)


def follow_steps(events: Sequence[TaskEvent]) -> list[StepView]:
    """The steps so far, from a running task's events in their order."""
    steps: list[StepView] = []
    for event in events:
        if event.type == "step_started":
            steps.append(StepView(name=event.step, agent=event.agent, status="running"))
        if event.type != "step_ended":
            continue
        for index, step in enumerate(steps):
            if (step.name, step.status) == (event.step, "running"):
                steps[index] = StepView(
                    name=event.step,
                    agent=event.agent,
                    status="ended",
                    usage=event.usage,
                    duration_ms=event.duration_ms,
                )
                break
    return steps
