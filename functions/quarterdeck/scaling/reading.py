"""A crew as it is at a moment: read once, for all who decide on it."""

from datetime import datetime
from typing import NamedTuple

from quarterdeck.keys import QUEUE_PREFIX, Scope
from quarterdeck.metrics.reading import Buckets, MetricsReader
from quarterdeck.metrics.window import Window, cut_window, start_window
from quarterdeck.metrics.workload import Workload
from quarterdeck.observability import logger
from quarterdeck.scaling.demand import LONGEST
from quarterdeck.table import Item, Table


class CrewReading(NamedTuple):
    """`item`: CREW. `buckets`: of the last 15 minutes and the running one; None if unknown."""

    item: Item
    queued: int
    buckets: Buckets | None

    @property
    def workload(self) -> Workload:
        return Workload(self.queued, self.item["running"], self.item["capacity"])

    def find_window(self, now: datetime, minutes: int) -> Window | None:
        return None if self.buckets is None else cut_window(self.buckets, now, minutes)


def read_crew(
    table: Table, metrics: MetricsReader, scope: Scope, crew: str, now: datetime
) -> CrewReading | None:
    """Three requests; None if there is no such crew."""
    key = scope.crew_key(crew)
    item = table.get(key)
    if item is None:
        return None
    queued = table.count(key.pk, QUEUE_PREFIX)
    try:
        buckets = metrics.read_buckets(scope, crew, start_window(now, LONGEST), now)
    except Exception:
        logger.exception("Metrics could not be read", crew=crew)
        buckets = None
    return CrewReading(item, queued, buckets)
