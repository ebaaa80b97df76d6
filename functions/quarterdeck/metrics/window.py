"""What a crew's buckets say of a stretch of time."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

MINUTE = timedelta(minutes=1)


class Window(NamedTuple):
    """The sums over a crew's buckets: of `minutes` that have ended, and of the one that runs."""

    minutes: int
    counters: Mapping[str, int]

    @property
    def arrivals(self) -> int:
        return self.counters.get("arrivals", 0)

    @property
    def succeeded(self) -> int:
        return self.counters.get("succeeded", 0)

    @property
    def failed(self) -> int:
        return self.counters.get("failed", 0)

    @property
    def timed_out(self) -> int:
        return self.counters.get("timed_out", 0)

    @property
    def judged(self) -> int:
        """What ended, cancelled and interrupted left out."""
        return self.succeeded + self.failed + self.timed_out

    @property
    def ended(self) -> int:
        """Of any outcome: each has its response and running time."""
        counters = self.counters
        return self.judged + counters.get("cancelled", 0) + counters.get("interrupted", 0)

    @property
    def mean_running_s(self) -> float | None:
        return self._find_mean("running_ms")

    @property
    def mean_response_s(self) -> float | None:
        return self._find_mean("response_ms")

    def _find_mean(self, total: str) -> float | None:
        """Seconds; None without samples."""
        return self.counters.get(total, 0) / 1000 / self.ended if self.ended else None


def sum_counters(buckets: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for bucket in buckets:
        total.update(bucket)
    return dict(total)


def cut_window(
    buckets: Mapping[datetime, Mapping[str, int]], now: datetime, minutes: int
) -> Window:
    """Of buckets by minute, as many minutes as have ended before `now`, and that of `now`."""
    first = start_window(now, minutes)
    return Window(minutes, sum_counters(b for at, b in buckets.items() if first <= at <= now))


def start_minute(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def start_window(now: datetime, minutes: int) -> datetime:
    """Its first minute: as many have ended since it began, and another runs."""
    return start_minute(now) - minutes * MINUTE
