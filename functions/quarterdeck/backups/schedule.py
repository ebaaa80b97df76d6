"""What the hourly tick does: begins backups and tests that are due, has old backups removed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from quarterdeck.backups.planning import PRUNE_HOUR, find_due, find_due_test, spread_start
from quarterdeck.backups.records import BackupsOfSystem
from quarterdeck.backups.requests import begin_restore_test
from quarterdeck.backups.store import BackupStore, check_backable
from quarterdeck.errors import Conflict, NotFound
from quarterdeck.names import parse_time
from quarterdeck.observability import logger
from quarterdeck.systems.records import BackupPlan, System
from quarterdeck.systems.store import SystemStore
from quarterdeck.tasks.queue import BackupMessage, PruneMessage, Queue

type Begin = Callable[[System, BackupPlan, BackupsOfSystem, datetime], bool]


@dataclass(frozen=True)
class Schedule:
    systems: SystemStore
    backups: BackupStore
    queue: Queue[BackupMessage]

    def run(self, now: datetime) -> dict[str, int]:
        """How many were begun. One that fails keeps no other from it."""
        begun = {"backups": 0, "tests": 0, "prunes": 0}
        for system_id in self.systems.list_active():
            begun["backups"] += self._try(self._begin_backup, system_id, now)
            begun["tests"] += self._try(self._begin_test, system_id, now)
        if now.hour == PRUNE_HOUR:
            begun["prunes"] = self._send_prunes()
        return begun

    def _try(self, begin: Begin, system_id: str, now: datetime) -> bool:
        try:
            system = self.systems.get(system_id)
            check_backable(system, "schedule")
            plan, known = self.systems.get_plan(system), self.backups.get_known(system_id)
            return begin(system, plan, known, now)
        except (Conflict, NotFound) as refusal:
            # The next tick comes to it.
            logger.info("Not now", system_id=system_id, reason=str(refusal))
        except Exception:
            logger.exception("What is due could not be begun", system_id=system_id)
        return False

    def _begin_backup(
        self, system: System, plan: BackupPlan, known: BackupsOfSystem, now: datetime
    ) -> bool:
        created = parse_time(system.created_at)
        due = find_due(plan.frequency, read_time(known.planned_for), created, now)
        if due is None:
            return False
        delay = spread_start(system.system_id)
        backup = self.backups.begin(system, plan, "schedule", now, due=due, delay_s=delay)
        self.queue.send(backup.message, delay_s=delay)
        return True

    def _begin_test(
        self, system: System, plan: BackupPlan, known: BackupsOfSystem, now: datetime
    ) -> bool:
        """Of the last good backup: without one, the test stays due."""
        created = parse_time(system.created_at)
        seen_to = read_time(known.test_planned_for)
        due = find_due_test(plan, system.system_id, seen_to, created, now)
        backup = self.backups.find_last_good(system.system_id) if due else None
        if due is None or backup is None:
            return False
        test = begin_restore_test(self.systems, system, backup, now)
        # If it stops here, the next tick begins another: rather two than none.
        self.backups.note_test_planned(system.system_id, known, due)
        self.queue.send(test.message)
        return True

    def _send_prunes(self) -> int:
        system_ids = list(self.backups.list_backed_up())
        for system_id in system_ids:
            self.queue.send(PruneMessage(kind="prune", system_id=system_id))
        return len(system_ids)


def read_time(text: str | None) -> datetime | None:
    return parse_time(text) if text else None
