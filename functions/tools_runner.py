"""A worker's or deployer's call -> what a tool of the team says."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext

from quarterdeck.settings import ToolsSettings, load_settings
from quarterdeck.tooling.manifest import load_manifest
from quarterdeck.tooling.process import ToolProcess
from quarterdeck.tooling.runner import ToolRunner, log_output
from quarterdeck.vault import SecretReader


@cache
def load_runner() -> ToolRunner:
    settings = load_settings(ToolsSettings)
    secrets = SecretReader(boto3.client("secretsmanager"))
    return ToolRunner(
        load_manifest(),
        ToolProcess(),
        read_secret=lambda name: secrets.read(settings.secret_prefix + name),
        show=log_output,
    )


def lambda_handler(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    return load_runner().handle(event).model_dump(mode="json", exclude_none=True)
