"""What a crew has to do at the moment, and what it may do at once."""

from typing import NamedTuple

from quarterdeck.keys import QUEUE_PREFIX, Scope
from quarterdeck.table import Table


class Workload(NamedTuple):
    """`running` counts the slots that are held: tasks dispatched or running."""

    queued: int
    running: int
    capacity: int

    @property
    def total(self) -> int:
        return self.queued + self.running


def read_workload(table: Table, scope: Scope, crew: str) -> Workload | None:
    """None if there is no such crew. Retries that wait for their time are not queued yet."""
    key = scope.crew_key(crew)
    item = table.get(key)
    if item is None:
        return None
    return Workload(table.count(key.pk, QUEUE_PREFIX), item["running"], item["capacity"])
