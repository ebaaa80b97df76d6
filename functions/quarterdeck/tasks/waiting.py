"""Waiting for a person, as transitions: no slot is held, no worker has the task, nothing is billed.

Pure, as `transitions`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from quarterdeck.keys import LEASE_KEYS, Key, Scope, lease_index
from quarterdeck.metrics.buckets import NOTHING, add_counters
from quarterdeck.names import format_time
from quarterdeck.retention import Expiry
from quarterdeck.table import Put, Update, Write
from quarterdeck.tasks.announcements import tell_waiting
from quarterdeck.tasks.outcome import Outcome
from quarterdeck.tasks.states import TaskState
from quarterdeck.tasks.transitions import (
    UNCANCELLED,
    change_state,
    count_waited,
    end_task,
    leave_waiting,
    put_in_queue,
    same_status,
)


def wait_task(
    scope: Scope,
    state: TaskState,
    document: Mapping[str, Any],
    attempt_ms: int,
    expires: datetime,
    now: datetime,
    counts: Mapping[str, int] = NOTHING,
) -> list[Write]:
    """running -> waiting, by its worker: `document` is the question, open until `expires`."""
    number = state.question + 1
    waiting = {
        "status": "waiting",
        "ran_ms": state.ran_ms + attempt_ms,
        "beat_ms": 0,
        "question": number,
        "waiting_since": format_time(now),
        **lease_index(state.task_id, expires),
    }
    return [
        change_state(scope, state, waiting, [*same_status(state), UNCANCELLED]),
        Put(
            scope.question_key(state.task_id, number),
            {"document": dict(document), "expires_at": Expiry("tasks", expires)},
        ),
        Update(scope.crew_key(state.crew_name), {}, {"running": -1, "waiting": 1}),
        add_counters(scope, state.crew_name, now, counts),
        tell_waiting(scope, state, number, now),
    ]


def resume_task(
    scope: Scope,
    state: TaskState,
    answered: Mapping[str, Any],
    call: Key,
    entry: Mapping[str, Any],
    now: datetime,
) -> list[Write]:
    """waiting -> queued, at its old rank: a person has answered.

    `answered` is what the question keeps of it; `entry` what the journal answers the call with.
    """
    queued = {"status": "queued", "waited_ms": count_waited(state, now)}
    remove = [*LEASE_KEYS, "waiting_since"]
    return [
        change_state(scope, state, queued, same_status(state), remove=remove),
        put_in_queue(scope, state),
        leave_waiting(scope, state),
        Update(scope.question_key(state.task_id, state.question), answered, {}),
        Put(call, dict(entry)),
    ]


def expire_task(
    scope: Scope, state: TaskState, outcome: Outcome, document: Mapping[str, Any], now: datetime
) -> list[Write]:
    """waiting -> failed, by the monitor: nobody has answered in time."""
    return end_task(scope, state, outcome, document, now, same_status(state))
