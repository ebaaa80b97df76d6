"""A task's life: each transition as the writes of one transaction, conditional on status and epoch.

Pure: the caller reads, decides with these, and writes. `crew.running` counts the tasks that hold a
slot, which are those `dispatched` and `running`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from quarterdeck.keys import LEASE_KEYS, Scope, lease_index
from quarterdeck.metrics.buckets import NOTHING, add_counters, count_arrival, count_outcome
from quarterdeck.names import format_time, parse_time
from quarterdeck.retention import Expiry
from quarterdeck.table import Absent, Below, Condition, Delete, Equals, Put, Unset, Update, Write
from quarterdeck.tasks.announcements import tell_end
from quarterdeck.tasks.outcome import Outcome, summarize_outcome
from quarterdeck.tasks.states import HOLDS_SLOT, QueueEntry, TaskState

RESEND_AFTER = timedelta(minutes=10)
LEASE = timedelta(seconds=120)
MAX_CRASHES = 3
MAX_CONTINUATIONS = 200

UNCANCELLED = Unset("cancel_requested")
LOST_WORKER = {"crashes": 1}
OF_THE_LIVE = ("not_before", "waiting_since")


def submit_task(
    scope: Scope, state: TaskState, spec: Mapping[str, Any], created: datetime
) -> list[Write]:
    """- -> queued."""
    task_id, crew = state.task_id, state.crew_name
    stored = state.model_dump(exclude_none=True, exclude={"cancel_requested"})
    return [
        Put(scope.state_key(task_id), stored | scope.by_time(task_id, created), [Absent()]),
        Put(scope.spec_key(task_id), dict(spec)),
        Put(scope.registry_key(task_id, created), {"crew_name": crew}),
        put_in_queue(scope, state),
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
        Delete(scope.queue_key(entry.crew_name, entry.rank, entry.task_id)),
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


def resend_task(scope: Scope, state: TaskState, now: datetime) -> Update:
    """dispatched -> dispatched: the message is due again after another ten minutes."""
    lease = lease_index(state.task_id, now + RESEND_AFTER)
    return change_state(scope, state, lease, same_status(state))


def claim_task(scope: Scope, state: TaskState, worker: str, now: datetime) -> Update:
    """dispatched -> running: for one worker; a message that comes again has an old epoch.

    `worker` is an id of this claim alone: by it a worker knows its own claim.
    """
    claimed = {
        "status": "running",
        "epoch": state.epoch + 1,
        "started_at": state.started_at or format_time(now),
        "claimed_by": worker,
        "beat_ms": 0,
        **lease_index(state.task_id, now + LEASE),
    }
    return change_state(scope, state, claimed, same_status(state))


def beat_task(scope: Scope, state: TaskState, attempt_ms: int, now: datetime) -> Update:
    """running -> running: the lease goes on, `attempt_ms` after the claim."""
    beat = {"beat_ms": attempt_ms, **lease_index(state.task_id, now + LEASE)}
    return change_state(scope, state, beat, same_status(state))


def continue_task(
    scope: Scope,
    state: TaskState,
    attempt_ms: int,
    now: datetime,
    counts: Mapping[str, int] = NOTHING,
) -> list[Write]:
    """running -> dispatched: the worker's own time runs out; the slot is kept."""
    continued = {
        "status": "dispatched",
        "ran_ms": state.ran_ms + attempt_ms,
        "beat_ms": 0,
        "continuations": state.continuations + 1,
        **lease_index(state.task_id, now + RESEND_AFTER),
    }
    return [
        change_state(scope, state, continued, [*same_status(state), UNCANCELLED]),
        add_counters(scope, state.crew_name, now, Counter(counts) + Counter(continuations=1)),
    ]


