"""What the hourly tick does: begins the backups that are due, and has old ones removed."""

from dataclasses import dataclass
from datetime import datetime

from quarterdeck.backups.planning import PRUNE_HOUR, find_due, spread_start
from quarterdeck.backups.store import BackupStore
from quarterdeck.errors import Conflict, NotFound
from quarterdeck.names import parse_time
from quarterdeck.observability import logger
from quarterdeck.systems.records import System
from quarterdeck.systems.store import SystemStore
from quarterdeck.tasks.queue import BackupMessage, PruneMessage, Queue


@dataclass(frozen=True)
class Schedule:
    systems: SystemStore
    backups: BackupStore
    queue: Queue[BackupMessage]

    def run(self, now: datetime) -> dict[str, int]:
        """How many were begun. One system that fails keeps no other from it."""
        begun = {"backups": 0, "pruned": 0}
        for system_id in self.systems.list_active():
            try:
                begun["backups"] += self._begin_due(self.systems.get(system_id), now)
            except (Conflict, NotFound) as refusal:
                # The next tick comes to it.
                logger.info("Not now", system_id=system_id, reason=str(refusal))
            except Exception:
                logger.exception("A backup could not be planned", system_id=system_id)
        if now.hour == PRUNE_HOUR:
            begun["pruned"] = self._send_prunes()
        return begun

    def _begin_due(self, system: System, now: datetime) -> bool:
        plan = self.systems.get_plan(system)
        known = self.backups.get_known(system.system_id)
        created = parse_time(system.created_at)
        due = find_due(plan.frequency, read_time(known.planned_for), created, now)
        if due is None:
            return False
        delay = spread_start(system.system_id)
        backup = self.backups.begin(system, plan, "schedule", now, due=due, delay_s=delay)
        self.queue.send(backup.message, delay_s=delay)
        return True

    def _send_prunes(self) -> int:
        system_ids = list(self.backups.list_backed_up())
        for system_id in system_ids:
            self.queue.send(PruneMessage(kind="prune", system_id=system_id))
        return len(system_ids)


def read_time(text: str | None) -> datetime | None:
    return parse_time(text) if text else None
