"""What subscribers are told of an alert: one form, by SNS and on the event bus."""

from pydantic import BaseModel, ConfigDict

from quarterdeck.alerts.names import AlertName
from quarterdeck.alerts.states import Change
from quarterdeck.channels import EventBus, Topic
from quarterdeck.metrics.figures import MetricState
from quarterdeck.systems.configuration import Threshold
from quarterdeck.systems.records import System

DETAIL_TYPE = "Alert"
FILTERS = ("system_id", "crew", "metric", "state")


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
        """One line for a mail."""
        about = " ".join(filter(None, (self.system, self.crew, self.metric)))
        return f"[{self.environment}] {self.state}: {about}"


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

    def __init__(self, topic: Topic, bus: EventBus) -> None:
        self.topic = topic
        self.bus = bus

    def send(self, announcement: Announcement) -> None:
        """NotAnnounced if the bus does not take it."""
        text = announcement.model_dump_json(exclude_none=True)
        filters = announcement.model_dump(include=set(FILTERS), exclude_none=True)
        self.topic.publish(announcement.subject, text, filters)
        self.bus.put(DETAIL_TYPE, text)
