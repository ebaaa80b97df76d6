"""Ends that are not a worker's: cancel, and what every end shares."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from quarterdeck.blobs import BlobStore
from quarterdeck.errors import Conflict
from quarterdeck.keys import Scope
from quarterdeck.table import ConditionFailed, Table
from quarterdeck.tasks.budgets import settle_left
from quarterdeck.tasks.event_log import append_event
from quarterdeck.tasks.events import CancelRequested, Ended, TaskEvent
from quarterdeck.tasks.outcome import Outcome, TaskError
from quarterdeck.tasks.questions import read_progress
from quarterdeck.tasks.states import TERMINAL, TaskState
from quarterdeck.tasks.store import TaskStore
from quarterdeck.tasks.transitions import cancel_task, request_cancel

CANCELLED = Outcome(
    status="cancelled", error=TaskError(type="cancelled", message="a caller cancelled the task")
)
CANCEL_ATTEMPTS = 10


def store_outcome(
    blobs: BlobStore, scope: Scope, state: TaskState, outcome: Outcome
) -> dict[str, Any]:
    """The outcome's document. Each epoch has its own place: one end cannot change another's."""
    key = f"{scope.blob_prefix}/{state.task_id}/end-{state.epoch}.json"
    return blobs.store_document(key, outcome.model_dump_json())


def describe_end(outcome: Outcome) -> Ended:
    return Ended(status=outcome.status, error=outcome.error and outcome.error.type)


def end_idle(
    table: Table, blobs: BlobStore, scope: Scope, state: TaskState, outcome: Outcome
) -> tuple[Outcome, dict[str, Any]]:
    """The outcome of a task that no worker has, with what it did until it asked; its document."""
    done = read_progress(table, blobs, scope, state) if state.status == "waiting" else {}
    outcome = outcome.model_copy(update={**done, "duration_ms": state.ran_ms})
    return outcome, store_outcome(blobs, scope, state, outcome)


def stop_task(
    table: Table, blobs: BlobStore, scope: Scope, task_id: str, clock: Callable[[], datetime]
) -> TaskState:
    """The task's state after it: cancelled, or running with the flag that its worker looks for.

    Conflict for a task that has ended. A task that changes meanwhile is looked at again.
    """
    tasks = TaskStore(table, blobs)
    for _ in range(CANCEL_ATTEMPTS):
        state = tasks.get_state(scope, task_id)
        if state.status in TERMINAL:
            raise Conflict(f"the task is {state.status}: it cannot be cancelled any more")
        try:
            if state.status == "running":
                table.write(request_cancel(scope, state))
                event: TaskEvent = CancelRequested()
            else:
                outcome, document = end_idle(table, blobs, scope, state, CANCELLED)
                table.write(*cancel_task(scope, state, outcome, document, clock()))
                settle_left(table, scope, state.crew_name, task_id)
                event = describe_end(outcome)
        except ConditionFailed:
            continue
        append_event(table, scope, task_id, event, clock())
        return tasks.get_state(scope, task_id)
    raise Conflict("the task changes too fast to be cancelled: try again")
