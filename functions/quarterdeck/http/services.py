"""What the routes act with, made once for each execution environment."""

from dataclasses import dataclass
from functools import cache

import boto3
from botocore.config import Config

from quarterdeck.alerts.store import AlertStore
from quarterdeck.backups.store import BackupStore
from quarterdeck.blobs import BlobStore
from quarterdeck.http.pagination import CursorSigner
from quarterdeck.identity.keys import KeyStore
from quarterdeck.metrics.reading import MetricsReader
from quarterdeck.settings import ApiSettings, load_settings
from quarterdeck.systems.health import HealthCheck
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import Table
from quarterdeck.tasks.announcer import TaskAnnouncer, open_announcer
from quarterdeck.tasks.queue import BackupMessage, LifecycleMessage, Queue, WorkMessage
from quarterdeck.tasks.store import TaskStore
from quarterdeck.tooling.manifest import list_tools
from quarterdeck.vault import SecretReader

SIGNED = Config(signature_version="s3v4")
"""Links to objects that KMS encrypts are refused with the older signature."""


@dataclass(frozen=True)
class Services:
    settings: ApiSettings
    table: Table
    blobs: BlobStore
    systems: SystemStore
    tasks: TaskStore
    announcer: TaskAnnouncer
    keys: KeyStore
    alerts: AlertStore
    health: HealthCheck
    metrics: MetricsReader
    task_queue: Queue[WorkMessage]
    deployment_queue: Queue[LifecycleMessage]
    backup_queue: Queue[BackupMessage]
    backups: BackupStore
    cursors: CursorSigner


@cache
def load_services() -> Services:
    settings = load_settings(ApiSettings)
    table = Table(boto3.client("dynamodb"), settings.table_name, settings.retention)
    blobs = BlobStore(boto3.client("s3", config=SIGNED), settings.bucket_name)
    sqs = boto3.client("sqs")
    secrets = SecretReader(boto3.client("secretsmanager"))
    systems = SystemStore(table, blobs)
    return Services(
        settings=settings,
        table=table,
        blobs=blobs,
        systems=systems,
        tasks=TaskStore(table, blobs),
        announcer=open_announcer(settings, table, blobs),
        keys=KeyStore(table),
        alerts=AlertStore(table),
        health=HealthCheck(
            systems, lambda name: secrets.exists(settings.secret_prefix + name), list_tools()
        ),
        metrics=MetricsReader(table),
        task_queue=Queue(sqs, settings.tasks_queue_url),
        deployment_queue=Queue(sqs, settings.deployments_queue_url),
        backup_queue=Queue(sqs, settings.backups_queue_url),
        backups=BackupStore(table),
        cursors=CursorSigner(lambda: secrets.read(settings.cursor_secret)),
    )
