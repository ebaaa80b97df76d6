"""What CloudWatch is told, to the line of the log that tells it."""

import json
from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.keys import Scope
from quarterdeck.metrics.buckets import add_counters, describe_time, estimate_time, find_bin
from quarterdeck.metrics.emission import MOST_VALUES, describe_emf, list_times
from quarterdeck.metrics.reading import CLOSED_AFTER, MetricsReader
from quarterdeck.metrics.window import MINUTE, start_minute, sum_counters
from quarterdeck.metrics.workload import Workload
from quarterdeck.names import read_clock
from quarterdeck.observability import Measure, emit_metrics
from tests.fakes import FakeTable

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SCOPE = Scope("s", 1)
DIMENSIONS = {"environment": "staging", "system": "s", "crew": "one"}
COUNTERS = {
    "arrivals": 3,
    "succeeded": 2,
    "failed": 0,
    "error_RateLimitError": 1,
    "prompt_tokens": 20,
    "completion_tokens": 8,
    "llm_calls": 4,
    "cost_nano_usd": 20_000_000,
    **sum_counters([describe_time("response", 2000), describe_time("response", 9000)]),
    **describe_time("llm", 500),
}


def second(milliseconds: int) -> float:
    """As a histogram keeps it."""
    return round(estimate_time(find_bin(milliseconds)) / 1000, 6)


def test_a_minute_is_described_by_what_happened_in_it() -> None:
    described, sent, received = describe_emf("staging", "s", "one", NOON, COUNTERS)
    assert (described.moment, described.dimensions) == (NOON, DIMENSIONS)
    assert described.measures == [
        ("arrivals", "Count", (3,)),
        ("succeeded", "Count", (2,)),
        ("cost_usd", "None", (0.02,)),
        ("response_time", "Seconds", (second(2000), second(9000))),
        ("gen_ai.client.operation.duration", "Seconds", (second(500),)),
    ]
    for record, kind, count in ((sent, "input", 20), (received, "output", 8)):
        assert record.dimensions == DIMENSIONS | {"gen_ai.token.type": kind}
        assert record.measures == [Measure("gen_ai.client.token.usage", "Count", (count,))]


def test_of_a_crew_at_rest_nothing_is_told() -> None:
    assert describe_emf("staging", "s", "one", NOON, {}, Workload(0, 0, 2)) == []


def test_a_crew_at_work_tells_its_workload() -> None:
    (record,) = describe_emf("staging", "s", "one", NOON, {}, Workload(2, 1, 2))
    assert record.measures == [("workload", "Count", (3,)), ("utilization", "None", (1.5,))]


@given(st.dictionaries(st.integers(0, 250), st.integers(1, 500), min_size=1, max_size=20))
def test_times_are_as_many_as_a_record_holds(histogram: dict[int, int]) -> None:
    times = list_times(histogram)
    total = sum(histogram.values())
    assert len(times) == min(total, MOST_VALUES)
    assert list(times) == sorted(times)
    known = {round(estimate_time(number) / 1000, 6) for number in histogram}
    assert set(times) <= known
    if total <= MOST_VALUES:
        assert set(times) == known


def test_a_record_is_a_line_in_the_embedded_format(capsys: pytest.CaptureFixture[str]) -> None:
    minute = start_minute(read_clock())
    many = sum_counters([describe_time("running", 100 + number) for number in range(500)])
    records = describe_emf("staging", "s", "one", minute, COUNTERS | many)
    for record in records:
        emit_metrics(record)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == len(records)
    for line, record in zip(lines, records, strict=True):
        (told,) = line["_aws"]["CloudWatchMetrics"]
        assert line["_aws"]["Timestamp"] == int(minute.timestamp() * 1000)
        assert told["Namespace"] == "Quarterdeck"
        assert told["Dimensions"] == [list(record.dimensions)]
        assert {name: line[name] for name in record.dimensions} == record.dimensions
        assert [(each["Name"], each["Unit"]) for each in told["Metrics"]] == [
            (measure.name, measure.unit) for measure in record.measures
        ]
        for measure in record.measures:
            assert line[measure.name] == list(measure.values)


def test_the_closed_minute_needs_no_query_after_a_window() -> None:
    table = FakeTable()
    closed = NOON - CLOSED_AFTER - MINUTE
    for minute, number in ((closed, 2), (closed + MINUTE, 5)):
        table.write(add_counters(SCOPE, "one", minute, {"arrivals": number}))
    reader = MetricsReader(table)
    assert reader.read_closed_minute(SCOPE, "one", NOON) == (closed, {"arrivals": 2})
    reader.read_window(SCOPE, "one", NOON)
    with patch.object(table, "query", side_effect=AssertionError):
        assert reader.read_closed_minute(SCOPE, "one", NOON) == (closed, {"arrivals": 2})
    assert reader.read_closed_minute(SCOPE, "two", NOON) == (closed, {})
