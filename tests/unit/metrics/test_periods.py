"""What can be asked for, and where the points of a plot lie."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.errors import InvalidInput
from quarterdeck.metrics.history import group_buckets
from quarterdeck.metrics.periods import (
    LONGEST,
    MAX_POINTS,
    check_breadth,
    choose_step,
    list_steps,
    parse_period,
)
from quarterdeck.metrics.reading import Buckets
from quarterdeck.metrics.window import MINUTE, start_minute, start_window

moments = st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("1m", 1), ("5m", 5), ("15m", 15), ("1h", 60), ("24h", 1440), ("15d", LONGEST)],
)
def test_a_period_is_minutes_hours_or_days(text: str, minutes: int) -> None:
    assert parse_period("window", text) == minutes


@pytest.mark.parametrize(
    "text",
    ["", "0m", "15", "m", "-5m", "1.5h", "16d", "361h", "5 m", "5M", "٥m", "99999999m", "5m\n"],
)
def test_any_other_period_is_refused_with_the_rule(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_period("window", text)
    ((field, rule),) = refused.value.errors
    assert (field, rule) == (
        "window",
        "must be minutes, hours or days, as 15m, 1h or 7d, from 1m to 15d",
    )


@given(moments, st.integers(1, LONGEST), st.none() | st.integers(1, LONGEST))
def test_points_cover_the_window_and_are_bounded(
    now: datetime, minutes: int, asked: int | None
) -> None:
    try:
        step = choose_step(minutes, f"{asked}m" if asked else None)
    except InvalidInput:
        assert asked
        assert asked > minutes or minutes > asked * MAX_POINTS
        return
    starts = list_steps(now, minutes, step)
    assert len(starts) <= MAX_POINTS + 2
    assert starts[0] <= start_window(now, minutes) < starts[0] + step * MINUTE
    assert starts[-1] <= now < starts[-1] + step * MINUTE
    assert all(int(start.timestamp()) % (60 * step) == 0 for start in starts)
    assert all(after - before == step * MINUTE for before, after in pairwise(starts))


@given(moments, st.integers(1, 300), st.integers(1, 60), st.data())
def test_each_bucket_is_in_the_point_of_its_minute(
    now: datetime, minutes: int, step: int, data: st.DataObject
) -> None:
    starts = list_steps(now, minutes, step)
    ages = data.draw(st.sets(st.integers(0, minutes), max_size=20))
    buckets: Buckets = {start_minute(now) - age * MINUTE: {"arrivals": age + 1} for age in ages}
    windows = group_buckets(buckets, starts, step)
    for start, window in zip(starts, windows, strict=True):
        within = [b["arrivals"] for at, b in buckets.items() if 0 <= (at - start) / MINUTE < step]
        assert (window.minutes, window.arrivals) == (step, sum(within))


def test_many_crews_are_asked_for_a_shorter_window() -> None:
    check_breadth(LONGEST, 1)
    check_breadth(1440, 15)
    with pytest.raises(InvalidInput, match="432m, the most for 50 crews in one answer"):
        check_breadth(1440, 50)
