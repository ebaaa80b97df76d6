"""The bus and the topic in memory: what reached them of tasks, and what goes wrong on the way."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from quarterdeck.blobs import BlobStore
from quarterdeck.channels import EventBus, Topic
from quarterdeck.table import Table
from quarterdeck.tasks.announcer import TaskAnnouncer


class Event(NamedTuple):
    detail_type: str
    detail: dict[str, Any]


class Mail(NamedTuple):
    subject: str
    detail: dict[str, Any]
    filters: Mapping[str, str]


class Postbox(EventBus):
    """`before` and `after` see each event on its way, and may raise."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None

    def put(self, detail_type: str, detail: str) -> None:
        self.before()
        self.events.append(Event(detail_type, json.loads(detail)))
        self.after()

    @property
    def details(self) -> list[dict[str, Any]]:
        return [event.detail for event in self.events]


class Mailbox(Topic):
    def __init__(self) -> None:
        self.mails: list[Mail] = []

    def publish(self, subject: str, text: str, filters: Mapping[str, str]) -> None:
        self.mails.append(Mail(subject, json.loads(text), filters))


def make_announcer(
    table: Table, blobs: BlobStore, clock: Callable[[], datetime], bus: Postbox | None = None
) -> TaskAnnouncer:
    return TaskAnnouncer(table, blobs, bus or Postbox(), Mailbox(), "test", clock)
