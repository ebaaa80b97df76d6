"""What was measured of a crew, and how many slots it asks for."""

import math
from datetime import datetime
from typing import NamedTuple

from quarterdeck.metrics.buckets import find_bin
from quarterdeck.metrics.window import Window, start_window

BACKLOG_S = 300
"""In how long what is queued is to be worked off."""
SAMPLES = 10
"""How many times of running it takes until they count as much as what is known already."""
SHORTEST, LONGEST = 3, 15
"""Minutes to look back."""
MOST = 1_000_000
"""Beyond any crew's bounds."""
NEVER_RAN = f"running_bin_{find_bin(0)}"
"""Counts the tasks that were cancelled before they ran: they tell no time of running."""


class Observation(NamedTuple):
    """A crew at a moment, and its last `span_s` seconds: None is what is not known."""

    at: datetime
    capacity: int
    running: int
    queued: int
    span_s: float
    arrivals: int | None
    ended: int
    mean_running_s: float | None
    """Of those that ended."""
    throttled: int
    """How often the provider refused a task for asking too much."""

    @property
    def workload(self) -> int:
        return self.running + self.queued

    @property
    def utilization(self) -> float:
        return self.workload / self.capacity if self.capacity else math.inf


def observe(
    at: datetime, capacity: int, running: int, queued: int, window: Window | None
) -> Observation:
    """`window`: None when it cannot be read."""
    counters = window.counters if window else {}
    ran = window.ended - counters.get(NEVER_RAN, 0) if window else 0
    return Observation(
        at=at,
        capacity=capacity,
        running=running,
        queued=queued,
        span_s=(at - start_window(at, window.minutes)).total_seconds() if window else 0,
        arrivals=window.arrivals if window else None,
        ended=ran,
        mean_running_s=counters.get("running_ms", 0) / 1000 / ran if ran else None,
        throttled=counters.get("throttled", 0),
    )


def choose_minutes(service_s: float | None) -> int:
    """How far to look back: longer where tasks run long, for few of them end in a minute."""
    return min(max(math.ceil((service_s or 0) / 60), SHORTEST), LONGEST)


def blend_service(known: float | None, mean: float | None, samples: int) -> float | None:
    """How long a task runs: the mean of some that ended counts the more, the more they are."""
    if mean is None or known is None:
        return known if mean is None else mean
    weight = samples / (samples + SAMPLES)
    return known + weight * (mean - known)


def compute_need(seen: Observation, service_s: float | None) -> float | None:
    """The slots that keep up with what arrives, and those that work off what is queued.

    None when that is not known; nothing to do needs nothing, however long it would take.
    """
    if seen.arrivals is None:
        return None
    if not (seen.arrivals or seen.workload):
        return 0.0
    if service_s is None:
        return None
    return (seen.arrivals / seen.span_s + seen.queued / BACKLOG_S) * service_s


def find_capacity(need: float, threshold: float) -> int:
    """The least whose utilization by `need` is not over the threshold, however small that is."""
    return math.ceil(round(min(need / threshold, MOST), 6))
