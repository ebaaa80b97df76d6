"""One crew, each minute: reads, decides, writes, and admits what a larger capacity allows."""

from collections.abc import Callable
from datetime import datetime, timedelta

from quarterdeck.errors import Contention
from quarterdeck.keys import Key, crew_version_key
from quarterdeck.metrics.reading import MetricsReader
from quarterdeck.observability import logger
from quarterdeck.scaling.controller import Decision, decide
from quarterdeck.scaling.crew import write_decision
from quarterdeck.scaling.demand import choose_minutes, observe
from quarterdeck.scaling.memory import read_memory
from quarterdeck.scaling.reading import CrewReading, read_crew
from quarterdeck.systems.records import ScalingPolicy, System
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import ConditionFailed
from quarterdeck.tasks.attempt import admit_for
from quarterdeck.tasks.queue import Queue, WorkMessage

SOONEST = timedelta(seconds=45)
"""After one evaluation until the next: the growth of a minute is not had twice in it."""


class Scaler:
    """Use one for a process: a version's policies, which never change, are read once."""

    def __init__(
        self,
        systems: SystemStore,
        metrics: MetricsReader,
        queue: Queue[WorkMessage],
        clock: Callable[[], datetime],
    ) -> None:
        self.systems = systems
        self.table = systems.table
        self.metrics = metrics
        self.queue = queue
        self.clock = clock
        self._policies: dict[Key, ScalingPolicy] = {}

    def read_crew(self, system: System, crew: str) -> CrewReading | None:
        return read_crew(self.table, self.metrics, system.scope, crew, self.clock())

    def scale_crew(self, system: System, crew: str, reading: CrewReading) -> Decision | None:
        """What was decided from the reading, and written.

        None for a crew that is not to be scaled (paused, idle, without a policy), and when another
        evaluator is faster, or has just been here.
        """
        scope, now, item = system.scope, self.clock(), reading.item
        policy = self._find_policy(system, crew)
        if policy is None or item.get("paused"):
            return None
        memory = read_memory(item)
        if memory.evaluated_at and now - memory.evaluated_at < SOONEST:
            return None
        seen = observe(
            now,
            item["capacity"],
            item["running"],
            reading.queued,
            reading.find_window(now, choose_minutes(memory.service_s)),
        )
        decision = decide(policy, seen, memory)
        if decision.memory.idle and memory.idle:
            return None
        try:
            self.table.write(*write_decision(scope, crew, item, decision))
        except (ConditionFailed, Contention) as refusal:
            logger.info("Another decided first", crew=crew, refusal=str(refusal))
            return None
        if decision.action == "up":
            admit_for(self.table, self.queue, scope, crew, self.clock)
        if decision.action != "hold":
            logger.info("Scaled", crew=crew, capacity=decision.capacity, reasons=decision.reasons)
        return decision

    def _find_policy(self, system: System, crew: str) -> ScalingPolicy | None:
        """None for a crew that the current version has dropped."""
        key = crew_version_key(system.system_id, system.current_version, crew)
        if key not in self._policies and (found := self.systems.get_crew_version(system, crew)):
            self._policies[key] = found.policy
        return self._policies.get(key)
