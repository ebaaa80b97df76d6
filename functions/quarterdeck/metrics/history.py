"""A crew's metrics over time, for plots."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from quarterdeck.metrics.figures import divide
from quarterdeck.metrics.percentiles import estimate_percentile, read_histogram
from quarterdeck.metrics.reading import Buckets
from quarterdeck.metrics.window import MINUTE, Window, sum_counters

type Series = dict[str, list[int | float | None]]
"""By name, a value a point; None where there is nothing to tell it from."""


def group_buckets(buckets: Buckets, starts: Sequence[datetime], step: int) -> list[Window]:
    """One window a point, of `step` minutes each."""
    groups: list[list[Mapping[str, int]]] = [[] for _ in starts]
    for minute, bucket in buckets.items():
        groups[(minute - starts[0]) // (step * MINUTE)].append(bucket)
    return [Window(step, sum_counters(group)) for group in groups]


def plot_windows(prefix: str, windows: Sequence[Window]) -> Series:
    points = [measure_window(window) for window in windows]
    return {f"{prefix}_{name}": [point[name] for point in points] for name in points[0]}


def measure_window(window: Window) -> dict[str, int | float | None]:
    """Shares, seconds, USD, and numbers of tasks, tokens and faults."""
    counters = window.counters
    histogram = read_histogram(counters, "response")
    return {
        "completion_rate": round_value(divide(window.succeeded, window.judged)),
        "error_rate": round_value(divide(window.failed + window.timed_out, window.judged)),
        "avg_response_time": round_value(window.mean_response_s),
        **{
            f"p{n}_response_time": round_value(estimate_percentile(histogram, n), 1000)
            for n in (50, 95, 99)
        },
        "arrivals": window.arrivals,
        "ended": window.ended,
        "tokens": counters.get("prompt_tokens", 0) + counters.get("completion_tokens", 0),
        "cost_usd": counters.get("cost_nano_usd", 0) / 1e9,
        "throttled": counters.get("throttled", 0),
    }


def round_value(value: float | None, unit: int = 1) -> float | None:
    return None if value is None else round(value / unit, 6)
