"""The commands that work in the account: which region, what is said, what is put back."""

import sys
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from infra import logs, recover, redrive
from infra.account import open_session, read_outputs
from infra.local.failure import LocalRunFailed

COMMANDS = [
    (logs.main, ["staging", "a" * 24, "24"]),
    (recover.main, ["staging"]),
    (redrive.main, ["staging", "tasks"]),
]


@pytest.mark.parametrize(("command", "arguments"), COMMANDS, ids=["logs", "recover", "redrive"])
def test_a_command_goes_where_the_documents_say(
    aws: None, monkeypatch: pytest.MonkeyPatch, command: Callable[[], None], arguments: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with pytest.raises(LocalRunFailed, match=r"Quarterdeck-staging-.* does not exist"):
        command()
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(LocalRunFailed, match="no region is set"):
        command()


def test_outputs_of_a_stack_are_read_by_name(aws: None) -> None:
    template = (
        '{"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}, "Outputs": {"Name": {"Value": "x"}}}'
    )
    boto3.client("cloudformation").create_stack(StackName="Stack", TemplateBody=template)
    assert read_outputs(open_session(), "Stack") == {"Name": "x"}


class Queues:
    """SQS as it can be when few messages are in it: who does not wait sees none of them."""

    def __init__(self, dead: list[str]) -> None:
        self.waiting = [[body] for body in dead]
        self.sent: list[tuple[str, str]] = []
        self.deleted: list[str] = []

    def receive_message(self, *, WaitTimeSeconds: int = 0, **_: Any) -> dict[str, Any]:  # noqa: N803
        seen = self.waiting.pop(0) if WaitTimeSeconds and self.waiting else []
        return {
            "Messages": [
                {"Body": body, "ReceiptHandle": body, "Attributes": {"MessageGroupId": "system"}}
                for body in seen
            ]
        }

    def send_message(self, *, QueueUrl: str, MessageBody: str, **_: Any) -> None:  # noqa: N803
        self.sent.append((QueueUrl, MessageBody))

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> None:  # noqa: N803
        assert QueueUrl == "dead"
        self.deleted.append(ReceiptHandle)


def test_all_dead_letters_are_put_back_also_when_they_are_few() -> None:
    queues: Any = Queues(["a", "b", "c"])
    assert redrive.redrive(queues, "dead", "queue") == 3
    assert queues.sent == [("queue", body) for body in "abc"]
    assert queues.deleted == ["a", "b", "c"]
