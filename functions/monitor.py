"""EventBridge, each minute -> what a lost message or a stopped function left undone."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext

from quarterdeck.blobs import BlobStore
from quarterdeck.names import read_clock
from quarterdeck.settings import AdmissionSettings, load_settings
from quarterdeck.table import Table
from quarterdeck.tasks.queue import Queue, WorkMessage
from quarterdeck.tasks.upkeep import Upkeep


@cache
def load_upkeep() -> Upkeep:
    settings = load_settings(AdmissionSettings)
    table = Table(boto3.client("dynamodb"), settings.table_name)
    blobs = BlobStore(boto3.client("s3"), settings.bucket_name)
    queue = Queue[WorkMessage](boto3.client("sqs"), settings.tasks_queue_url)
    return Upkeep(table, blobs, queue, read_clock)


def lambda_handler(_: dict[str, Any], __: LambdaContext) -> dict[str, int]:
    upkeep = load_upkeep()
    return {**upkeep.settle_due(), "admitted": upkeep.admit_everywhere()}
