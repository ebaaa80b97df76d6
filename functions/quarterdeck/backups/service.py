"""What the function `backup` does with a tick, and with each kind of message."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from quarterdeck.backups.archives import Archives
from quarterdeck.backups.backup import BackupWork
from quarterdeck.backups.erasing import FindErased
from quarterdeck.backups.job import Clock, Work, claim_job, run_job
from quarterdeck.backups.pruning import prune_backups
from quarterdeck.backups.records import Backup, Job, Verification
from quarterdeck.backups.restore_test import RestoreTestWork
from quarterdeck.backups.restores import Restore
from quarterdeck.backups.restoring import RestoreWork
from quarterdeck.backups.schedule import Schedule
from quarterdeck.backups.store import BackupStore
from quarterdeck.backups.verification import VerificationWork
from quarterdeck.keys import Key, backup_key, restore_key, verify_key
from quarterdeck.observability import logger
from quarterdeck.systems.records import Frequency
from quarterdeck.systems.store import SystemStore
from quarterdeck.tasks.queue import BackupMessage, PruneMessage, Queue

type Left = Callable[[], float]
"""Seconds of the invocation."""


@dataclass(frozen=True)
class BackupService:
    """`frequency`: the environment's, of systems that say none."""

    systems: SystemStore
    backups: BackupStore
    archives: Archives
    queue: Queue[BackupMessage]
    clock: Clock
    find_erased: FindErased
    frequency: Frequency

    def schedule(self, now: datetime) -> dict[str, int]:
        return Schedule(self.systems, self.backups, self.queue).run(now)

    def handle(self, message: BackupMessage, left: Left) -> None:
        """Does what the message says, if it still holds."""
        if isinstance(message, PruneMessage):
            prune_backups(
                self.systems, self.backups, self.archives, message.system_id, self.clock()
            )
            return
        place = (message.system_id, message.job_id)
        match message.kind:
            case "backup":
                work = BackupWork(self.systems, self.archives)
                self._carry_on(Backup, backup_key(*place), work, left)
            case "verify":
                verification = VerificationWork(self.systems, self.backups, self.archives)
                self._carry_on(Verification, verify_key(*place), verification, left)
            case "restore":
                self._carry_on(Restore, restore_key(*place), self._make_restore(), left)
            case "restore_test":
                self._carry_on(Restore, restore_key(*place), self._make_test(), left)

    def _make_restore(self) -> RestoreWork:
        return RestoreWork(
            self.systems, self.backups, self.archives, self.queue, self.find_erased, self.frequency
        )

    def _make_test(self) -> RestoreTestWork:
        return RestoreTestWork(
            self.systems, self.backups, self.archives, self.queue, self.find_erased
        )

    def _carry_on[J: Job](self, kind: type[J], key: Key, work: Work[J], left: Left) -> None:
        hold = claim_job(self.systems.table, kind, key, self.clock, left())
        if hold is None:
            logger.info("The job has ended, or is another's", pk=key.pk, sk=key.sk)
            return
        run_job(hold, work, self.queue, left)
