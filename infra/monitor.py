"""The function that looks after all systems each minute."""

from aws_cdk import Duration
from aws_cdk.aws_events import Rule, Schedule
from aws_cdk.aws_events_targets import LambdaFunction
from constructs import Construct

from infra.alerts import Alerts
from infra.blob_bucket import BlobBucket
from infra.environment import Target
from infra.function_code import FunctionCode
from infra.models import allow_secret_lookup, make_secret_prefix
from infra.service_function import ServiceFunction
from infra.state_table import StateTable, spell_retention
from infra.work_queue import WorkQueue


class Monitor(ServiceFunction):
    """Reaps, sends again, admits and tells of alerts, each minute; checks systems each 15."""

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
        alerts: Alerts,
    ) -> None:
        super().__init__(
            scope,
            "monitor",
            target=target,
            code=code,
            # Ends before the next one starts.
            timeout=Duration.seconds(50),
            # A third of a processor: 2,000 busy systems take a second and a half of a whole one.
            memory_mib=512,
            settings={
                "TABLE_NAME": table.name,
                "BUCKET_NAME": blobs.name,
                "RETENTION": spell_retention(target),
                "TASKS_QUEUE_URL": tasks.url,
                "DEPLOYMENTS_QUEUE_URL": deployments.url,
                "BACKUPS_QUEUE_URL": backups.url,
                "SECRET_PREFIX": make_secret_prefix(target),
                "ALERT_TOPIC_ARN": alerts.topic_arn,
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
            indexes=("active-systems", "leases"),
        )
        # Configurations that are too large for an item; what a task had done that nobody answered.
        blobs.allow(self.role, "s3:GetObject", "s3:PutObject")
        tasks.allow_send(self.role)
        deployments.allow_send(self.role)
        backups.allow_send(self.role)
        allow_secret_lookup(self.role, target)
        alerts.allow_alert(self.role)
        alerts.allow_announce(self.role)
        minute = Duration.minutes(1)
        # The next minute's run is the retry of one that failed.
        self.live.configure_async_invoke(max_event_age=minute, retry_attempts=0)
        Rule(
            self,
            "EachMinute",
            schedule=Schedule.rate(minute),
            targets=[LambdaFunction(self.live, max_event_age=minute, retry_attempts=0)],
        )
