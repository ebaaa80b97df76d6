"""Tells what is in the outbox of tasks, and takes it out once it is told."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Literal

import boto3

from quarterdeck.abreast import map_abreast
from quarterdeck.blobs import BlobStore
from quarterdeck.channels import BRIEF, EventBus, Topic
from quarterdeck.errors import NotFound
from quarterdeck.keys import LeaseOwner, OutboxKey, outbox_index, system_key
from quarterdeck.names import parse_time, read_clock
from quarterdeck.observability import count_event, logger
from quarterdeck.settings import AnnouncementSettings
from quarterdeck.table import ConditionFailed, Delete, Item, Present, Table, Update
from quarterdeck.tasks.announcements import (
    DETAIL_TYPES,
    LEFT_FOR,
    MAIL_FILTERS,
    Announced,
    TaskWaiting,
    Untold,
    describe_end,
    describe_wait,
)
from quarterdeck.tasks.questions import view_question
from quarterdeck.tasks.store import TaskStore

GIVEN_UP_AFTER = timedelta(hours=24)
LONGEST_PAUSE = timedelta(minutes=15)

Fate = Literal["told", "settled", "refused", "left_out"]


class TaskAnnouncer:
    """`bus` is told everything, `topic` the questions as well."""

    def __init__(
        self,
        table: Table,
        blobs: BlobStore,
        bus: EventBus,
        topic: Topic,
        environment: str,
        clock: Callable[[], datetime],
    ) -> None:
        self.table = table
        self.tasks = TaskStore(table, blobs)
        self.bus = bus
        self.topic = topic
        self.environment = environment
        self.clock = clock
        self._names: dict[str, str] = {}

    def tell(self, untold: Untold) -> None:
        """After what is done is done: the monitor tells what this cannot."""
        key, state, outcome = untold
        try:
            if state and outcome:
                name = self._find_name(key.scope.system_id)
                self._put(describe_end(self.environment, name, key, state, outcome))
            elif item := self.table.get(key.key):
                self._announce(key, item)
            self.table.write(Delete(key.key))
        except Exception:
            logger.exception("An announcement is left to the monitor", task_id=key.task_id)

    def tell_due(
        self, due: Iterable[LeaseOwner], left: Callable[[], float], at_once: int = 1
    ) -> dict[str, int]:
        """What nobody told in time; how many, and how many could not be told.

        `left`: seconds, after which the rest is left to the next minute.
        """

        def take(key: OutboxKey) -> Fate:
            return self._settle(key) if left() > 0 else "left_out"

        keys = [owner for owner in due if isinstance(owner, OutboxKey)]
        fates = list(map_abreast(take, keys, at_once))
        return {"announced": fates.count("told"), "not_announced": fates.count("refused")}

    def _settle(self, key: OutboxKey) -> Fate:
        try:
            item = self.table.get(key.key)
            # The index is behind, or its teller was slow.
            if item is None or parse_time(item["lease_expires_at"]) >= self.clock():
                return "settled"
        except Exception:
            logger.exception("An outbox could not be read", task_id=key.task_id)
            return "refused"
        try:
            announced = self._announce(key, item)
            self.table.write(Delete(key.key))
        except Exception:
            logger.exception("A task could not be announced", task_id=key.task_id, kind=key.kind)
            self._put_off(key, item)
            return "refused"
        return "told" if announced else "settled"

    def _put_off(self, key: OutboxKey, item: Item) -> None:
        """For as long again as it has waited; after a day of refusals it is dropped."""
        now = self.clock()
        age = now - parse_time(item["noted_at"])
        try:
            if age >= GIVEN_UP_AFTER:
                self.table.write(Delete(key.key))
                count_event("LostAnnouncement")
                logger.error("A task was never announced", task_id=key.task_id, kind=key.kind)
                return
            due = outbox_index(key.task_id, now + min(LONGEST_PAUSE, max(LEFT_FOR, age)))
            self.table.write(Update(key.key, due, {}, conditions=[Present()]))
        except ConditionFailed:
            logger.debug("Another has told it", task_id=key.task_id)
        except Exception:
            logger.exception("An announcement could not be put off", task_id=key.task_id)

    def _announce(self, key: OutboxKey, item: Item) -> bool:
        """Whether it is news still. A topic that refuses it does not keep it from the bus, and
        people are not mailed again because the bus refused it."""
        announced = self._read(key, item)
        if announced is None:
            return False
        try:
            if isinstance(announced, TaskWaiting) and not item.get("mailed"):
                filters = announced.model_dump(include=set(MAIL_FILTERS))
                self.topic.publish(announced.subject, announced.model_dump_json(), filters)
                with suppress(ConditionFailed):  # Another has told it.
                    self.table.write(Update(key.key, {"mailed": True}, {}, conditions=[Present()]))
        finally:
            self._put(announced)
        return True

    def _read(self, key: OutboxKey, item: Item) -> Announced | None:
        """None if it is nobody's news any more: the task is gone, or its question answered."""
        try:
            state = self.tasks.get_state(key.scope, key.task_id)
            name = self._find_name(key.scope.system_id)
            if key.kind == "ended":
                outcome = self.tasks.get_outcome(key.scope, key.task_id)
                return describe_end(self.environment, name, key, state, outcome)
        except NotFound:
            return None
        if (state.status, state.epoch) != ("waiting", key.epoch):
            return None
        asked = self.table.get(key.scope.question_key(key.task_id, item["question"]))
        if asked is None:
            return None
        question = view_question(self.tasks.blobs, asked)
        return describe_wait(self.environment, name, key, state, question)

    def _find_name(self, system_id: str) -> str:
        """Of a deleted system as well; it never changes."""
        if system_id not in self._names:
            item = self.table.get(system_key(system_id)) or {}
            self._names[system_id] = item["name"]
        return self._names[system_id]

    def _put(self, announced: Announced) -> None:
        self.bus.put(DETAIL_TYPES[type(announced)], announced.model_dump_json())


def open_announcer(settings: AnnouncementSettings, table: Table, blobs: BlobStore) -> TaskAnnouncer:
    bus = EventBus(boto3.client("events", config=BRIEF), settings.event_bus_name)
    topic = Topic(boto3.client("sns", config=BRIEF), settings.question_topic_arn)
    return TaskAnnouncer(table, blobs, bus, topic, settings.environment, read_clock)
