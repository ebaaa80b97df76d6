"""A task's log as batches of events: what an item holds, and which batch a writer puts next. Pure.

A batch is put once, under the number of its first event, if nothing is there: so whoever puts one
has read all below it, and no number is given twice.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from quarterdeck.keys import parse_event_key
from quarterdeck.names import format_time, parse_time
from quarterdeck.retention import Expiry
from quarterdeck.table import Item
from quarterdeck.tasks.events import (
    Ended,
    Identity,
    LlmCall,
    StepEnded,
    StepStarted,
    TaskEvent,
    ToolCall,
    Waiting,
    dump_event,
)

BATCH = 20
"""Events at most."""
LARGEST_BATCH = 200_000
"""Bytes, from which a batch takes no more: an item holds 400 KB, and an event a third of that."""
MOST_EVENTS = 2_000
MOST_CALLS = 1_700
"""Calls leave the rest of the places to other events, and those leave 149 to at most 50 steps."""
MOST_TURNS = 1_850
ENDED = Ended(status="succeeded").identity
TASK_EVENT: TypeAdapter[TaskEvent] = TypeAdapter(TaskEvent)


def find_bound(event: TaskEvent) -> int:
    """The last number that such an event may have."""
    match event:
        case LlmCall() | ToolCall():
            return MOST_CALLS
        case StepStarted() | StepEnded():
            return MOST_EVENTS - 1
        case Ended():
            return MOST_EVENTS
    return MOST_TURNS


class Batch(NamedTuple):
    """`through`: how many events its writer had told with it. `dropped`: since, for want of room.

    `events` lacks those of types that this release does not know.
    """

    first: int
    last: int
    events: tuple[TaskEvent, ...]
    writer: str = ""
    through: int = 0
    dropped: int = 0


def read_batch(item: Item) -> Batch:
    """Also of an item of an older archive, which holds nothing that is read."""
    first = parse_event_key(item["sk"])
    told = json.loads(item.get("events", "[]"))
    return Batch(
        first,
        item.get("last", first),
        tuple(event for fields in told if (event := read_event(fields))),
        item.get("writer", ""),
        item.get("through", 0),
        item.get("dropped", 0),
    )


def write_batch(batch: Batch) -> Item:
    """As JSON text: arguments can hold numbers and nesting that the table does not take."""
    events = [dump_event(event) for event in batch.events]
    return {
        "events": json.dumps(events, ensure_ascii=False, separators=(",", ":")),
        "last": batch.last,
        "writer": batch.writer,
        "through": batch.through,
        "expires_at": Expiry("events", find_passing(batch.events)),
    }


def measure_event(event: TaskEvent) -> int:
    """Bytes of it as JSON."""
    return len(json.dumps(dump_event(event), ensure_ascii=False).encode())


def read_event(fields: object) -> TaskEvent | None:
    """None for one that another release wrote, and this one does not know."""
    try:
        return TASK_EVENT.validate_python(fields)
    except ValidationError:
        return None


def find_passing(events: Sequence[TaskEvent]) -> datetime:
    """When the last was told; of a task that waits, when nobody is waited for any more."""
    moments = [e.expires_at if isinstance(e, Waiting) else e.at for e in events]
    return parse_time(max(moments))


class Pending(NamedTuple):
    """An event that is not in the log yet; `ordinal`: how many this writer has told with it."""

    ordinal: int
    event: TaskEvent


class Plan(NamedTuple):
    """`rest`: what a further batch is made of. `dropped`: for want of room."""

    batch: Batch | None
    rest: list[Pending]
    dropped: int


@dataclass
class Known:
    """What a writer has read of a log: all of it, or its end."""

    last: int = 0
    newest: int = 0
    """The number of the last batch."""
    told: set[Identity] = field(default_factory=set)
    dropped: int = 0
    confirmed: dict[str, int] = field(default_factory=dict)
    """By writer: how many of its events are in the log, or were left out of it."""

    def fold(self, batch: Batch) -> None:
        self.last, self.newest = batch.last, batch.first
        self.told |= {e.identity for e in batch.events if e.identity is not None}
        self.dropped += batch.dropped
        self.confirmed[batch.writer] = batch.through

    def plan(self, writer: str, pending: Sequence[Pending]) -> Plan:
        """The next batch of what the log does not have, in its order; None if there is nothing."""
        chosen: list[TaskEvent] = []
        seen: set[Identity] = set()
        dropped = through = size = 0
        rest = list(pending)
        while rest and len(chosen) < BATCH:
            ordinal, event = rest[0]
            seq, identity = self.last + len(chosen) + 1, event.identity
            size += measure_event(event)
            if chosen and size > LARGEST_BATCH:
                break
            through = ordinal
            del rest[0]
            if through <= self.confirmed.get(writer, 0) or identity in self.told | seen:
                continue
            if ENDED in self.told | seen:
                continue  # Whoever follows the task has been told that nothing more comes.
            if seq > find_bound(event):
                dropped += 1
                continue
            if isinstance(event, Ended):
                event = event.model_copy(update={"events_dropped": self.dropped + dropped})
            if identity is not None:
                seen.add(identity)
            chosen.append(event.model_copy(update={"seq": seq}))
        first, last = self.last + 1, self.last + len(chosen)
        batch = Batch(first, last, tuple(chosen), writer, through) if chosen else None
        return Plan(batch, rest, dropped)


def stamp(event: TaskEvent, now: datetime) -> TaskEvent:
    return event.model_copy(update={"at": format_time(now)})
