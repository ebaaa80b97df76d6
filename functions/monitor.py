"""EventBridge, each minute -> what a lost message or a stopped function left undone."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext

from quarterdeck.blobs import BlobStore
from quarterdeck.names import read_clock
from quarterdeck.settings import MonitorSettings, load_settings
from quarterdeck.systems.health import HealthCheck
from quarterdeck.systems.store import SystemStore
from quarterdeck.systems.upkeep import SystemUpkeep
from quarterdeck.table import Table
from quarterdeck.tasks.queue import LifecycleMessage, Queue, WorkMessage
from quarterdeck.tasks.upkeep import Upkeep
from quarterdeck.tooling.manifest import list_tools
from quarterdeck.vault import SecretReader


@cache
def load_upkeep() -> tuple[Upkeep, SystemUpkeep]:
    settings = load_settings(MonitorSettings)
    table = Table(boto3.client("dynamodb"), settings.table_name)
    blobs = BlobStore(boto3.client("s3"), settings.bucket_name)
    sqs = boto3.client("sqs")
    systems = SystemStore(table, blobs)
    secrets = SecretReader(boto3.client("secretsmanager"))
    health = HealthCheck(
        systems, lambda name: secrets.exists(settings.secret_prefix + name), list_tools()
    )
    return (
        Upkeep(table, blobs, Queue[WorkMessage](sqs, settings.tasks_queue_url), read_clock),
        SystemUpkeep(
            systems,
            health,
            Queue[LifecycleMessage](sqs, settings.deployments_queue_url),
            read_clock,
        ),
    )


def lambda_handler(_: dict[str, Any], __: LambdaContext) -> dict[str, int]:
    tasks, systems = load_upkeep()
    return {
        **tasks.settle_due(),
        "admitted": tasks.admit_everywhere(),
        "deployments_resent": systems.resend_deployments(),
        "systems_checked": systems.look_after_systems(),
    }
