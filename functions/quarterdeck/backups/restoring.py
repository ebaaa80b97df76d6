"""Carries a restore out: closes the system, makes sure of what is there, writes, compares, swaps.

Until the swap nothing that it writes is seen; after it nothing of what was before is.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Literal

from quarterdeck.backups.archives import Archives
from quarterdeck.backups.closing import bump_live, find_safety_backup
from quarterdeck.backups.completion import Completion
from quarterdeck.backups.erasing import FindErased
from quarterdeck.backups.job import Hold, JobFailed
from quarterdeck.backups.proofreading import Proofreader
from quarterdeck.backups.records import JobStatus
from quarterdeck.backups.removal import Removal
from quarterdeck.backups.restores import Phase, Place, Restore, Stage, plan_stages
from quarterdeck.backups.rewriting import Rewriter
from quarterdeck.backups.sources import Sources
from quarterdeck.backups.store import BackupStore
from quarterdeck.backups.swap import reopen_system
from quarterdeck.errors import NotFound
from quarterdeck.keys import Scope
from quarterdeck.names import parse_time
from quarterdeck.observability import logger
from quarterdeck.systems.activity import mark_active
from quarterdeck.systems.lifecycle import API_SECONDS
from quarterdeck.systems.records import Frequency
from quarterdeck.systems.store import SystemStore
from quarterdeck.tasks.queue import BackupMessage, Queue

LOOK_SECONDS = 15
"""Until it is looked again whether the safety backup has ended."""
type Turn = Literal["over", "out of time", "handed on"]
"""How a phase was left; `handed on`: nothing is left to do in this invocation, or at all."""
type Left = Callable[[], float]
"""Seconds of the invocation."""


class RestoreWork:
    """`frequency`: the environment's, of backups of a system that says none."""

    def __init__(
        self,
        systems: SystemStore,
        backups: BackupStore,
        archives: Archives,
        queue: Queue[BackupMessage],
        find_erased: FindErased,
        frequency: Frequency,
    ) -> None:
        self.systems = systems
        self.table = systems.table
        self.backups = backups
        self.archives = archives
        self.queue = queue
        self.find_erased = find_erased
        self.frequency = frequency

    def carry_on(self, hold: Hold[Restore], left: Left) -> bool:
        while hold.job.phase != "removing":
            match self._take_phase(hold, left):
                case "out of time":
                    return False
                case "handed on":
                    return True
        return self._remove(hold, left)

    def _take_phase(self, hold: Hold[Restore], left: Left) -> Turn:
        sources = Sources(self.backups, self.archives, hold.job)
        match hold.job.phase:
            case "closing":
                return self._wait(hold, self._close(hold))
            case "saving":
                return self._wait(hold, self._wait_for_safety(hold))
            case "writing":
                return self._write(hold, sources, left)
            case "comparing":
                return self._compare(hold, sources, left)
            case "swapping":
                return self._swap(hold, sources)
        raise ValueError(hold.job.phase)

    def give_up(self, hold: Hold[Restore], reasons: Sequence[str]) -> None:
        """Opens the system again, as it was; what was written is removed after that."""
        job = hold.job
        logger.warning("A restore has failed", restore_id=job.job_id, reasons=reasons)
        if job.phase == "removing":
            # Another invocation may still be at it: what is left of it goes by itself, or never.
            hold.end(read_status(job), {}, reasons=[*job.reasons, *reasons])
        elif job.dry_run:
            hold.end("failed", {"outcome": "failed"}, reasons=reasons)
        else:
            now = hold.clock()
            reopened = [reopen_system(job, now)] if self._is_closed(job) else []
            changes = {**begin_phase("removing"), "outcome": "failed", "reasons": list(reasons)}
            hold.advance(changes, *reopened)
            if reopened:
                mark_active(self.table, job.system_id, now)
            self._leave(hold, 0)

    def _is_closed(self, job: Restore) -> bool:
        try:
            return self.systems.get(job.system_id).restoring == job.job_id
        except NotFound:
            return False

    def _close(self, hold: Hold[Restore]) -> int:
        """Seconds to wait; 0 once no request that saw the system open is left, and no worker."""
        job = hold.job
        open_until = parse_time(job.started_at) + timedelta(seconds=API_SECONDS)
        left_s = (open_until - hold.clock()).total_seconds()
        if left_s > 0:
            return int(left_s) + 1
        bump_live(self.table, self.systems.get(job.system_id))
        hold.advance(begin_phase("saving"))
        return 0

    def _wait_for_safety(self, hold: Hold[Restore]) -> int:
        """Seconds to wait; 0 once all that the system has is in a backup that was verified."""
        job = hold.job
        if job.safety_backup_id is None:
            backup = find_safety_backup(self.systems, self.backups, job, hold.clock())
            if backup is None:
                return LOOK_SECONDS
            hold.advance({"safety_backup_id": backup.backup_id})
            self.queue.send(backup.message)
            return LOOK_SECONDS
        backup = self.backups.get(job.system_id, job.safety_backup_id)
        if backup.status == "running":
            return LOOK_SECONDS
        if not backup.is_good:
            raise JobFailed(f"the safety backup has failed: {'; '.join(backup.reasons)}")
        hold.advance(begin_phase("writing"))
        return 0

    def _write(self, hold: Hold[Restore], sources: Sources, left: Left) -> Turn:
        erased = self.find_erased(hold.job.system_id)
        writer = Rewriter(self.table, self.systems.blobs, hold, sources, erased)
        if not take_stages(hold, writer.write, left):
            return "out of time"
        if hold.job.dry_run:
            hold.end("completed", {"outcome": "checked"})
            return "handed on"
        hold.advance(begin_phase("comparing"))
        return "over"

    def _compare(self, hold: Hold[Restore], sources: Sources, left: Left) -> Turn:
        erased = self.find_erased(hold.job.system_id)
        reader = Proofreader(self.table, self.systems.blobs, hold, sources, erased)
        if not take_stages(hold, reader.compare, left):
            return "out of time"
        hold.advance(begin_phase("swapping"))
        return "over"

    def _swap(self, hold: Hold[Restore], sources: Sources) -> Turn:
        completion = Completion(self.systems, hold, sources, self.frequency)
        writes = completion.prepare()
        hold.advance({**begin_phase("removing"), "outcome": "restored"}, *writes)
        mark_active(self.table, hold.job.target_id, hold.clock())
        logger.info("Restored", restore_id=hold.job.job_id, system_id=hold.job.target_id)
        return "over"

    def _remove(self, hold: Hold[Restore], left: Left) -> bool:
        job = hold.job
        removal = Removal(self.table, self.systems.blobs, hold)
        failed = job.outcome == "failed"
        if failed:
            done = removal.remove(job.scope, left)
            if done and job.into is not None:
                done = removal.remove_system(job.target_id, left)
        elif job.old_generation is not None:
            done = removal.remove(Scope(job.system_id, job.old_generation), left)
        else:
            done = True
        if done:
            hold.end(read_status(job), {}, reasons=job.reasons)
        return done

    def _wait(self, hold: Hold[Restore], seconds: int) -> Turn:
        if not seconds:
            return "over"
        self._leave(hold, seconds)
        return "handed on"

    def _leave(self, hold: Hold[Restore], seconds: int) -> None:
        """The rest is for an invocation that begins so much later."""
        hold.advance({})
        hold.hand_on()
        self.queue.send(hold.job.message, delay_s=seconds)


def take_stages(hold: Hold[Restore], act: Callable[[Stage, Left], bool], left: Left) -> bool:
    """Whether all are done, from the one that is next on; if not, the time is up."""
    stages = plan_stages(hold.job)
    while hold.job.stage < len(stages):
        if not act(stages[hold.job.stage], left):
            return False
        hold.advance({"stage": hold.job.stage + 1, "place": Place().model_dump()})
    return True


def read_status(restore: Restore) -> JobStatus:
    """In the end."""
    return "failed" if restore.outcome == "failed" else "completed"


def begin_phase(phase: Phase) -> dict[str, object]:
    return {"phase": phase, "stage": 0, "place": Place().model_dump()}
