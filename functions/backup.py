"""EventBridge, hourly; SQS `backups` -> backups begun, made, verified, restored, pruned."""

from functools import cache, partial
from typing import Any

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import TypeAdapter

from quarterdeck.backups.archive.head import ArchiveKeys
from quarterdeck.backups.archives import Archives
from quarterdeck.backups.service import BackupService
from quarterdeck.backups.store import BackupStore
from quarterdeck.blobs import BlobStore
from quarterdeck.memory.erasure import list_erasures
from quarterdeck.names import parse_time, read_clock
from quarterdeck.settings import BackupSettings, load_settings
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import Table
from quarterdeck.tasks.queue import BackupMessage, Queue, read_messages

MESSAGES: TypeAdapter[BackupMessage] = TypeAdapter(BackupMessage)


@cache
def load_service() -> BackupService:
    settings = load_settings(BackupSettings)
    table = Table(boto3.client("dynamodb"), settings.table_name, settings.retention)
    s3 = boto3.client("s3")
    keys = ArchiveKeys(boto3.client("kms"), settings.archives_key_arn)
    return BackupService(
        systems=SystemStore(table, BlobStore(s3, settings.bucket_name)),
        backups=BackupStore(table),
        archives=Archives(s3, settings.archives_bucket_name, keys),
        queue=Queue(boto3.client("sqs"), settings.backups_queue_url),
        clock=read_clock,
        find_erased=partial(list_erasures, table),
        frequency=settings.backup_frequency,
    )


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int] | None:
    service = load_service()
    if "Records" not in event:
        return service.schedule(parse_time(event["time"]) if "time" in event else read_clock())
    for message in read_messages(MESSAGES, event):
        service.handle(message, lambda: context.get_remaining_time_in_millis() / 1000)
    return None
