"""A system with one crew on DynamoDB in memory, and services whose clocks are moved by hand."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from quarterdeck.blobs import BlobStore
from quarterdeck.metrics.buckets import add_counters
from quarterdeck.metrics.reading import MetricsReader
from quarterdeck.scaling.actuation import Scaler
from quarterdeck.scaling.controller import Decision
from quarterdeck.scaling.crew import KnownDecision, list_decisions
from quarterdeck.scaling.manual import ScaleRequest, scale_by_hand
from quarterdeck.systems.store import SystemStore
from quarterdeck.tasks.queue import Queue, WorkMessage
from quarterdeck.tasks.submission import TaskRequest, accept_task
from tests import systems
from tests.fakes import FakeTable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CREW = "research"
BUSY = {"arrivals": 100, "succeeded": 10, "running_ms": 600_000}


class Sent(Queue[WorkMessage]):
    def __init__(self) -> None:
        self.messages: list[WorkMessage] = []

    def send(self, message: WorkMessage, delay_s: int = 0) -> None:
        self.messages.append(message)


class Site:
    def __init__(self, **crew: Any) -> None:
        self.now = NOON
        self.table = FakeTable()
        self.store = SystemStore(self.table, BlobStore(cast("S3Client", None), "unused"))
        self.queue = Sent()
        configuration = systems.system(crews=[systems.crew(CREW, **crew)])
        self.system = systems.deploy(self.store, configuration, lambda: NOON)
        self.scope = self.system.scope
        self.scaler = self.open_scaler()

    def open_scaler(self, ahead_s: float = 0) -> Scaler:
        """Of another process, whose clock is ahead."""
        reader = MetricsReader(self.table)
        return Scaler(self.store, reader, self.queue, lambda: self.now + timedelta(seconds=ahead_s))

    def deploy_bound(self, max_agents: int) -> None:
        """A further version, current."""
        system_id = self.system.system_id
        old = self.store.get_configuration(system_id, 1)
        crew = old.crews[0].model_copy(update={"max_agents": max_agents})
        self.store.begin_version(self.system, old.model_copy(update={"crews": (crew,)}), self.now)
        self.system = systems.activate(self.store, system_id, lambda: self.now)

    def pass_minutes(self, minutes: float) -> None:
        self.now += timedelta(minutes=minutes)

    def count(self, **counters: int) -> None:
        """In the minute before."""
        at = self.now - timedelta(minutes=1)
        self.table.write(add_counters(self.scope, CREW, at, counters))

    def submit(self, tasks: int) -> None:
        request = TaskRequest(description="x", crew_name=CREW)
        for _ in range(tasks):
            accept_task(self.table, self.store.blobs, self.system, request, self.now)

    def scale(self, scaler: Scaler | None = None, crew: str = CREW) -> Decision | None:
        scaler = scaler or self.scaler
        reading = scaler.read_crew(self.system, crew)
        return scaler.scale_crew(self.system, crew, reading) if reading else None

    def scale_by_hand(self, **request: Any) -> Decision:
        asked = ScaleRequest(crew_name=CREW, **request)
        return scale_by_hand(self.store, self.system, asked, "key-1", self._tick)

    def _tick(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def read_crew(self) -> Any:
        return self.table.get(self.scope.crew_key(CREW))

    def list_decisions(self) -> list[KnownDecision]:
        """Newest first."""
        return list_decisions(self.table, self.scope, CREW, 100)
