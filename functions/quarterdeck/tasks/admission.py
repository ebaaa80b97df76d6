"""Admission: queued tasks of a crew take its free slots, the lowest (rank, task id) first."""

from collections.abc import Callable
from datetime import datetime

from quarterdeck.errors import Contention
from quarterdeck.observability import logger
from quarterdeck.table import ConditionFailed, Scope, Table
from quarterdeck.tasks.queue import Queue, TaskMessage
from quarterdeck.tasks.transitions import QueueEntry, dispatch_task

MAX_REFUSALS = 3


def admit_tasks(
    table: Table, queue: Queue[TaskMessage], scope: Scope, crew: str, clock: Callable[[], datetime]
) -> list[str]:
    """The ids of the tasks that were dispatched.

    Called after whatever may have freed a slot or filled the queue. Returns when others are faster:
    whoever takes a slot looks for the next, and the monitor looks each minute.
    """
    admitted: list[str] = []
    refusals = 0
    while has_free_slot(table, scope, crew) and (entry := find_first(table, scope, crew)):
        try:
            table.write(*dispatch_task(scope, entry, clock()))
        except (ConditionFailed, Contention) as refusal:
            logger.debug("Another admission was first", crew=crew, refusal=str(refusal))
            refusals += 1
            if refusals == MAX_REFUSALS:
                break
            continue
        queue.send(
            TaskMessage(
                system_id=scope.system_id,
                generation=scope.generation,
                task_id=entry.task_id,
                epoch=entry.epoch,
            )
        )
        admitted.append(entry.task_id)
    return admitted


def has_free_slot(table: Table, scope: Scope, crew: str) -> bool:
    item = table.get(scope.crew_key(crew))
    return item is not None and item["running"] < item["capacity"]


def find_first(table: Table, scope: Scope, crew: str) -> QueueEntry | None:
    pk = scope.crew_key(crew).pk
    item = next(table.query(pk, "QUEUE#", limit=1), None)
    return QueueEntry(*(item[name] for name in QueueEntry._fields)) if item else None
