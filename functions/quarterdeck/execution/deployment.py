"""A deployment: each stage in its order, then the version is current, or all is as before."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import HttpUrl

from quarterdeck.errors import FieldError
from quarterdeck.execution.crews import Tools, check_crew
from quarterdeck.execution.health_checks import find_silent_models, find_smoke_fault
from quarterdeck.execution.tool_function import ToolFunction
from quarterdeck.execution.tool_proxies import make_proxies
from quarterdeck.observability import logger
from quarterdeck.systems.configuration import Crew, SystemConfiguration, walk_tools
from quarterdeck.systems.deployments import MAX_ATTEMPTS, Rollout, Superseded, claim
from quarterdeck.systems.lifecycle import finish_deletion
from quarterdeck.systems.records import Frequency, StageName
from quarterdeck.systems.store import SystemStore
from quarterdeck.systems.validation import find_faults
from quarterdeck.tasks.queue import DeletionMessage, DeploymentMessage, LifecycleMessage, Queue
from quarterdeck.tooling.manifest import Manifest

RESERVE_SECONDS = 30.0
"""Of an invocation, for what comes after the checks."""
DELETION_SECONDS = 30
"""Until a deletion looks again whether its running tasks have ended."""
type Faults = Iterable[FieldError]


@dataclass(frozen=True)
class Deployer:
    """`base_urls`: of models, as the environment allows them. `backup_frequency`: its default."""

    systems: SystemStore
    queue: Queue[LifecycleMessage]
    read_secret: Callable[[str], str]
    base_urls: tuple[HttpUrl, ...]
    backup_frequency: Frequency
    clock: Callable[[], datetime]
    manifest: Manifest
    tools: ToolFunction

    def handle(self, message: LifecycleMessage, left: Callable[[], float]) -> None:
        """Does what the message says, if it still holds; `left`: seconds of the invocation."""
        match message:
            case DeploymentMessage():
                self.deploy(message, left)
            case DeletionMessage(system_id=system_id):
                if not finish_deletion(self.systems, system_id, self.clock):
                    self.queue.send(message, delay_s=DELETION_SECONDS)

    def deploy(self, message: DeploymentMessage, left: Callable[[], float]) -> None:
        """Ends the deployment, or raises for the message to come again; `left`: seconds.

        A message of a deployment that has ended changes nothing. Busy if another deployer has it.
        """
        rollout = claim(self.systems, message.system_id, message.number, self.clock, left())
        if rollout is None:
            logger.info("The deployment has ended", **message.model_dump())
            return
        try:
            self._carry_out(rollout, lambda: left() - RESERVE_SECONDS)
        except Superseded:
            logger.warning("The deployment is another's", **message.model_dump())

    def _carry_out(self, rollout: Rollout, left: Callable[[], float]) -> None:
        reasons = self._find_reasons(rollout, left)
        if reasons:
            logger.warning("Deployment failed", system_id=rollout.system.system_id, reasons=reasons)
            rollout.roll_back(reasons)
        else:
            rollout.begin_stage("activate")
            rollout.activate()

    def _find_reasons(self, rollout: Rollout, left: Callable[[], float]) -> list[FieldError]:
        """Of the first stage that fails."""
        if rollout.deployment.attempts > MAX_ATTEMPTS:
            rule = f"{MAX_ATTEMPTS} deployers were lost in a row"
            return [FieldError("deployment", rule)]
        stages: tuple[tuple[StageName, Callable[[], Faults]], ...] = (
            ("validate", lambda: self._validate(rollout.configuration)),
            ("create_crews", lambda: self._create_crews(rollout)),
            ("monitoring", lambda: do(rollout.prepare_alerts)),
            ("scaling", lambda: do(rollout.prepare_capacities)),
            ("backups", lambda: do(lambda: rollout.prepare_plan(self.backup_frequency))),
            ("health_checks", lambda: self._check_health(rollout, left)),
        )
        for name, run in stages:
            rollout.begin_stage(name)
            if reasons := list(run()):
                return reasons
        return []

    def _validate(self, configuration: SystemConfiguration) -> Faults:
        return find_faults(configuration, self.base_urls, tuple(self.manifest))

    def _create_crews(self, rollout: Rollout) -> Faults:
        reasons = list(self._find_unbuilt(rollout.configuration.crews))
        if not reasons:
            rollout.prepare_crews()
        return reasons

    def _find_unbuilt(self, crews: Sequence[Crew]) -> Iterator[FieldError]:
        for index, crew in enumerate(crews):
            try:
                check_crew(crew, self.read_secret, self._make_proxies(crew))
            except Exception as error:
                yield FieldError(f"crews[{index}]", f"{type(error).__name__}: {error}")

    def _make_proxies(self, crew: Crew) -> Tools:
        return make_proxies(crew, self.manifest, self.tools.call)

    def _check_health(self, rollout: Rollout, left: Callable[[], float]) -> Faults:
        """A rollback asks no provider: one that is down must not keep a system from it."""
        configuration = rollout.configuration
        checks = configuration.health_checks
        if rollout.deployment.kind == "rollback":
            return
        yield from self._find_faulty_tools(configuration)
        if checks.models:
            yield from find_silent_models(configuration, self.read_secret, left())
        if checks.smoke_task:
            fault = find_smoke_fault(
                checks.smoke_task, configuration, self.read_secret, self._make_proxies, left()
            )
            if fault:
                yield fault

    def _find_faulty_tools(self, configuration: SystemConfiguration) -> Iterator[FieldError]:
        """Each tool is loaded once where it runs, and its secrets are read there."""
        places = {name: path for path, name in reversed(list(walk_tools(configuration)))}
        for name, path in sorted(places.items(), key=lambda place: place[1]):
            if name not in self.manifest:
                continue
            try:
                answer = self.tools.check(self.manifest[name])
            except Exception as error:
                yield FieldError(path, f"{type(error).__name__}: {error}")
            else:
                if answer.error:
                    yield FieldError(path, str(answer.error))


def do(act: Callable[[], None]) -> Faults:
    """A stage that finds no faults."""
    act()
    return ()
