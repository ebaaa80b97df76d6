"""What is kept of a backup, and of every other job on one: BACKUP#, VERIFY#, RESTORE#."""

from typing import Literal

from pydantic import Field

from quarterdeck.backups.archive.layout import ArchiveName, Part
from quarterdeck.keys import Key, Scope, backup_key, restore_key, verify_key
from quarterdeck.systems.records import BackupPlan, Record
from quarterdeck.tasks.queue import JobKind, JobMessage

ORDER: tuple[Part, ...] = (
    "task_histories",
    "agent_memories",
    "system_metrics",
    "crew_configurations",
)
"""The parts as they are backed up: the configurations last, for tasks say which."""

JobStatus = Literal["running", "completed", "failed"]
KEYS = {
    "backup": backup_key,
    "verify": verify_key,
    "restore_test": restore_key,
    "restore": restore_key,
}
Origin = Literal["schedule", "request", "safety"]
"""Who asked for a backup; `safety`: a restore, before it begins."""


class Job(Record):
    """Work that several invocations do, one after the other, each from where the last has come.

    `epoch` grows with every claim, and every write needs it. `attempts`: claims since something was
    done; `faults`: what went wrong in them. `claimed_by`: whose it is until the lease ends; None
    while its message is on the way.
    """

    kind: JobKind
    system_id: str
    job_id: str
    status: JobStatus = "running"
    reasons: tuple[str, ...] = ()
    """Why it failed."""
    started_at: str
    ended_at: str | None = None
    epoch: int = 0
    attempts: int = 0
    faults: tuple[str, ...] = ()
    claimed_by: str | None = None
    lease_expires_at: str | None = None

    @property
    def key(self) -> Key:
        return KEYS[self.kind](self.system_id, self.job_id)

    @property
    def message(self) -> JobMessage:
        """That sets it going."""
        return JobMessage(kind=self.kind, system_id=self.system_id, job_id=self.job_id)


class Cursor(Record):
    """The last thing of a part that is in the archive: pk without system and generation, and sk."""

    pk: str
    sk: str


class BackupProgress(Record):
    """`part`: the one that is read now; None once all are. `chunks`: of each part."""

    part: Part | None = ORDER[0]
    cursor: Cursor | None = None
    chunks: dict[Part, int] = Field(default_factory=dict)
    records: dict[Part, int] = Field(default_factory=dict)
    plain_bytes: int = 0
    stored_bytes: int = 0
    versions: tuple[int, ...] = ()
    """Of the configurations that tasks in the archive refer to."""
    verified_chunks: int = 0


class Backup(Job):
    """A backup of what the system was at `started_at`. Its id is the job's.

    `expires`: it is kept until then, and longer if it is the last good one.
    """

    kind: Literal["backup"] = "backup"
    origin: Origin
    system_name: str
    system_created_at: str
    generation: int
    version: int
    """Of the configuration that was current."""
    plan: BackupPlan
    expires: str
    progress: BackupProgress = BackupProgress()
    manifest_digest: str | None = None
    """Of the object that makes the archive whole, once it is written."""
    size: int | None = None
    """Of what is stored, in bytes."""
    verified_at: str | None = None
    """When every chunk was last found as it was written."""
    restore_proven_at: str | None = None
    """When what was restored from it was last found to be what was backed up."""
    damage: str | None = None
    """What a verification found wrong with it: it is good for nothing any more."""

    @property
    def backup_id(self) -> str:
        return self.job_id

    @property
    def archive(self) -> ArchiveName:
        return ArchiveName(self.system_id, self.job_id)

    @property
    def scope(self) -> Scope:
        """Of the data that it was made from."""
        return Scope(self.system_id, self.generation)

    @property
    def is_good(self) -> bool:
        """Whether a system can be restored from it, as far as is known."""
        return self.status == "completed" and self.verified_at is not None and not self.damage


class Verification(Job):
    """A backup that is to be read back, on demand. `chunks`: that were read so far."""

    kind: Literal["verify"] = "verify"
    backup_id: str
    chunks: int = 0


class BackupsOfSystem(Record):
    """What is known of all of a system's backups together.

    `running`: the backup that runs. `planned_for`: the last time of the plan that was seen to.
    """

    running: str | None = None
    planned_for: str | None = None
    test_planned_for: str | None = None
