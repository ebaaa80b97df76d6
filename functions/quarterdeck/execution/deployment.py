"""A deployment: every crew of the version is built by crewai before the version becomes current."""

from collections.abc import Callable, Iterator

from quarterdeck.errors import FieldError
from quarterdeck.execution.crews import check_crew
from quarterdeck.names import read_clock
from quarterdeck.observability import logger
from quarterdeck.systems.configuration import SystemConfiguration
from quarterdeck.systems.store import SystemStore
from quarterdeck.tasks.queue import DeploymentMessage


class Deployer:
    def __init__(self, systems: SystemStore, read_secret: Callable[[str], str]) -> None:
        self.systems = systems
        self.read_secret = read_secret

    def deploy(self, message: DeploymentMessage) -> None:
        """Ends the deployment; a message that comes again changes nothing."""
        system = self.systems.get(message.system_id)
        deployment = self.systems.get_deployment(message.system_id, message.number)
        if deployment.status != "running":
            logger.info("The deployment has ended", system_id=system.system_id)
            return
        configuration = self.systems.get_configuration(system.system_id, deployment.version)
        reasons = list(self._find_faults(configuration))
        if reasons:
            logger.warning("Deployment failed", system_id=system.system_id, reasons=reasons)
            self.systems.fail(system, deployment, reasons, read_clock())
        else:
            self.systems.activate(system, deployment, configuration.crews, read_clock())

    def _find_faults(self, configuration: SystemConfiguration) -> Iterator[FieldError]:
        for index, crew in enumerate(configuration.crews):
            try:
                check_crew(crew, self.read_secret)
            except Exception as error:
                yield FieldError(f"crews[{index}]", f"{type(error).__name__}: {error}")
