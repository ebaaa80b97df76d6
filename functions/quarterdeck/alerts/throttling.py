"""How much a provider throttles a crew: judged as the metrics are, with thresholds of our own."""

from quarterdeck.metrics.figures import Figure, divide
from quarterdeck.metrics.window import Window
from quarterdeck.systems.configuration import Threshold

THROTTLING = "throttling"
THRESHOLDS = Threshold(warning=0.1, critical=0.5)


def measure_throttling(window: Window) -> Figure:
    """The share of calls that the provider throttled, of those and what ended tasks were answered.

    Tasks that only wait for the provider have ended nothing: then it is all of them.
    """
    throttled = window.counters.get("throttled", 0)
    calls = throttled + window.counters.get("llm_calls", 0)
    return Figure(divide(throttled, calls), calls)
