"""A soak's course: tasks are submitted, workers replaced, and the monitor's work is done."""

import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import batched
from multiprocessing.context import ForkServerProcess
from typing import NamedTuple, Self

from quarterdeck.keys import LATER_PREFIX, QUEUE_PREFIX
from quarterdeck.leases import list_due
from quarterdeck.names import read_clock
from quarterdeck.systems.records import System
from quarterdeck.tasks.attempt import admit_for
from quarterdeck.tasks.states import Priority
from quarterdeck.tasks.submission import TaskRequest, accept_task
from quarterdeck.tasks.upkeep import Upkeep
from tests.benchmarks.soak_desks import STEPS, spell_answer
from tests.benchmarks.soak_site import Site
from tests.benchmarks.soak_worker import LEASE, work

BATCH = 20
"""Tasks that are submitted between two rounds."""
PAUSE_S = 2.0
"""Between two rounds, once all are submitted: each asks the emulator for every crew."""
STALLED_S = 10 * LEASE.total_seconds()
"""Without any progress: what is left then is lost."""
DRAINED_S = 30.0
"""Without any message that is taken from the queue."""
PRIORITIES: tuple[Priority, ...] = ("low", "medium", "high")


class Submitted(NamedTuple):
    system: System
    crew: str
    number: str
    """The description, and so the name in the prompts."""
    task_id: str

    @property
    def answer(self) -> str:
        """What the task must end with."""
        return spell_answer(self.number, STEPS)


class Passage(NamedTuple):
    """What is known of a soak without a look at what it left."""

    tasks: list[Submitted]
    seconds: float
    reaped: int
    exits: Counter[int | None]
    """Of workers, by exit code."""


class Rounds:
    """While entered, so many workers live, if a round is made now and then."""

    def __init__(self, site: Site, workers: int) -> None:
        self._site = site
        self._context = multiprocessing.get_context("forkserver")
        # It imports crewai once: a process that takes a dead one's place begins at once.
        self._context.set_forkserver_preload([work.__module__])
        self._workers = [self._spawn() for _ in range(workers)]
        self._upkeep = Upkeep(
            site.open_table(),
            site.open_blobs(),
            site.open_queue(),
            site.open_announcer(),
            read_clock,
        )
        self.reaped = 0
        self.exits: Counter[int | None] = Counter()

    def __enter__(self) -> Self:
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            if worker.pid is not None:
                worker.kill()
                worker.join()

    def _spawn(self) -> ForkServerProcess:
        return self._context.Process(target=work, args=(self._site,), daemon=True)

    def make(self) -> None:
        """What the monitor does each minute, and Lambda when a process has ended."""
        for index, worker in enumerate(self._workers):
            if not worker.is_alive():
                self.exits[worker.exitcode] += 1
                self._workers[index] = self._spawn()
                self._workers[index].start()
        self.reaped += self._upkeep.settle_due(list_due(self._upkeep.table, self._upkeep.clock()))[
            "reaped"
        ]
        self._upkeep.admit_everywhere()


class Callers:
    """Ask each crew in turn, with each priority in turn."""

    def __init__(self, site: Site, systems: Sequence[System]) -> None:
        self._table = site.open_table()
        self._blobs = site.open_blobs()
        self._queue = site.open_queue()
        self._crews = [(system, crew) for system in systems for crew in system.crews]

    def submit(self, number: int) -> Submitted:
        """As `POST …/tasks` does."""
        turn, place = divmod(number, len(self._crews))
        system, crew = self._crews[place]
        priority = PRIORITIES[turn % len(PRIORITIES)]
        request = TaskRequest(description=str(number), crew_name=crew, priority=priority)
        state = accept_task(self._table, self._blobs, system, request, read_clock())
        admit_for(self._table, self._queue, system.scope, crew, read_clock)
        return Submitted(system, crew, str(number), state.task_id)

    def count_left(self) -> int:
        """Tasks that have not ended. The queue first: what is taken meanwhile counts as running."""
        left = 0
        for system, crew in self._crews:
            key = system.scope.crew_key(crew)
            left += self._table.count(key.pk, LATER_PREFIX, up_to=f"{QUEUE_PREFIX}~")
            left += (self._table.get(key) or {})["running"]
        return left

    def count_messages(self) -> int:
        attributes = self._queue.client.get_queue_attributes(
            QueueUrl=self._queue.url, AttributeNames=["All"]
        )["Attributes"]
        return sum(
            int(value)
            for name, value in attributes.items()
            if name.startswith("ApproximateNumberOfMessages")
        )


def run_soak(site: Site, systems: Sequence[System], count: int, workers: int) -> Passage:
    """Until nothing is left, or nothing moves any more."""
    callers = Callers(site, systems)
    tasks: list[Submitted] = []
    with Rounds(site, workers) as rounds:
        began = time.monotonic()
        for numbers in batched(range(count), BATCH, strict=False):
            tasks += map(callers.submit, numbers)
            rounds.make()
        wait_for_none(callers.count_left, rounds, STALLED_S)
        seconds = time.monotonic() - began
        # What still comes is of tasks that have ended, and must change nothing.
        wait_for_none(callers.count_messages, rounds, DRAINED_S)
    return Passage(tasks, seconds, rounds.reaped, rounds.exits)


def wait_for_none(count: Callable[[], int], rounds: Rounds, patience_s: float) -> None:
    """Makes rounds until the count is 0, or has not changed for so long."""
    last, changed = -1, time.monotonic()
    while left := count():
        if left != last:
            last, changed = left, time.monotonic()
            print(f"{left} left", file=sys.stderr)
        if time.monotonic() > changed + patience_s:
            return
        rounds.make()
        time.sleep(PAUSE_S)
