"""What CloudWatch is told of a crew's minute."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from quarterdeck.metrics.buckets import Timed
from quarterdeck.metrics.figures import divide
from quarterdeck.metrics.percentiles import estimate_percentile, read_histogram
from quarterdeck.metrics.workload import Workload
from quarterdeck.observability import Measure, Record

COUNTED = (
    *("arrivals", "succeeded", "failed", "timed_out", "cancelled", "interrupted"),
    *("retries", "throttled", "continuations", "crashes", "tool_calls", "unpriced_calls"),
    "memory_faults",
)
TIMED: Mapping[str, Timed] = {
    "response_time": "response",
    "gen_ai.workflow.duration": "running",
    "gen_ai.client.operation.duration": "llm",
}
TOKENS = {"input": "prompt_tokens", "output": "completion_tokens"}
MOST_VALUES = 99
"""Of a metric in one record: CloudWatch takes 100, and powertools sends at 100."""


def describe_emf(
    environment: str,
    system_id: str,
    crew: str,
    minute: datetime,
    counters: Mapping[str, int],
    workload: Workload | None = None,
) -> list[Record]:
    """The records of a minute's bucket, and of the workload; none if nothing happened.

    Zeros are left out: CloudWatch bills a metric for each hour in which it is told.
    """
    dimensions = {"environment": environment, "system": system_id, "crew": crew}
    measures = [*describe_counters(counters), *describe_workload(workload)]
    records = [Record(minute, dimensions, measures)] if measures else []
    for kind, counter in TOKENS.items():
        if count := counters.get(counter):
            usage = Measure("gen_ai.client.token.usage", "Count", (count,))
            records.append(Record(minute, {**dimensions, "gen_ai.token.type": kind}, [usage]))
    return records


def describe_counters(counters: Mapping[str, int]) -> Iterator[Measure]:
    for name in COUNTED:
        if count := counters.get(name):
            yield Measure(name, "Count", (count,))
    if cost := counters.get("cost_nano_usd"):
        yield Measure("cost_usd", "None", (cost / 1e9,))
    for name, kind in TIMED.items():
        if times := list_times(read_histogram(counters, kind)):
            yield Measure(name, "Seconds", times)


def describe_workload(workload: Workload | None) -> Iterator[Measure]:
    """Of a crew that has something to do."""
    if workload and workload.total:
        yield Measure("workload", "Count", (workload.total,))
        yield Measure("utilization", "None", (divide(workload.total, workload.capacity) or 0,))


def list_times(histogram: Mapping[int, int]) -> tuple[float, ...]:
    """Seconds, within 5 %; of many, as many as a record holds, at even distances in their order."""
    count = min(MOST_VALUES, sum(histogram.values()))
    percents = (100 * (2 * number + 1) / (2 * count) for number in range(count))
    values = (estimate_percentile(histogram, percent) for percent in percents)
    return tuple(round(value / 1000, 6) for value in values if value is not None)
