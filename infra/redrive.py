"""Puts what a dead-letter queue holds back into its queue: `python -m infra.redrive ENV QUEUE`.

Safe at any time, and twice: a task's message is good for one epoch of it, a deployment's for one
deployment, or job of backups, that has not ended.
"""

import sys
from typing import TYPE_CHECKING

from infra.account import open_account, read_outputs
from infra.local.command import run_command
from infra.local.failure import LocalRunFailed

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

QUEUES = ("tasks", "deployments", "backups")
POLL_S = 2


def redrive(sqs: "SQSClient", dead_letters: str, queue: str) -> int:
    """How many messages went from the one URL to the other; each is sent before it is deleted."""
    moved = 0
    while messages := sqs.receive_message(
        QueueUrl=dead_letters,
        MaxNumberOfMessages=10,
        # Without it SQS asks a few of its servers, and can miss what the others have.
        WaitTimeSeconds=POLL_S,
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
        raise LocalRunFailed(f"QUEUE={name} is not one of {', '.join(QUEUES)}")
    prefix = name.capitalize()
    with open_account() as account:
        outputs = read_outputs(account, f"Quarterdeck-{environment}-Service")
        moved = redrive(
            account.client("sqs"), outputs[f"{prefix}DeadLettersUrl"], outputs[f"{prefix}QueueUrl"]
        )
    print(f"{moved} messages went back to {name}")  # noqa: T201 - a command


if __name__ == "__main__":
    sys.exit(run_command(main))
