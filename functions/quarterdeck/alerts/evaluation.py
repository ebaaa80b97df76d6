"""Each minute, for one system: judges its crews' metrics, and tells what is due to subscribers.

The change of an alert and what is to be told of it are one write. It is told after that, and only
then taken from the outbox: a crash between the two tells it again, with the same id.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from quarterdeck.alerts.announcement import Announcer, announce_change
from quarterdeck.alerts.conditions import SEVERITIES
from quarterdeck.alerts.judge import find_state
from quarterdeck.alerts.names import AlertName
from quarterdeck.alerts.states import Alert, consider, drop_told, tell
from quarterdeck.alerts.store import AlertStore
from quarterdeck.alerts.throttling import THRESHOLDS, THROTTLING, measure_throttling
from quarterdeck.metrics.figures import Figure
from quarterdeck.metrics.window import Window
from quarterdeck.names import format_time
from quarterdeck.observability import count_event, logger
from quarterdeck.systems.configuration import Metric, Threshold
from quarterdeck.systems.records import System
from quarterdeck.table import ConditionFailed

type Known = Mapping[AlertName, Alert]


class AlertCheck:
    def __init__(self, store: AlertStore, announcer: Announcer, environment: str) -> None:
        self.store = store
        self.announcer = announcer
        self.environment = environment

    def read_alerts(self, system: System) -> Known:
        """Of the system and all its crews, as the two functions below need them: one query."""
        return self.store.list_all(system.scope)

    def evaluate_crew(
        self,
        system: System,
        crew: str,
        thresholds: Mapping[Metric, Threshold],
        figures: Mapping[Metric, Figure],
        window: Window,
        known: Known,
        now: datetime,
    ) -> int:
        """How many changes were told. An alert that fails keeps no other from being judged.

        `figures` are those of `window`, `thresholds` the system's before the defaults.
        """
        told = 0
        for metric, figure, limits in list_figures(thresholds, figures, window):
            name = AlertName(crew, metric)
            alert = known.get(name)
            if alert is None:
                if limits is None:
                    continue
                alert = Alert(since=format_time(now))
            finding = find_state(metric, figure, limits, alert.standing)
            told += self._settle(system, name, alert, consider(alert, finding, now))
        return told

    def settle_conditions(self, system: System, known: Known, now: datetime) -> int:
        """Tells what others have noted; how many changes. Of crews that are no more, all of it."""
        return sum(
            self._settle(system, name, alert, tell(alert, now))
            for name, alert in known.items()
            if name.metric in SEVERITIES or name.crew not in system.crews
        )

    def _settle(self, system: System, name: AlertName, old: Alert, new: Alert) -> int:
        try:
            kept = new if new == old else self.store.replace(system.scope, name, old, new)
            return self._announce(system, name, kept)
        except ConditionFailed:
            # Another evaluator, or a person, was faster: the next minute goes by what is there.
            return 0
        except Exception:
            count_event("FailedAlert")
            logger.exception("An alert failed", system_id=system.system_id, alert_id=name.alert_id)
            return 0

    def _announce(self, system: System, name: AlertName, alert: Alert) -> int:
        for change in alert.outbox:
            self.announcer.send(announce_change(self.environment, system, name, change))
        if alert.outbox:
            self.store.modify(system.scope, name, lambda latest: drop_told(latest, alert.outbox))
        return len(alert.outbox)


def list_figures(
    thresholds: Mapping[Metric, Threshold], figures: Mapping[Metric, Figure], window: Window
) -> Iterator[tuple[str, Figure, Threshold | None]]:
    """Name, figure and thresholds of all that is judged of a crew."""
    for metric, figure in figures.items():
        yield metric, figure, thresholds.get(metric)
    yield THROTTLING, measure_throttling(window), THRESHOLDS
