"""Admission: queued tasks of a crew take its free slots, the lowest (rank, task id) first."""

from collections.abc import Callable
from datetime import datetime

from quarterdeck.errors import Contention
from quarterdeck.keys import LATER_PREFIX, QUEUE_PREFIX, Scope, bound_later, parse_later_key
from quarterdeck.observability import logger
from quarterdeck.table import ConditionFailed, Item, Table
from quarterdeck.tasks.queue import Queue, TaskMessage, WorkMessage
from quarterdeck.tasks.states import QueueEntry
from quarterdeck.tasks.transitions import dispatch_task, ripen_task

MAX_REFUSALS = 3
MAX_RIPE = 100


def admit_tasks(
    table: Table, queue: Queue[WorkMessage], scope: Scope, crew: str, clock: Callable[[], datetime]
) -> list[str]:
    """The ids of the tasks that were dispatched.

    Called after whatever may have freed a slot or filled the queue. Returns when others are faster:
    whoever takes a slot looks for the next, and the monitor looks each minute.
    """
    admitted: list[str] = []
    refusals = 0
    while refusals < MAX_REFUSALS and has_free_slot(table, scope, crew):
        refusals += ripen_due(table, scope, crew, clock())
        entry = find_first(table, scope, crew)
        if entry is None:
            break
        try:
            table.write(*dispatch_task(scope, entry, clock()))
        except (ConditionFailed, Contention) as refusal:
            logger.debug("Another admission was first", crew=crew, refusal=str(refusal))
            refusals += 1
            continue
        send_task(queue, scope, entry.task_id, entry.epoch)
        admitted.append(entry.task_id)
    return admitted


def send_task(queue: Queue[WorkMessage], scope: Scope, task_id: str, epoch: int) -> None:
    """Tells a worker that it may run the task."""
    queue.send(TaskMessage(**scope._asdict(), task_id=task_id, epoch=epoch))


def has_free_slot(table: Table, scope: Scope, crew: str) -> bool:
    """False while the system is paused."""
    item = table.get(scope.crew_key(crew))
    return item is not None and not item.get("paused") and item["running"] < item["capacity"]


def ripen_due(table: Table, scope: Scope, crew: str, now: datetime) -> int:
    """Puts the retries that are due back into the queue; how many others were faster with."""
    pk = scope.crew_key(crew).pk
    refusals = 0
    for item in list(table.query(pk, LATER_PREFIX, up_to=bound_later(now), limit=MAX_RIPE)):
        try:
            table.write(*ripen_task(scope, read_entry(item), parse_later_key(item["sk"])))
        except (ConditionFailed, Contention):
            refusals += 1
    return refusals


def find_first(table: Table, scope: Scope, crew: str) -> QueueEntry | None:
    pk = scope.crew_key(crew).pk
    item = next(table.query(pk, QUEUE_PREFIX, limit=1), None)
    return read_entry(item) if item else None


def read_entry(item: Item) -> QueueEntry:
    return QueueEntry(*(item[name] for name in QueueEntry._fields))
