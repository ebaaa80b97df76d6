"""What the monitor does each minute for tasks: reaps, sends again, and admits."""

import math
import random
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Literal

from quarterdeck.abreast import map_abreast
from quarterdeck.blobs import BlobStore
from quarterdeck.errors import NotFound
from quarterdeck.keys import LeaseOwner, Scope, TaskKey
from quarterdeck.names import format_time
from quarterdeck.observability import Trace, count_event, follow, logger
from quarterdeck.systems.activity import ActiveSystems, mark_active
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import ConditionFailed, Table
from quarterdeck.tasks.admission import admit_tasks, send_task
from quarterdeck.tasks.announcements import Untold
from quarterdeck.tasks.announcer import TaskAnnouncer
from quarterdeck.tasks.attempt import admit_for
from quarterdeck.tasks.budgets import settle_left
from quarterdeck.tasks.ending import CANCELLED, describe_end, end_idle, store_outcome
from quarterdeck.tasks.event_log import append_events
from quarterdeck.tasks.events import InputExpired, TaskEvent, WorkerLost
from quarterdeck.tasks.outcome import Outcome, TaskError
from quarterdeck.tasks.queue import Queue, WorkMessage
from quarterdeck.tasks.states import TaskState
from quarterdeck.tasks.store import TaskStore
from quarterdeck.tasks.transitions import (
    MAX_CRASHES,
    bury_task,
    count_crashes,
    requeue_task,
    resend_task,
)
from quarterdeck.tasks.waiting import expire_task

Deed = Literal["resent", "reaped", "expired"]


