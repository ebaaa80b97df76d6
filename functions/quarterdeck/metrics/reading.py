"""Reads a crew's buckets: one query for a window, of those minutes that are not known yet."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from quarterdeck.keys import Scope, parse_bucket_key
from quarterdeck.metrics.closed_minutes import ClosedMinutes, Run
from quarterdeck.metrics.window import MINUTE, Window, cut_window, start_minute, start_window
from quarterdeck.table import Item, Table

CLOSED_AFTER = timedelta(minutes=5)
"""So long after its end a minute counts as closed: a writer's clock may be behind, and its request
may be repeated for a while."""

NO_COUNTERS = frozenset({"pk", "sk", "expires_at"})

type Buckets = dict[datetime, Mapping[str, int]]
"""By minute. Minutes in which nothing was counted are left out."""


class MetricsReader:
    """Keeps closed minutes: use one for a process."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._closed = ClosedMinutes()

    def read_window(self, scope: Scope, crew: str, now: datetime, minutes: int = 15) -> Window:
        buckets = self.read_buckets(scope, crew, start_window(now, minutes), now)
        return cut_window(buckets, now, minutes)

    def read_closed_minute(
        self, scope: Scope, crew: str, now: datetime
    ) -> tuple[datetime, Mapping[str, int]]:
        """The last closed minute, and what was counted in it: no query after a window's."""
        minute = start_minute(now - CLOSED_AFTER) - MINUTE
        run = self._closed.find(scope, crew, minute)
        known = run and minute < run.end
        buckets = run.buckets if run and known else self.read_buckets(scope, crew, minute, now)
        return minute, buckets.get(minute, {})

    def read_buckets(self, scope: Scope, crew: str, first: datetime, now: datetime) -> Buckets:
        """From the minute `first` up to that of `now`, both included."""
        run = self._closed.find(scope, crew, first) or Run(first, first, {})
        unknown = scope.bucket_key(crew, min(run.end, now))
        items = self.table.query(unknown.pk, unknown.sk, up_to=scope.bucket_key(crew, now).sk)
        fresh = {parse_bucket_key(item["sk"]): read_counters(item) for item in items}
        buckets = run.buckets | fresh
        closed = max(run.end, start_minute(now - CLOSED_AFTER))
        self._closed.keep(scope, crew, Run(run.first, closed, buckets))
        return {minute: bucket for minute, bucket in buckets.items() if first <= minute <= now}


def read_counters(item: Item) -> dict[str, int]:
    return {name: value for name, value in item.items() if name not in NO_COUNTERS}
