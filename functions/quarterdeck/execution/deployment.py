"""A deployment: every crew of the version is built by crewai before the version becomes current."""

from collections.abc import Callable, Iterator

from quarterdeck.errors import FieldError
from quarterdeck.execution.crews import check_crew
from quarterdeck.execution.tool_function import ToolFunction
from quarterdeck.execution.tool_proxies import make_proxies
from quarterdeck.names import read_clock
from quarterdeck.observability import logger
from quarterdeck.systems.configuration import SystemConfiguration, walk_tools
from quarterdeck.systems.store import SystemStore
from quarterdeck.tasks.queue import DeploymentMessage
from quarterdeck.tooling.manifest import Manifest


class Deployer:
    def __init__(
        self,
        systems: SystemStore,
        read_secret: Callable[[str], str],
        manifest: Manifest,
        tools: ToolFunction,
    ) -> None:
        self.systems = systems
        self.read_secret = read_secret
        self.manifest = manifest
        self.tools = tools

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
                tools = make_proxies(crew, self.manifest, self.tools.call)
                check_crew(crew, self.read_secret, tools)
            except Exception as error:
                yield FieldError(f"crews[{index}]", f"{type(error).__name__}: {error}")
        yield from self._find_faulty_tools(configuration)

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
