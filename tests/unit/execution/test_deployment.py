"""What a deployment checks of a version's tools."""

import pytest

from quarterdeck.execution.deployment import Deployer
from quarterdeck.http.services import Services
from quarterdeck.names import generate_id, read_clock
from quarterdeck.systems.configuration import SystemConfiguration
from quarterdeck.systems.records import FIRST, Deployment
from quarterdeck.tasks.queue import DeploymentMessage
from quarterdeck.tooling.manifest import load_manifest
from tests import systems
from tests.unit.execution.test_tool_function import FakeLambda

MISSING = "secret 'quarterdeck/development/tools/search' cannot be read: ResourceNotFoundException"


@pytest.fixture
def configuration() -> SystemConfiguration:
    agents = [
        systems.agent("A", tools=["calculator"]),
        systems.agent("B", tools=["read_web_page", "calculator"]),
    ]
    return SystemConfiguration.model_validate(systems.system(crews=[systems.crew(agents=agents)]))


def deploy(services: Services, configuration: SystemConfiguration, aws: FakeLambda) -> Deployment:
    """The deployment once it has ended."""
    system = services.systems.create(generate_id(), configuration, read_clock())
    deployer = Deployer(
        systems=services.systems,
        queue=services.deployment_queue,
        read_secret=lambda name: name,
        base_urls=(),
        backup_frequency="daily",
        clock=read_clock,
        manifest=load_manifest(),
        tools=aws.open(),
    )
    deployer.deploy(DeploymentMessage(system_id=system.system_id, number=FIRST), lambda: 300)
    return services.systems.get_deployment(system.system_id, FIRST)


def test_each_tool_is_tried_once_where_it_runs(
    services: Services, configuration: SystemConfiguration
) -> None:
    aws = FakeLambda(answer={})
    assert deploy(services, configuration, aws).status == "succeeded"
    assert [sent["tool"] for sent in aws.sent] == ["calculator", "read_web_page"]


def test_a_secret_of_a_tool_that_is_missing_is_a_reason(
    services: Services, configuration: SystemConfiguration
) -> None:
    error = {"type": "SecretMissing", "message": MISSING}
    deployment = deploy(services, configuration, FakeLambda(answer={"error": error}))
    assert deployment.status == "failed"
    assert [(reason.field, reason.rule) for reason in deployment.reasons] == [
        ("crews[0].agents[0].tools[0]", f"SecretMissing: {MISSING}"),
        ("crews[0].agents[1].tools[0]", f"SecretMissing: {MISSING}"),
    ]
