"""What the stacks leave in an account, made in moto: table, bucket, queues, secrets, topic, bus."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

import boto3
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber
from moto.kms.utils import generate_private_key

from tests.moto_turns import take_turns
from tests.table_indexes import INDEXES

take_turns(BotocoreStubber, "process_request")

KEYS = {"pk", "sk"} | {name for index in INDEXES.values() for name in index.keys}
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_REGION": "eu-west-1",
    "ENVIRONMENT": "development",
    "LOG_LEVEL": "INFO",
    "DEBUG_MODE": "false",
    "TABLE_NAME": "quarterdeck",
    "BUCKET_NAME": "quarterdeck",
    "RETENTION": "{}",
    "ARCHIVES_BUCKET_NAME": "archives",
    "CURSOR_SECRET": "quarterdeck-system/development/cursor-key",
    "BACKUP_FREQUENCY": "hourly",
    "MODEL_BASE_URLS": '["http://localhost:11434/v1"]',
    "ADMIN_KEY_SECRET": "quarterdeck-system/development/admin-key",
    "SECRET_PREFIX": "quarterdeck/development/",
    "TOOLS_FUNCTION": "tools",
    "EVENT_BUS_NAME": "quarterdeck-development",
}


open_session = cache(boto3.Session)
"""One for all tests: each reads botocore's models anew, which takes a tenth of a second."""

open_client = cache(lambda name: open_session().client(name))
"""For what is made in each account; a service opens its own."""

draw_private_key = cache(generate_private_key)
"""moto draws one for every key, symmetric ones as well, and never uses it: 0.2 s."""


@contextmanager
def mock_account() -> Iterator[None]:
    """An empty account in moto."""
    with ExitStack() as patches:
        patches.enter_context(mock_aws())
        patches.enter_context(patch.object(boto3, "DEFAULT_SESSION", open_session()))
        patches.enter_context(patch("moto.kms.models.generate_private_key", draw_private_key))
        yield


def prepare_account(open_client: Callable[[str], Any] = open_client) -> dict[str, str]:
    """Makes it all, and answers the functions' variables."""
    create_table(open_client("dynamodb"))
    for bucket in ("quarterdeck", "archives"):
        open_client("s3").create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
    key = open_client("kms").create_key()["KeyMetadata"]["Arn"]
    for name in ("cursor-key", "admin-key"):
        open_client("secretsmanager").create_secret(
            Name=f"quarterdeck-system/development/{name}", SecretString=f"the {name}"
        )
    urls = {
        f"{name.upper()}_QUEUE_URL": open_client("sqs").create_queue(QueueName=name)["QueueUrl"]
        for name in ("tasks", "deployments", "backups")
    }
    open_client("events").create_event_bus(Name=ENVIRONMENT["EVENT_BUS_NAME"])
    topics = {
        f"{name.upper()}_TOPIC_ARN": open_client("sns").create_topic(Name=name)["TopicArn"]
        for name in ("alert", "question")
    }
    return ENVIRONMENT | urls | topics | {"ARCHIVES_KEY_ARN": key}


def create_table(client: Any) -> None:
    client.create_table(
        TableName="quarterdeck",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=describe_keys("pk", "sk"),
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in sorted(KEYS)
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": name,
                "KeySchema": describe_keys(*index.keys),
                "Projection": {
                    "ProjectionType": "INCLUDE",
                    "NonKeyAttributes": list(index.fields),
                },
            }
            for name, index in INDEXES.items()
        ],
    )


def describe_keys(partition: str, order: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": order, "KeyType": "RANGE"},
    ]
