"""How subscribers are told: an event bus for programs, a topic for people."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sns import SNSClient

SOURCE = "quarterdeck"
LONGEST_SUBJECT = 99
BRIEF = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2})
"""Of who has other things to do: what is not told now, the monitor tells."""


class NotAnnounced(Exception):
    """The event bus refused an event."""


class EventBus:
    def __init__(self, client: "EventBridgeClient", name: str) -> None:
        self.client = client
        self.name = name

    def put(self, detail_type: str, detail: str) -> None:
        """NotAnnounced if the bus does not take it, which is no error of the call."""
        answer = self.client.put_events(
            Entries=[
                {
                    "Source": SOURCE,
                    "DetailType": detail_type,
                    "Detail": detail,
                    "EventBusName": self.name,
                }
            ]
        )
        if answer["FailedEntryCount"]:
            raise NotAnnounced(str(answer["Entries"][0].get("ErrorCode")))


class Topic:
    def __init__(self, client: "SNSClient", arn: str) -> None:
        self.client = client
        self.arn = arn

    def publish(self, subject: str, text: str, filters: Mapping[str, str]) -> None:
        """`subject`: one line for a mail, cut; `filters`: what a subscription may filter by."""
        self.client.publish(
            TopicArn=self.arn,
            Subject=subject[:LONGEST_SUBJECT],
            Message=text,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in filters.items()
            },
        )
