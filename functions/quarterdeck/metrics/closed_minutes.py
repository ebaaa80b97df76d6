"""Buckets that cannot change any more, kept in the process."""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime, timedelta
from threading import Lock
from typing import NamedTuple

from quarterdeck.keys import Scope

MAX_BUCKETS = 10_000
LONGEST = timedelta(days=1)


class Run(NamedTuple):
    """All buckets of a crew from the minute `first` up to `end`, which is left out."""

    first: datetime
    end: datetime
    buckets: dict[datetime, Mapping[str, int]]


class ClosedMinutes:
    """One run a crew, of a day at most; those used longest ago make place for others.

    Several threads may use it.
    """

    def __init__(self, max_buckets: int = MAX_BUCKETS) -> None:
        self._lock = Lock()
        self._runs: OrderedDict[tuple[Scope, str], Run] = OrderedDict()
        self._max_buckets = max_buckets
        self.size = 0
        """Buckets that are kept."""

    def find(self, scope: Scope, crew: str, first: datetime) -> Run | None:
        """The run that `first` lies in, or follows."""
        run = self._runs.get((scope, crew))
        return run if run and run.first <= first <= run.end else None

    def keep(self, scope: Scope, crew: str, run: Run) -> None:
        """In place of the crew's run; of `run.buckets`, those that it does not cover are left."""
        first = max(run.first, run.end - LONGEST)
        buckets = {at: bucket for at, bucket in run.buckets.items() if first <= at < run.end}
        with self._lock:
            self._drop((scope, crew))
            if first >= run.end or len(buckets) > self._max_buckets:
                return
            self._runs[scope, crew] = Run(first, run.end, buckets)
            self.size += len(buckets)
            while self.size > self._max_buckets:
                self._drop(next(iter(self._runs)))

    def _drop(self, key: tuple[Scope, str]) -> None:
        run = self._runs.pop(key, None)
        self.size -= len(run.buckets) if run else 0
