"""One worker's run of one task, as state sees it: from its claim to its end or the next turn."""

from collections.abc import Callable
from datetime import datetime, timedelta

from quarterdeck.blobs import BlobStore
from quarterdeck.errors import NotFound
from quarterdeck.keys import OutboxKey, Scope
from quarterdeck.metrics.tally import Tally
from quarterdeck.names import format_time, generate_id, parse_time
from quarterdeck.observability import count_event, logger
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import ConditionFailed, Table
from quarterdeck.tasks.admission import admit_tasks, send_task
from quarterdeck.tasks.announcements import Untold
from quarterdeck.tasks.ending import CANCELLED, describe_end, store_outcome
from quarterdeck.tasks.event_log import EventLog
from quarterdeck.tasks.events import Continuation, Retry
from quarterdeck.tasks.outcome import Outcome, TaskError
from quarterdeck.tasks.questions import (
    Asked,
    Progress,
    describe_question,
    find_expiry,
    keep_events,
    keep_journals,
    open_question,
    store_question,
)
from quarterdeck.tasks.queue import Queue, TaskMessage, WakeMessage, WorkMessage
from quarterdeck.tasks.states import TaskState
from quarterdeck.tasks.store import TaskStore
from quarterdeck.tasks.transitions import (
    MAX_CONTINUATIONS,
    beat_task,
    claim_task,
    continue_task,
    finish_task,
    postpone_task,
)
from quarterdeck.tasks.waiting import wait_task

MAX_DELAY_S = 900


class Attempt:
    """`state` is the task's as it was claimed: nothing is written once another has its epoch.

    `ran_ms` is the time since the claim, in milliseconds. `tally` is written with the end of the
    attempt, whatever that is. `log` is told of what happens in it; `untold` is what its caller is
    to tell then.
    """

    def __init__(
        self,
        table: Table,
        blobs: BlobStore,
        queue: Queue[WorkMessage],
        clock: Callable[[], datetime],
        scope: Scope,
        state: TaskState,
    ) -> None:
        self.table = table
        self.blobs = blobs
        self.queue = queue
        self.clock = clock
        self.scope = scope
        self.state = state
        self.log = EventLog(table, scope, state.task_id, clock)
        self.tally = Tally()
        self.untold: Untold | None = None

    def beat(self, ran_ms: int) -> bool:
        """Whether a cancel was asked for; ConditionFailed when the lease is lost."""
        item = self.table.update(beat_task(self.scope, self.state, ran_ms, self.clock()))
        self.log.flush_due()
        return bool(item.get("cancel_requested"))

    def end(self, outcome: Outcome, ran_ms: int) -> bool:
        """Whether this attempt ended the task; False if it is not its own any more.

        A task whose cancel was asked for meanwhile ends as cancelled.
        """
        outcome = outcome.model_copy(update={"duration_ms": self.state.ran_ms + ran_ms})
        self.log.flush()
        document = store_outcome(self.blobs, self.scope, self.state, outcome)
        counts, now = self.tally.read(), self.clock()
        try:
            self.table.write(*finish_task(self.scope, self.state, outcome, document, now, counts))
        except ConditionFailed:
            return outcome.status != "cancelled" and self._yield_to_cancel(outcome, ran_ms)
        changes = {"status": outcome.status, "ended_at": format_time(now)}
        self.untold = Untold.end(self.scope, self.state.model_copy(update=changes), outcome)
        logger.info("Ended", task_id=self.state.task_id, status=outcome.status)
        self.log.tell(describe_end(outcome))
        self._admit()
        return True

    def hand_on(self, ran_ms: int) -> bool:
        """Leaves the task to another invocation, with its slot; False as `end`."""
        if self.state.continuations >= MAX_CONTINUATIONS:
            message = f"the task was continued {MAX_CONTINUATIONS} times"
            return self.end(fail("continuation_limit", message), ran_ms)
        self.log.flush()
        counts = self.tally.read()
        try:
            self.table.write(*continue_task(self.scope, self.state, ran_ms, self.clock(), counts))
        except ConditionFailed:
            return self._yield_to_cancel(CANCELLED, ran_ms)
        send_task(self.queue, self.scope, self.state.task_id, self.state.epoch)
        self.log.tell(Continuation(number=self.state.continuations + 1))
        return True

    def postpone(
        self, ran_ms: int, delay_s: float, attempts: int, cause: str | None = None
    ) -> bool:
        """Frees the slot until the provider may have recovered; False as `end`."""
        self.log.flush()
        state, now, counts = self.state, self.clock(), self.tally.read()
        not_before = now + timedelta(seconds=delay_s)
        try:
            self.table.write(
                *postpone_task(self.scope, state, ran_ms, attempts, not_before, now, counts)
            )
        except ConditionFailed:
            return self._yield_to_cancel(CANCELLED, ran_ms)
        wake = WakeMessage(**self.scope._asdict(), crew_name=state.crew_name)
        self.queue.send(wake, delay_s=min(MAX_DELAY_S, round(delay_s) + 1))
        self.log.tell(Retry(attempts=attempts, not_before=format_time(not_before), cause=cause))
        self._admit()
        return True

    def wait(self, ran_ms: int, asked: Asked, progress: Progress) -> bool:
        """Leaves the task to a person, without its slot; False as `end`."""
        now, counts = self.clock(), self.tally.read()
        expires = find_expiry(parse_time(self.state.created_at), asked.seconds, now)
        question = open_question(asked, progress, self.state.question + 1, now, expires)
        self.log.flush()
        self._keep_history(expires)
        document = store_question(self.blobs, self.scope, self.state, question)
        try:
            self.table.write(
                *wait_task(self.scope, self.state, document, ran_ms, expires, now, counts)
            )
        except ConditionFailed:
            done = CANCELLED.model_copy(update=dict(progress))
            return self._yield_to_cancel(done, ran_ms)
        self.untold = Untold(OutboxKey(self.scope, self.state.task_id, self.state.epoch, "waiting"))
        logger.info("Waiting", task_id=self.state.task_id, question=question.number)
        self.log.tell(describe_question(question))
        self._admit()
        return True

    def _keep_history(self, until: datetime) -> None:
        """Before it waits: the journal also of the tasks that it retries, whose calls it reads."""
        spec = TaskStore(self.table, self.blobs).get_spec(self.scope, self.state.task_id)
        keep_events(self.table, self.scope, self.state.task_id, until)
        keep_journals(self.table, self.scope, (self.state.task_id, *spec.retries), until)

    def _yield_to_cancel(self, outcome: Outcome, ran_ms: int) -> bool:
        """After a refusal: ends the task as cancelled, if a cancel was the reason."""
        tasks = TaskStore(self.table, self.blobs)
        now = tasks.get_state(self.scope, self.state.task_id)
        if (now.status, now.epoch, now.cancel_requested) == ("running", self.state.epoch, True):
            done = {name: getattr(outcome, name) for name in Progress.model_fields}
            return self.end(CANCELLED.model_copy(update=done), ran_ms)
        logger.info("The task is not this worker's any more", task_id=self.state.task_id)
        return False

    def _admit(self) -> None:
        admit_for(self.table, self.queue, self.scope, self.state.crew_name, self.clock)


