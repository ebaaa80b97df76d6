"""Pausing a system, and deleting it."""

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import batched

from quarterdeck.blobs import BlobStore
from quarterdeck.errors import Conflict, NotFound
from quarterdeck.keys import (
    ACTIVE_SYSTEMS,
    SYSTEMS,
    TASKS_BY_TIME,
    name_key,
    parse_task_time,
    system_key,
)
from quarterdeck.names import format_time
from quarterdeck.observability import logger
from quarterdeck.systems.activity import mark_active
from quarterdeck.systems.records import System
from quarterdeck.systems.store import SystemStore, refuse_while_deploying
from quarterdeck.table import ConditionFailed, Delete, Equals, Item, Present, Table, Unset, Update
from quarterdeck.tasks.ending import stop_task
from quarterdeck.tasks.states import TERMINAL

API_SECONDS = 30
"""No request that saw the system open is left after it."""
PAGE = 200
TOGETHER = 99
"""Crews that change in one transaction with META: DynamoDB takes 100 items."""


def pause_system(systems: SystemStore, system: System, now: datetime) -> System:
    """Takes no more tasks and admits none; what runs goes on. Conflict unless it is active."""
    return switch_state(systems, system, "active", "paused", now)


def unpause_system(systems: SystemStore, system: System, now: datetime) -> System:
    """Conflict unless it is paused."""
    mark_active(systems.table, system.system_id, now)
    return switch_state(systems, system, "paused", "active", now)


def switch_state(systems: SystemStore, system: System, old: str, new: str, now: datetime) -> System:
    refuse_while_deploying(system)
    if system.state != old:
        raise Conflict(f"system '{system.name}' is {system.state}, not {old}")
    pausing = new == "paused"
    crews = [
        Update(
            system.scope.crew_key(name),
            {"paused": True} if pausing else {},
            {},
            [] if pausing else ["paused"],
            [Present()],
        )
        for name in (*system.crews, *system.retired)
    ]
    try:
        # Until the state has changed, what was done of the rest can be done again.
        for some in batched(crews[TOGETHER:], TOGETHER, strict=False):
            systems.table.write(*some)
        systems.table.write(change_state(system, old, new, now), *crews[:TOGETHER])
    except ConditionFailed:
        raise Conflict("the system has changed meanwhile: read it again") from None
    return systems.get(system.system_id)


def change_state(system: System, old: str, new: str, now: datetime) -> Update:
    return Update(
        system_key(system.system_id),
        {"state": new, "updated_at": format_time(now)},
        {},
        conditions=[Equals("state", old), Unset("deploying")],
    )


def request_deletion(systems: SystemStore, system: System, *, force: bool, now: datetime) -> System:
    """The system in state `deleting`, from which there is no way back.

    Conflict if tasks live, unless `force`: they are cancelled then.
    """
    refuse_while_deploying(system)
    if system.state == "deleting":
        return system
    if system.state == "restoring":
        raise Conflict(f"system '{system.name}' is restoring: wait for the restore's end")
    live = 0 if force else count_live(systems, system)
    if live:
        tasks = "1 task lives" if live == 1 else f"{live} tasks live"
        raise Conflict(
            f"{tasks}: cancel what is queued, running or waiting, or delete with force=true"
        )
    try:
        systems.table.write(change_state(system, system.state, "deleting", now))
    except ConditionFailed:
        raise Conflict("the system has changed meanwhile: read it again") from None
    return systems.get(system.system_id)


def count_live(systems: SystemStore, system: System) -> int:
    return sum(systems.count_live(system, name) for name in (*system.crews, *system.retired))


def finish_deletion(systems: SystemStore, system_id: str, clock: Callable[[], datetime]) -> bool:
    """Cancels what lives; with nothing alive, leaves a tombstone. Whether that is done.

    Backups and what the tasks left go when their own retention ends. Comes to the same however
    often it is called.
    """
    try:
        system = systems.get(system_id)
    except NotFound:
        return True
    if system.state != "deleting":
        logger.info("The system is not to be deleted", system_id=system_id)
        return True
    cancel_tasks(systems.table, systems.blobs, system, clock)
    if count_live(systems, system):
        return False
    systems.table.write(*bury_system(system, clock()))
    return True


def cancel_tasks(
    table: Table, blobs: BlobStore, system: System, clock: Callable[[], datetime]
) -> None:
    for task_id in list_live(table, system):
        try:
            stop_task(table, blobs, system.scope, task_id, clock)
        except Conflict:
            logger.debug("The task has ended", task_id=task_id)


def list_live(table: Table, system: System) -> Iterator[str]:
    """The ids of tasks that had not ended when the index was written."""
    start: Item | None = None
    while True:
        page = table.query_index(TASKS_BY_TIME, system.scope.prefix, limit=PAGE, start=start)
        for item in page.items:
            if item["status"] not in TERMINAL:
                yield parse_task_time(item)[1]
        start = page.last_key
        if start is None:
            return


def bury_system(system: System, now: datetime) -> list[Update | Delete]:
    """The tombstone, which no list shows; and the name, if it is this system's, is free."""
    buried = {"state": "deleted", "updated_at": format_time(now)}
    listed = [ACTIVE_SYSTEMS.partition, SYSTEMS.partition, SYSTEMS.order]
    return [
        Update(
            system_key(system.system_id),
            buried,
            {},
            listed,
            conditions=[Equals("state", "deleting")],
        ),
        *free_name(system),
    ]


def free_name(system: System) -> list[Delete]:
    """A system whose first deployment failed has lost its name already."""
    if not system.current_version:
        return []
    return [Delete(name_key(system.name), [Equals("system_id", system.system_id)])]
