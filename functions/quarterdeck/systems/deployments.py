"""Carries a deployment through: its claim, what each stage prepares, its one end."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from quarterdeck.errors import FieldError
from quarterdeck.names import format_time, generate_id
from quarterdeck.systems.configuration import SystemConfiguration
from quarterdeck.systems.records import (
    CrewState,
    DeploymentState,
    Frequency,
    Stage,
    StageName,
    System,
)
from quarterdeck.systems.rollout import (
    activate,
    claim_deployment,
    fail_deployment,
    list_dropped,
    prepare_alerts,
    prepare_capacity,
    prepare_crews,
    prepare_plan,
    record_stages,
    take_away,
)
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import ConditionFailed, Write

MAX_ATTEMPTS = 3
"""Deployers that may die of one deployment."""

CLAMP_ATTEMPTS = 10
AFTERGLOW = timedelta(seconds=5)


class Busy(Exception):
    """Another deployer has the lease: the message is to come again."""


class Superseded(Exception):
    """The deployment is another's now, or has ended."""


class Rollout:
    """One deployer's hold on a deployment. Every write of its record needs the epoch of its claim.

    A stage that comes again after a crash writes the same again.
    """

    def __init__(
        self,
        systems: SystemStore,
        system: System,
        deployment: DeploymentState,
        configuration: SystemConfiguration,
        clock: Callable[[], datetime],
    ) -> None:
        self.systems = systems
        self.system = system
        self.deployment = deployment
        self.configuration = configuration
        self.clock = clock
        self.stages: list[Stage] = []

    @property
    def version(self) -> int:
        return self.deployment.version

    def begin_stage(self, name: StageName) -> None:
        """Ends the stage before it, and records both."""
        self._end_stage("succeeded")
        started = format_time(self.clock())
        self.stages.append(Stage(name=name, status="running", started_at=started))
        self._write(record_stages(self.system.system_id, self.deployment, self.stages))

    def prepare_crews(self) -> None:
        self._put_each(prepare_crews(self.system, self.version, self.configuration))

    def prepare_alerts(self) -> None:
        writes = prepare_alerts(self.system, self.version, self.configuration, self.clock())
        self._put_each(writes)

    def prepare_capacities(self) -> None:
        crews = self.configuration.crews
        self._put_each(prepare_capacity(self.system, self.version, crew) for crew in crews)

    def prepare_plan(self, default: Frequency) -> None:
        self._put_each([prepare_plan(self.system, self.version, self.configuration, default)])

    def activate(self) -> None:
        """Superseded if the deployment is another's."""
        self._end_stage("succeeded")
        for _ in range(CLAMP_ATTEMPTS):
            writes = activate(
                self.system,
                self.deployment,
                self.configuration,
                self._read_crews(),
                self.find_retired(),
                self.stages,
                self.clock(),
            )
            try:
                self.systems.table.write(*writes)
            except ConditionFailed as refusal:
                # A capacity can change meanwhile; anything else is not ours to decide any more.
                if {write.key for write in refusal.writes} & {write.key for write in writes[:2]}:
                    raise Superseded from None
                continue
            return
        raise Superseded

    def roll_back(self, reasons: Sequence[FieldError]) -> None:
        """Takes away what was prepared, then ends the deployment as failed."""
        self._end_stage("failed")
        self._put_each(take_away(self.system, self.version, self.configuration))
        now = self.clock()
        self._write(*fail_deployment(self.system, self.deployment, self.stages, reasons, now))

    def find_retired(self) -> list[str]:
        """The crews that the version drops and that have tasks still."""
        dropped = list_dropped(self.system, self.configuration)
        return [name for name in dropped if any(self.systems.find_live(self.system, name))]

    def _read_crews(self) -> dict[str, CrewState]:
        scope, crews = self.system.scope, self.configuration.crews
        items = {crew.name: self.systems.table.get(scope.crew_key(crew.name)) for crew in crews}
        return {name: CrewState.model_validate(item) for name, item in items.items() if item}

    def _end_stage(self, status: str) -> None:
        if self.stages:
            ended = {"status": status, "ended_at": format_time(self.clock())}
            self.stages[-1] = self.stages[-1].model_copy(update=ended)

    def _put_each(self, writes: Iterable[Write]) -> None:
        """One by one: what is there already, or gone already, is as it should be."""
        for write in writes:
            try:
                self.systems.table.write(write)
            except ConditionFailed:
                continue

    def _write(self, *writes: Write) -> None:
        try:
            self.systems.table.write(*writes)
        except ConditionFailed:
            raise Superseded from None


def claim(
    systems: SystemStore, system_id: str, number: int, clock: Callable[[], datetime], left: float
) -> Rollout | None:
    """The deployment, for `left` seconds; None if it has ended. Busy if another has it."""
    system = systems.get(system_id)
    deployment = systems.get_deployment(system_id, number)
    now = clock()
    if deployment.status != "running":
        return None
    if deployment.claimed_by and (deployment.lease_expires_at or "") > format_time(now):
        raise Busy(f"deployment {number} of system '{system_id}' is another deployer's")
    until = now + timedelta(seconds=left) + AFTERGLOW
    try:
        item = systems.table.update(claim_deployment(system_id, deployment, generate_id(), until))
    except ConditionFailed:
        raise Busy(f"deployment {number} of system '{system_id}' has just been claimed") from None
    configuration = systems.get_configuration(system_id, deployment.version)
    return Rollout(systems, system, DeploymentState.model_validate(item), configuration, clock)
