"""Percentiles from the histograms of the buckets."""

import math
from collections.abc import Mapping

from quarterdeck.metrics.buckets import Timed, estimate_time


def read_histogram(counters: Mapping[str, int], kind: Timed) -> dict[int, int]:
    """How many times lie in each bin."""
    prefix = f"{kind}_bin_"
    return {
        int(name.removeprefix(prefix)): count
        for name, count in counters.items()
        if name.startswith(prefix)
    }


def estimate_percentile(histogram: Mapping[int, int], percent: float) -> float | None:
    """Milliseconds: within 5 % of the time that so many of them do not exceed; None of none."""
    rank = math.ceil(percent * sum(histogram.values()) / 100)
    for number, count in sorted(histogram.items()):
        rank -= count
        if rank <= 0:
            return estimate_time(number)
    return None
