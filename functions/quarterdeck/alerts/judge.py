"""Which state a metric's figure is, for an alert that has one. Pure.

A value that has crossed a threshold has crossed it until it is back by a margin: a fifth of the way
between the two thresholds, as far as the metric's range allows.
"""

from quarterdeck.alerts.states import SEVERITY, Finding
from quarterdeck.metrics.figures import Figure, MetricState, judge_figure
from quarterdeck.systems.configuration import Threshold
from quarterdeck.systems.thresholds import ALERT_BELOW

MARGIN = 0.2


def find_state(
    metric: str, figure: Figure, thresholds: Threshold | None, standing: MetricState
) -> Finding:
    """`standing`: the worst that the alert is, or is about to be. Without thresholds, nothing."""
    if thresholds is None:
        return Finding("insufficient_data", figure.value, figure.samples)
    relaxed = relax(metric, thresholds, standing)
    return Finding(judge_figure(metric, figure, relaxed), figure.value, figure.samples, thresholds)


def relax(metric: str, thresholds: Threshold, standing: MetricState) -> Threshold:
    """Those that `standing` has crossed are moved by the margin, a share at most to 1."""
    margin = MARGIN * abs(thresholds.warning - thresholds.critical)

    def move(threshold: float) -> float:
        if metric in ALERT_BELOW:
            return max(threshold, min(threshold + margin, 1.0))
        return min(threshold, max(threshold - margin, 0.0))

    severity = SEVERITY[standing]
    return Threshold(
        warning=move(thresholds.warning) if severity >= SEVERITY["warning"] else thresholds.warning,
        critical=(
            move(thresholds.critical) if severity >= SEVERITY["critical"] else thresholds.critical
        ),
    )
