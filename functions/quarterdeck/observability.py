"""The one logger, and metrics for CloudWatch, as lines of the log in its embedded metric format."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from aws_lambda_powertools import Logger

NAMESPACE = "Quarterdeck"

logger = Logger(utc=True)
"""JSON lines; service by POWERTOOLS_SERVICE_NAME, level by LOG_LEVEL."""


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
        "MalformedMessage", "StaleMessage", "LostWorker", "FailedAlert", "LostAnnouncement"
    ],
) -> None:
    """One more of it, by function."""
    # Imported here: most functions count nothing, and cold starts pay for imports.
    from aws_lambda_powertools.metrics import MetricUnit, single_metric

    with single_metric(name=name, unit=MetricUnit.Count, value=1, namespace=NAMESPACE) as metric:
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
