"""Where a soak happens: table, bucket and queue in the emulator, and a file of what was seen.

The file has one JSON object a line. Each line is one write, so that a killed process leaves no half
of one; its times are of the machine's one monotonic clock.
"""

import json
import os
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from infra.local.emulator import Emulator
from quarterdeck.blobs import BlobStore
from quarterdeck.keys import QUEUE_PREFIX
from quarterdeck.names import read_clock
from quarterdeck.table import Item, Put, Table, Write
from quarterdeck.tasks.announcer import TaskAnnouncer
from quarterdeck.tasks.queue import Queue, WorkMessage
from tests.account import create_table
from tests.postbox import make_announcer

DUPLICATED = 0.02
"""Of the messages: they are delivered twice."""
VISIBILITY_S = 10

type Facts = dict[str, list[dict[str, Any]]]
"""By their kind, in the order in which they were told."""


class Witness:
    """Writes to the file, from any process."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def tell(self, kind: str, **facts: Any) -> None:
        os.write(self._file, (json.dumps({"kind": kind, **facts}) + "\n").encode())


def read_facts(path: Path) -> Facts:
    facts: Facts = defaultdict(list)
    for line in path.read_text().splitlines():
        fact = json.loads(line)
        facts[fact["kind"]].append(fact)
    return facts


class WitnessedTable(Table):
    """For one thread. Tells `queued` and `taken` of each entry of a crew's queue.

    Both with when the write began and ended; `taken` with when admission looked for the entry.
    """

    def __init__(self, client: Any, name: str, witness: Witness) -> None:
        super().__init__(client, name)
        self._witness = witness
        self._looks: dict[str, tuple[float, float]] = {}

    def query(
        self, pk: str, prefix: str, *, up_to: str | None = None, limit: int | None = None
    ) -> Iterator[Item]:
        found = super().query(pk, prefix, up_to=up_to, limit=limit)
        if prefix != QUEUE_PREFIX:
            return found
        began = time.monotonic()
        items = list(found)
        self._looks[pk] = (began, time.monotonic())
        return iter(items)

    def write(self, *writes: Write) -> None:
        began = time.monotonic()
        super().write(*writes)
        ended = time.monotonic()
        for write in writes:
            pk, sk = write.key
            if not sk.startswith(QUEUE_PREFIX):
                continue
            if isinstance(write, Put):
                self._witness.tell("queued", crew=pk, entry=sk, began=began, ended=ended)
            else:
                look = self._looks[pk]
                self._witness.tell("taken", crew=pk, entry=sk, began=began, ended=ended, look=look)


class CarelessQueue(Queue[WorkMessage]):
    """SQS as it may be: some messages come twice."""

    def __init__(self, client: Any, url: str, witness: Witness) -> None:
        super().__init__(client, url)
        self._witness = witness

    def send(self, message: WorkMessage, delay_s: int = 0) -> None:
        super().send(message, delay_s)
        if random.random() < DUPLICATED:
            super().send(message, delay_s + random.randrange(3))
            self._witness.tell("duplicated")


class Site(NamedTuple):
    emulator: Emulator
    queue_url: str
    directory: Path

    @property
    def seen(self) -> Path:
        return self.directory / "seen.jsonl"

    def open_witness(self) -> Witness:
        return Witness(self.seen)

    def open_table(self) -> WitnessedTable:
        client = self.emulator.open_client("dynamodb")
        return WitnessedTable(client, "quarterdeck", self.open_witness())

    def open_blobs(self) -> BlobStore:
        return BlobStore(self.emulator.open_client("s3"), "quarterdeck")

    def open_announcer(self) -> TaskAnnouncer:
        return make_announcer(self.open_table(), self.open_blobs(), read_clock)

    def open_queue(self) -> CarelessQueue:
        return CarelessQueue(self.emulator.open_client("sqs"), self.queue_url, self.open_witness())


def prepare_site(emulator: Emulator, directory: Path) -> Site:
    create_table(emulator.open_client("dynamodb"))
    emulator.open_client("s3").create_bucket(Bucket="quarterdeck")
    attributes = {"VisibilityTimeout": str(VISIBILITY_S)}
    queue = emulator.open_client("sqs").create_queue(QueueName="tasks", Attributes=attributes)
    return Site(emulator, queue["QueueUrl"], directory)
