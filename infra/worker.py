"""The function that runs tasks."""

from aws_cdk import Duration
from aws_cdk.aws_lambda import RecursiveLoop
from constructs import Construct

from infra.alerts import Alerts
from infra.blob_bucket import BlobBucket
from infra.environment import Target
from infra.function_code import FunctionCode
from infra.models import allow_bedrock, allow_model_secrets, make_secret_prefix
from infra.service_function import ServiceFunction
from infra.state_table import StateTable, spell_retention
from infra.tools import Tools
from infra.work_queue import WorkQueue


class Worker(ServiceFunction):
    """Runs one task a message, at most `max_concurrent_tasks` at once."""

    TIMEOUT = Duration.minutes(15)

    def __init__(
        self,
        scope: Construct,
        *,
        target: Target,
        code: FunctionCode,
        table: StateTable,
        blobs: BlobBucket,
        tasks: WorkQueue,
        tools: Tools,
        alerts: Alerts,
    ) -> None:
        super().__init__(
            scope,
            "worker",
            target=target,
            code=code,
            layers=("base", "crewai"),
            timeout=self.TIMEOUT,
            # From 1,769 MB a function has a whole CPU, and importing crewai takes 3 s of one.
            memory_mib=2048,
            # When a task ends the next is sent to the queue this function reads, without end.
            recursive_loop=RecursiveLoop.ALLOW,
            settings={
                "TABLE_NAME": table.name,
                "BUCKET_NAME": blobs.name,
                "RETENTION": spell_retention(target),
                "TASKS_QUEUE_URL": tasks.url,
                "SECRET_PREFIX": make_secret_prefix(target),
                **alerts.settings,
                "TOOLS_FUNCTION": tools.arn,
            },
        )
        table.allow(
            self.role,
            "dynamodb:GetItem",
            "dynamodb:Query",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
            "dynamodb:DeleteItem",
        )
        blobs.allow(self.role, "s3:GetObject", "s3:PutObject")
        blobs.allow_memory_removal(self.role)
        tasks.allow_send(self.role)
        alerts.allow_announce(self.role)
        allow_model_secrets(self.role, target)
        tools.allow_invoke(self.role)
        allow_bedrock(self.role)
        self.live.add_event_source(tasks.make_source(target.environment.max_concurrent_tasks))
