"""What the five metrics are, and how they are judged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.metrics.figures import (
    MIN_SAMPLES,
    Figure,
    compute_figures,
    is_past,
    judge_figure,
)
from quarterdeck.metrics.window import Window
from quarterdeck.systems.configuration import Metric, Threshold
from quarterdeck.systems.thresholds import DEFAULTS

ERRORS = Threshold(warning=0.05, critical=0.1)
COMPLETION = Threshold(warning=0.8, critical=0.6)
BACKLOG = Threshold(warning=10.0, critical=20.0)


def test_figures_follow_their_definitions() -> None:
    counters = {
        "arrivals": 40,
        "succeeded": 15,
        "failed": 4,
        "timed_out": 1,
        "cancelled": 3,
        "interrupted": 2,
        "response_ms": 50_000,
        "running_ms": 25_000,
    }
    window = Window(15, counters)
    assert compute_figures(window, 6, 4) == {
        "completion_rate": (0.75, 20),
        "error_rate": (0.25, 20),
        "avg_response_time": (2.0, 25),
        "workload": (6, 1),
        "utilization": (1.5, 1),
    }
    assert (window.arrivals, window.ended, window.mean_running_s) == (40, 25, 1.0)


def test_without_an_end_there_is_no_rate() -> None:
    window = Window(15, {"arrivals": 3})
    figures = compute_figures(window, 3, 2)
    for metric in ("completion_rate", "error_rate", "avg_response_time"):
        assert figures[metric] == (None, 0)
    assert (window.mean_running_s, window.mean_response_s) == (None, None)


@pytest.mark.parametrize(
    ("metric", "value", "samples", "threshold", "state"),
    [
        ("error_rate", 0.05, 20, ERRORS, "ok"),
        ("error_rate", 0.051, 20, ERRORS, "warning"),
        ("error_rate", 0.1, 20, ERRORS, "warning"),
        ("error_rate", 0.11, 20, ERRORS, "critical"),
        ("error_rate", 1.0, 19, ERRORS, "insufficient_data"),
        ("error_rate", 1.0, 20, None, "ok"),
        ("completion_rate", 0.8, 20, COMPLETION, "ok"),
        ("completion_rate", 0.79, 20, COMPLETION, "warning"),
        ("completion_rate", 0.6, 20, COMPLETION, "warning"),
        ("completion_rate", 0.59, 20, COMPLETION, "critical"),
        ("completion_rate", None, 0, COMPLETION, "insufficient_data"),
        ("workload", 21, 1, BACKLOG, "critical"),
        ("utilization", 11.0, 1, BACKLOG, "warning"),
    ],
)
def test_a_figure_is_judged_by_direction_and_samples(
    metric: Metric, value: float | None, samples: int, threshold: Threshold | None, state: str
) -> None:
    assert judge_figure(metric, Figure(value, samples), threshold) == state


@given(st.sampled_from(sorted(DEFAULTS)), st.floats(0, 1000), st.floats(0, 1000))
def test_a_worse_value_has_no_better_state(metric: Metric, one: float, two: float) -> None:
    worse, better = (one, two) if is_past(metric, one, two) else (two, one)
    severity = ["ok", "warning", "critical"]
    states = [
        severity.index(judge_figure(metric, Figure(value, MIN_SAMPLES), DEFAULTS[metric]))
        for value in (better, worse)
    ]
    assert states == sorted(states)
