"""Crashes of backups, restore tests and restores: at any write, object or message."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from quarterdeck.backups.job import resend_job
from quarterdeck.backups.records import Backup, Job
from quarterdeck.backups.restores import Restore
from quarterdeck.errors import Restoring
from quarterdeck.keys import BACKUP_PREFIX, RESTORE_PREFIX, system_key
from quarterdeck.leases import list_due
from quarterdeck.names import format_time
from quarterdeck.systems.records import System
from quarterdeck.table import Item
from quarterdeck.tasks.queue import TaskMessage
from quarterdeck.tasks.submission import TaskRequest, accept_task
from quarterdeck.tasks.upkeep import Upkeep
from tests import systems
from tests.backup_site import INVOCATION
from tests.faults import Crash
from tests.monitor_site import Unread
from tests.postbox import make_announcer
from tests.restore_site import RestoreSite

AFTER_A_CRASH = timedelta(seconds=INVOCATION + 10)
"""Until the message of an invocation that was stopped comes again: its claim is over then."""


@dataclass
class Deployed:
    """A site to make copies of: `system` with tasks that ended, wait and run, and a backup."""

    items: dict[str, dict[str, Any]]
    objects: dict[tuple[str, str], bytes]
    now: datetime
    system: System
    backup: Backup


def prepare() -> Deployed:
    site = RestoreSite()
    agents = [systems.agent(name) for name in "ABC"]
    plain = {"crews": [systems.crew(agents=agents)], "encryption_enabled": False}
    system = site.deploy(**plain)
    site.run_task(system, description="d" * 40_000, output="o" * 40_000)
    site.run_task(system)
    site.submit(system)
    site.start(system, site.submit(system))
    site.remember(system, "Foxes are red", vector=b"\0\1\2")
    site.remember(system, "Bears are brown" * 3000)
    backup = site.back_up(system)
    site.later(hours=1)
    site.run_task(system)
    site.remember(system, "Owls are grey")
    site.later(minutes=1)
    items = {pk: dict(some) for pk, some in site.table.dynamodb.items.items()}
    return Deployed(items, dict(site.s3.objects), site.now, system, backup)


@dataclass
class Sweep:
    """One run of a job on a copy. `at`: the effect before or after which the process ends."""

    base: Deployed
    at: int = -1
    before: bool = True
    effects: int = 0
    crashed: bool = False
    on_effect: Callable[["Sweep"], None] = lambda sweep: None
    site: RestoreSite = field(init=False)
    tasks_sent: list[TaskMessage] = field(default_factory=list)
    submitted: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.site = site = RestoreSite()
        site.table.dynamodb.items = {pk: dict(some) for pk, some in self.base.items.items()}
        site.s3.objects.update(self.base.objects)
        site.now = self.base.now
        for owner in (site.table.calls, site.s3):
            owner.before_write, owner.after_write = self._come_before, self._come_after
        site.wire.before, site.wire.after = self._come_before, self._come_after
        self._others = False

    @property
    def system(self) -> System:
        return self.base.system

    def _come_before(self) -> None:
        if self._others:
            return
        self.effects += 1
        with self.others():
            self.on_effect(self)
        if self.before and self.effects == self.at:
            self.crashed = True
            raise Crash

    def _come_after(self) -> None:
        if not self._others and not self.before and self.effects == self.at:
            self.crashed = True
            raise Crash

    @contextmanager
    def others(self) -> Iterator[None]:
        """What others do meanwhile is no effect of the job."""
        self._others = True
        try:
            yield
        finally:
            self._others = False

    def run(self, begin: Callable[[RestoreSite], object]) -> None:
        """Until nothing is left to do, whatever it takes."""
        with suppress(Crash):
            begin(self.site)
        for _ in range(400):
            more = self._deliver_next()
            self.look()
            if not more:
                return
        raise AssertionError("the job does not end")

    def _deliver_next(self) -> bool:
        self._send_lost()
        try:
            if self.site.deliver_next():
                return True
        except Crash:
            assert self.site.taken
            self.site.wire.waiting.append((self.site.now + AFTER_A_CRASH, self.site.taken))
            return True
        running = [job for job in self.list_jobs() if job.status == "running"]
        self.site.later(minutes=5 if running else 0)
        return bool(running)

    def _send_lost(self) -> None:
        """What the monitor does for jobs whose message nobody has, in time."""
        with self.others():
            for job in self.list_jobs():
                due = job.lease_expires_at or format_time(self.site.now)
                if job.status == "running" and due < format_time(self.site.now):
                    self.site.table.write(resend_job(job, self.site.now))
                    self.site.wire.waiting.append((self.site.now, job.message))

    def look(self) -> None:
        """The monitor's minute, as far as tasks go."""
        with self.others():
            queue, site = Unread(), self.site
            upkeep = Upkeep(
                site.table,
                site.blobs,
                queue,
                make_announcer(site.table, site.blobs, site.clock),
                site.clock,
            )
            upkeep.settle_due(list_due(site.table, site.now))
            upkeep.admit_everywhere()
            self.tasks_sent += [m for m in queue.messages if isinstance(m, TaskMessage)]

    def submit(self, system: System) -> None:
        """With the system as it was read, in the time that a request has."""
        request = TaskRequest(description="Race", crew_name="research")
        site = self.site
        with self.others(), suppress(Restoring):
            task = accept_task(site.table, site.blobs, system, request, site.now)
            self.submitted.append(task.task_id)

    def list_jobs(self) -> list[Job]:
        pk = system_key(self.system.system_id).pk
        table = self.site.table
        return [
            *(Backup.model_validate(item) for item in table.query(pk, BACKUP_PREFIX)),
            *(Restore.model_validate(item) for item in table.query(pk, RESTORE_PREFIX)),
        ]

    def read_system(self) -> System:
        return self.site.systems.get(self.system.system_id)

    def read_visible(self) -> dict[tuple[str, str], Item]:
        """What the system shows: the items of its generation, but for what changes by itself."""
        generation = self.read_system().generation
        found = self.site.dump_generation(self.system.system_id, generation)
        return {
            key: {name: value for name, value in item.items() if name not in PASSING}
            for key, item in found.items()
            if key[0] != "ALERTS"
        }

    def list_generations(self) -> set[str]:
        """All that have an item or a blob."""
        of = f"{self.system.system_id}@"
        keys = [*(item["pk"] for item in self.site.table.dump()), *map(str, self.site.s3.objects)]
        return {key.split(of)[1].split("#")[0].split("/")[0] for key in keys if of in key}


PASSING = {
    *("epoch", "ended_at", "expires_at", "lease_shard", "lease_expires_at", "tasks_of"),
    *("task_time", "created_by", "claimed_by", "dispatched_at"),
}


def count_effects(base: Deployed, begin: Callable[[RestoreSite], object]) -> int:
    sweep = Sweep(base)
    sweep.run(begin)
    return sweep.effects


def list_crashes(
    base: Deployed, begin: Callable[[RestoreSite], object], step: int = 1
) -> Sequence[tuple[int, bool]]:
    effects = count_effects(base, begin)
    return [(at, before) for at in range(1, effects + 1, step) for before in (True, False)]
