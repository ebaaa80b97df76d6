"""EventBridge, each minute -> what a lost message or a stopped function left undone, and a look."""

from functools import cache
from typing import Any, NamedTuple

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext

from quarterdeck.alerts.announcement import Announcer
from quarterdeck.alerts.evaluation import AlertCheck
from quarterdeck.alerts.store import AlertStore
from quarterdeck.blobs import BlobStore
from quarterdeck.channels import EventBus, Topic
from quarterdeck.leases import list_due
from quarterdeck.metrics.reading import MetricsReader
from quarterdeck.monitoring.job_upkeep import JobUpkeep
from quarterdeck.monitoring.round import Round
from quarterdeck.monitoring.system_upkeep import SystemUpkeep
from quarterdeck.names import parse_time, read_clock
from quarterdeck.observability import emit_metrics
from quarterdeck.scaling.actuation import Scaler
from quarterdeck.settings import MonitorSettings, load_settings
from quarterdeck.systems.health import HealthCheck
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import Table
from quarterdeck.tasks.announcer import TaskAnnouncer, open_announcer
from quarterdeck.tasks.queue import LifecycleMessage, Queue, WorkMessage
from quarterdeck.tasks.upkeep import Upkeep
from quarterdeck.tooling.manifest import list_tools
from quarterdeck.vault import SecretReader

AT_ONCE = 8
"""Systems: their turns are waiting for DynamoDB most of the time."""
ROUND_SECONDS = 30.0
"""Of an invocation, for what comes after admission."""
RESERVE_SECONDS = 8.0
"""Of that, for the checks of each 15 minutes and what is in flight."""


class Watch(NamedTuple):
    tasks: Upkeep
    announcer: TaskAnnouncer
    systems: SystemUpkeep
    jobs: JobUpkeep
    round: Round


@cache
def load_watch() -> Watch:
    settings = load_settings(MonitorSettings)
    table = Table(boto3.client("dynamodb"), settings.table_name, settings.retention)
    blobs = BlobStore(boto3.client("s3"), settings.bucket_name)
    sqs = boto3.client("sqs")
    systems = SystemStore(table, blobs)
    secrets = SecretReader(boto3.client("secretsmanager"))
    health = HealthCheck(
        systems, lambda name: secrets.exists(settings.secret_prefix + name), list_tools()
    )
    tasks = Queue[WorkMessage](sqs, settings.tasks_queue_url)
    deployments = Queue[LifecycleMessage](sqs, settings.deployments_queue_url)
    metrics, alerts = MetricsReader(table), AlertStore(table)
    announcer = Announcer(
        Topic(boto3.client("sns"), settings.alert_topic_arn),
        EventBus(boto3.client("events"), settings.event_bus_name),
    )
    of_tasks = open_announcer(settings, table, blobs)
    return Watch(
        Upkeep(table, blobs, tasks, of_tasks, read_clock, AT_ONCE),
        of_tasks,
        SystemUpkeep(systems, health, alerts, deployments, read_clock),
        JobUpkeep(table, Queue(sqs, settings.backups_queue_url), read_clock),
        Round(
            systems,
            metrics,
            Scaler(systems, metrics, tasks, read_clock),
            AlertCheck(alerts, announcer, settings.environment),
            emit_metrics,
            settings.environment,
            AT_ONCE,
        ),
    )


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    watch = load_watch()
    # The minute that the schedule means: the start of an invocation jitters across its border.
    minute = parse_time(event["time"]) if "time" in event else read_clock()

    def count_seconds() -> float:
        return context.get_remaining_time_in_millis() / 1000

    due = list_due(watch.systems.systems.table, read_clock())
    done = {
        **watch.tasks.settle_due(due),
        "admitted": watch.tasks.admit_everywhere(lambda: count_seconds() - ROUND_SECONDS),
        "deployments_resent": watch.systems.resend_deployments(due),
        "jobs_resent": watch.jobs.resend_jobs(due),
        **watch.announcer.tell_due(due, lambda: count_seconds() - ROUND_SECONDS, AT_ONCE),
    }
    looked = watch.round.look(minute, lambda: count_seconds() - RESERVE_SECONDS)
    return {**done, **looked, "systems_checked": watch.systems.look_after_systems()}
