"""The function that looks after all systems each minute."""

from aws_cdk import Duration
from aws_cdk.aws_events import Rule, Schedule
from aws_cdk.aws_events_targets import LambdaFunction
from constructs import Construct

from infra.blob_bucket import BlobBucket
from infra.environment import Target
from infra.function_code import FunctionCode
from infra.service_function import ServiceFunction
from infra.state_table import StateTable
from infra.work_queue import WorkQueue


class Monitor(ServiceFunction):
    """Reaps the tasks of lost workers, sends lost messages again, and admits, each minute."""

    def __init__(
        self,
        scope: Construct,
        *,
        target: Target,
        code: FunctionCode,
        table: StateTable,
        blobs: BlobBucket,
        tasks: WorkQueue,
    ) -> None:
        super().__init__(
            scope,
            "monitor",
            target=target,
            code=code,
            # Ends before the next one starts.
            timeout=Duration.seconds(50),
            memory_mib=256,
            settings={
                "TABLE_NAME": table.name,
                "BUCKET_NAME": blobs.name,
                "TASKS_QUEUE_URL": tasks.url,
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
        tasks.allow_send(self.role)
        minute = Duration.minutes(1)
        # The next minute's run is the retry of one that failed.
        self.function.configure_async_invoke(max_event_age=minute, retry_attempts=0)
        Rule(
            self,
            "EachMinute",
            schedule=Schedule.rate(minute),
            targets=[LambdaFunction(self.function, max_event_age=minute, retry_attempts=0)],
        )