def postpone_task(
    scope: Scope,
    state: TaskState,
    attempt_ms: int,
    attempts: int,
    not_before: datetime,
    now: datetime,
    counts: Mapping[str, int] = NOTHING,
) -> list[Write]:
    """running -> queued, to be tried again from `not_before` on: a fault of the provider."""
    changes = {
        "status": "queued",
        "ran_ms": state.ran_ms + attempt_ms,
        "beat_ms": 0,
        "attempts": attempts,
        "not_before": format_time(not_before),
    }
    entry = QueueEntry(state.crew_name, state.rank, state.task_id, state.epoch)
    return [
        change_state(scope, state, changes, [*same_status(state), UNCANCELLED], remove=LEASE_KEYS),
        Put(
            scope.later_key(state.crew_name, format_time(not_before), state.task_id),
            entry._asdict(),
        ),
        free_slot(scope, state),
        add_counters(scope, state.crew_name, now, Counter(counts) + Counter(retries=1)),
    ]


def ripen_task(scope: Scope, entry: QueueEntry, not_before: str) -> list[Write]:
    """queued -> queued: its time has come, and it takes its old place among the others."""
    key = scope.queue_key(entry.crew_name, entry.rank, entry.task_id)
    return [
        Delete(scope.later_key(entry.crew_name, not_before, entry.task_id)),
        Put(key, entry._asdict()),
        Update(
            scope.state_key(entry.task_id),
            {},
            {},
            remove=["not_before"],
            conditions=[Equals("status", "queued"), Equals("epoch", entry.epoch)],
        ),
    ]


def requeue_task(scope: Scope, state: TaskState, calls: int, now: datetime) -> list[Write]:
    """running -> queued: its worker is lost. `calls` is the number of its journal entries now."""
    changes = {
        "status": "queued",
        "ran_ms": state.ran_ms + state.beat_ms,
        "beat_ms": 0,
        "crashes": count_crashes(state, calls),
        "calls_at_crash": calls,
    }
    return [
        change_state(scope, state, changes, [*same_lease(state), UNCANCELLED], remove=LEASE_KEYS),
        put_in_queue(scope, state),
        free_slot(scope, state),
        add_counters(scope, state.crew_name, now, LOST_WORKER),
    ]


def count_crashes(state: TaskState, calls: int) -> int:
    """Workers lost in a row, this one included: one that got further begins a new row."""
    return 1 if calls > state.calls_at_crash else state.crashes + 1


def request_cancel(scope: Scope, state: TaskState) -> Update:
    """running -> running, flagged: its worker ends it at the next call, or the reaper does."""
    running = [Equals("status", "running")]  # Whichever worker has it by now.
    return change_state(scope, state, {"cancel_requested": True}, running)


def finish_task(
    scope: Scope,
    state: TaskState,
    outcome: Outcome,
    document: Mapping[str, Any],
    now: datetime,
    counts: Mapping[str, int] = NOTHING,
) -> list[Write]:
    """running -> terminal, by its worker. A task whose cancel was asked for ends as cancelled."""
    conditions = [*same_status(state), *same_flag(outcome)]
    return end_task(scope, state, outcome, document, now, conditions, counts)


def bury_task(
    scope: Scope, state: TaskState, outcome: Outcome, document: Mapping[str, Any], now: datetime
) -> list[Write]:
    """running -> terminal, by the reaper: its worker is lost, and nobody is to run it again."""
    conditions = [*same_lease(state), *same_flag(outcome)]
    return end_task(scope, state, outcome, document, now, conditions, LOST_WORKER)


def cancel_task(
    scope: Scope, state: TaskState, outcome: Outcome, document: Mapping[str, Any], now: datetime
) -> list[Write]:
    """queued, dispatched, waiting -> cancelled: it never runs; its message finds another epoch."""
    conditions = [*same_status(state), *same_place(state)]
    writes = end_task(scope, state, outcome, document, now, conditions, bump=True)
    if state.status != "queued":
        return writes
    if state.not_before:
        key = scope.later_key(state.crew_name, state.not_before, state.task_id)
    else:
        key = scope.queue_key(state.crew_name, state.rank, state.task_id)
    return [*writes, Delete(key)]


