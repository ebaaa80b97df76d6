"""What the monitor does for jobs of backups: sends those again that nobody carries on."""

from collections.abc import Callable, Iterable
from datetime import datetime

from quarterdeck.backups.job import resend_job
from quarterdeck.backups.records import Job
from quarterdeck.keys import JobId, LeaseOwner
from quarterdeck.names import format_time
from quarterdeck.observability import logger
from quarterdeck.table import ConditionFailed, Table
from quarterdeck.tasks.queue import BackupMessage, Queue


class JobUpkeep:
    def __init__(
        self, table: Table, queue: Queue[BackupMessage], clock: Callable[[], datetime]
    ) -> None:
        self.table = table
        self.queue = queue
        self.clock = clock

    def resend_jobs(self, due: Iterable[LeaseOwner]) -> int:
        """Those whose message nobody took, or whose invocation is lost; how many."""
        resent = 0
        for owner in due:
            if not isinstance(owner, JobId):
                continue
            try:
                resent += self._resend(owner)
            except ConditionFailed:
                continue
            except Exception:
                logger.exception("A job could not be sent again", **owner._asdict())
        return resent

    def _resend(self, due: JobId) -> bool:
        item, now = self.table.get(due.key), self.clock()
        # The index is behind, or another was faster.
        if item is None or item.get("lease_expires_at", "~") >= format_time(now):
            return False
        job = Job.model_validate(item)
        self.table.write(resend_job(job, now))
        self.queue.send(job.message)
        return True
