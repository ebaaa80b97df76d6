"""The five metrics of a crew, and what their thresholds say of them."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from quarterdeck.metrics.window import Window
from quarterdeck.systems.configuration import Metric, Threshold
from quarterdeck.systems.thresholds import ALERT_BELOW

MIN_SAMPLES = 20
MEASURED = frozenset[Metric]({"workload", "utilization"})
"""Not drawn from samples: one measurement is enough."""

type MetricState = Literal["ok", "warning", "critical", "insufficient_data"]


class Figure(NamedTuple):
    """`value` is None when there is nothing to tell it from."""

    value: float | None
    samples: int


def compute_figures(window: Window, workload: int, capacity: int) -> Mapping[Metric, Figure]:
    """Shares, seconds, and tasks: each metric of `SystemConfiguration.thresholds`."""
    judged = window.judged
    return {
        "completion_rate": Figure(divide(window.succeeded, judged), judged),
        "error_rate": Figure(divide(window.failed + window.timed_out, judged), judged),
        "avg_response_time": Figure(window.mean_response_s, window.ended),
        "workload": Figure(workload, 1),
        "utilization": Figure(divide(workload, capacity), 1),
    }


def divide(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def judge_figure(metric: Metric, figure: Figure, threshold: Threshold | None) -> MetricState:
    """A value alerts when it is past its threshold; on it, it is well. `ok` without a threshold."""
    few = figure.samples < MIN_SAMPLES and metric not in MEASURED
    if figure.value is None or few:
        return "insufficient_data"
    if threshold is None:
        return "ok"
    if is_past(metric, figure.value, threshold.critical):
        return "critical"
    return "warning" if is_past(metric, figure.value, threshold.warning) else "ok"


def is_past(metric: Metric, value: float, limit: float) -> bool:
    return value < limit if metric in ALERT_BELOW else value > limit
