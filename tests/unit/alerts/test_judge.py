"""Which state a figure is: directions, samples, and the way back over a threshold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.alerts.judge import find_state
from quarterdeck.alerts.states import SEVERITY
from quarterdeck.alerts.throttling import THRESHOLDS, THROTTLING, measure_throttling
from quarterdeck.metrics.figures import Figure, MetricState
from quarterdeck.metrics.window import Window
from quarterdeck.systems.configuration import Threshold
from quarterdeck.systems.thresholds import ALERT_BELOW, DEFAULTS

METRICS = ("completion_rate", "error_rate", "avg_response_time", "workload", "utilization")
shares = st.floats(0, 1)
states = st.sampled_from(sorted(SEVERITY))


@pytest.mark.parametrize(
    ("metric", "standing", "value", "expected"),
    [
        ("error_rate", "ok", 0.05, "ok"),
        ("error_rate", "ok", 0.051, "warning"),
        ("error_rate", "ok", 0.101, "critical"),
        ("error_rate", "critical", 0.091, "critical"),
        ("error_rate", "critical", 0.09, "warning"),
        ("error_rate", "warning", 0.091, "warning"),
        ("error_rate", "warning", 0.041, "warning"),
        ("error_rate", "warning", 0.04, "ok"),
        ("error_rate", "critical", 0.04, "ok"),
        ("completion_rate", "ok", 0.8, "ok"),
        ("completion_rate", "ok", 0.79, "warning"),
        ("completion_rate", "ok", 0.59, "critical"),
        ("completion_rate", "warning", 0.83, "warning"),
        ("completion_rate", "warning", 0.85, "ok"),
        ("completion_rate", "critical", 0.63, "critical"),
        ("avg_response_time", "warning", 49.0, "warning"),
        ("avg_response_time", "warning", 48.0, "ok"),
    ],
)
def test_a_value_is_judged_by_where_it_comes_from(
    metric: str, standing: MetricState, value: float, expected: str
) -> None:
    thresholds = DEFAULTS[metric]  # type: ignore[index]
    assert find_state(metric, Figure(value, 40), thresholds, standing).state == expected


def test_a_finding_tells_by_what_it_was_judged() -> None:
    thresholds = Threshold(warning=0.2, critical=0.4)
    finding = find_state("error_rate", Figure(0.3, 40), thresholds, "critical")
    assert finding == ("warning", 0.3, 40, thresholds, None)


@pytest.mark.parametrize("metric", METRICS)
def test_few_samples_say_nothing_of_what_is_drawn_from_samples(metric: str) -> None:
    thresholds = Threshold(warning=0.4, critical=0.2)
    if metric not in ALERT_BELOW:
        thresholds = Threshold(warning=0.2, critical=0.4)
    worst = 0.0 if metric in ALERT_BELOW else 1.0
    few = find_state(metric, Figure(worst, 1), thresholds, "ok").state
    measured = metric in {"workload", "utilization"}
    assert few == ("critical" if measured else "insufficient_data")
    assert find_state(metric, Figure(None, 40), thresholds, "ok").state == "insufficient_data"


def test_without_thresholds_there_is_nothing_to_judge() -> None:
    finding = find_state("workload", Figure(9, 1), None, "critical")
    assert finding.state == "insufficient_data"


@given(st.sampled_from(METRICS), shares, shares, states, shares)
def test_the_margin_keeps_a_state_and_never_makes_one(
    metric: str, one: float, two: float, standing: MetricState, value: float
) -> None:
    lower, upper = sorted((one, two))
    thresholds = Threshold(warning=lower, critical=upper)
    if metric in ALERT_BELOW:
        thresholds = Threshold(warning=upper, critical=lower)
    plain = find_state(metric, Figure(value, 40), thresholds, "ok").state
    found = find_state(metric, Figure(value, 40), thresholds, standing).state
    assert SEVERITY[plain] <= SEVERITY[found] <= max(SEVERITY[plain], SEVERITY[standing])


@given(st.sampled_from(METRICS), shares, shares)
def test_every_state_has_a_way_back(metric: str, one: float, two: float) -> None:
    lower, upper = sorted((one, two))
    thresholds, best = Threshold(warning=lower, critical=upper), 0.0
    if metric in ALERT_BELOW:
        thresholds, best = Threshold(warning=upper, critical=lower), 1.0
    assert find_state(metric, Figure(best, 40), thresholds, "critical").state == "ok"


@pytest.mark.parametrize(
    ("counters", "samples", "state"),
    [
        ({}, 0, "insufficient_data"),
        ({"throttled": 5, "failed": 1}, 5, "insufficient_data"),
        ({"throttled": 2, "llm_calls": 38}, 40, "ok"),
        ({"throttled": 10, "llm_calls": 30}, 40, "warning"),
        ({"throttled": 30, "llm_calls": 10, "succeeded": 2}, 40, "critical"),
    ],
)
def test_a_throttling_provider_is_judged_by_the_calls_that_it_refuses(
    counters: dict[str, int], samples: int, state: str
) -> None:
    figure = measure_throttling(Window(15, counters))
    assert figure.samples == samples
    assert find_state(THROTTLING, figure, THRESHOLDS, "ok").state == state
