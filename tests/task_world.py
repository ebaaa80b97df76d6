"""A world for tasks in one thread's time: services that act, pause, fail and die on demand.

The services are the real ones. What is not: the queue is a bag of messages, the clock stands still
until it is moved, and the table's calls go through `tests.faults`.
"""

import hashlib
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Literal, NamedTuple, cast
from unittest.mock import patch

from quarterdeck import names
from quarterdeck import table as table_module
from quarterdeck.blobs import BlobStore
from quarterdeck.errors import Contention
from quarterdeck.observability import logger
from quarterdeck.systems.records import System
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import CONFLICT_ATTEMPTS, Table
from quarterdeck.tasks import announcer, attempt, event_log, upkeep
from quarterdeck.tasks.attempt import Attempt
from quarterdeck.tasks.queue import Queue, TaskMessage, WorkMessage
from tests import systems
from tests.faults import Conflict, Crash, FaultyDynamoDB, LostAnswer, Unreachable
from tests.postbox import Postbox, make_announcer

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CREWS = ("one", "two")

Fault = Literal[
    "crash before",
    "crash after",
    "conflict",
    "contention",
    "lost answer",
    "unreachable before",
    "unreachable after",
]
FAULTS: tuple[Fault, ...] = Fault.__args__  # type: ignore[attr-defined]
Role = Literal["api", "worker", "monitor"]


class Plan(NamedTuple):
    """What goes wrong with a call of a service: the `at`-th thing that it writes or sends.

    `pause`: before which of its calls, reads included, others get their turn. `skew`: by how many
    seconds its clock is ahead.
    """

    fault: Fault | None = None
    at: int = 1
    pause: int | None = None
    skew: int = 0


SMOOTH = Plan()


class Sent(NamedTuple):
    message: WorkMessage
    due: datetime


@dataclass
class Actor:
    """One call of a service; in a thread of its own if it is to pause, which runs when it is let.

    `attempt` is whose worker it is; `queue_read` and `state_read` are when it last looked into the
    queue and at a state; with `known_id` each id that it draws is one that is taken.
    """

    world: "World"
    role: Role
    act: Callable[["Actor"], object]
    plan: Plan
    attempt: Attempt | None = None
    calls: int = 0
    effects: int = 0
    queue_read: int = 0
    state_read: int = 0
    known_id: str | None = None
    pause_at: int | None = None
    doomed: bool = False
    done: bool = False
    fault: BaseException | None = None
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    thread: threading.Thread | None = None

    @property
    def spared(self) -> bool:
        """It is done, and no fault kept it from anything."""
        return self.done and not self.doomed and self.plan.fault is None

    def clock(self) -> datetime:
        if self.attempt:
            return self.attempt.clock()
        return self.world.now + timedelta(seconds=self.plan.skew)

    def start(self) -> None:
        """Returns when it has paused or is done."""
        self.pause_at = self.plan.pause
        self.world.current = self
        if self.pause_at is None:
            self._run()
        else:
            self.thread = threading.Thread(target=self._run_in_turn, daemon=True)
            self.thread.start()
            self.world.turn.acquire()
        self._settle()

    def resume(self, pause: int | None) -> None:
        self.pause_at = None if pause is None else self.calls + pause
        self.world.current = self
        self.go.release()
        self.world.turn.acquire()
        self._settle()

    def kill(self) -> None:
        self.doomed = True
        self.resume(None)

    def _settle(self) -> None:
        self.world.current = None
        if not self.done:
            return
        if self.thread:
            self.thread.join()
        if self.fault is not None:
            raise self.fault

    def _run_in_turn(self) -> None:
        self._run()
        self.world.turn.release()

    def _run(self) -> None:
        try:
            self.act(self)
        except (Crash, Unreachable, Contention):
            pass
        except BaseException as fault:
            self.fault = fault
        self.done = True

    def before_call(self) -> None:
        self.calls += 1
        if self.calls == self.pause_at:
            self.world.turn.release()
            self.go.acquire()
        if self.doomed:
            raise Crash

    def before_effect(self) -> None:
        self.before_call()
        self.effects += 1
        fault, at = self.plan.fault, self.plan.at
        if fault == "contention" and at <= self.effects < at + CONFLICT_ATTEMPTS:
            raise Conflict
        if self.effects == at:
            match fault:
                case "conflict":
                    raise Conflict
                case "crash before":
                    raise Crash
                case "unreachable before":
                    raise Unreachable

    def after_effect(self) -> None:
        if self.effects == self.plan.at:
            match self.plan.fault:
                case "lost answer":
                    raise LostAnswer
                case "crash after":
                    raise Crash
                case "unreachable after":
                    raise Unreachable