class Upkeep:
    """`clock` is the monitor's own, which may differ from a worker's by some seconds."""

    def __init__(
        self,
        table: Table,
        blobs: BlobStore,
        queue: Queue[WorkMessage],
        announcer: TaskAnnouncer,
        clock: Callable[[], datetime],
        at_once: int = 1,
    ) -> None:
        self.table = table
        self.blobs = blobs
        self.queue = queue
        self.announcer = announcer
        self.clock = clock
        self.at_once = at_once
        self.systems = SystemStore(table, blobs)
        self.active = ActiveSystems(table)
        self.tasks = TaskStore(table, blobs)

    def settle_due(self, due: Iterable[LeaseOwner]) -> dict[str, int]:
        """Sends what nobody claimed again, takes the tasks of lost workers from them, and ends
        those whose question nobody has answered in time."""
        deeds = {"resent": 0, "reaped": 0, "expired": 0}
        for owner in due:
            if not isinstance(owner, TaskKey):
                continue
            try:
                deed = self._settle(*owner)
            except (ConditionFailed, NotFound):
                continue
            except Exception:
                logger.exception("A due task could not be settled", task_id=owner.task_id)
                continue
            if deed:
                deeds[deed] += 1
        return deeds

    def _settle(self, scope: Scope, task_id: str) -> Deed | None:
        """What was done; None when the index was behind, or the generation is not to be run."""
        state = self.tasks.get_state(scope, task_id)
        if not state.lease_expires_at or state.lease_expires_at >= format_time(self.clock()):
            return None
        with follow(Trace(task_id, state.correlation_id)):
            return self._settle_state(scope, state)

    def _settle_state(self, scope: Scope, state: TaskState) -> Deed | None:
        system = self.systems.get(scope.system_id)
        if system.generation != scope.generation or system.state == "restoring":
            return None
        if state.status == "dispatched":
            self.table.write(resend_task(scope, state, self.clock()))
            send_task(self.queue, scope, state.task_id, state.epoch)
            return "resent"
        if state.status == "waiting":
            self._expire(scope, state)
            return "expired"
        self._reap(scope, state)
        admit_for(self.table, self.queue, scope, state.crew_name, self.clock)
        return "reaped"

    def _expire(self, scope: Scope, state: TaskState) -> None:
        logger.info("A question has expired", task_id=state.task_id, question=state.question)
        outcome = judge_unanswered(state)
        outcome, document = end_idle(self.table, self.blobs, scope, state, outcome)
        # Nobody looked at its system while it waited: alerts are to see how it ends.
        mark_active(self.table, scope.system_id, self.clock())
        self.table.write(*expire_task(scope, state, outcome, document, self.clock()))
        self._conclude(scope, state, InputExpired(question=state.question), outcome)

    def _reap(self, scope: Scope, state: TaskState) -> None:
        """The worker is lost: another is to go on from the journal, unless that is of no use."""
        calls = self.tasks.count_calls(scope, state.task_id)
        outcome = judge_lost(state, calls)
        count_event("LostWorker")
        logger.warning("A worker is lost", task_id=state.task_id, crew=state.crew_name)
        lost = WorkerLost(crashes=count_crashes(state, calls))
        if outcome is None:
            self.table.write(*requeue_task(scope, state, calls, self.clock()))
            self._tell(scope, state, lost)
            return
        document = store_outcome(self.blobs, scope, state, outcome)
        self.table.write(*bury_task(scope, state, outcome, document, self.clock()))
        self._conclude(scope, state, lost, outcome)

    def _conclude(self, scope: Scope, state: TaskState, why: TaskEvent, outcome: Outcome) -> None:
        """After the transaction that has ended the task."""
        self._tell(scope, state, why, describe_end(outcome))
        settle_left(self.table, scope, state.crew_name, state.task_id)
        self.announcer.tell(Untold.end(scope, state))

    def _tell(self, scope: Scope, state: TaskState, *events: TaskEvent) -> None:
        append_events(self.table, scope, state.task_id, events, self.clock())

    def admit_everywhere(self, left: Callable[[], float] = lambda: math.inf) -> int:
        """Admits for each crew of the marked systems; one that fails keeps no other from it.

        `left`: seconds, after which the rest is left to the next minute.
        """
        now = self.clock()
        active = list(self.active.list_marked(now))
        random.shuffle(active)  # A run that is cut short leaves out others than the last one did.

        def take_turn(system_id: str) -> int:
            return self._admit(system_id) if left() > 0 else 0

        admitted = sum(map_abreast(take_turn, active, self.at_once))
        self.active.note_look(now)
        return admitted

    def _admit(self, system_id: str) -> int:
        """A crew with tasks marks its system, which is so looked at until they have ended."""
        admitted, busy = 0, False
        try:
            system = self.systems.get(system_id)
            if system.state == "restoring":
                return 0
            for crew in (*system.crews, *system.retired):
                live = self.systems.find_live(system, crew)
                # Of who waits for people nobody looks: a question that expires is due by itself.
                busy = busy or live.running or live.queued
                if live.queued:
                    tasks = admit_tasks(self.table, self.queue, system.scope, crew, self.clock)
                    admitted += len(tasks)
            if busy:
                mark_active(self.table, system_id, self.clock())
        except NotFound:
            logger.debug("The system is gone", system_id=system_id)
        except Exception:
            logger.exception("Admission failed", system_id=system_id)
        return admitted


def judge_unanswered(state: TaskState) -> Outcome:
    message = (
        f"nobody answered question {state.question}, asked at {state.waiting_since}, "
        f"until {state.lease_expires_at}"
    )
    return Outcome(status="failed", error=TaskError(type="input_expired", message=message))


def judge_lost(state: TaskState, calls: int) -> Outcome | None:
    """How a task ends whose worker is lost; None when it is to be run again."""
    if state.cancel_requested:
        return CANCELLED
    crashes = count_crashes(state, calls)
    if crashes < MAX_CRASHES:
        return None
    message = f"{crashes} workers were lost in a row, without a new journal entry between them"
    error = TaskError(type="worker_lost", message=message)
    return Outcome(status="failed", error=error, duration_ms=state.ran_ms + state.beat_ms)
