"""The function that makes, verifies, restores and removes backups."""

from aws_cdk import Duration
from aws_cdk.aws_events import Rule, Schedule
from aws_cdk.aws_events_targets import LambdaFunction
from aws_cdk.aws_lambda import RecursiveLoop
from constructs import Construct

from infra.archive_bucket import ArchiveBucket
from infra.blob_bucket import BlobBucket
from infra.environment import Target
from infra.function_code import FunctionCode
from infra.service_function import ServiceFunction
from infra.state_table import StateTable, spell_retention
from infra.work_queue import WorkQueue

AT_ONCE = 5
"""Jobs: a daily backup's hour is spread over ten minutes."""


class Backup(ServiceFunction):
    """One job a message, in turns of 15 minutes; what is due is planned each hour."""

    TIMEOUT = Duration.minutes(15)

    def __init__(
        self,
        scope: Construct,
        *,
        target: Target,
        code: FunctionCode,
        table: StateTable,
        blobs: BlobBucket,
        archives: ArchiveBucket,
        backups: WorkQueue,
    ) -> None:
        super().__init__(
            scope,
            "backup",
            target=target,
            code=code,
            layers=("base", "backup"),
            timeout=self.TIMEOUT,
            memory_mib=512,
            # A job goes on through the queue until it is done; one that comes no further, fails.
            recursive_loop=RecursiveLoop.ALLOW,
            settings={
                "TABLE_NAME": table.name,
                "BUCKET_NAME": blobs.name,
                "RETENTION": spell_retention(target),
                "BACKUPS_QUEUE_URL": backups.url,
                "ARCHIVES_BUCKET_NAME": archives.name,
                "ARCHIVES_KEY_ARN": archives.key_arn,
                "BACKUP_FREQUENCY": target.environment.backup_frequency,
            },
        )
        table.allow(
            self.role,
            "dynamodb:GetItem",
            "dynamodb:Query",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
            "dynamodb:DeleteItem",
            indexes=("active-systems", "tasks-by-time"),
        )
        blobs.allow(self.role, "s3:GetObject", "s3:PutObject", "s3:DeleteObject")
        # What is erased while it is backed up, or restored, is missed and no fault.
        blobs.allow_missing(self.role)
        archives.allow(self.role)
        backups.allow_send(self.role)
        self.live.add_event_source(backups.make_source(max_concurrency=AT_ONCE))
        self.live.configure_async_invoke(max_event_age=Duration.minutes(30), retry_attempts=2)
        Rule(
            self,
            "EachHour",
            schedule=Schedule.cron(minute="0"),
            targets=[
                LambdaFunction(self.live, max_event_age=Duration.minutes(30), retry_attempts=2)
            ],
        )
