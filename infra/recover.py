"""After the loss of the table: `python -m infra.recover ENV [TABLE]`.

Goes through the archives of the environment: each system that the table lacks is restored from its
newest backup that is whole, under its own id and name. With TABLE, which AWS has restored to a
point in time, copies all that it holds in place of that. Either can be run again: what is there
stays as it is.
"""

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3

from infra.account import open_account, read_outputs
from infra.environment import load_target
from infra.local.command import run_command
from infra.local.failure import LocalRunFailed
from quarterdeck.backups.archive.head import ArchiveKeys
from quarterdeck.backups.archives import Archives
from quarterdeck.backups.recovery import Recovery
from quarterdeck.backups.store import BackupStore
from quarterdeck.blobs import BlobStore
from quarterdeck.memory.erasure import list_erasures
from quarterdeck.names import read_clock
from quarterdeck.retention import Retention
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

say = partial(print, flush=True)


def copy_table(client: "DynamoDBClient", source: str, target: str) -> int:
    """How many items of the one table are new in the other; those that are there stay."""
    copied = 0
    pages: Any = client.get_paginator("scan").paginate(TableName=source, ConsistentRead=True)
    for page in pages:
        for item in page["Items"]:
            try:
                client.put_item(
                    TableName=target, Item=item, ConditionExpression="attribute_not_exists(pk)"
                )
            except client.exceptions.ConditionalCheckFailedException:
                continue
            copied += 1
    return copied


def make_recovery(account: boto3.Session, environment: str, outputs: dict[str, str]) -> Recovery:
    s3 = account.client("s3")
    settings = load_target(environment).environment
    retention = Retention.model_validate(settings.retention.model_dump())
    table = Table(account.client("dynamodb"), outputs["TableName"], retention)
    keys = ArchiveKeys(account.client("kms"), outputs["ArchivesKeyArn"])
    return Recovery(
        systems=SystemStore(table, BlobStore(s3, outputs["BucketName"])),
        backups=BackupStore(table),
        archives=Archives(s3, outputs["ArchivesBucketName"], keys),
        frequency=settings.backup_frequency,
        find_erased=partial(list_erasures, table),
        clock=read_clock,
        tell=say,
    )


def main() -> None:
    environment, *tables = sys.argv[1:]
    with open_account() as account:
        outputs = read_outputs(account, f"Quarterdeck-{environment}-Data")
        if tables:
            copied = copy_table(account.client("dynamodb"), tables[0], outputs["TableName"])
            say(f"{copied} items of {tables[0]} are in {outputs['TableName']} now")
            return
        lost = make_recovery(account, environment, outputs).recover()
    if lost:
        raise LocalRunFailed(f"{lost} systems are lost")


if __name__ == "__main__":
    sys.exit(run_command(main))
