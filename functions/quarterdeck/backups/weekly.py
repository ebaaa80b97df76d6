"""What the hourly tick does besides: once a week it has the last good backup of a system tested."""

from dataclasses import dataclass
from datetime import datetime

from quarterdeck.backups.planning import find_due_test
from quarterdeck.backups.requests import begin_restore_test
from quarterdeck.backups.store import BackupStore, same_value
from quarterdeck.errors import Conflict, NotFound
from quarterdeck.keys import backups_key
from quarterdeck.names import format_time, parse_time
from quarterdeck.observability import logger
from quarterdeck.systems.records import System
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import Update
from quarterdeck.tasks.queue import BackupMessage, Queue


@dataclass(frozen=True)
class WeeklyTests:
    systems: SystemStore
    backups: BackupStore
    queue: Queue[BackupMessage]

    def begin_due(self, now: datetime) -> int:
        """How many were begun. One system that fails keeps no other from it."""
        begun = 0
        for system_id in self.systems.list_active():
            try:
                begun += self._begin(self.systems.get(system_id), now)
            except (Conflict, NotFound) as refusal:
                # The next tick comes to it.
                logger.info("No restore test now", system_id=system_id, reason=str(refusal))
            except Exception:
                logger.exception("A restore test could not be planned", system_id=system_id)
        return begun

    def _begin(self, system: System, now: datetime) -> bool:
        if system.state not in {"active", "paused"}:
            return False
        known = self.backups.get_known(system.system_id)
        seen_to = parse_time(known.test_planned_for) if known.test_planned_for else None
        plan, created = self.systems.get_plan(system), parse_time(system.created_at)
        due = find_due_test(plan, system.system_id, seen_to, created, now)
        backup = self.backups.find_last_good(system.system_id) if due else None
        if due is None or backup is None:
            return False
        planned = Update(
            backups_key(system.system_id),
            {"test_planned_for": format_time(due)},
            {},
            conditions=[same_value("test_planned_for", known.test_planned_for)],
        )
        test = begin_restore_test(self.systems, system, backup, now, planned)
        self.queue.send(test.message)
        return True
