"""Which metrics alert, from where, and in which direction."""

from collections.abc import Iterator

from quarterdeck.errors import FieldError
from quarterdeck.systems.configuration import Metric, SystemConfiguration, Threshold
from quarterdeck.systems.records import CrewVersion

DEFAULTS: dict[Metric, Threshold] = {
    "completion_rate": Threshold(warning=0.8, critical=0.6),
    "avg_response_time": Threshold(warning=60, critical=120),
    "error_rate": Threshold(warning=0.05, critical=0.1),
}
"""Of metrics that alert unless a system says otherwise: shares, and seconds."""

ALERT_BELOW = frozenset({"completion_rate"})
"""The others alert when they are over their thresholds."""


def resolve_thresholds(version: SystemConfiguration | CrewVersion) -> dict[Metric, Threshold]:
    """By metric: the system's own before the defaults."""
    return DEFAULTS | version.thresholds


def find_disorder(configuration: SystemConfiguration) -> Iterator[FieldError]:
    """Thresholds whose critical value is met before their warning."""
    for metric, threshold in configuration.thresholds.items():
        below = metric in ALERT_BELOW
        lower, upper = sorted((threshold.warning, threshold.critical))
        if lower == upper or threshold.critical != (lower if below else upper):
            side = "under" if below else "over"
            rule = (
                f"critical ({threshold.critical:g}) must be {side} warning ({threshold.warning:g})"
            )
            yield FieldError(f"thresholds.{metric}.critical", rule)
