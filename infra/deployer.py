"""The function that deploys versions of crew systems."""

from aws_cdk import Duration
from aws_cdk.aws_lambda import RecursiveLoop
from constructs import Construct

from infra.blob_bucket import BlobBucket
from infra.environment import Target
from infra.function_code import FunctionCode
from infra.models import (
    allow_bedrock,
    allow_model_secrets,
    make_secret_prefix,
    spell_base_urls,
)
from infra.service_function import ServiceFunction
from infra.state_table import StateTable, spell_retention
from infra.tools import Tools
from infra.work_queue import WorkQueue


class Deployer(ServiceFunction):
    """Builds, checks and activates one system version a message, or deletes a system."""

    TIMEOUT = Duration.minutes(5)

    def __init__(
        self,
        scope: Construct,
        *,
        target: Target,
        code: FunctionCode,
        table: StateTable,
        blobs: BlobBucket,
        deployments: WorkQueue,
        tools: Tools,
    ) -> None:
        super().__init__(
            scope,
            "deployer",
            target=target,
            code=code,
            layers=("base", "crewai"),
            timeout=self.TIMEOUT,
            # From 1,769 MB a function has a whole CPU, and importing crewai takes 3 s of one.
            memory_mib=2048,
            # A deletion looks again until the system's tasks have ended: within their 24 hours.
            recursive_loop=RecursiveLoop.ALLOW,
            settings={
                "TABLE_NAME": table.name,
                "BUCKET_NAME": blobs.name,
                "RETENTION": spell_retention(target),
                "DEPLOYMENTS_QUEUE_URL": deployments.url,
                "SECRET_PREFIX": make_secret_prefix(target),
                "MODEL_BASE_URLS": spell_base_urls(target),
                "BACKUP_FREQUENCY": target.environment.backup_frequency,
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
            indexes=("tasks-by-time",),
        )
        # It ends the tasks of a system that is deleted, with what those had done that wait.
        blobs.allow(self.role, "s3:GetObject", "s3:PutObject")
        deployments.allow_send(self.role)
        allow_model_secrets(self.role, target)
        allow_bedrock(self.role)
        tools.allow_invoke(self.role)
        # Systems are few and deployments short: two, Lambda's least, are enough.
        self.live.add_event_source(deployments.make_source(max_concurrency=2))
