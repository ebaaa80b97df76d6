"""Proves that a backup can be restored: into a generation that nobody uses, compared, removed."""

from collections.abc import Callable, Sequence

from quarterdeck.backups.archives import Archives
from quarterdeck.backups.conditions import note_job
from quarterdeck.backups.erasing import FindErased
from quarterdeck.backups.job import Hold
from quarterdeck.backups.proofreading import Proofreader
from quarterdeck.backups.removal import Removal
from quarterdeck.backups.restores import Restore
from quarterdeck.backups.restoring import begin_phase, take_stages
from quarterdeck.backups.rewriting import Rewriter
from quarterdeck.backups.sources import Sources
from quarterdeck.backups.store import BackupStore
from quarterdeck.faults import cut
from quarterdeck.keys import backup_key
from quarterdeck.names import format_time
from quarterdeck.observability import logger
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import Equals, Update
from quarterdeck.tasks.queue import BackupMessage, Queue


class RestoreTestWork:
    def __init__(
        self,
        systems: SystemStore,
        backups: BackupStore,
        archives: Archives,
        queue: Queue[BackupMessage],
        find_erased: FindErased,
    ) -> None:
        self.systems = systems
        self.table = systems.table
        self.backups = backups
        self.archives = archives
        self.queue = queue
        self.find_erased = find_erased

    def carry_on(self, hold: Hold[Restore], left: Callable[[], float]) -> bool:
        blobs, erased = self.systems.blobs, self.find_erased(hold.job.system_id)
        sources = Sources(self.backups, self.archives, hold.job)
        if hold.job.phase == "writing":
            writer = Rewriter(self.table, blobs, hold, sources, erased)
            if not take_stages(hold, writer.write, left):
                return False
            hold.advance(begin_phase("comparing"))
        if hold.job.phase == "comparing":
            reader = Proofreader(self.table, blobs, hold, sources, erased)
            if not take_stages(hold, reader.compare, left):
                return False
            hold.advance({**begin_phase("removing"), "outcome": "proven"})
        if not Removal(self.table, blobs, hold).remove(hold.job.scope, left):
            return False
        self._end(hold)
        return True

    def give_up(self, hold: Hold[Restore], reasons: Sequence[str]) -> None:
        """What the test wrote is removed; if that fails as well, it goes by itself."""
        job = hold.job
        if job.phase == "removing":
            logger.warning("A test leaves something behind", restore_id=job.job_id, reasons=reasons)
            self._end(hold)
            return
        changes = {**begin_phase("removing"), "outcome": "failed"}
        hold.advance({**changes, "reasons": [cut(reason) for reason in reasons]})
        hold.hand_on()
        self.queue.send(hold.job.message)

    def _end(self, hold: Hold[Restore]) -> None:
        """With what it has shown: of the backup, and as an alert of its system."""
        job, now = hold.job, hold.clock()
        if job.outcome == "failed":
            fault = f"backup {job.backup_id} could not be restored: {'; '.join(job.reasons)}"
            note_job(self.systems, job.system_id, "restore_test", now, fault)
            hold.end("failed", {}, reasons=job.reasons)
            return
        note_job(self.systems, job.system_id, "restore_test", now)
        proven = Update(
            backup_key(job.system_id, job.backup_id),
            {"restore_proven_at": format_time(now)},
            {},
            conditions=[Equals("status", "completed")],
        )
        hold.end("completed", {}, proven)
