"""SQS `deployments` -> a version made current, or the reasons why not; or a system deleted."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import TypeAdapter

from quarterdeck.process import prepare_process

prepare_process()

from quarterdeck.blobs import BlobStore  # noqa: E402 - crewai reads its settings when imported
from quarterdeck.execution.deployment import Deployer  # noqa: E402
from quarterdeck.execution.tool_function import CLIENT, ToolFunction  # noqa: E402
from quarterdeck.names import read_clock  # noqa: E402
from quarterdeck.settings import DeployerSettings, load_settings  # noqa: E402
from quarterdeck.systems.store import SystemStore  # noqa: E402
from quarterdeck.table import Table  # noqa: E402
from quarterdeck.tasks.queue import LifecycleMessage, Queue, read_messages  # noqa: E402
from quarterdeck.tooling.manifest import load_manifest  # noqa: E402
from quarterdeck.vault import SecretReader  # noqa: E402

MESSAGES: TypeAdapter[LifecycleMessage] = TypeAdapter(LifecycleMessage)


@cache
def load_deployer() -> Deployer:
    settings = load_settings(DeployerSettings)
    table = Table(boto3.client("dynamodb"), settings.table_name, settings.retention)
    secrets = SecretReader(boto3.client("secretsmanager"))
    return Deployer(
        systems=SystemStore(table, BlobStore(boto3.client("s3"), settings.bucket_name)),
        queue=Queue(boto3.client("sqs"), settings.deployments_queue_url),
        read_secret=lambda name: secrets.read(settings.secret_prefix + name),
        base_urls=settings.model_base_urls,
        backup_frequency=settings.backup_frequency,
        clock=read_clock,
        manifest=load_manifest(),
        tools=ToolFunction(boto3.client("lambda", config=CLIENT), settings.tools_function),
    )


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> None:
    for message in read_messages(MESSAGES, event):
        load_deployer().handle(message, lambda: context.get_remaining_time_in_millis() / 1000)
