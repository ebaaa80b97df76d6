"""What the stacks leave in an account, made in moto: table, bucket, queues, secrets, topic, bus."""

from typing import Any

import boto3

from tests.table_indexes import INDEXES

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
    "ARCHIVES_BUCKET_NAME": "archives",
    "CURSOR_SECRET": "quarterdeck-system/development/cursor-key",
    "BACKUP_FREQUENCY": "hourly",
    "MODEL_BASE_URLS": '["http://localhost:11434/v1"]',
    "ADMIN_KEY_SECRET": "quarterdeck-system/development/admin-key",
    "SECRET_PREFIX": "quarterdeck/development/",
    "TOOLS_FUNCTION": "tools",
    "EVENT_BUS_NAME": "quarterdeck-development",
}


def prepare_account() -> dict[str, str]:
    """Makes it all, and answers the functions' variables."""
    create_table(boto3.client("dynamodb"))
    for bucket in ("quarterdeck", "archives"):
        boto3.client("s3").create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
    key = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
    for name in ("cursor-key", "admin-key"):
        boto3.client("secretsmanager").create_secret(
            Name=f"quarterdeck-system/development/{name}", SecretString=f"the {name}"
        )
    urls = {
        f"{name.upper()}_QUEUE_URL": boto3.client("sqs").create_queue(QueueName=name)["QueueUrl"]
        for name in ("tasks", "deployments", "backups")
    }
    boto3.client("events").create_event_bus(Name=ENVIRONMENT["EVENT_BUS_NAME"])
    topics = {
        f"{name.upper()}_TOPIC_ARN": boto3.client("sns").create_topic(Name=name)["TopicArn"]
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
