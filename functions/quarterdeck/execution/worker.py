"""A worker: claims a task, runs its crew under a lease, and leaves its outcome or its next turn."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from quarterdeck.alerts.budgets import note_budget
from quarterdeck.alerts.store import AlertStore
from quarterdeck.blobs import BlobStore
from quarterdeck.execution.budget import RunBudget
from quarterdeck.execution.call_events import CallTeller
from quarterdeck.execution.journal import Journal
from quarterdeck.execution.journal_store import JournalStore
from quarterdeck.execution.lease import Lease, Limits, Overtime
from quarterdeck.execution.memory_upkeep import tidy_memory
from quarterdeck.execution.run import run_crew
from quarterdeck.execution.stopping import Stop
from quarterdeck.execution.tool_proxies import MakeTools
from quarterdeck.execution.workspace import Workspace
from quarterdeck.keys import Scope
from quarterdeck.memory.backend import TableStorage
from quarterdeck.memory.stores import MemoryStores
from quarterdeck.names import parse_time
from quarterdeck.observability import Trace, count_event, follow, logger
from quarterdeck.systems.configuration import Budget, Crew, SystemConfiguration
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import Table
from quarterdeck.tasks.announcer import TaskAnnouncer
from quarterdeck.tasks.attempt import Attempt, admit_for, claim, fail
from quarterdeck.tasks.budgets import TaskBudget, read_limits, settle_left
from quarterdeck.tasks.ending import CANCELLED
from quarterdeck.tasks.events import Diverged
from quarterdeck.tasks.outcome import Outcome, TaskError
from quarterdeck.tasks.questions import LONGEST_WAIT, Progress
from quarterdeck.tasks.queue import Queue, TaskMessage, WakeMessage, WorkMessage
from quarterdeck.tasks.states import TaskSpec
from quarterdeck.tasks.store import TaskStore
from quarterdeck.tasks.traces import TraceLog

TIMED_OUT = Outcome(
    status="timed_out",
    error=TaskError(type="timeout", message="the task ran for as long as its timeout allows"),
)

LIMITS = Limits()


def end_process() -> None:
    """Stops a call that does not return: Lambda starts the next invocation in a new process."""
    os._exit(1)


@dataclass(frozen=True)
class Worker:
    table: Table
    blobs: BlobStore
    queue: Queue[WorkMessage]
    announcer: TaskAnnouncer
    read_secret: Callable[[str], str]
    make_tools: MakeTools
    verbose: bool
    clock: Callable[[], datetime]
    workspace: Workspace
    limits: Limits = LIMITS
    end_process: Callable[[], None] = end_process

    @cached_property
    def memories(self) -> MemoryStores:
        """What this process has read of the crews' memories."""
        return MemoryStores(self.table, self.blobs)

    def handle(self, message: WorkMessage, left: Callable[[], float]) -> None:
        """Does what the message says, if it still holds; `left`: seconds of the invocation."""
        match message:
            case TaskMessage():
                self._run(message, left)
            case WakeMessage(system_id=system_id, generation=generation, crew_name=crew):
                admit_for(self.table, self.queue, Scope(system_id, generation), crew, self.clock)

    def _run(self, message: TaskMessage, left: Callable[[], float]) -> None:
        attempt = claim(self.table, self.blobs, self.queue, message, self.clock)
        if attempt is None:
            return
        with follow(Trace(message.task_id, attempt.state.correlation_id)):
            logger.info("Running", **message.model_dump())
            with self.workspace.open_for(message.task_id):
                self._run_under_lease(attempt, left)
            self._tell(attempt)
        if self.workspace.is_worn_out():
            logger.info("The process has served its time")
            self.end_process()

    def _tell(self, attempt: Attempt) -> None:
        if attempt.untold:
            self.announcer.tell(attempt.untold)

    def _run_under_lease(self, attempt: Attempt, left: Callable[[], float]) -> None:
        """Whatever goes wrong with the crew is its outcome; only state can raise."""
        tasks = TaskStore(self.table, self.blobs)
        spec = tasks.get_spec(attempt.scope, attempt.state.task_id)
        lease = Lease(
            attempt,
            timeout=spec.timeout,
            left=left,
            on_hang=lambda reason: self._give_up(attempt, lease, reason),
            limits=self.limits,
        )
        with lease:
            try:
                outcome = self._run_crew(attempt, lease, spec)
            except Stop as stop:
                settle(attempt, lease, stop)
            except Exception as error:
                logger.exception("The crew could not run", task_id=attempt.state.task_id)
                count_event("UnrunnableCrew")
                attempt.end(fail(type(error).__name__, str(error)), lease.ran_ms)
            else:
                attempt.end(outcome, lease.ran_ms)

    def _run_crew(self, attempt: Attempt, lease: Lease, spec: TaskSpec) -> Outcome:
        scope, state = attempt.scope, attempt.state
        systems = SystemStore(self.table, self.blobs)
        configuration = systems.get_configuration(scope.system_id, state.version)
        crew = configuration.find_crew(state.crew_name)
        journal = Journal(
            JournalStore(self.table, self.blobs, scope, state.task_id, spec.retries),
            lease.guard,
            attempts=state.attempts,
            time_left=lease.time_left,
            tally=attempt.tally,
            budget=self._make_budget(attempt, crew.budget),
            teller=self._make_teller(attempt, configuration),
            input_timeout=crew.input_timeout or LONGEST_WAIT,
        )
        storage = self._open_storage(attempt, crew)
        outcome = run_crew(
            state.task_id,
            crew,
            spec.description,
            spec.inputs,
            timeout=spec.timeout,
            read_secret=self.read_secret,
            verbose=self.verbose,
            on_event=attempt.log.record,
            journal=journal,
            tools=self.make_tools(crew),
            asked_at=parse_time(spec.asked_at or state.created_at),
            storage=storage,
            pieces=(self.memories.open(scope, crew.name, "KNOWLEDGE") if crew.knowledge else None),
        )
        if storage is not None:
            tidy_memory(storage.store, crew.memory, self.clock())
        if unclaimed := journal.unclaimed():
            calls = tuple(sorted({call.name for call in unclaimed}))
            logger.warning("The run has diverged", task_id=state.task_id, calls=calls)
            attempt.log.record(Diverged(calls=calls))
        return outcome

    def _make_teller(self, attempt: Attempt, configuration: SystemConfiguration) -> CallTeller:
        scope, task_id = attempt.scope, attempt.state.task_id
        trace = None
        if configuration.trace == "full":
            trace = TraceLog(self.table, self.blobs, scope, task_id, self.clock).keep
        return CallTeller(attempt.log.record, configuration.events, trace)

    def _open_storage(self, attempt: Attempt, crew: Crew) -> TableStorage | None:
        """None, if nobody in the crew has memory. Asks nobody."""
        if not crew.remembering:
            return None
        task_id = attempt.state.task_id
        return TableStorage(self.memories.open(attempt.scope, crew.name), lambda: task_id)

    def _make_budget(self, attempt: Attempt, budget: Budget) -> RunBudget | None:
        """None for a crew without one."""
        scope, crew = attempt.scope, attempt.state.crew_name
        limits = read_limits(budget)
        if not limits:
            return None

        def note() -> None:
            if "day" in limits:
                note_budget(AlertStore(self.table), scope, crew, budget, self.clock())

        task = TaskBudget(self.table, scope, crew, attempt.state.task_id, limits)
        return RunBudget(task, self.clock, note)

    def _give_up(self, attempt: Attempt, lease: Lease, reason: Overtime) -> None:
        """From the lease's thread: a call does not return, and cannot be interrupted."""
        logger.warning("A call does not return", task_id=attempt.state.task_id, reason=reason)
        try:
            settled = settle(attempt, lease, Stop(reason))
            if settled:
                settle_left(
                    self.table, attempt.scope, attempt.state.crew_name, attempt.state.task_id
                )
                self._tell(attempt)
        except Exception:
            logger.exception("Giving up was not recorded", task_id=attempt.state.task_id)
            settled = True
        if settled:
            self.end_process()


def settle(attempt: Attempt, lease: Lease, stop: Stop) -> bool:
    """What a run that stopped becomes; whether it was still this attempt's to decide."""
    match stop.reason:
        case "lease_lost":
            logger.warning("The lease is lost", task_id=attempt.state.task_id)
            return False
        case "out_of_time":
            return attempt.hand_on(lease.ran_ms)
        case "retry":
            return attempt.postpone(lease.ran_ms, stop.delay, stop.attempts)
        case "waiting":
            assert stop.question  # noqa: S101
            progress = Progress(steps=stop.steps, usage=stop.usage, rehearsal=stop.rehearsal)
            return attempt.wait(lease.ran_ms, stop.question, progress)
        case "cancelled":
            outcome = CANCELLED
        case "timed_out":
            outcome = TIMED_OUT
        case "failed" | "diverged":
            outcome = Outcome(status="failed", error=stop.error)
    partial = {"steps": stop.steps, "usage": stop.usage, "rehearsal": stop.rehearsal}
    return attempt.end(outcome.model_copy(update=partial), lease.ran_ms)
