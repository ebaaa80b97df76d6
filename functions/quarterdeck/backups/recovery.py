"""Systems that the table has lost, brought back from what their archives say of themselves."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter

from pydantic import ValidationError

from quarterdeck.backups.archive.damage import ArchiveDamaged
from quarterdeck.backups.archive.layout import MANIFEST, MANIFEST_LIMIT, ArchiveName
from quarterdeck.backups.archive.objects import ArchiveObjects
from quarterdeck.backups.archive.reader import Archive, list_archives, open_archive
from quarterdeck.backups.archives import Archives
from quarterdeck.backups.erasing import FindErased
from quarterdeck.backups.job import claim_job, make_job_item, run_job
from quarterdeck.backups.passage import walk
from quarterdeck.backups.records import Backup, BackupProgress
from quarterdeck.backups.requests import find_restore
from quarterdeck.backups.restores import Place, Restore
from quarterdeck.backups.restoring import RestoreWork
from quarterdeck.backups.sources import read_document
from quarterdeck.backups.store import BackupStore
from quarterdeck.keys import backed_up_key, name_version, system_key
from quarterdeck.names import format_time, generate_timed_id, parse_time
from quarterdeck.systems.configuration import SystemConfiguration
from quarterdeck.systems.records import Frequency
from quarterdeck.systems.rollout import make_plan
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import Absent, ConditionFailed, Put, Update
from quarterdeck.tasks.queue import BackupMessage, Queue

TURN_SECONDS = 3600.0


class Unsent(Queue[BackupMessage]):
    """Nobody else carries a recovery on."""

    def __init__(self) -> None:
        """There is no queue."""

    def send(self, message: BackupMessage, delay_s: int = 0) -> None:
        """The recovery goes on by itself."""


@dataclass(frozen=True)
class Recovery:
    """`tell` is given a line for people at a time; `frequency`: the environment's, of backups."""

    systems: SystemStore
    backups: BackupStore
    archives: Archives
    frequency: Frequency
    find_erased: FindErased
    clock: Callable[[], datetime]
    tell: Callable[[str], None]

    def recover(self) -> int:
        """How many systems are lost still. Can be run again: what is there stays as it is."""
        objects = ArchiveObjects(self.archives.client, self.archives.bucket)
        names = sorted(list_archives(objects))
        lost = 0
        for system_id, group in groupby(names, attrgetter("system_id")):
            if known := self.systems.table.get(system_key(system_id)):
                self.tell(f"{system_id}: is there, {known['state']}")
            elif not self._recover_system(objects, list(group)):
                self.tell(f"{system_id}: IS LOST: none of its backups is whole")
                lost += 1
        return lost

    def _recover_system(self, objects: ArchiveObjects, names: list[ArchiveName]) -> bool:
        """From the newest archive that is whole; all that are become the system's backups."""
        known = list(self._adopt_all(objects, names))
        for backup in reversed(known):
            restore = self._restore(backup)
            if restore.outcome == "restored":
                now = format_time(self.clock())
                proven = {"verified_at": now, "restore_proven_at": now}
                self.systems.table.write(Update(backup.key, proven, {}))
                items = sum(restore.items.values())
                self.tell(
                    f"{backup.system_id}: '{backup.system_name}' is as of {backup.started_at}: "
                    f"{items} items, {restore.interrupted} tasks interrupted"
                )
                return True
            self.tell(f"{backup.system_id}: {'; '.join(restore.reasons)}")
        return False

    def _adopt_all(self, objects: ArchiveObjects, names: list[ArchiveName]) -> Iterator[Backup]:
        for name in names:
            try:
                backup = self._describe(objects, name)
            except ArchiveDamaged as damage:
                self.tell(f"{name.system_id}: backup {name.backup_id} is damaged: {damage}")
                continue
            try:
                kept = backup.model_dump(exclude_none=True)
                self.systems.table.write(
                    Put(backup.key, kept, [Absent()]), Put(backed_up_key(name.system_id), {})
                )
            except ConditionFailed:
                backup = self.backups.get(*name)
            yield backup

    def _describe(self, objects: ArchiveObjects, name: ArchiveName) -> Backup:
        """What the table knew of the backup, as far as the archive tells it."""
        sealed = objects.get(name.locate(MANIFEST), MANIFEST_LIMIT) or b""
        archive = open_archive(objects, self.archives.keys, name)
        manifest = archive.manifest
        plan = make_plan(read_current(archive), self.frequency)
        expires = parse_time(manifest.started_at) + timedelta(days=plan.retention_days)
        return Backup(
            system_id=name.system_id,
            job_id=name.backup_id,
            status="completed",
            origin="request",
            system_name=manifest.source.system_name,
            system_created_at=manifest.started_at,
            generation=manifest.source.generation,
            version=manifest.source.system_version,
            plan=plan,
            started_at=manifest.started_at,
            ended_at=manifest.completed_at,
            expires=format_time(expires),
            progress=BackupProgress(
                part=None,
                chunks={part: summary.chunks for part, summary in manifest.parts.items()},
                records={part: summary.records for part, summary in manifest.parts.items()},
                plain_bytes=sum(summary.plain_bytes for summary in manifest.parts.values()),
            ),
            manifest_digest=hashlib.sha256(sealed).hexdigest(),
            size=sum(summary.stored_bytes for summary in manifest.parts.values()),
        )

    def _restore(self, backup: Backup) -> Restore:
        """As it ended: the system has its id and name again, or nothing of it is there."""
        now = self.clock()
        restore = Restore(
            system_id=backup.system_id,
            job_id=generate_timed_id(now),
            backup_id=backup.backup_id,
            target_id=backup.system_id,
            generation=backup.generation + 1,
            into=backup.system_name,
            phase="writing",
            started_at=format_time(now),
        )
        table = self.systems.table
        table.write(Put(restore.key, make_job_item(restore, now), [Absent()]))
        work = RestoreWork(
            *(self.systems, self.backups, self.archives, Unsent()),
            self.find_erased,
            self.frequency,
        )
        while restore.status == "running":
            hold = claim_job(table, Restore, restore.key, self.clock, TURN_SECONDS)
            if hold is None:
                break
            run_job(hold, work, work.queue, lambda: TURN_SECONDS)
            restore = find_restore(table, restore.system_id, restore.job_id)
        return restore


def read_current(archive: Archive) -> SystemConfiguration:
    """Of the version that was current; ArchiveDamaged without one that this release can read."""
    current = archive.manifest.source.system_version
    for unit, _ in walk(archive, "crew_configurations", Place()):
        if name_version(unit[0].sk) == current:
            try:
                return SystemConfiguration.model_validate_json(read_document(unit))
            except ValidationError as error:
                rule = error.errors()[0]["msg"]
                raise ArchiveDamaged("crew_configurations", f"version {current}: {rule}") from None
    raise ArchiveDamaged("crew_configurations", f"version {current} is missing")
