"""Puts what a dead-letter queue holds back into its queue: `python -m infra.redrive ENV QUEUE`.

Safe at any time, and twice: a task's message is good for one epoch of it, a deployment's for one
deployment, or job of backups, that has not ended.
"""

import sys
from typing import TYPE_CHECKING

import boto3

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

QUEUES = ("tasks", "deployments", "backups")


def redrive(sqs: "SQSClient", dead_letters: str, queue: str) -> int:
    """How many messages went from the one URL to the other; each is sent before it is deleted."""
    moved = 0
    while messages := sqs.receive_message(
        QueueUrl=dead_letters,
        MaxNumberOfMessages=10,
        MessageSystemAttributeNames=["MessageGroupId"],
    ).get("Messages"):
        for message in messages:
            sqs.send_message(
                QueueUrl=queue,
                MessageBody=message["Body"],
                MessageGroupId=message["Attributes"]["MessageGroupId"],
            )
            sqs.delete_message(QueueUrl=dead_letters, ReceiptHandle=message["ReceiptHandle"])
            moved += 1
    return moved


def main() -> None:
    environment, name = sys.argv[1:]
    if name not in QUEUES:
        raise SystemExit(f"QUEUE={name} is not one of {', '.join(QUEUES)}")
    stacks = boto3.client("cloudformation").describe_stacks(
        StackName=f"Quarterdeck-{environment}-Service"
    )["Stacks"]
    outputs = {entry["OutputKey"]: entry["OutputValue"] for entry in stacks[0]["Outputs"]}
    prefix = name.capitalize()
    moved = redrive(
        boto3.client("sqs"), outputs[f"{prefix}DeadLettersUrl"], outputs[f"{prefix}QueueUrl"]
    )
    print(f"{moved} messages went back to {name}")  # noqa: T201 - a command


if __name__ == "__main__":
    main()
