"""Systems that the monitor looks at each minute, on DynamoDB's rules in memory."""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from quarterdeck.alerts.evaluation import AlertCheck
from quarterdeck.alerts.store import AlertStore
from quarterdeck.blobs import BlobStore
from quarterdeck.metrics.buckets import add_counters
from quarterdeck.metrics.reading import MetricsReader
from quarterdeck.monitoring.round import Round
from quarterdeck.observability import Record
from quarterdeck.scaling.actuation import Scaler
from quarterdeck.systems.activity import mark_active
from quarterdeck.systems.records import System
from quarterdeck.systems.store import SystemStore
from quarterdeck.tasks.queue import Queue, WorkMessage
from tests import systems
from tests.alert_site import Wire
from tests.fakes import FakeTable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MINUTE = timedelta(minutes=1)


class Unread(Queue[WorkMessage]):
    def __init__(self) -> None:
        self.messages: list[WorkMessage] = []

    def send(self, message: WorkMessage, delay_s: int = 0) -> None:
        self.messages.append(message)


def take_turns(client: Any) -> None:
    """DynamoDB in memory is for one caller at a time."""
    lock = Lock()

    def guard(call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(**request: Any) -> Any:
            with lock:
                return call(**request)

        return guarded

    for name in ("get_item", "query", "put_item", "update_item", "transact_write_items"):
        setattr(client, name, guard(getattr(client, name)))


class Site:
    def __init__(self, now: datetime, at_once: int = 1) -> None:
        self.now = now
        self.table = FakeTable()
        if at_once > 1:
            take_turns(self.table.client)
        self.systems = SystemStore(self.table, BlobStore(cast("S3Client", None), "unused"))
        self.wire = Wire()
        self.emitted: list[Record] = []
        metrics = MetricsReader(self.table)
        self.round = Round(
            self.systems,
            metrics,
            Scaler(self.systems, metrics, Unread(), lambda: self.now),
            AlertCheck(AlertStore(self.table), self.wire, "production"),
            self.emitted.append,
            "production",
            at_once,
        )
        self.round.active.note_look(now - MINUTE)

    def deploy(self, name: str = "desk", **crew: Any) -> System:
        crews = [systems.crew(max_agents=20, **crew)]
        return systems.deploy(self.systems, systems.system(name, crews=crews), lambda: self.now)

    def work(self, system: System, **counters: int) -> None:
        """A minute in which the crew counted this."""
        mark_active(self.table, system.system_id, self.now)
        self.table.write(add_counters(system.scope, "research", self.now, counters))

    def look(self, left: Callable[[], float] = lambda: 30) -> dict[str, int]:
        done = self.round.look(self.now, left)
        self.round.active.note_look(self.now)  # as admission does before it
        self.now += MINUTE
        return {str(name): number for name, number in done.items()}

    def capacity(self, system: System) -> int:
        (crew,) = self.systems.list_crews(system)
        return crew.capacity
