"""What subscribers are told of an alert: one form, by SNS and on the event bus."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from quarterdeck.alerts.names import AlertName
from quarterdeck.alerts.states import Change
from quarterdeck.metrics.figures import MetricState
from quarterdeck.systems.configuration import Threshold
from quarterdeck.systems.records import System

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sns import SNSClient

SOURCE = "quarterdeck"
DETAIL_TYPE = "Alert"
LONGEST_SUBJECT = 99
FILTERS = ("system_id", "crew", "metric", "state")


class NotAnnounced(Exception):
    """The event bus refused an event."""


class Announcement(BaseModel):
    """A change of an alert, as docs/alerts.md has it. What has no value is left out."""

    model_config = ConfigDict(frozen=True)

    id: str
    environment: str
    system_id: str
    system: str
    crew: str | None = None
    metric: str
    state: MetricState
    previous: MetricState
    value: float | None = None
    thresholds: Threshold | None = None
    samples: int | None = None
    detail: str | None = None
    since: str
    link: str

    @property
    def subject(self) -> str:
        """One line for a mail; SNS takes at most 99 characters."""
        about = " ".join(filter(None, (self.system, self.crew, self.metric)))
        return f"[{self.environment}] {self.state}: {about}"[:LONGEST_SUBJECT]


def announce_change(
    environment: str, system: System, name: AlertName, change: Change
) -> Announcement:
    return Announcement(
        id=name.make_change_id(system.scope, change.number),
        environment=environment,
        system_id=system.system_id,
        system=system.name,
        crew=name.crew,
        metric=name.metric,
        link=f"/crews/{system.system_id}/alerts",
        **change.model_dump(exclude={"number"}),
    )


class Announcer:
    """Tells of each change by both ways; who calls it again, tells it again with the same id."""

    def __init__(
        self, sns: "SNSClient", events: "EventBridgeClient", topic_arn: str, bus_name: str
    ) -> None:
        self.sns = sns
        self.events = events
        self.topic_arn = topic_arn
        self.bus_name = bus_name

    def send(self, announcement: Announcement) -> None:
        """NotAnnounced if the bus does not take it, which is no error of the call."""
        text = announcement.model_dump_json(exclude_none=True)
        self._publish(announcement, text)
        answer = self.events.put_events(
            Entries=[
                {
                    "Source": SOURCE,
                    "DetailType": DETAIL_TYPE,
                    "Detail": text,
                    "EventBusName": self.bus_name,
                }
            ]
        )
        if answer["FailedEntryCount"]:
            raise NotAnnounced(str(answer["Entries"][0].get("ErrorCode")))

    def _publish(self, announcement: Announcement, text: str) -> None:
        """With what a subscription may filter by."""
        filters = announcement.model_dump(include=set(FILTERS), exclude_none=True)
        self.sns.publish(
            TopicArn=self.topic_arn,
            Subject=announcement.subject,
            Message=text,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in filters.items()
            },
        )
