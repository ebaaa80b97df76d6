"""A worker process of the soak: what Lambda does around `Worker`, until a call that is fatal."""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from multiprocessing import parent_process
from pathlib import Path
from typing import Any, Literal, NoReturn
from unittest.mock import patch

from pydantic import TypeAdapter

from quarterdeck.process import prepare_process

prepare_process()

import crewai.llms.providers.openai.completion  # noqa: E402, F401 - before the processes fork
import openai.resources.chat  # noqa: E402, F401 - the first request would import it

import quarterdeck.execution.lease  # noqa: E402
import quarterdeck.execution.worker  # noqa: E402
import quarterdeck.tasks.transitions  # noqa: E402
from quarterdeck.execution.journal import Journal  # noqa: E402
from quarterdeck.execution.journal_entry import Entry  # noqa: E402
from quarterdeck.execution.journal_store import JournalStore  # noqa: E402
from quarterdeck.execution.lease import Limits  # noqa: E402
from quarterdeck.execution.worker import Worker  # noqa: E402
from quarterdeck.execution.workspace import Workspace  # noqa: E402
from quarterdeck.names import read_clock  # noqa: E402
from quarterdeck.tasks.queue import TaskMessage, WorkMessage, read_messages  # noqa: E402
from tests.benchmarks.soak_desks import STEPS  # noqa: E402
from tests.benchmarks.soak_site import Site, Witness  # noqa: E402

KILLED = 0.05
"""Of the runs: their worker is killed at one of their calls."""
MOST_KILLS = 2
"""Of one task: after three without progress it fails as `worker_lost`, as it should."""
KILLED_CODE = 9
LEASE = timedelta(seconds=12)
BEAT_S = 3.0
INVOCATION_S = 900.0
POLL_S = 2

MESSAGES: TypeAdapter[WorkMessage] = TypeAdapter(WorkMessage)

Place = Literal["before", "between", "after"]
"""Where a call is fatal: not sent; answered and not recorded; recorded."""
PLACES: tuple[Place, ...] = ("before", "between", "after")


def draw_place() -> Place | None:
    return random.choice(PLACES) if random.random() < KILLED / STEPS else None


class MortalJournal(Journal):
    """A journal whose process may end at each call that is really made."""

    def __init__(
        self, draw: Callable[[], Place | None], witness: Witness, store: JournalStore, *args: Any,
        **options: Any,
    ) -> None:  # fmt: skip
        super().__init__(store, *args, **options)
        self._draw = draw
        self._witness = witness
        self._task_id = store.task_id
        self._fatal: Place | None = None

    @contextmanager
    def enter_call(self) -> Iterator[None]:
        with super().enter_call():
            self._fatal = self._draw()
            self._die_if("before")
            yield

    def record(self, *args: Any, **options: Any) -> Entry:
        self._die_if("between")
        entry = super().record(*args, **options)
        self._die_if("after")
        return entry

    def _die_if(self, place: Place) -> None:
        if self._fatal == place:
            self._witness.tell("killed", task_id=self._task_id, place=place)
            os._exit(KILLED_CODE)


def work(site: Site) -> NoReturn:
    """Runs what the queue says, one message at a time, as long as the parent lives."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    write_to(site.directory / f"worker-{os.getpid()}.log")
    worker = Worker(
        table=site.open_table(),
        blobs=site.open_blobs(),
        queue=site.open_queue(),
        announcer=site.open_announcer(),
        read_secret=str,
        make_tools=lambda _: {},
        verbose=False,
        clock=read_clock,
        workspace=Workspace(),
        limits=Limits(beat=BEAT_S),
    )
    witness = site.open_witness()
    with (
        patch.object(quarterdeck.tasks.transitions, "LEASE", LEASE),
        patch.object(quarterdeck.execution.lease, "LEASE", LEASE),
    ):
        while True:
            for received in receive(site, worker.queue.client):
                serve(worker, received, witness)
                worker.queue.client.delete_message(
                    QueueUrl=site.queue_url, ReceiptHandle=received["ReceiptHandle"]
                )


def end_with_parent() -> None:
    parent = parent_process()
    assert parent
    parent.join()
    os._exit(1)


def write_to(log: Path) -> None:
    """What this process prints goes to the file."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT)
    for output in (1, 2):
        os.dup2(file, output)


def receive(site: Site, sqs: Any) -> list[dict[str, Any]]:
    answer = sqs.receive_message(
        QueueUrl=site.queue_url, MaxNumberOfMessages=1, WaitTimeSeconds=POLL_S
    )
    found: list[dict[str, Any]] = answer.get("Messages", [])
    return found


def serve(worker: Worker, received: dict[str, Any], witness: Witness) -> None:
    deadline = time.monotonic() + INVOCATION_S
    for message in read_messages(MESSAGES, {"Records": [{"body": received["Body"]}]}):
        spared = isinstance(message, TaskMessage) and message.epoch >= MOST_KILLS
        draw = (lambda: None) if spared else draw_place
        journal = partial(MortalJournal, draw, witness)
        with patch.object(quarterdeck.execution.worker, "Journal", journal):
            worker.handle(message, lambda: deadline - time.monotonic())
