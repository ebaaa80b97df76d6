"""What the records of an archive become in another generation. Pure.

Nothing of it can run: no task is live, none is queued, and no lease is kept.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from quarterdeck.backups.archive.records import Record
from quarterdeck.keys import (
    EVENT_PREFIX,
    INDEX_KEYS,
    QUESTION_PREFIX,
    Key,
    Scope,
    name_crew,
    name_task,
)
from quarterdeck.names import format_time, parse_time
from quarterdeck.table import Item, marshal_item, unmarshal_item
from quarterdeck.tasks.outcome import Outcome, TaskError, summarize_outcome
from quarterdeck.tasks.states import TERMINAL

INTERRUPTED = Outcome(
    status="interrupted",
    error=TaskError(
        type="interrupted", message="the task had not ended when the system was restored"
    ),
)
TRANSIENT = {*INDEX_KEYS, "claimed_by", "not_before", "waiting_since", "cancel_requested"}
"""What only a task that lives has, and the keys of indexes."""


class Target(NamedTuple):
    """`now`: when the restore began. What expired before is left out. `expires`: of a test, when
    whatever may be left of it goes. `tasks_kept`: after their end."""

    scope: Scope
    now: datetime
    tasks_kept: timedelta
    expires: datetime | None = None


class Rebuilt(NamedTuple):
    """Items by key; a document is `{"text"}` of any length. `interrupted`: 1 for such a task."""

    items: dict[Key, Item]
    interrupted: int = 0


def rebuild(records: Sequence[Record], target: Target) -> Rebuilt:
    """Of the records of one task, or of one record of anything else; nothing of none."""
    if not records:
        return Rebuilt({})
    first = records[0]
    task_id = name_task(first.pk)
    if task_id is not None:
        rebuilt = rebuild_task(task_id, records, target)
    elif first.part == "task_histories":
        rebuilt = Rebuilt({})  # The registry's entry is made anew with its task.
    elif first.part == "crew_configurations":
        rebuilt = rebuild_crew(first, target)
    else:
        rebuilt = rebuild_item(first, target)
    if target.expires:
        return cap_expiry(rebuilt, target.expires)
    return rebuilt


def rebuild_item(record: Record, target: Target) -> Rebuilt:
    item = strip_item(record)
    if is_expired(item, target.now):
        return Rebuilt({})
    return Rebuilt({target.scope.place(record.pk, record.sk): item})


def rebuild_crew(record: Record, target: Target) -> Rebuilt:
    """A capacity of which nothing is in use; versions are no items of a generation."""
    crew = name_crew(record.pk)
    if crew is None:
        return Rebuilt({})
    capacity = unmarshal_item(record.item)["capacity"]
    return Rebuilt({target.scope.crew_key(crew): {"capacity": capacity, "running": 0}})


def rebuild_task(task_id: str, records: Sequence[Record], target: Target) -> Rebuilt:
    """All of the task, with STATE last, or nothing: of one that has expired, parts may be gone."""
    found = {record.sk: strip_item(record) for record in records}
    scope = target.scope
    end_key, spec_key, state_key = (
        key(task_id) for key in (scope.end_key, scope.spec_key, scope.state_key)
    )
    state, spec, end = (found.pop(key.sk, None) for key in (state_key, spec_key, end_key))
    if state is None or spec is None or is_expired(state, target.now):
        return Rebuilt({})
    ended = end is not None
    if end is None:
        state, end = interrupt_task(state, target)
    elif state["status"] not in TERMINAL:
        state = state | {"status": end["summary"]["status"], "ended_at": format_time(target.now)}
    expiry = {"expires_at": end["expires_at"]}
    created = parse_time(state["created_at"])
    events = {
        scope.place(records[0].pk, sk): event
        for sk, event in found.items()
        if sk.startswith((EVENT_PREFIX, QUESTION_PREFIX)) and not is_expired(event, target.now)
    }
    items = {
        **events,
        end_key: end,
        spec_key: spec | expiry,
        scope.registry_key(task_id, created): {"crew_name": state["crew_name"], **expiry},
        state_key: state | expiry | scope.by_time(task_id, created),
    }
    return Rebuilt(items, interrupted=int(not ended))


def interrupt_task(state: Item, target: Target) -> tuple[Item, Item]:
    """STATE and END of a task that had not ended: it never runs again."""
    outcome = INTERRUPTED.model_copy(update={"duration_ms": state.get("ran_ms", 0)})
    now = target.now
    expiry = {"expires_at": int((now + target.tasks_kept).timestamp())}
    ended = {"status": outcome.status, "ended_at": format_time(now), "epoch": state["epoch"] + 1}
    end: dict[str, Any] = {
        "document": {"text": outcome.model_dump_json()},
        "summary": summarize_outcome(outcome),
    }
    # As it is read back: the table knows no tuples.
    return state | ended | expiry, unmarshal_item(marshal_item(end | expiry))


def strip_item(record: Record) -> Item:
    item = unmarshal_item(record.item)
    return {name: value for name, value in item.items() if name not in TRANSIENT}


def is_expired(item: Mapping[str, Any], now: datetime) -> bool:
    expires = item.get("expires_at")
    return expires is not None and expires <= now.timestamp()


def cap_expiry(rebuilt: Rebuilt, expires: datetime) -> Rebuilt:
    last = int(expires.timestamp())
    items = {
        key: item | {"expires_at": min(item.get("expires_at", last), last)}
        for key, item in rebuilt.items.items()
    }
    return rebuilt._replace(items=items)
