"""Reads a backup back: every chunk is there, opens, and holds what the manifest says."""

from collections.abc import Callable, Sequence

from quarterdeck.backups.archive.damage import ArchiveDamaged
from quarterdeck.backups.archive.reader import Archive
from quarterdeck.backups.archives import Archives
from quarterdeck.backups.conditions import note_job
from quarterdeck.backups.job import Hold, JobFailed
from quarterdeck.backups.records import Verification
from quarterdeck.backups.store import BackupStore
from quarterdeck.errors import NotFound
from quarterdeck.faults import cut
from quarterdeck.names import format_time
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import Equals, Update

RESERVE_SECONDS = 120.0
"""Of an invocation, for one chunk more and what comes after it."""


def check_chunks(
    archive: Archive, done: int, advance: Callable[[int], None], left: Callable[[], float]
) -> bool:
    """Whether all are as they were written; `done`: how many were looked at before.

    ArchiveDamaged for one that is not. False when the time is up.
    """
    for number, chunk in enumerate(archive.manifest.chunks[done:], start=done + 1):
        if left() < RESERVE_SECONDS:
            return False
        archive.check_chunk(chunk)
        advance(number)
    return True


class VerificationWork:
    """On demand, of a completed backup."""

    def __init__(self, systems: SystemStore, backups: BackupStore, archives: Archives) -> None:
        self.systems = systems
        self.backups = backups
        self.archives = archives

    def carry_on(self, hold: Hold[Verification], left: Callable[[], float]) -> bool:
        job = hold.job
        try:
            backup = self.backups.get(job.system_id, job.backup_id)
        except NotFound:
            raise JobFailed("the backup has been removed") from None
        try:
            archive = self.archives.open(backup)
            if not check_chunks(
                archive, job.chunks, lambda number: hold.advance({"chunks": number}), left
            ):
                return False
        except ArchiveDamaged as damage:
            self._condemn(hold, str(damage))
            return True
        now = format_time(hold.clock())
        completed = [Equals("status", "completed")]
        seen = Update(backup.key, {"verified_at": now}, {}, ["damage"], completed)
        hold.end("completed", {}, seen)
        return True

    def _condemn(self, hold: Hold[Verification], damage: str) -> None:
        """The backup is good for nothing any more, and its system is told."""
        job = hold.job
        fault = f"backup {job.backup_id} is damaged: {damage}"
        note_job(self.systems, job.system_id, "backup", hold.clock(), fault)
        key = self.backups.get(job.system_id, job.backup_id).key
        marked = Update(key, {"damage": cut(damage)}, {}, [], [Equals("status", "completed")])
        hold.end("failed", {}, marked, reasons=[damage])

    def give_up(self, hold: Hold[Verification], reasons: Sequence[str]) -> None:
        """What could not be verified may be good: nothing is said of it but that."""
        job = hold.job
        fault = f"backup {job.backup_id} could not be verified: {'; '.join(reasons)}"
        note_job(self.systems, job.system_id, "backup", hold.clock(), fault)
        hold.end("failed", {}, reasons=reasons)
