"""The one logger, and counts for CloudWatch."""

from typing import Literal

from aws_lambda_powertools import Logger

NAMESPACE = "Quarterdeck"

logger = Logger(utc=True)
"""JSON lines; service by POWERTOOLS_SERVICE_NAME, level by LOG_LEVEL."""


def count_event(
    name: Literal["MalformedMessage", "StaleMessage", "LostWorker", "FailedAlert"],
) -> None:
    """One more of it, by function, as a line of the log in CloudWatch's embedded metric format."""
    # Imported here: most functions count nothing, and cold starts pay for imports.
    from aws_lambda_powertools.metrics import MetricUnit, single_metric

    with single_metric(name=name, unit=MetricUnit.Count, value=1, namespace=NAMESPACE) as metric:
        metric.add_dimension(name="service", value=logger.service)
