"""The development environment on the emulator: the template that `cdk deploy` takes to AWS."""

from collections.abc import Mapping
from typing import NamedTuple

from infra.local.api import Api
from infra.local.command import show_stage
from infra.local.deployment import deploy_assembly
from infra.local.emulator import ACCOUNT, REGION, Emulator
from infra.local.failure import LocalRunFailed
from infra.local.synthesis import require_node, synthesise
from layers.build import build_all, find_host_platform
from layers.programs import BuildError

ENVIRONMENT = "development"


class Service(NamedTuple):
    api: Api
    """With the admin key."""
    outputs: Mapping[str, str]
    """Of both stacks, by name."""


def prepare_service() -> None:
    """Builds what the template ships; raises LocalRunFailed, also when Node is missing."""
    require_node()
    try:
        with show_stage("Build the layers and the functions"):
            build_all()
    except BuildError as error:
        raise LocalRunFailed(f"the layers could not be built: {error}") from error


def deploy_service(emulator: Emulator) -> Service:
    """Synthesises and deploys; raises LocalRunFailed. The assembly goes when the emulator does."""
    assembly = emulator.workdir / "assembly"
    with show_stage(f"Synthesise the {ENVIRONMENT} environment"):
        synthesise(
            assembly,
            {"environment": ENVIRONMENT, "local": "true", "platform": find_host_platform()},
        )
    with show_stage("Deploy its template"):
        outputs = deploy_assembly(assembly, emulator.open_client, ACCOUNT, REGION)
    secrets = emulator.open_client("secretsmanager")
    key = secrets.get_secret_value(SecretId=outputs["AdminKeySecret"])["SecretString"]
    return Service(Api(locate_api(emulator.endpoint, outputs["ApiUrl"]), key), outputs)


def locate_api(endpoint: str, aws_url: str) -> str:
    """Where the emulator serves `https://ID.execute-api…/`, without a slash at the end."""
    api_id = aws_url.partition("://")[2].partition(".")[0]
    return f"{endpoint}/_aws/execute-api/{api_id}"
