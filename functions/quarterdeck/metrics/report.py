"""The metrics of a system's crews, as the API tells them."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from pydantic import BaseModel

from quarterdeck.metrics.buckets import Timed
from quarterdeck.metrics.figures import Figure, MetricState, compute_figures, judge_figure
from quarterdeck.metrics.percentiles import estimate_percentile, read_histogram
from quarterdeck.metrics.spending import DayBudget
from quarterdeck.metrics.window import Window
from quarterdeck.metrics.workload import Workload
from quarterdeck.names import format_time
from quarterdeck.systems.configuration import Metric, Threshold

ERROR = "error_"


class MetricView(BaseModel):
    """`current` is missing when there is nothing to tell it from, `thresholds` without any.

    Shares, seconds, or tasks. Under 20 samples it is not judged.
    """

    current: int | float | None = None
    timestamp: str
    state: MetricState
    samples: int
    thresholds: Threshold | None = None


class Times(BaseModel):
    """Seconds; percentiles within 5 %."""

    samples: int
    mean: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


class Outcomes(BaseModel):
    succeeded: int = 0
    failed: int = 0
    timed_out: int = 0
    cancelled: int = 0
    interrupted: int = 0


class TokenCounts(BaseModel):
    prompt: int
    completion: int
    total: int


class CrewDetails(BaseModel):
    """Now: `queued`, `running` (slots held), `capacity`. All else is of the window.

    Tokens, cost and calls of models are counted when their task ends, each once. Of `llm_calls`,
    `unpriced_calls` have no price, and are not in the cost. `model_time`: of calls really made.
    """

    queued: int
    running: int
    capacity: int
    arrivals: int
    outcomes: Outcomes
    errors: dict[str, int]
    """By type."""
    response_time: Times
    running_time: Times
    model_time: Times
    tokens: TokenCounts
    cost_usd: float
    llm_calls: int
    unpriced_calls: int
    tool_calls: int
    retries: int
    throttled: int
    continuations: int
    crashes: int
    memory_faults: int
    budget: DayBudget | None = None


def view_metrics(
    prefix: str,
    figures: Mapping[Metric, Figure],
    thresholds: Mapping[Metric, Threshold],
    now: datetime,
) -> Iterator[tuple[str, MetricView]]:
    """Each figure, named with the prefix, and judged."""
    for metric, figure in figures.items():
        threshold = thresholds.get(metric)
        yield (
            f"{prefix}_{metric}",
            MetricView(
                current=figure.value if figure.value is None else round(figure.value, 6),
                timestamp=format_time(now),
                state=judge_figure(metric, figure, threshold),
                samples=figure.samples,
                thresholds=threshold,
            ),
        )


def view_crew(
    prefix: str,
    window: Window,
    workload: Workload,
    thresholds: Mapping[Metric, Threshold],
    now: datetime,
) -> dict[str, MetricView]:
    figures = compute_figures(window, workload.total, workload.capacity)
    return dict(view_metrics(prefix, figures, thresholds, now))


def describe_crew(
    window: Window, workload: Workload, budget: DayBudget | None = None
) -> CrewDetails:
    counters = window.counters
    prompt, completion = counters.get("prompt_tokens", 0), counters.get("completion_tokens", 0)
    counted = (
        *("llm_calls", "unpriced_calls", "tool_calls", "retries"),
        *("throttled", "continuations", "crashes", "memory_faults"),
    )
    return CrewDetails(
        **workload._asdict(),
        arrivals=window.arrivals,
        outcomes=Outcomes(**{name: counters.get(name, 0) for name in Outcomes.model_fields}),
        errors={
            name.removeprefix(ERROR): count
            for name, count in sorted(counters.items())
            if name.startswith(ERROR)
        },
        response_time=describe_times(counters, "response"),
        running_time=describe_times(counters, "running"),
        model_time=describe_times(counters, "llm"),
        tokens=TokenCounts(prompt=prompt, completion=completion, total=prompt + completion),
        cost_usd=counters.get("cost_nano_usd", 0) / 1e9,
        **{name: counters.get(name, 0) for name in counted},
        budget=budget,
    )


def describe_times(counters: Mapping[str, int], kind: Timed) -> Times:
    histogram = read_histogram(counters, kind)
    samples = sum(histogram.values())
    if not samples:
        return Times(samples=0)
    percentiles = {f"p{n}": estimate_percentile(histogram, n) for n in (50, 95, 99)}
    return Times(
        samples=samples,
        mean=round(counters.get(f"{kind}_ms", 0) / samples / 1000, 3),
        **{name: round((value or 0) / 1000, 3) for name, value in percentiles.items()},
    )
