"""A task's events as the API tells them: what came after a number, waited for if there is none."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import islice

from pydantic import BaseModel

from quarterdeck.keys import Scope
from quarterdeck.names import parse_time
from quarterdeck.table import Table
from quarterdeck.tasks.event_batches import measure_event
from quarterdeck.tasks.event_log import read_batches
from quarterdeck.tasks.events import TaskEvent
from quarterdeck.tasks.states import TERMINAL, TaskState
from quarterdeck.tasks.store import TaskStore
from quarterdeck.tasks.traces import PAGE_BYTES

SETTLED = timedelta(seconds=10)
"""After a task's end: whoever ended it has told so by then, or never will."""


class Progress(BaseModel):
    """`last`: what to ask for next, as `after`. `ended`: nothing more comes."""

    events: list[TaskEvent]
    last: int
    ended: bool


def follow_task(
    table: Table,
    tasks: TaskStore,
    scope: Scope,
    task_id: str,
    *,
    after: int,
    limit: int,
    wait: Callable[[Callable[[], bool]], bool],
    clock: Callable[[], datetime],
) -> Progress:
    """`wait` calls what it is given until that is true, or it has waited for long enough."""
    state = tasks.get_state(scope, task_id)
    found = read_events(table, scope, task_id, after, limit)

    def look() -> bool:
        found.extend(read_events(table, scope, task_id, after, limit))
        return bool(found)

    def is_over() -> bool:
        # A page can be short: what is behind it is for the next request to say.
        if found or state.status not in TERMINAL:
            return False
        last = read_events(table, scope, task_id, max(0, after - 1), 1)
        return judge_end(state, last, clock())

    over = is_over()
    if not found and not over and not wait(look):
        state = tasks.get_state(scope, task_id)
    return Progress(
        events=found,
        last=found[-1].seq if found else after,
        ended=over or is_over() or (bool(found) and found[-1].type == "ended"),
    )


def read_events(
    table: Table, scope: Scope, task_id: str, after: int, limit: int
) -> list[TaskEvent]:
    """As many as one answer holds, and one at least."""
    batches = read_batches(table, scope, task_id, after, limit)
    events = (event for batch in batches for event in batch.events if event.seq > after)
    found: list[TaskEvent] = []
    size = 0
    for event in islice(events, limit):
        size += measure_event(event)
        if found and size > PAGE_BYTES:
            break
        found.append(event)
    return found


def judge_end(state: TaskState, last: list[TaskEvent], now: datetime) -> bool:
    """Whether nothing more comes of a task that has ended: it is told of last."""
    if last and last[-1].type == "ended":
        return True
    return state.ended_at is None or now - parse_time(state.ended_at) > SETTLED
