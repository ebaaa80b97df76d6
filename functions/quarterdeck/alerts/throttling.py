"""How much a provider throttles a crew: judged as the metrics are, with thresholds of our own."""

from quarterdeck.metrics.figures import Figure, divide
from quarterdeck.metrics.window import Window
from quarterdeck.systems.configuration import Threshold

THROTTLING = "throttling"
THRESHOLDS = Threshold(warning=0.1, critical=0.5)


def measure_throttling(window: Window) -> Figure:
    """The share of attempts that a throttling provider stopped, of all that stopped."""
    throttled = window.counters.get("throttled", 0)
    stopped = throttled + window.ended
    return Figure(divide(throttled, stopped), stopped)
