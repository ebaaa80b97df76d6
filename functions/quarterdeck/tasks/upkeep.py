"""What the monitor does each minute for tasks: sends lost messages again, and admits."""

from collections.abc import Iterator

from quarterdeck.errors import NotFound
from quarterdeck.names import format_time, read_clock
from quarterdeck.observability import logger
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import (
    LEASE_SHARDS,
    ConditionFailed,
    Item,
    Table,
    lease_shard,
    parse_task_key,
)
from quarterdeck.tasks.admission import admit_tasks
from quarterdeck.tasks.queue import Queue, TaskMessage
from quarterdeck.tasks.transitions import resend_task

PAGE = 100


class Upkeep:
    def __init__(self, table: Table, systems: SystemStore, queue: Queue[TaskMessage]) -> None:
        self.table = table
        self.systems = systems
        self.queue = queue

    def resend_due(self) -> int:
        """Sends the message of each task that was dispatched ten minutes ago and not claimed."""
        return sum(self._resend(item) for item in self._list_due())

    def _list_due(self) -> Iterator[Item]:
        now = format_time(read_clock())
        for shard in range(LEASE_SHARDS):
            partition = ("lease_shard", lease_shard(shard))
            due = ("lease_expires_at", now)
            yield from self.table.query_index("leases", partition, below=due, limit=PAGE).items

    def _resend(self, item: Item) -> bool:
        scope, task_id = parse_task_key(item["pk"])
        try:
            self.table.write(resend_task(scope, task_id, item["epoch"], read_clock()))
        except ConditionFailed:
            return False
        self.queue.send(TaskMessage(**scope._asdict(), task_id=task_id, epoch=item["epoch"]))
        return True

    def admit_everywhere(self) -> int:
        """Admits for each crew of each active system; one that fails keeps no other from it."""
        admitted = 0
        for system_id in self.systems.list_active():
            try:
                system = self.systems.get(system_id)
                for crew in system.crews:
                    tasks = admit_tasks(self.table, self.queue, system.scope, crew, read_clock)
                    admitted += len(tasks)
            except NotFound:
                continue
            except Exception:
                logger.exception("Admission failed", system_id=system_id)
        return admitted
