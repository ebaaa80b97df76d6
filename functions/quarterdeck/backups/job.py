"""One invocation's hold on a job: claimed for the time that it has left, and fenced by an epoch."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from quarterdeck.backups.records import Job, JobStatus
from quarterdeck.faults import cut
from quarterdeck.keys import LEASE_KEYS, Key, lease_index
from quarterdeck.names import format_time, generate_id
from quarterdeck.observability import logger
from quarterdeck.systems.deployments import AFTERGLOW, MAX_ATTEMPTS, Superseded
from quarterdeck.systems.rollout import PICK_UP
from quarterdeck.table import Condition, ConditionFailed, Equals, Table, Update, Write
from quarterdeck.tasks.queue import BackupMessage, Queue

RETRY_SECONDS = 60
"""Until a job that met a fault is tried again."""
LOST = f"{MAX_ATTEMPTS} attempts in a row came no further"

type Clock = Callable[[], datetime]


class JobFailed(Exception):
    """What no further attempt can mend; says why."""


class Hold[J: Job]:
    """`job` is as this hold left it. Superseded if it is another's meanwhile, or has ended."""

    def __init__(self, table: Table, job: J, clock: Clock) -> None:
        self.table = table
        self.job = job
        self.clock = clock

    def advance(self, changes: Mapping[str, Any], *writes: Write) -> None:
        """What has been done is done for good, with `writes`, and attempts count from here."""
        self._write({**changes, "attempts": 0, "faults": []}, (), writes)

    def hand_on(self) -> None:
        """For the next invocation, whose message the caller sends."""
        due = lease_index(self.job.job_id, self.clock() + PICK_UP)
        self._write(due, ["claimed_by"], ())

    def note_fault(self, fault: str) -> None:
        """For the next attempt, whose message the caller sends."""
        due = lease_index(self.job.job_id, self.clock() + PICK_UP)
        faults = [*self.job.faults, cut(fault)]
        self._write({**due, "faults": faults}, ["claimed_by"], ())

    def end(
        self,
        status: JobStatus,
        changes: Mapping[str, Any],
        *writes: Write,
        reasons: Sequence[str] = (),
    ) -> None:
        ended = {"status": status, "reasons": list(reasons), "ended_at": format_time(self.clock())}
        self._write({**changes, **ended}, [*LEASE_KEYS, "claimed_by"], writes)

    def _write(
        self, changes: Mapping[str, Any], remove: Sequence[str], writes: Sequence[Write]
    ) -> None:
        try:
            self.table.write(change_job(self.job, changes, remove), *writes)
        except ConditionFailed:
            raise Superseded from None
        kept = {name: value for name, value in dict(self.job).items() if name not in remove}
        self.job = type(self.job).model_validate({**kept, **changes})


class Work[J: Job](Protocol):
    """What one kind of job does."""

    def carry_on(self, hold: Hold[J], left: Callable[[], float]) -> bool:
        """Whether it has come to its end; if not, it goes on in another invocation.

        Returns when less of the invocation is `left`, in seconds, than it needs. Comes to the same
        when an earlier invocation was stopped at any place. JobFailed if it never can.
        """

    def give_up(self, hold: Hold[J], reasons: Sequence[str]) -> None:
        """Ends the job as failed."""


def make_job_item(job: Job, now: datetime, delay_s: int = 0) -> dict[str, Any]:
    """Of a job whose message comes after `delay_s`; if nobody takes it, the monitor sends it."""
    due = now + timedelta(seconds=delay_s) + PICK_UP
    return job.model_dump(exclude_none=True) | lease_index(job.job_id, due)


def claim_job[J: Job](
    table: Table, kind: type[J], key: Key, clock: Clock, left: float
) -> Hold[J] | None:
    """The job, for `left` seconds; None if it has ended, or is another's."""
    item = table.get(key)
    job = kind.model_validate(item) if item else None
    now = clock()
    if job is None or job.status != "running" or is_held(job, now):
        return None
    claimed = {
        "epoch": job.epoch + 1,
        "attempts": job.attempts + 1,
        "claimed_by": generate_id(),
        **lease_index(job.job_id, now + timedelta(seconds=left) + AFTERGLOW),
    }
    try:
        return Hold(table, kind.model_validate(table.update(change_job(job, claimed))), clock)
    except ConditionFailed:
        return None


def is_held(job: Job, now: datetime) -> bool:
    return bool(job.claimed_by) and (job.lease_expires_at or "") > format_time(now)


def resend_job(job: Job, now: datetime) -> Update:
    """Nobody's, for the next invocation to take at once; the message is due again later."""
    return change_job(job, lease_index(job.job_id, now + PICK_UP), ["claimed_by"])


def change_job(job: Job, assign: Mapping[str, Any], remove: Sequence[str] = ()) -> Update:
    conditions: list[Condition] = [Equals("status", "running"), Equals("epoch", job.epoch)]
    return Update(job.key, assign, {}, remove, conditions=conditions)


def run_job[J: Job](
    hold: Hold[J], work: Work[J], queue: Queue[BackupMessage], left: Callable[[], float]
) -> None:
    """Carries the job on, and sends its message again if there is more to do.

    What `work` raises is noted. After three attempts without progress the job has failed.
    """
    message = hold.job.message
    try:
        if _carry_on(hold, work, left):
            return
        delay = 0 if not hold.job.faults else RETRY_SECONDS
        queue.send(message, delay_s=delay)
    except Superseded:
        logger.warning("The job is another's", **message.model_dump())


def _carry_on[J: Job](hold: Hold[J], work: Work[J], left: Callable[[], float]) -> bool:
    """Whether the job has ended."""
    try:
        if hold.job.attempts > MAX_ATTEMPTS:
            raise JobFailed(LOST)
        if work.carry_on(hold, left):
            return True
        hold.hand_on()
    except Superseded:
        raise
    except JobFailed as error:
        work.give_up(hold, [*hold.job.faults, cut(str(error))])
        return True
    except Exception as error:
        fault = f"{type(error).__name__}: {error}"
        logger.exception("The job met a fault", job_id=hold.job.job_id, kind=hold.job.kind)
        if hold.job.attempts >= MAX_ATTEMPTS:
            work.give_up(hold, [*hold.job.faults, cut(fault)])
            return True
        hold.note_fault(fault)
    return False
