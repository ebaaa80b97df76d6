"""The function behind the HTTP API."""

from aws_cdk import Duration
from constructs import Construct

from infra.alerts import Alerts
from infra.blob_bucket import BlobBucket
from infra.environment import Target
from infra.function_code import FunctionCode
from infra.generated_secret import GeneratedSecret
from infra.models import allow_secret_lookup, make_secret_prefix, spell_base_urls
from infra.service_function import ServiceFunction
from infra.state_table import StateTable, spell_retention
from infra.work_queue import WorkQueue


class Api(ServiceFunction):
    """Answers requests: validates, reads and writes state, queues work."""

    def __init__(
        self,
        scope: Construct,
        *,
        target: Target,
        code: FunctionCode,
        table: StateTable,
        blobs: BlobBucket,
        tasks: WorkQueue,
        deployments: WorkQueue,
        backups: WorkQueue,
        cursor_key: GeneratedSecret,
        alerts: Alerts,
    ) -> None:
        super().__init__(
            scope,
            "api",
            target=target,
            code=code,
            # Longer than the 10 s of `Prefer: wait`, shorter than the gateway's 30 s.
            timeout=Duration.seconds(20),
            memory_mib=512,
            snap_start=target.environment.snap_start,
            provisioned_concurrency=target.environment.provisioned_concurrency,
            settings={
                "TABLE_NAME": table.name,
                "BUCKET_NAME": blobs.name,
                "RETENTION": spell_retention(target),
                "TASKS_QUEUE_URL": tasks.url,
                "DEPLOYMENTS_QUEUE_URL": deployments.url,
                "BACKUPS_QUEUE_URL": backups.url,
                "CURSOR_SECRET": cursor_key.name,
                "MODEL_BASE_URLS": spell_base_urls(target),
                "SECRET_PREFIX": make_secret_prefix(target),
                **alerts.settings,
            },
        )
        table.allow(
            self.role,
            "dynamodb:GetItem",
            "dynamodb:Query",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
            "dynamodb:DeleteItem",
            indexes=("tasks-by-time", "systems"),
        )
        blobs.allow(self.role, "s3:GetObject", "s3:PutObject")
        blobs.allow_memory_removal(self.role)
        blobs.allow_task_removal(self.role)
        tasks.allow_send(self.role)
        alerts.allow_announce(self.role)
        deployments.allow_send(self.role)
        backups.allow_send(self.role)
        cursor_key.allow_read(self.role)
        allow_secret_lookup(self.role, target)
