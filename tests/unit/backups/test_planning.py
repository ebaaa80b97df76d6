"""When backups are due: each time of a plan once, the last of those missed alone."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.backups.planning import (
    DAILY_HOUR,
    SPREAD_SECONDS,
    WEEK,
    find_due,
    find_due_test,
    spread_start,
)
from quarterdeck.systems.records import BackupPlan, Frequency

LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PLAN = BackupPlan(
    frequency="daily",
    retention_days=30,
    storage="cloud",
    encryption_enabled=True,
    test_restores=True,
)
PERIODS: dict[Frequency, timedelta] = {"hourly": HOUR, "daily": DAY}

frequencies = st.sampled_from(list(PERIODS))
system_ids = st.text("0123456789abcdef", min_size=4, max_size=24)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))


@pytest.mark.parametrize(
    ("frequency", "seen_to", "now", "due"),
    [
        ("daily", None, "2026-11-23T01:59", "2026-11-22T02:00"),
        ("daily", "2026-11-22T02:00", "2026-11-23T01:00", None),
        ("daily", "2026-11-22T02:00", "2026-11-23T02:00", "2026-11-23T02:00"),
        ("daily", "2026-11-19T02:00", "2026-11-23T17:00", "2026-11-23T02:00"),
        ("hourly", "2026-11-23T01:00", "2026-11-23T02:00", "2026-11-23T02:00"),
        ("hourly", "2026-11-23T02:00", "2026-11-23T02:59", None),
        ("hourly", "2026-11-22T02:00", "2026-11-23T02:10", "2026-11-23T02:00"),
        ("none", None, "2026-11-23T02:00", None),
    ],
)
def test_examples(frequency: Frequency, seen_to: str | None, now: str, due: str | None) -> None:
    def read(text: str | None) -> datetime | None:
        return datetime.fromisoformat(f"{text}:00Z") if text else None

    moment = read(now)
    assert moment
    assert find_due(frequency, read(seen_to), LONG_AGO, moment) == read(due)


@given(frequencies, moments, st.lists(st.timedeltas(HOUR / 60, DAY * 3), max_size=60))
def test_what_is_seen_to_is_not_due_again(
    frequency: Frequency, now: datetime, gaps: list[timedelta]
) -> None:
    """Whenever the ticks come, however many are missed."""
    seen_to: datetime | None = None
    for gap in gaps:
        due = find_due(frequency, seen_to, LONG_AGO, now)
        if due:
            assert due <= now < due + PERIODS[frequency]
            assert seen_to is None or due - seen_to >= PERIODS[frequency]
            assert find_due(frequency, due, LONG_AGO, now) is None
            seen_to = due
        assert seen_to
        assert now - seen_to < PERIODS[frequency]
        now += gap


@given(frequencies, moments, st.timedeltas(timedelta(0), DAY * 3))
def test_no_time_before_a_system_was_made_is_due(
    frequency: Frequency, created: datetime, age: timedelta
) -> None:
    due = find_due(frequency, None, created, created + age)
    assert due is None or due > created
    assert due or age <= PERIODS[frequency]


@given(moments)
def test_daily_backups_are_due_at_two(now: datetime) -> None:
    due = find_due("daily", None, LONG_AGO, now)
    assert due
    assert (due.hour, due.minute, due.second, due.microsecond) == (DAILY_HOUR, 0, 0, 0)


@given(system_ids, moments)
def test_restores_are_tested_once_a_week(system_id: str, now: datetime) -> None:
    due = find_due_test(PLAN, system_id, None, LONG_AGO, now)
    assert due
    assert due <= now < due + WEEK
    assert find_due_test(PLAN, system_id, due, LONG_AGO, now) is None
    assert find_due_test(PLAN, system_id, due, LONG_AGO, now + WEEK) == due + WEEK
    untested = PLAN.model_copy(update={"test_restores": False})
    assert find_due_test(untested, system_id, None, LONG_AGO, now) is None


def test_systems_are_spread() -> None:
    starts = [spread_start(f"{number:024x}") for number in range(300)]
    assert all(0 <= start < SPREAD_SECONDS for start in starts)
    minutes = [sum(start // 60 == minute for start in starts) for minute in range(10)]
    assert max(minutes) < 60
