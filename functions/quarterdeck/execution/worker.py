"""A worker's part in a task's life: claim it, run its crew, keep the outcome, admit the next."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from quarterdeck.blobs import BlobStore
from quarterdeck.errors import NotFound
from quarterdeck.execution.run import run_crew
from quarterdeck.names import read_clock
from quarterdeck.observability import logger
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import Absent, ConditionFailed, Put, Scope, Table
from quarterdeck.tasks.admission import admit_tasks
from quarterdeck.tasks.outcome import Outcome, StepEvent, TaskError
from quarterdeck.tasks.queue import Queue, TaskMessage
from quarterdeck.tasks.store import TaskStore
from quarterdeck.tasks.submission import TaskSpec
from quarterdeck.tasks.transitions import TaskState, claim_task, finish_task

EVENT_DAYS = 30


def end_process() -> None:
    """Stops a call that does not return: Lambda starts the next invocation in a new process."""
    os._exit(1)


@dataclass(frozen=True)
class Worker:
    table: Table
    blobs: BlobStore
    queue: Queue[TaskMessage]
    read_secret: Callable[[str], str]
    verbose: bool
    end_process: Callable[[], None] = end_process

    def run(self, message: TaskMessage) -> None:
        """Runs the task if the message is still its own; otherwise logs why, and does nothing."""
        scope = Scope(message.system_id, message.generation)
        state = self._claim(scope, message)
        if state is None:
            return
        attempt = Attempt(self, scope, state)
        attempt.end(attempt.run())

    def _claim(self, scope: Scope, message: TaskMessage) -> TaskState | None:
        stale = logger.info
        try:
            system = SystemStore(self.table, self.blobs).get(message.system_id)
            if system.generation != message.generation:
                stale("The task is of another generation", **message.model_dump())
                return None
            self.table.write(claim_task(scope, message.task_id, message.epoch, read_clock()))
            return TaskStore(self.table, self.blobs).get_state(scope, message.task_id)
        except (ConditionFailed, NotFound) as error:
            stale("There is no such task to run", **message.model_dump(), reason=str(error))
            return None


class Attempt:
    """One worker's run of one task, from its claim to its end."""

    def __init__(self, worker: Worker, scope: Scope, state: TaskState) -> None:
        self.worker = worker
        self.scope = scope
        self.state = state
        self.events = 0

    def run(self) -> Outcome:
        """The crew's outcome; whatever goes wrong with it is a failed outcome."""
        logger.info("Running", task_id=self.state.task_id, crew=self.state.crew_name)
        try:
            tasks = TaskStore(self.worker.table, self.worker.blobs)
            return self._run_crew(tasks.get_spec(self.scope, self.state.task_id))
        except Exception as error:
            logger.exception("The crew could not run", task_id=self.state.task_id)
            reason = TaskError(type=type(error).__name__, message=str(error))
            return Outcome(status="failed", error=reason)

    def _run_crew(self, spec: TaskSpec) -> Outcome:
        systems = SystemStore(self.worker.table, self.worker.blobs)
        configuration = systems.get_configuration(self.scope.system_id, self.state.version)
        watchdog = threading.Timer(spec.timeout, self._give_up, [spec.timeout])
        watchdog.daemon = True
        watchdog.start()
        try:
            return run_crew(
                self.state.task_id,
                configuration.find_crew(self.state.crew_name),
                spec.description,
                spec.inputs,
                timeout=spec.timeout,
                read_secret=self.worker.read_secret,
                verbose=self.worker.verbose,
                on_event=self.record_event,
            )
        finally:
            watchdog.cancel()

    def _give_up(self, timeout: int) -> None:
        """From the watchdog's thread: the crew did not return in time and cannot be interrupted."""
        reason = TaskError(type="Timeout", message=f"the task ran for over {timeout} seconds")
        outcome = Outcome(status="timed_out", error=reason, duration_ms=timeout * 1000)
        try:
            if not self.end(outcome):
                return
        except Exception:
            logger.exception("The timeout could not be recorded", task_id=self.state.task_id)
        self.worker.end_process()

    def record_event(self, event: StepEvent) -> None:
        self.events += 1
        expires = read_clock() + timedelta(days=EVENT_DAYS)
        self.worker.table.write(
            Put(
                self.scope.event_key(self.state.task_id, self.events),
                {"event": event.model_dump(), "expires_at": int(expires.timestamp())},
                [Absent()],
            )
        )

    def end(self, outcome: Outcome) -> bool:
        """Whether this outcome is the task's; False if another has ended it before."""
        worker, task_id = self.worker, self.state.task_id
        document = worker.blobs.store_document(
            f"{self.scope.blob_prefix}/tasks/{task_id}/end-{self.state.epoch}.json",
            outcome.model_dump_json(),
        )
        try:
            worker.table.write(
                *finish_task(self.scope, self.state, outcome, document, read_clock())
            )
        except ConditionFailed:
            logger.info("The task has ended before", task_id=task_id)
            return False
        logger.info("Ended", task_id=task_id, status=outcome.status)
        admit_tasks(worker.table, worker.queue, self.scope, self.state.crew_name, read_clock)
        return True
