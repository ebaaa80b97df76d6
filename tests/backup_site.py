"""A system with tasks, metrics and memories, and the backups of it: table in memory, S3 on moto."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from quarterdeck.backups.archive.layout import Part
from quarterdeck.backups.archive.records import Record
from quarterdeck.backups.archives import Archives
from quarterdeck.backups.backup import BackupWork
from quarterdeck.backups.job import claim_job, run_job
from quarterdeck.backups.records import Backup, Origin
from quarterdeck.backups.store import BackupStore
from quarterdeck.blobs import BlobStore
from quarterdeck.memory.records import Memory
from quarterdeck.memory.store import MemoryStore
from quarterdeck.names import generate_id
from quarterdeck.systems.records import System
from quarterdeck.systems.store import SystemStore
from quarterdeck.tasks.ending import store_outcome
from quarterdeck.tasks.outcome import Outcome
from quarterdeck.tasks.queue import BackupMessage, Queue
from quarterdeck.tasks.states import QueueEntry, TaskState
from quarterdeck.tasks.store import TaskStore
from quarterdeck.tasks.submission import TaskRequest, accept_task
from quarterdeck.tasks.transitions import claim_task, dispatch_task, finish_task
from tests import systems
from tests.archive_site import ArchiveSite
from tests.fakes import FakeTable

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
INVOCATION = 900.0
BLOBS = "blobs-of-tests"


class Sent(Queue[BackupMessage]):
    """Messages with their delays, until they are taken."""

    def __init__(self) -> None:
        self.messages: list[tuple[BackupMessage, int]] = []

    def send(self, message: BackupMessage, delay_s: int = 0) -> None:
        self.messages.append((message, delay_s))


class BackupSite:
    """`now` stands still until it is moved."""

    def __init__(self, archives: ArchiveSite) -> None:
        self.now = NOON
        self.table = FakeTable()
        archives.objects.client.create_bucket(Bucket=BLOBS)
        self.blobs = BlobStore(archives.objects.client, BLOBS)
        self.systems = SystemStore(self.table, self.blobs)
        self.tasks = TaskStore(self.table, self.blobs)
        self.backups = BackupStore(self.table)
        self.objects = archives.objects
        self.archives = Archives(archives.objects.client, archives.objects.bucket, archives.keys)
        self.queue = Sent()
        self.work = BackupWork(self.systems, self.archives)

    def clock(self) -> datetime:
        return self.now

    def deploy(self, **configuration: Any) -> System:
        return systems.deploy(self.systems, systems.system(**configuration), self.clock)

    def submit(self, system: System, description: str = "Look", crew: str = "research") -> str:
        request = TaskRequest(description=description, crew_name=crew)
        return accept_task(self.table, self.blobs, system, request, self.now).task_id

    def start(self, system: System, task_id: str) -> TaskState:
        scope = system.scope
        state = self.tasks.get_state(scope, task_id)
        entry = QueueEntry(state.crew_name, state.rank, task_id, state.epoch)
        self.table.write(*dispatch_task(scope, entry, self.now))
        state = self.tasks.get_state(scope, task_id)
        self.table.write(claim_task(scope, state, generate_id(), self.now))
        return self.tasks.get_state(scope, task_id)

    def finish(self, system: System, state: TaskState, output: str = "Done") -> None:
        outcome = Outcome(status="succeeded", output=output)
        document = store_outcome(self.blobs, system.scope, state, outcome)
        self.table.write(*finish_task(system.scope, state, outcome, document, self.now))

    def run_task(self, system: System, description: str = "Look", output: str = "Done") -> str:
        task_id = self.submit(system, description)
        self.finish(system, self.start(system, task_id), output)
        return task_id

    def remember(self, system: System, content: str, vector: bytes = b"") -> str:
        store = MemoryStore(self.table, self.blobs, system.scope, "research")
        memory = Memory(
            record_id=generate_id(),
            content=content,
            created_at=self.now,
            last_accessed=self.now,
            vector=vector,
        )
        return store.put([memory])[0].record_id

    def begin(self, system: System, origin: Origin = "request") -> Backup:
        plan = self.systems.get_plan(system)
        return self.backups.begin(system, plan, origin, self.now)

    def run(self, backup: Backup, left: Callable[[], float] = lambda: INVOCATION) -> Backup:
        """One invocation, if the backup is free; how it is then."""
        hold = claim_job(self.table, Backup, backup.key, self.clock, INVOCATION)
        if hold:
            run_job(hold, self.work, self.queue, left)
        return self.backups.get(backup.system_id, backup.backup_id)

    def back_up(self, system: System) -> Backup:
        backup = self.run(self.begin(system))
        assert backup.status == "completed", backup.reasons
        return backup

    def read(self, backup: Backup, part: Part) -> list[Record]:
        return list(self.archives.open(backup).read_part(part))

    def later(self, **duration: float) -> None:
        self.now += timedelta(**duration)
