"""What a task is while it lives: its state, its priority, its place in the queue."""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from quarterdeck.names import format_time

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
HOLDS_SLOT = frozenset({"dispatched", "running"})

OFFSETS: dict[Priority, timedelta] = {
    "high": timedelta(0),
    "medium": timedelta(minutes=5),
    "low": timedelta(minutes=30),
}


class TaskState(BaseModel):
    """STATE: small, and all that a transition is decided by."""

    model_config = ConfigDict(frozen=True)

    task_id: str
    crew_name: str
    status: Status
    epoch: int
    """Grows with every claim, so that a stale worker changes no state."""
    priority: Priority
    version: int
    rank: str
    created_at: str
    dispatched_at: str | None = None
    started_at: str | None = None
    """Of the first claim."""
    ended_at: str | None = None
    not_before: str | None = None
    """While a retry waits: when it may be queued again."""
    lease_expires_at: str | None = None
    """While a slot is held: when the message is due again, or the worker is taken for lost. While
    it waits for a person: when its question expires."""
    cancel_requested: bool = False
    ran_ms: int = 0
    """Of running, over the attempts that have ended."""
    beat_ms: int = 0
    """Of running, in this attempt up to its last heartbeat."""
    attempts: int = 0
    """Faults of the provider in a row."""
    continuations: int = 0
    crashes: int = 0
    """In a row, without a new journal entry between them."""
    calls_at_crash: int = 0
    """Journal entries when the last worker was lost."""
    question: int = 0
    """The number of its last question to a person, from 1: the open one while it waits."""
    waiting_since: str | None = None
    """While it waits for a person."""
    waited_ms: int = 0
    """For people, over the questions that were answered."""
    retry_of: str | None = None
    correlation_id: str | None = None
    """Of the request that submitted it, or that retried another."""


class TaskSpec(BaseModel):
    """SPEC's document: what the worker runs."""

    model_config = ConfigDict(frozen=True)

    description: str
    inputs: dict[str, str | int | float | bool]
    timeout: int
    asked_at: str | None = None
    """When the request was submitted first: a retry tells its agents the same date."""
    retries: tuple[str, ...] = ()
    """The tasks that this one is a retry of: it reads their journals."""


class QueueEntry(NamedTuple):
    crew_name: str
    rank: str
    task_id: str
    epoch: int


def rank_task(created: datetime, priority: Priority) -> str:
    """Order of dispatch within a crew: a lower rank goes first, then a lower task id."""
    return format_time(created + OFFSETS[priority])
