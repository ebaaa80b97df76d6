"""The order of dispatch and the minute buckets, with plain values."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.keys import Scope
from quarterdeck.metrics.buckets import count_outcome, estimate_time, find_bin
from quarterdeck.tasks.outcome import Outcome, TaskError, Usage
from quarterdeck.tasks.states import OFFSETS, rank_task

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
priorities = st.sampled_from(sorted(OFFSETS))


@given(moments, moments, priorities, priorities)
def test_rank_sorts_as_time_plus_offset(one: datetime, two: datetime, p: str, q: str) -> None:
    first, second = one + OFFSETS[p], two + OFFSETS[q]  # type: ignore[index]
    assert (rank_task(one, p) < rank_task(two, q)) == (first < second)  # type: ignore[arg-type]


@given(moments, priorities)
def test_low_goes_before_what_came_over_half_an_hour_later(low: datetime, other: str) -> None:
    later = low + timedelta(minutes=30, milliseconds=1)
    assert rank_task(low, "low") < rank_task(later, other)  # type: ignore[arg-type]


def test_higher_priority_goes_first() -> None:
    ranks = [rank_task(NOON, priority) for priority in ("high", "medium", "low")]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == 3


@given(st.integers(2, 10**9))
def test_histogram_bins_are_within_five_percent(milliseconds: int) -> None:
    estimate = estimate_time(find_bin(milliseconds))
    assert abs(estimate - milliseconds) <= 0.05 * milliseconds


def test_an_end_is_counted_by_outcome_error_tokens_and_times() -> None:
    outcome = Outcome(
        status="failed",
        error=TaskError(type="RateLimitError", message="slow down"),
        usage=Usage(
            prompt_tokens=10, completion_tokens=4, requests=2, cost_usd=0.000012, unpriced=1
        ),
        duration_ms=1000,
    )
    update = count_outcome(Scope("s", 1), "research", outcome, 3000, NOON)
    assert update.key == ("SYS#s@1#METRICS#research", "2026-11-23T12:00")
    assert update.add == {
        "failed": 1,
        "error_RateLimitError": 1,
        "prompt_tokens": 10,
        "completion_tokens": 4,
        "llm_calls": 2,
        "unpriced_calls": 1,
        "cost_nano_usd": 12_000,
        "response_ms": 3000,
        f"response_bin_{find_bin(3000)}": 1,
        "running_ms": 1000,
        f"running_bin_{find_bin(1000)}": 1,
    }
