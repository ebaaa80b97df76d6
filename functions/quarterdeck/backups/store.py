"""Backups as they are begun, found and removed in the table."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from quarterdeck.backups.job import make_job_item
from quarterdeck.backups.records import Backup, BackupsOfSystem, Origin, Verification
from quarterdeck.errors import Conflict, FieldError, NotFound
from quarterdeck.idempotency import Once, remember
from quarterdeck.keys import (
    BACKUP_PREFIX,
    EVERY_BACKED_UP,
    RESTORE_PREFIX,
    VERIFY_PREFIX,
    backed_up_key,
    backup_key,
    backups_key,
    verify_key,
)
from quarterdeck.names import format_time, generate_timed_id, is_id
from quarterdeck.systems.records import BackupPlan, System
from quarterdeck.table import (
    Absent,
    Condition,
    ConditionFailed,
    Delete,
    Equals,
    Item,
    Page,
    Put,
    Table,
    Unset,
    Update,
)

JOB_DAYS = 90
"""How long what a verification found is kept."""


class BackupStore:
    def __init__(self, table: Table) -> None:
        self.table = table

    def begin(
        self,
        system: System,
        plan: BackupPlan,
        origin: Origin,
        now: datetime,
        *,
        due: datetime | None = None,
        delay_s: int = 0,
        once: Once | None = None,
    ) -> Backup:
        """A backup whose message is to be sent, after `delay_s`; Conflict if one runs.

        `due`: the time of the plan that it sees to, which is so seen to once. `once`: the request
        that asks for it.
        """
        check_backable(system, origin)
        backup = Backup(
            system_id=system.system_id,
            job_id=generate_timed_id(now),
            origin=origin,
            system_name=system.name,
            system_created_at=system.created_at,
            generation=system.generation,
            version=system.current_version,
            plan=plan,
            started_at=format_time(now),
            expires=format_time(now + timedelta(days=plan.retention_days)),
        )
        known = self.get_known(system.system_id)
        if known.running:
            raise runs_already(known.running)
        try:
            self.table.write(
                Put(backup.key, make_job_item(backup, now, delay_s), [Absent()]),
                mark_running(backup, known, due),
                Put(backed_up_key(system.system_id), {}),
                *remember(once, {"job_id": backup.job_id}, now),
            )
        except ConditionFailed:
            raise Conflict("another backup of the system has just begun") from None
        return backup

    def get_known(self, system_id: str) -> BackupsOfSystem:
        return BackupsOfSystem.model_validate(self.table.get(backups_key(system_id)) or {})

    def note_test_planned(self, system_id: str, known: BackupsOfSystem, due: datetime) -> None:
        """Sees to a restore test's time; Conflict if another has."""
        seen_to = {"test_planned_for": format_time(due)}
        same = same_value("test_planned_for", known.test_planned_for)
        try:
            self.table.write(Update(backups_key(system_id), seen_to, {}, conditions=[same]))
        except ConditionFailed:
            raise Conflict("another has seen to the restore test") from None

    def get(self, system_id: str, backup_id: str) -> Backup:
        item = self.table.get(backup_key(system_id, backup_id)) if is_id(backup_id) else None
        if item is None:
            rule = f"there is no backup '{backup_id[:64]}' of this system"
            raise NotFound(rule, [FieldError("backup_id", rule)])
        return Backup.model_validate(item)

    def list_page(self, system_id: str, limit: int, start: Item | None) -> Page:
        """Newest first."""
        partition = backup_key(system_id, "").pk
        return self.table.query_newest(partition, BACKUP_PREFIX, limit=limit, start=start)

    def list_all(self, system_id: str) -> Iterator[Backup]:
        """Oldest first."""
        partition = backup_key(system_id, "").pk
        return map(Backup.model_validate, self.table.query(partition, BACKUP_PREFIX))

    def find_last_good(self, system_id: str) -> Backup | None:
        good = [backup for backup in self.list_all(system_id) if backup.is_good]
        return good[-1] if good else None

    def list_in_use(self, system_id: str) -> set[str]:
        """The ids of backups that are being verified, tested or restored from."""
        partition = backup_key(system_id, "").pk
        return {
            item["backup_id"]
            for prefix in (VERIFY_PREFIX, RESTORE_PREFIX)
            for item in self.table.query(partition, prefix)
            if item["status"] == "running"
        }

    def list_backed_up(self) -> Iterator[str]:
        """The ids of systems with backups, deleted ones included."""
        return (item["sk"] for item in self.table.query(EVERY_BACKED_UP, ""))

    def begin_verification(
        self, backup: Backup, now: datetime, once: Once | None = None
    ) -> Verification:
        """Conflict unless the backup is completed; ConditionFailed if `once` was."""
        if backup.status != "completed":
            raise Conflict(f"the backup is {backup.status}: one that is completed can be verified")
        job = Verification(
            system_id=backup.system_id,
            job_id=generate_timed_id(now),
            backup_id=backup.backup_id,
            started_at=format_time(now),
        )
        expiry = {"expires_at": int((now + timedelta(days=JOB_DAYS)).timestamp())}
        self.table.write(
            Put(job.key, make_job_item(job, now) | expiry, [Absent()]),
            *remember(once, {"job_id": job.job_id}, now),
        )
        return job

    def get_verification(self, system_id: str, job_id: str) -> Verification:
        item = self.table.get(verify_key(system_id, job_id)) if is_id(job_id) else None
        if item is None:
            rule = f"there is no verification '{job_id[:64]}' in this system"
            raise NotFound(rule, [FieldError("verification_id", rule)])
        return Verification.model_validate(item)

    def remove(self, backup: Backup) -> None:
        """Once its objects are gone."""
        self.table.write(Delete(backup.key))


def check_backable(system: System, origin: Origin) -> None:
    """A restore backs up what it has closed, and nobody else does then."""
    states = {"restoring"} if origin == "safety" else {"active", "paused"}
    if system.state not in states:
        raise Conflict(f"system '{system.name}' is {system.state}: it cannot be backed up now")


def runs_already(backup_id: str) -> Conflict:
    return Conflict(f"backup '{backup_id}' of the system is running: wait for its end")


def mark_running(backup: Backup, known: BackupsOfSystem, due: datetime | None) -> Update:
    """One at a time, and one for each time of the plan."""
    marks = {"running": backup.backup_id} | ({"planned_for": format_time(due)} if due else {})
    conditions: list[Condition] = [
        Unset("running"),
        same_value("planned_for", known.planned_for),
    ]
    return Update(backups_key(backup.system_id), marks, {}, conditions=conditions)


def clear_running(backup: Backup) -> Update:
    """With the end of the backup."""
    ours = [Equals("running", backup.backup_id)]
    return Update(backups_key(backup.system_id), {}, {}, ["running"], ours)


def same_value(attribute: str, value: str | None) -> Condition:
    return Unset(attribute) if value is None else Equals(attribute, value)
