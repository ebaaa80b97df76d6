"""Windows over what was written, whoever read before, with DynamoDB in memory."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.keys import Scope
from quarterdeck.metrics import closed_minutes
from quarterdeck.metrics.buckets import add_counters
from quarterdeck.metrics.reading import CLOSED_AFTER, MetricsReader
from quarterdeck.metrics.window import MINUTE, start_minute, start_window
from tests.fakes import FakeTable

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SCOPE = Scope("s", 1)


class Count(NamedTuple):
    """Something is counted by a writer whose clock, or request, is so many seconds behind."""

    crew: str
    counter: str
    number: int
    behind: int


class Wait(NamedTuple):
    seconds: int


class Read(NamedTuple):
    crew: str
    minutes: int


crews = st.sampled_from(["one", "two"])
counts = st.builds(
    Count,
    crews,
    st.sampled_from(["arrivals", "succeeded", "response_ms"]),
    st.integers(1, 9),
    st.integers(0, int(CLOSED_AFTER.total_seconds())),
)
waits = st.builds(Wait, st.sampled_from([1, 59, 60, 61, 300, 1200, 90_000]) | st.integers(1, 400))
reads = st.builds(Read, crews, st.sampled_from([1, 5, 15, 60, 1440, 2000]))


@given(st.lists(counts | waits | reads, max_size=40), st.sampled_from([2, 10_000]))
def test_a_window_is_the_sum_of_what_was_written(
    deeds: list[Count | Wait | Read], room: int
) -> None:
    table, now = FakeTable(), NOON
    written: list[tuple[datetime, Count]] = []
    with patch.object(closed_minutes.ClosedMinutes.__init__, "__defaults__", (room,)):
        reader = MetricsReader(table)
    for deed in [*deeds, Read("one", 15), Read("two", 1440)]:
        match deed:
            case Wait(seconds):
                now += timedelta(seconds=seconds)
            case Count(crew, counter, number, behind):
                stamp = now - timedelta(seconds=behind)
                table.write(add_counters(SCOPE, crew, stamp, {counter: number}))
                written.append((stamp, deed))
            case Read(crew, minutes):
                wanted: Counter[str] = Counter()
                for stamp, count in written:
                    age = start_minute(now) - start_minute(stamp)
                    if count.crew == crew and age <= minutes * MINUTE:
                        wanted[count.counter] += count.number
                window = reader.read_window(SCOPE, crew, now, minutes)
                assert (window.minutes, window.counters) == (minutes, wanted)
                assert reader._closed.size <= room


def test_a_window_at_a_minutes_border_holds_the_whole_minutes_before_it() -> None:
    table = FakeTable()
    for seconds in (-301, -300, -1, 0):
        stamp = NOON + timedelta(seconds=seconds)
        table.write(add_counters(SCOPE, "one", stamp, {"arrivals": 1}))
    reader = MetricsReader(table)
    assert reader.read_window(SCOPE, "one", NOON, 5).arrivals == 3
    assert reader.read_window(SCOPE, "one", NOON - timedelta(seconds=1), 5).arrivals == 3
    assert reader.read_window(SCOPE, "one", NOON + timedelta(seconds=59), 5).arrivals == 3
    assert reader.read_window(SCOPE, "one", NOON + timedelta(seconds=60), 5).arrivals == 2


def test_a_window_is_one_query_of_the_minutes_that_are_not_closed() -> None:
    table = FakeTable()
    for minute in range(60):
        table.write(add_counters(SCOPE, "one", NOON - minute * MINUTE, {"arrivals": 1}))
    reader = MetricsReader(table)
    asked: list[str] = []
    query = table.query

    def note(pk: str, prefix: str, *, up_to: str | None = None, limit: int | None = None) -> object:
        asked.append(prefix)
        return query(pk, prefix, up_to=up_to, limit=limit)

    with patch.object(table, "query", note):
        for minutes in (60, 15, 60):
            reader.read_window(SCOPE, "one", NOON, minutes)
    assert asked == ["2026-11-23T11:00", "2026-11-23T11:55", "2026-11-23T11:55"]


def test_another_generation_is_read_for_itself() -> None:
    table = FakeTable()
    reader = MetricsReader(table)
    long_ago = NOON - 10 * MINUTE
    table.write(add_counters(SCOPE, "one", long_ago, {"arrivals": 1}))
    assert reader.read_window(SCOPE, "one", NOON).arrivals == 1
    assert reader.read_window(Scope("s", 2), "one", NOON).arrivals == 0


def test_a_clock_that_goes_back_is_no_error() -> None:
    table = FakeTable()
    reader = MetricsReader(table)
    table.write(add_counters(SCOPE, "one", NOON, {"arrivals": 1}))
    later = NOON + timedelta(hours=1)
    table.write(add_counters(SCOPE, "one", NOON + 9 * MINUTE, {"arrivals": 1}))
    assert reader.read_window(SCOPE, "one", later, 120).arrivals == 2
    assert reader.read_window(SCOPE, "one", NOON, 15).arrivals == 1
    assert start_window(NOON, 15) == NOON - timedelta(minutes=15)
