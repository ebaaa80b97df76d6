"""The one logger, and metrics for CloudWatch, as lines of the log in its embedded metric format."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Literal, NamedTuple

from aws_lambda_powertools import Logger

NAMESPACE = "Quarterdeck"

logger = Logger(utc=True)
"""JSON lines; service by POWERTOOLS_SERVICE_NAME, level by LOG_LEVEL."""


class Trace(NamedTuple):
    """What a line of the log is about: a task, and the request that it goes back to."""

    task_id: str | None = None
    correlation_id: str | None = None


UNTRACED = Trace()
current_trace: ContextVar[Trace] = ContextVar("quarterdeck_trace", default=UNTRACED)


@contextmanager
def follow(trace: Trace) -> Iterator[None]:
    """While open, every line of the log says it, whichever thread writes it."""
    keys = {name: value for name, value in trace._asdict().items() if value}
    token = current_trace.set(trace)
    logger.append_keys(**keys)
    try:
        yield
    finally:
        logger.remove_keys(list(keys))
        current_trace.reset(token)


class Measure(NamedTuple):
    """Values of one metric: those of many samples, or one sum."""

    name: str
    unit: Literal["Count", "Seconds", "None"]
    values: Sequence[float]


class Record(NamedTuple):
    """What happened at a moment, to what the dimensions name: these alone tell it from others."""

    moment: datetime
    dimensions: Mapping[str, str]
    measures: Sequence[Measure]


def count_event(
    name: Literal[
        "MalformedMessage",
        "StaleMessage",
        "LostWorker",
        "FailedAlert",
        "LostAnnouncement",
        "UnrunnableCrew",
    ],
) -> None:
    """One more of it, by environment and function: environments can share an account."""
    # Imported here: most functions count nothing, and cold starts pay for imports.
    from aws_lambda_powertools.metrics import MetricUnit, single_metric

    with single_metric(name=name, unit=MetricUnit.Count, value=1, namespace=NAMESPACE) as metric:
        # Without settings, as the logger names its service: a count ends nothing that it counts.
        environment = os.environ.get("ENVIRONMENT", "environment_undefined")
        metric.add_dimension(name="environment", value=environment)
        metric.add_dimension(name="service", value=logger.service)


def emit_metrics(record: Record) -> None:
    """`record` has at least one measure."""
    from aws_lambda_powertools.metrics import EphemeralMetrics

    # Without a service: it would be a dimension more.
    metrics = EphemeralMetrics(namespace=NAMESPACE, service="")
    metrics.set_timestamp(record.moment)
    for name, value in record.dimensions.items():
        metrics.add_dimension(name, value)
    for measure in record.measures:
        for number in measure.values:
            metrics.add_metric(name=measure.name, unit=measure.unit, value=number)
    metrics.flush_metrics()
