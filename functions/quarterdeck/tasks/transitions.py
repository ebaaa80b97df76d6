"""A task's life: each transition as the writes of one transaction, conditional on status and epoch.

Pure: the caller reads, decides with these, and writes. `crew.running` counts the tasks that hold a
slot: `dispatched` and `running`.
"""

from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from quarterdeck.metrics.buckets import count_arrival, count_outcome
from quarterdeck.names import format_time, parse_time
from quarterdeck.table import (
    LEASE_KEYS,
    Absent,
    Below,
    Delete,
    Equals,
    Present,
    Put,
    Scope,
    Update,
    Write,
    lease_index,
)
from quarterdeck.tasks.outcome import Outcome

Priority = Literal["high", "medium", "low"]
Status = Literal[
    "queued",
    "dispatched",
    "running",
    "waiting",
    "succeeded",
    "failed",
    "timed_out",
    "cancelled",
    "interrupted",
]
TERMINAL = frozenset({"succeeded", "failed", "timed_out", "cancelled", "interrupted"})

OFFSETS: dict[Priority, timedelta] = {
    "high": timedelta(0),
    "medium": timedelta(minutes=5),
    "low": timedelta(minutes=30),
}
RESEND_AFTER = timedelta(minutes=10)
TASK_DAYS = 90


class TaskState(BaseModel):
    """STATE: small, and all that a transition is decided by."""

    model_config = ConfigDict(frozen=True)

    task_id: str
    crew_name: str
    status: Status
    epoch: int
    priority: Priority
    version: int
    rank: str
    created_at: str
    dispatched_at: str | None = None
    started_at: str | None = None
    ended_at: str | None = None


class QueueEntry(NamedTuple):
    crew_name: str
    rank: str
    task_id: str
    epoch: int


def rank_task(created: datetime, priority: Priority) -> str:
    """Order of dispatch within a crew: a lower rank goes first, then a lower task id."""
    return format_time(created + OFFSETS[priority])


def submit_task(
    scope: Scope, state: TaskState, spec: dict[str, Any], created: datetime
) -> list[Write]:
    """- -> queued."""
    task_id, crew = state.task_id, state.crew_name
    entry = QueueEntry(crew, state.rank, task_id, state.epoch)
    return [
        Put(
            scope.state_key(task_id),
            state.model_dump(exclude_none=True) | scope.by_time(task_id, created),
            [Absent()],
        ),
        Put(scope.spec_key(task_id), spec, [Absent()]),
        Put(scope.registry_key(task_id, created), {"crew_name": crew}),
        Put(scope.queue_key(crew, state.rank, task_id), entry._asdict()),
        count_arrival(scope, crew, created),
    ]


def dispatch_task(scope: Scope, entry: QueueEntry, now: datetime) -> list[Write]:
    """queued -> dispatched: takes a slot."""
    return [
        Update(
            scope.crew_key(entry.crew_name),
            {},
            {"running": 1},
            conditions=[Below("running", "capacity")],
        ),
        Delete(scope.queue_key(entry.crew_name, entry.rank, entry.task_id), [Present()]),
        Update(
            scope.state_key(entry.task_id),
            {
                "status": "dispatched",
                "dispatched_at": format_time(now),
                **lease_index(entry.task_id, now + RESEND_AFTER),
            },
            {},
            conditions=[Equals("status", "queued"), Equals("epoch", entry.epoch)],
        ),
    ]


def resend_task(scope: Scope, task_id: str, epoch: int, now: datetime) -> Update:
    """dispatched -> dispatched: the message is due again after another ten minutes."""
    return Update(
        scope.state_key(task_id),
        lease_index(task_id, now + RESEND_AFTER),
        {},
        conditions=[Equals("status", "dispatched"), Equals("epoch", epoch)],
    )


def claim_task(scope: Scope, task_id: str, epoch: int, now: datetime) -> Update:
    """dispatched -> running: for one worker; a message that comes again has an old epoch."""
    return Update(
        scope.state_key(task_id),
        {"status": "running", "started_at": format_time(now), "epoch": epoch + 1},
        {},
        remove=LEASE_KEYS,
        conditions=[Equals("status", "dispatched"), Equals("epoch", epoch)],
    )


def finish_task(
    scope: Scope, state: TaskState, outcome: Outcome, document: dict[str, Any], now: datetime
) -> list[Write]:
    """running -> terminal: frees the slot, keeps END, counts once.

    `state` is that of the worker which ends the task, `document` its outcome as it is stored.
    """
    task_id = state.task_id
    created = parse_time(state.created_at)
    expiry = {"expires_at": int((now + timedelta(days=TASK_DAYS)).timestamp())}
    response_ms = round((now - created).total_seconds() * 1000)
    return [
        Update(
            scope.state_key(task_id),
            {"status": outcome.status, "ended_at": format_time(now), **expiry},
            {},
            conditions=[Equals("status", "running"), Equals("epoch", state.epoch)],
        ),
        Put(scope.end_key(task_id), {"document": document, **expiry}, [Absent()]),
        Update(scope.spec_key(task_id), expiry, {}),
        Update(scope.registry_key(task_id, created), expiry, {}),
        Update(scope.crew_key(state.crew_name), {}, {"running": -1}),
        count_outcome(scope, state.crew_name, outcome, response_ms, now),
    ]