def end_task(
    scope: Scope,
    state: TaskState,
    outcome: Outcome,
    document: Mapping[str, Any],
    now: datetime,
    conditions: Sequence[Condition],
    counts: Mapping[str, int] = NOTHING,
    *,
    bump: bool = False,
) -> list[Write]:
    """Any end: frees a slot that is held, keeps END with the outcome's document, counts once.

    Response time leaves out the time of people, as the task's timeout does. What is to be told of
    it is in the outbox.
    """
    task_id = state.task_id
    created = parse_time(state.created_at)
    expiry = {"expires_at": Expiry("tasks", now)}
    epoch = state.epoch + bump
    ended: dict[str, Any] = {
        "status": outcome.status,
        "ended_at": format_time(now),
        "epoch": epoch,
        **expiry,
    }
    response_ms = max(0, count_ms(created, now) - count_waited(state, now))
    return [
        change_state(scope, state, ended, conditions, remove=[*LEASE_KEYS, *OF_THE_LIVE]),
        Put(
            scope.end_key(task_id),
            {"document": dict(document), "summary": summarize_outcome(outcome), **expiry},
            [Absent()],
        ),
        Update(scope.spec_key(task_id), expiry, {}),
        Update(scope.registry_key(task_id, created), expiry, {}),
        *leave_crew(scope, state),
        count_outcome(scope, state.crew_name, outcome, response_ms, now, counts),
        tell_end(scope, state, epoch, now),
    ]


def count_ms(since: datetime, until: datetime) -> int:
    return round((until - since).total_seconds() * 1000)


def count_waited(state: TaskState, now: datetime) -> int:
    """Milliseconds that the task has waited for people."""
    open_ms = count_ms(parse_time(state.waiting_since), now) if state.waiting_since else 0
    return state.waited_ms + max(0, open_ms)


def change_state(
    scope: Scope,
    state: TaskState,
    changes: Mapping[str, Any],
    conditions: Sequence[Condition],
    *,
    remove: Sequence[str] = (),
) -> Update:
    return Update(scope.state_key(state.task_id), changes, {}, remove, conditions)


def same_status(state: TaskState) -> list[Condition]:
    """Status and epoch are as they were read."""
    epoch = Equals("epoch", state.epoch)
    # Every way out of `dispatched` takes another epoch.
    return [epoch] if state.status == "dispatched" else [Equals("status", state.status), epoch]


def same_lease(state: TaskState) -> list[Condition]:
    """The same worker has the task still, and no heartbeat came since `state` was read."""
    return [Equals("epoch", state.epoch), Equals("lease_expires_at", str(state.lease_expires_at))]


def same_flag(outcome: Outcome) -> list[Condition]:
    """No cancel was asked for, unless it is granted."""
    return [] if outcome.status == "cancelled" else [UNCANCELLED]


def same_place(state: TaskState) -> list[Condition]:
    """A task that was put off has not ripened since `state` was read."""
    return [Equals("not_before", state.not_before)] if state.not_before else []


def put_in_queue(scope: Scope, state: TaskState) -> Put:
    entry = QueueEntry(state.crew_name, state.rank, state.task_id, state.epoch)
    return Put(scope.queue_key(entry.crew_name, entry.rank, entry.task_id), entry._asdict())


def free_slot(scope: Scope, state: TaskState) -> Update:
    return Update(scope.crew_key(state.crew_name), {}, {"running": -1})


def leave_crew(scope: Scope, state: TaskState) -> list[Update]:
    """Gives back what the task takes of its crew: a slot, or a place among those who wait."""
    if state.status in HOLDS_SLOT:
        return [free_slot(scope, state)]
    return [leave_waiting(scope, state)] if state.status == "waiting" else []


def leave_waiting(scope: Scope, state: TaskState) -> Update:
    return Update(scope.crew_key(state.crew_name), {}, {"waiting": -1})