class Bag(Queue[WorkMessage]):
    """SQS, for who hands out its messages: any, at any time after they are due, more than once."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.messages: list[Sent] = []
        self.told_at: dict[tuple[str, int], int] = {}
        """When a task's message with this epoch was last sent."""

    def send(self, message: WorkMessage, delay_s: int = 0) -> None:
        actor = self.world.current
        sent = Sent(message, self.world.now + timedelta(seconds=delay_s))
        if actor is None:
            self.messages.append(sent)
            return
        with suppress(Conflict):
            actor.before_effect()
        self.messages.append(sent)
        if isinstance(message, TaskMessage):
            self.told_at[message.task_id, message.epoch] = self.world.tick
        try:
            actor.after_effect()
        except LostAnswer:
            self.messages.append(sent)

    def list_due(self) -> list[Sent]:
        return [sent for sent in self.messages if sent.due <= self.world.now]


class Wire(Postbox):
    """The bus: an event may be lost on its way, or be sent twice."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        self.world = world

    def put(self, detail_type: str, detail: str) -> None:
        actor = self.world.current
        if actor:
            with suppress(Conflict):
                actor.before_effect()
        super().put(detail_type, detail)
        if actor:
            try:
                actor.after_effect()
            except LostAnswer:
                super().put(detail_type, detail)


class World:
    """One system with two crews. `client` is DynamoDB, with an empty table of the state's shape."""

    def __init__(self, client: object, table_name: str) -> None:
        self.now = NOON
        self.tick = 0
        """Counts the table's calls."""
        self.current: Actor | None = None
        self.turn = threading.Semaphore(0)
        self.paused: list[Actor] = []
        self.violations: list[str] = []
        self.cancel_asked: set[str] = set()
        self.cancelled: set[str] = set()
        """Tasks whose cancel was accepted."""
        self.faults = FaultyDynamoDB(client)
        self.faults.before_read = self._before_read
        self.faults.before_write = self._before_write
        self.faults.after_write = self._after_write
        self.table = Table(cast("DynamoDBClient", self.faults), table_name)
        self.blobs = BlobStore(cast("S3Client", None), "unused")
        self.queue = Bag(self)
        self.wire = Wire(self)
        self.announcer = make_announcer(
            self.table,
            self.blobs,
            lambda: self.current.clock() if self.current else self.now,
            self.wire,
        )
        self.patches = ExitStack()
        self._patch()
        self.system = self._deploy()
        self.scope = self.system.scope

    def _patch(self) -> None:
        ids = (hashlib.sha256(bytes(divmod(n, 256))).hexdigest()[:24] for n in range(65536))
        quiet = SimpleNamespace(sleep=lambda seconds: None)
        enter = self.patches.enter_context
        draw = SimpleNamespace(
            token_hex=lambda size: (self.current and self.current.known_id) or next(ids)
        )
        enter(patch.object(names, "secrets", draw))
        for module in (table_module, event_log):
            enter(patch.object(module, "time", quiet))
        # Who holds it has paused, and goes on only after the one that would wait.
        enter(patch.object(event_log, "LOCK_SECONDS", 0))
        for level in ("debug", "info", "warning"):
            enter(patch.object(logger, level, lambda *_, **__: None))
        enter(patch.object(logger, "exception", self._note_exception))
        for module in (attempt, upkeep, announcer):
            enter(patch.object(module, "count_event", lambda name: None))

    def _note_exception(self, text: str, **_: object) -> None:
        """A service goes on after any exception: here only after those that the world made."""
        error = sys.exception()
        if not isinstance(error, Unreachable | Contention):
            self.violations.append(f"{text}: {error!r}")

    def _deploy(self) -> System:
        crews = [
            systems.crew(name, agents=[systems.agent("A"), systems.agent("B")]) for name in CREWS
        ]
        store = SystemStore(self.table, self.blobs)
        return systems.deploy(store, systems.system(crews=crews), lambda: self.now)

    def _before_read(self, operation: str, request: dict[str, object]) -> None:
        if self.current:
            self.current.before_call()
        self.tick += 1
        if self.current and operation == "query" and "QUEUE#" in str(request):
            self.current.queue_read = self.tick
        if self.current and operation == "get_item" and "'STATE'" in str(request):
            self.current.state_read = self.tick

    def _before_write(self) -> None:
        if self.current:
            self.current.before_effect()
        self.tick += 1

    def _after_write(self) -> None:
        if self.current:
            self.current.after_effect()

    def let(
        self,
        role: Role,
        act: Callable[[Actor], object],
        plan: Plan = SMOOTH,
        attempt: Attempt | None = None,
    ) -> Actor:
        """Runs a call of a service until it is done, or paused."""
        actor = Actor(self, role, act, plan, attempt)
        actor.start()
        if not actor.done:
            self.paused.append(actor)
        return actor

    def resume(self, actor: Actor, pause: int | None) -> None:
        self.paused.remove(actor)
        actor.resume(pause)
        if not actor.done:
            self.paused.append(actor)

    def kill(self, actor: Actor) -> None:
        self.paused.remove(actor)
        actor.kill()

    def close(self) -> None:
        while self.paused:
            self.kill(self.paused[-1])
        self.patches.close()
