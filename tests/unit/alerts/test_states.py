"""The life of one alert, minute by minute, with plain values."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.alerts.judge import find_state
from quarterdeck.alerts.states import (
    HOLD_BETTER,
    HOLD_UNKNOWN,
    HOLD_WORSE,
    RAISED,
    Alert,
    Finding,
    acknowledge,
    consider,
    note,
    silence,
)
from quarterdeck.metrics.figures import Figure, MetricState
from quarterdeck.names import format_time
from quarterdeck.systems.configuration import Threshold

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ERRORS = Threshold(warning=0.05, critical=0.1)
COMPLETIONS = Threshold(warning=0.8, critical=0.6)
STATES: tuple[MetricState, ...] = ("insufficient_data", "ok", "warning", "critical")
NEW = Alert(since=format_time(NOON))

minutes = st.lists(st.sampled_from(STATES), max_size=60)


def hold(state: MetricState, times: int) -> list[MetricState]:
    return [state] * times


def live(found: Iterable[MetricState], alert: Alert = NEW, start: datetime = NOON) -> Alert:
    """The alert after one evaluation a minute."""
    for number, state in enumerate(found):
        alert = consider(alert, Finding(state), start + number * MINUTE)
    return alert


def measure(values: Iterable[float], metric: str = "error_rate", samples: int = 40) -> Alert:
    thresholds = ERRORS if metric == "error_rate" else COMPLETIONS
    alert = NEW
    for number, value in enumerate(values):
        finding = find_state(metric, Figure(value, samples), thresholds, alert.standing)
        alert = consider(alert, finding, NOON + number * MINUTE)
    return alert


def told(alert: Alert) -> list[str]:
    return [change.state for change in alert.outbox]


def test_a_state_that_holds_is_told_once() -> None:
    assert told(live(hold("critical", HOLD_WORSE - 1))) == []
    alert = live(hold("critical", 500))
    assert told(alert) == ["critical"]
    assert alert.since == format_time(NOON + (HOLD_WORSE - 1) * MINUTE)


def test_a_recovery_is_told_once() -> None:
    alert = live(hold("ok", 3) + hold("critical", 10) + hold("ok", HOLD_BETTER - 1))
    assert told(alert) == ["critical"]
    alert = live(hold("critical", 10) + hold("ok", 500))
    assert told(alert) == ["critical", "ok"]
    assert [change.previous for change in alert.outbox] == ["insufficient_data", "critical"]


def test_what_comes_and_goes_within_minutes_is_never_told() -> None:
    assert told(live(["ok", "critical", "critical"] * 100)) == []
    raised = live(hold("critical", 5) + ["ok", "critical", "ok", "ok"] * 100)
    assert told(raised) == ["critical"]


@pytest.mark.parametrize(
    ("metric", "around"),
    [("error_rate", (0.101, 0.099, 0.092)), ("completion_rate", (0.599, 0.6, 0.63))],
)
def test_flapping_around_a_threshold_is_told_once_on_each_side(
    metric: str, around: tuple[float, ...]
) -> None:
    well = {"error_rate": 0.0, "completion_rate": 1.0}[metric]
    alert = measure([*(around * 100), *([well] * 100)], metric)
    assert told(alert) == ["critical", "ok"]


def test_too_few_samples_raise_nothing() -> None:
    assert measure([1.0] * 100, samples=3).state == "insufficient_data"
    assert told(measure([1.0] * 100, samples=19)) == []
    assert told(measure([1.0] * 100, samples=20)) == ["critical"]


def test_a_raised_alert_without_samples_is_given_up_after_a_window() -> None:
    raised = hold("critical", 5)
    assert live(raised + hold("insufficient_data", HOLD_UNKNOWN - 1)).state == "critical"
    alert = live(raised + hold("insufficient_data", 500) + hold("ok", 500))
    assert told(alert) == ["critical", "insufficient_data"]


def test_pauses_of_a_crew_are_not_told() -> None:
    assert told(live(["ok", "insufficient_data"] * 100)) == []


def test_what_gets_worse_and_a_little_better_is_told_each_time() -> None:
    course: list[MetricState] = ["warning", "critical", "warning", "ok"]
    assert told(live(state for state in course for _ in range(20))) == course


def test_what_is_now_a_warning_and_now_critical_is_raised() -> None:
    assert live(["warning", "critical", "warning"]).state == "warning"


def test_two_evaluations_in_one_minute_count_once() -> None:
    alert = NEW
    for seconds in range(0, 60, 5):
        alert = consider(alert, Finding("critical"), NOON + timedelta(seconds=seconds))
    assert alert.state == "insufficient_data"


def test_a_minute_that_was_left_out_is_no_reason_to_begin_again() -> None:
    alert = consider(NEW, Finding("critical"), NOON)
    alert = consider(alert, Finding("critical"), NOON + 7 * MINUTE)
    assert told(alert) == ["critical"]


@given(minutes)
def test_what_is_told_never_says_the_same_twice(found: list[MetricState]) -> None:
    alert = live(found)
    heard = ["ok", *told(alert)]
    assert all({one, two} & RAISED and one != two for one, two in pairwise(heard))
    assert len({change.number for change in alert.outbox}) == len(alert.outbox)


@given(minutes, st.sampled_from(STATES))
def test_subscribers_know_in_the_end_what_is(found: list[MetricState], last: MetricState) -> None:
    alert = live(found + hold(last, HOLD_UNKNOWN + 1))
    assert alert.state == last
    heard = ["ok", *told(alert)][-1]
    assert heard == last or not {heard, last} & RAISED


def quiet(alert: Alert, after: int = 0, for_minutes: int = 60) -> Alert:
    return silence(alert, "0123", NOON + after * MINUTE, for_minutes)


def test_a_silence_keeps_the_state_and_tells_it_after_once() -> None:
    alert = live(hold("critical", 59), quiet(NEW))
    assert (alert.state, told(alert)) == ("critical", [])
    alert = live(hold("critical", 30), alert, NOON + 59 * MINUTE)
    assert told(alert) == ["critical"]
    [change] = alert.outbox
    assert change.since == format_time(NOON + (HOLD_WORSE - 1) * MINUTE)


def test_a_recovery_in_a_silence_is_never_told() -> None:
    raised = quiet(live(hold("critical", 5)), after=5)
    alert = live(hold("ok", 500), raised, NOON + 5 * MINUTE)
    assert (alert.state, told(alert)) == ("ok", ["critical"])
    again = live(hold("critical", 20), alert, NOON + 505 * MINUTE)
    assert told(again) == ["critical", "critical"]


def test_what_was_told_before_a_silence_and_holds_after_it_is_not_told_again() -> None:
    raised = quiet(live(hold("warning", 5)), after=5)
    found = hold("critical", 15) + hold("warning", 100)
    alert = live(found, raised, NOON + 5 * MINUTE)
    assert told(alert) == ["warning"]


def test_a_silence_can_be_ended() -> None:
    alert = live(hold("critical", 10), quiet(NEW))
    alert = live(["critical"], silence(alert, "0123", NOON + 10 * MINUTE, 0), NOON + 10 * MINUTE)
    assert told(alert) == ["critical"]


def test_an_acknowledgement_is_the_first_ones_until_the_state_changes() -> None:
    raised = live(hold("warning", 5))
    seen = acknowledge(acknowledge(raised, "ann", NOON), "bob", NOON + MINUTE)
    assert seen.acknowledged
    assert seen.acknowledged.by == "ann"
    assert live(hold("critical", 5), seen, NOON + 5 * MINUTE).acknowledged is None
    assert live(hold("warning", 50), seen, NOON + 5 * MINUTE).acknowledged == seen.acknowledged


def test_a_condition_that_is_noted_is_so_at_once() -> None:
    alert = note(NEW, Finding("critical", detail="no secret 'openai'"), NOON)
    assert told(alert) == ["critical"]
    assert note(alert, Finding("critical", detail="another"), NOON + MINUTE) == alert
    assert told(note(alert, Finding("ok"), NOON + MINUTE)) == ["critical", "ok"]
