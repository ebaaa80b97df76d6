"""Each minute, for each crew that has something to do: its capacity, its alerts, its metrics.

A part that fails keeps no other from its turn, and a system none of the others.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from quarterdeck.abreast import map_abreast
from quarterdeck.alerts.budgets import note_budget
from quarterdeck.alerts.evaluation import AlertCheck, Known
from quarterdeck.alerts.states import RAISED
from quarterdeck.errors import NotFound
from quarterdeck.keys import Key, crew_version_key
from quarterdeck.metrics.emission import describe_emf
from quarterdeck.metrics.figures import compute_figures
from quarterdeck.metrics.reading import MetricsReader
from quarterdeck.observability import Record, logger
from quarterdeck.scaling.actuation import Scaler
from quarterdeck.scaling.reading import CrewReading
from quarterdeck.systems.activity import ActiveSystems, mark_active
from quarterdeck.systems.configuration import Metric, Threshold
from quarterdeck.systems.records import CrewVersion, System
from quarterdeck.systems.store import SystemStore
from quarterdeck.systems.thresholds import resolve_thresholds

JUDGED_MINUTES = 15

type Deeds = Counter[str]
"""How many `systems`, `scaled` crews, `alerts_told`, parts that have `failed`, and systems that
were `left_out` for want of time."""


class Turn(NamedTuple):
    """What was done for one system, and what CloudWatch is to be told of it."""

    deeds: Deeds
    records: list[Record]


class Round:
    """Use one for a process: what cannot change is read once."""

    def __init__(
        self,
        systems: SystemStore,
        metrics: MetricsReader,
        scaler: Scaler,
        alerts: AlertCheck,
        emit: Callable[[Record], None],
        environment: str,
        at_once: int = 1,
    ) -> None:
        self.systems = systems
        self.active = ActiveSystems(systems.table)
        self.metrics = metrics
        self.scaler = scaler
        self.alerts = alerts
        self.emit = emit
        self.environment = environment
        self.at_once = at_once
        self._versions: dict[Key, CrewVersion] = {}

    def look(self, now: datetime, left: Callable[[], float]) -> dict[str, int]:
        """What was done; `left`: seconds, after which the rest is left to the next minute."""
        total: Deeds = Counter(systems=0, scaled=0, alerts_told=0, failed=0, left_out=0)
        marked = list(self.active.list_marked(now))
        random.shuffle(marked)  # A run that is cut short leaves out others than the last one did.

        def take_turn(system_id: str) -> Turn:
            if left() <= 0:
                return Turn(Counter(left_out=1), [])
            turn = Turn(Counter(systems=1), [])
            with self._guard(turn.deeds, system_id):
                self._look_at(self.systems.get(system_id), now, turn)
            return turn

        for turn in map_abreast(take_turn, marked, self.at_once):
            total.update(turn.deeds)
            # Here, in one thread: a line of the log is not written in one piece.
            for record in turn.records:
                self.emit(record)
        if total["left_out"]:
            logger.warning("The monitor is out of time", left_out=total["left_out"])
        return dict(total)

    def _look_at(self, system: System, now: datetime, turn: Turn) -> None:
        if not system.current_version or system.state == "deleting":
            return
        known: Known = {}
        with self._guard(turn.deeds, system.system_id):
            known = self.alerts.read_alerts(system)
            turn.deeds["alerts_told"] += self.alerts.settle_conditions(system, known, now)
        for name, alert in known.items():
            if name.metric == "budget" and name.crew in system.crews and alert.state in RAISED:
                with self._guard(turn.deeds, system.system_id):
                    self._end_budget_alert(system, name.crew, now)
        unsettled = any(alert.state in RAISED or alert.outbox for alert in known.values())
        for crew in system.crews:
            reading = None
            with self._guard(turn.deeds, system.system_id):
                reading = self.scaler.read_crew(system, crew)
            if reading is None:
                continue
            with self._guard(turn.deeds, system.system_id):
                if decision := self.scaler.scale_crew(system, crew, reading):
                    unsettled = True
                    turn.deeds["scaled"] += decision.action != "hold"
                    reading.item["capacity"] = decision.capacity
            with self._guard(turn.deeds, system.system_id):
                self._judge(system, crew, reading, known, now, turn)
        if unsettled:
            mark_active(self.systems.table, system.system_id, now)

    def _judge(
        self,
        system: System,
        crew: str,
        reading: CrewReading,
        known: Known,
        now: datetime,
        turn: Turn,
    ) -> None:
        window, workload = reading.find_window(now, JUDGED_MINUTES), reading.workload
        if window is None:
            return
        minute, counters = self.metrics.read_closed_minute(system.scope, crew, now)
        turn.records.extend(
            describe_emf(self.environment, system.system_id, crew, minute, counters, workload)
        )
        figures = compute_figures(window, workload.total, workload.capacity)
        turn.deeds["alerts_told"] += self.alerts.evaluate_crew(
            system, crew, self._find_thresholds(system, crew), figures, window, known, now
        )

    def _find_thresholds(self, system: System, crew: str) -> Mapping[Metric, Threshold]:
        version = self._find_version(system, crew)
        return resolve_thresholds(version) if version else {}

    def _end_budget_alert(self, system: System, crew: str, now: datetime) -> None:
        """Whoever spends a budget raises its alert; on the next day, nobody may."""
        if version := self._find_version(system, crew):
            note_budget(self.alerts.store, system.scope, crew, version.budget, now)

    def _find_version(self, system: System, crew: str) -> CrewVersion | None:
        """Of the current version, which never changes."""
        key = crew_version_key(system.system_id, system.current_version, crew)
        if key not in self._versions and (found := self.systems.get_crew_version(system, crew)):
            self._versions[key] = found
        return self._versions.get(key)

    @contextmanager
    def _guard(self, deeds: Deeds, system_id: str) -> Iterator[None]:
        try:
            yield
        except NotFound:
            logger.debug("The system is gone", system_id=system_id)
        except Exception:
            deeds["failed"] += 1
            logger.exception("A system could not be looked after", system_id=system_id)
