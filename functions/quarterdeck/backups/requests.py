"""Restores and restore tests as they are begun."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from quarterdeck.backups.archive.layout import PARTS, Part
from quarterdeck.backups.job import make_job_item
from quarterdeck.backups.records import Backup
from quarterdeck.backups.restores import Restore
from quarterdeck.backups.store import JOB_DAYS, BackupStore, runs_already
from quarterdeck.errors import Conflict, FieldError, InvalidInput, NotFound
from quarterdeck.idempotency import Once, remember
from quarterdeck.keys import restore_key, system_key
from quarterdeck.names import Name, format_time, generate_id, generate_timed_id, is_id
from quarterdeck.systems.records import FIRST, System
from quarterdeck.systems.store import SystemStore, refuse_while_deploying
from quarterdeck.table import (
    Absent,
    Condition,
    ConditionFailed,
    Equals,
    Put,
    Table,
    Unset,
    Update,
)

NEW_GENERATION = FIRST + 1
"""Of a new system's: its tasks can be older than itself, which those of the first cannot be."""


def begin_restore(
    systems: SystemStore,
    backups: BackupStore,
    system: System,
    backup: Backup,
    *,
    parts: Sequence[Part],
    into: Name | None,
    dry_run: bool,
    now: datetime,
    once: Once | None = None,
) -> Restore:
    """A restore whose message is to be sent, `API_SECONDS` later if it closes the system.

    Conflict if the state of the system, or of the backup, forbids it.
    """
    require_good(backup)
    check_parts(parts, into)
    if into is not None:
        systems.require_free_name(into)
    restore = Restore(
        system_id=system.system_id,
        job_id=generate_timed_id(now),
        backup_id=backup.backup_id,
        parts=tuple(part for part in PARTS if part in parts),
        target_id=system.system_id if into is None else generate_id(),
        generation=NEW_GENERATION,
        into=into,
        dry_run=dry_run,
        phase="writing",
        crews=(*system.crews, *system.retired),
        started_at=format_time(now),
    )
    if not restore.replaces:
        systems.table.write(*put_job(restore, now, once))
        return restore
    refuse_while_deploying(system)
    if system.state not in {"active", "paused"}:
        raise Conflict(f"system '{system.name}' is {system.state}: it cannot be restored now")
    if running := backups.get_known(system.system_id).running:
        raise runs_already(running)
    number = next_generation(system)
    restore = restore.model_copy(
        update={
            "phase": "closing",
            "generation": number,
            "old_generation": system.generation,
            "reopen_as": system.state,
        }
    )
    closed = {"state": "restoring", "restoring": restore.job_id, "updated_at": format_time(now)}
    unchanged: list[Condition] = [Equals("state", system.state), Unset("deploying")]
    write_begin(systems, system, restore, closed, unchanged, now, once)
    return restore


def begin_restore_test(
    systems: SystemStore, system: System, backup: Backup, now: datetime, once: Once | None = None
) -> Restore:
    """A test whose message is to be sent. Conflict unless the backup is good."""
    require_good(backup)
    test = Restore(
        kind="restore_test",
        system_id=system.system_id,
        job_id=generate_timed_id(now),
        backup_id=backup.backup_id,
        target_id=system.system_id,
        generation=next_generation(system),
        phase="writing",
        crews=(*system.crews, *system.retired),
        started_at=format_time(now),
    )
    write_begin(systems, system, test, {}, [], now, once)
    return test


def find_restore(table: Table, system_id: str, restore_id: str) -> Restore:
    """Of a restore or of a test; NotFound if the system has none of this id."""
    item = table.get(restore_key(system_id, restore_id)) if is_id(restore_id) else None
    if item is None:
        rule = f"there is no restore '{restore_id[:64]}' of this system"
        raise NotFound(rule, [FieldError("restore_id", rule)])
    return Restore.model_validate(item)


def write_begin(
    systems: SystemStore,
    system: System,
    restore: Restore,
    changes: dict[str, str],
    conditions: list[Condition],
    now: datetime,
    once: Once | None,
) -> None:
    """The job, with a generation that no other job has."""
    latest = system.latest_generation
    taken = Update(
        system_key(system.system_id),
        {**changes, "latest_generation": restore.generation},
        {},
        conditions=[
            *conditions,
            Equals("generation", system.generation),
            Equals("latest_generation", latest) if latest else Unset("latest_generation"),
        ],
    )
    try:
        systems.table.write(taken, *put_job(restore, now, once))
    except ConditionFailed:
        raise Conflict("the system has changed meanwhile: read it again") from None


def put_job(restore: Restore, now: datetime, once: Once | None) -> list[Put]:
    expiry = {"expires_at": int((now + timedelta(days=JOB_DAYS)).timestamp())}
    job = Put(restore.key, make_job_item(restore, now) | expiry, [Absent()])
    return [job, *remember(once, {"restore_id": restore.job_id}, now)]


def next_generation(system: System) -> int:
    return max(system.generation, system.latest_generation or 0) + 1


def require_good(backup: Backup) -> None:
    if backup.damage:
        raise Conflict(f"the backup is damaged: {backup.damage}")
    if not backup.is_good:
        raise Conflict(f"the backup is {backup.status}: one that is completed can be restored")


def check_parts(parts: Sequence[Part], into: Name | None) -> None:
    if not parts:
        raise InvalidInput([FieldError("parts", "names at least one part")])
    if into is not None and "crew_configurations" not in parts:
        rule = "a new system needs crew_configurations"
        raise InvalidInput([FieldError("parts", rule)])