def claim(
    table: Table,
    blobs: BlobStore,
    queue: Queue[WorkMessage],
    message: TaskMessage,
    clock: Callable[[], datetime],
) -> Attempt | None:
    """The message's task, running under a lease; None, logged and counted, if it is stale."""
    scope = Scope(message.system_id, message.generation)
    try:
        system = SystemStore(table, blobs).get(message.system_id)
        if system.generation != message.generation:
            raise NotFound("the generation is not the system's current one")
        if system.state == "restoring":
            raise NotFound("the system is being restored")
        state = TaskStore(table, blobs).get_state(scope, message.task_id)
        if (state.status, state.epoch) != ("dispatched", message.epoch):
            raise NotFound(f"the task is {state.status} with epoch {state.epoch}")
        item = table.update(claim_task(scope, state, generate_id(), clock()))
    except (ConditionFailed, NotFound) as refusal:
        count_event("StaleMessage")
        logger.info("Not ours to run", **message.model_dump(), reason=str(refusal))
        return None
    return Attempt(table, blobs, queue, clock, scope, TaskState.model_validate(item))


def admit_for(
    table: Table, queue: Queue[WorkMessage], scope: Scope, crew: str, clock: Callable[[], datetime]
) -> None:
    """Admits after what is done is done: the monitor admits what this cannot."""
    try:
        admit_tasks(table, queue, scope, crew, clock)
    except Exception:
        logger.exception("Admission failed", crew=crew)


def fail(kind: str, message: str) -> Outcome:
    return Outcome(status="failed", error=TaskError(type=kind, message=message))
