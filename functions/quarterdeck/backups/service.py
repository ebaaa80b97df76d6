"""What the function `backup` does with a tick, and with each kind of message."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from quarterdeck.backups.archives import Archives
from quarterdeck.backups.backup import BackupWork
from quarterdeck.backups.job import Clock, Work, claim_job, run_job
from quarterdeck.backups.pruning import prune_backups
from quarterdeck.backups.records import Backup, Job, Verification
from quarterdeck.backups.schedule import Schedule
from quarterdeck.backups.store import BackupStore
from quarterdeck.backups.verification import VerificationWork
from quarterdeck.keys import Key, backup_key, verify_key
from quarterdeck.observability import logger
from quarterdeck.systems.store import SystemStore
from quarterdeck.tasks.queue import BackupMessage, PruneMessage, Queue

type Left = Callable[[], float]
"""Seconds of the invocation."""


@dataclass(frozen=True)
class BackupService:
    systems: SystemStore
    backups: BackupStore
    archives: Archives
    queue: Queue[BackupMessage]
    clock: Clock

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
            case "restore" | "restore_test":
                logger.error("No function restores yet", **message.model_dump())

    def _carry_on[J: Job](self, kind: type[J], key: Key, work: Work[J], left: Left) -> None:
        hold = claim_job(self.systems.table, kind, key, self.clock, left())
        if hold is None:
            logger.info("The job has ended, or is another's", pk=key.pk, sk=key.sk)
            return
        run_job(hold, work, self.queue, left)
