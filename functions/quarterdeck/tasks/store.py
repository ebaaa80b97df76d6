"""Tasks as they are read: one with its steps and outcome, or a system's by time."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter

from quarterdeck.blobs import BlobStore
from quarterdeck.errors import NotFound
from quarterdeck.table import Item, Page, Scope, Table
from quarterdeck.tasks.outcome import Outcome, StepEvent, TaskError, Usage
from quarterdeck.tasks.submission import TaskSpec
from quarterdeck.tasks.transitions import Priority, Status, TaskState

INLINE_RESULT_BYTES = 256 * 1024
STEP_EVENT: TypeAdapter[StepEvent] = TypeAdapter(StepEvent)


class StepView(BaseModel):
    """One agent's turn; its output comes with the task's end."""

    name: str
    agent: str
    status: Literal["running", "ended"]
    usage: Usage | None = None
    duration_ms: int | None = None
    output: str | None = None


class Result(BaseModel):
    output: str
    """Of the last step."""


class TaskView(BaseModel):
    """A task as the API tells it. Times are UTC; tokens are counted once a call."""

    task_id: str
    system_id: str
    crew_name: str
    status: Status
    priority: Priority
    version: int
    """Of the configuration that it runs with."""
    created_at: str
    dispatched_at: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    steps: list[StepView] = []
    result: Result | None = None
    result_url: str | None = None
    """A link for 15 minutes, in place of a result and steps of over 256 KB."""
    error: TaskError | None = None
    usage: Usage | None = None
    duration_ms: int | None = None
    """Of running."""
    rehearsal: bool | None = None
    """Whether the built-in stand-in answered in place of a model."""


class TaskSummary(BaseModel):
    task_id: str
    crew_name: str
    status: Status
    priority: Priority
    created_at: str
    ended_at: str | None = None


class TaskStore:
    def __init__(self, table: Table, blobs: BlobStore) -> None:
        self.table = table
        self.blobs = blobs

    def get_state(self, scope: Scope, task_id: str) -> TaskState:
        item = self.table.get(scope.state_key(task_id))
        if item is None:
            raise not_found(task_id)
        return TaskState.model_validate(item)

    def get_spec(self, scope: Scope, task_id: str) -> TaskSpec:
        item = self.table.get(scope.spec_key(task_id))
        if item is None:
            raise not_found(task_id)
        return TaskSpec.model_validate_json(self.blobs.load_document(item["document"]))

    def get_view(self, scope: Scope, task_id: str) -> TaskView:
        """STATE, events and END in one strongly consistent query."""
        first, last = scope.end_key(task_id), scope.state_key(task_id)
        items = {item["sk"]: item for item in self.table.query(first.pk, first.sk, up_to=last.sk)}
        if last.sk not in items:
            raise not_found(task_id)
        state = TaskState.model_validate(items[last.sk])
        if first.sk in items:
            return self._view_ended(scope, state, items[first.sk]["document"])
        events = [item["event"] for sk, item in items.items() if sk.startswith("EVENT#")]
        return view_task(scope, state, steps=follow_steps(events))

    def _view_ended(self, scope: Scope, state: TaskState, document: dict[str, Any]) -> TaskView:
        if document.get("bytes", 0) > INLINE_RESULT_BYTES:
            return view_task(scope, state, result_url=self.blobs.link_document(document))
        outcome = Outcome.model_validate_json(self.blobs.load_document(document))
        return view_task(
            scope,
            state,
            steps=[StepView(**step.model_dump(), status="ended") for step in outcome.steps],
            result=None if outcome.output is None else Result(output=outcome.output),
            **{name: getattr(outcome, name) for name in OUTCOME_FIELDS},
        )

    def list_page(self, scope: Scope, limit: int, start: Item | None) -> Page:
        """Newest first, as the index `tasks-by-time` keeps them."""
        return self.table.query_index(
            "tasks-by-time",
            ("tasks_of", scope.prefix),
            newest_first=True,
            limit=limit,
            start=start,
        )


OUTCOME_FIELDS = ("error", "usage", "duration_ms", "rehearsal")


def not_found(task_id: str) -> NotFound:
    return NotFound(f"there is no task '{task_id}' in this system")


def view_task(scope: Scope, state: TaskState, **rest: Any) -> TaskView:
    fields = state.model_dump(exclude={"epoch", "rank"})
    return TaskView(system_id=scope.system_id, **fields, **rest)


def follow_steps(events: Sequence[dict[str, Any]]) -> list[StepView]:
    """The steps so far, from a running task's events in their order."""
    steps: list[StepView] = []
    for event in map(STEP_EVENT.validate_python, events):
        if event.type == "step_started":
            steps.append(StepView(name=event.step, agent=event.agent, status="running"))
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


def summarize_task(item: Item) -> TaskSummary:
    """Of an entry of the index `tasks-by-time`."""
    created_at, _, task_id = item["task_time"].partition("#")
    return TaskSummary.model_validate(item | {"created_at": created_at, "task_id": task_id})
