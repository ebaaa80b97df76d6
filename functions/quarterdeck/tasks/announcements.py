"""What is told of a task, to whoever would have to poll otherwise: that it has ended, or waits.

What is to be told is an item of the outbox, in the transaction of the change itself. It is told
after that, and only then taken out: a crash between the two tells it again, with the same id.
"""

from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

from quarterdeck.keys import OutboxKey, Scope, outbox_index
from quarterdeck.names import cut_text, format_time
from quarterdeck.table import Put
from quarterdeck.tasks.outcome import Outcome, TaskError, Terminal, Usage
from quarterdeck.tasks.questions import QuestionView
from quarterdeck.tasks.states import Priority, TaskState
from quarterdeck.tasks.store import Result

LEFT_FOR = timedelta(seconds=60)
"""Its ender has so long to tell it."""
KEPT = timedelta(days=7)
LARGEST_RESULT = 64 * 1024
LONGEST_TEXT = 8 * 1024
MAIL_FILTERS = ("system_id", "crew")


def tell_end(scope: Scope, state: TaskState, epoch: int, now: datetime) -> Put:
    """Of the transaction that ends the task, which has the epoch then."""
    return fill_outbox(OutboxKey(scope, state.task_id, epoch, "ended"), {}, now)


def tell_waiting(scope: Scope, state: TaskState, question_number: int, now: datetime) -> Put:
    """Of the transaction that has the task wait: `state` is as it was before, its epoch stays."""
    key = OutboxKey(scope, state.task_id, state.epoch, "waiting")
    return fill_outbox(key, {"question": question_number}, now)


def fill_outbox(key: OutboxKey, content: dict[str, Any], now: datetime) -> Put:
    item = {
        **content,
        "noted_at": format_time(now),
        "expires_at": int((now + KEPT).timestamp()),
        **outbox_index(key.task_id, now + LEFT_FOR),
    }
    return Put(key.key, item)


class Untold(NamedTuple):
    """What was put into the outbox; of an end, what its ender knows and need not read again."""

    key: OutboxKey
    state: TaskState | None = None
    outcome: Outcome | None = None

    @classmethod
    def end(cls, scope: Scope, state: TaskState, outcome: Outcome | None = None) -> Self:
        """Of a task that has ended under the epoch of `state`."""
        key = OutboxKey(scope, state.task_id, state.epoch, "ended")
        return cls(key, state if outcome else None, outcome)


class Told(BaseModel):
    """A field without a value is left out; what is null within a result's data stays."""

    model_config = ConfigDict(frozen=True)

    @model_serializer(mode="wrap")
    def _leave_out(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialize(self).items() if value is not None}


class Announced(Told):
    """Of which task."""

    id: str
    """The same, however often it is told."""
    environment: str
    system_id: str
    system: str
    crew: str
    task_id: str
    status: str
    priority: Priority
    version: int
    """Of the configuration that it ran with."""
    retry_of: str | None = None
    created_at: str
    link: str
    """Of the task, on the API."""
    correlation_id: str | None = None
    """Of the request that submitted it."""


class ToldResult(Told, Result):
    """Of the last step."""


class TaskEnded(Announced):
    """`Task Ended`: how a task ended."""

    status: Terminal
    ended_at: str
    duration_ms: int
    """Of running."""
    usage: Usage
    rehearsal: bool
    """Whether the built-in stand-in answered in place of a model."""
    error: TaskError | None = None
    """Its message is cut at 8,192 characters."""
    result: ToldResult | None = None
    result_omitted: bool
    """The result is over 64 KB of JSON: `link` has it."""


class TaskWaiting(Announced):
    """`Task Waiting`: a task waits for a person's answer."""

    status: Literal["waiting"]
    question: QuestionView
    """Its texts are cut at 8,192 characters each."""

    @property
    def subject(self) -> str:
        """One line for a mail."""
        return f"[{self.environment}] waiting: {self.system} {self.crew}: {self.question.kind}"


DETAIL_TYPES: dict[type[Announced], str] = {TaskEnded: "Task Ended", TaskWaiting: "Task Waiting"}


def describe_end(
    environment: str, system: str, key: OutboxKey, state: TaskState, outcome: Outcome
) -> TaskEnded:
    """`state` and `outcome` are the ended task's."""
    result = None
    if outcome.output is not None:
        result = ToldResult(output=outcome.output, data=outcome.data)
    omitted = result is not None and len(result.model_dump_json().encode()) > LARGEST_RESULT
    error = outcome.error
    return TaskEnded(
        **describe_task(environment, system, key, state),
        ended_at=state.ended_at or "",
        duration_ms=outcome.duration_ms,
        usage=outcome.usage,
        rehearsal=outcome.rehearsal,
        error=error and error.model_copy(update={"message": cut_text(error.message, LONGEST_TEXT)}),
        result=None if omitted else result,
        result_omitted=omitted,
    )


def describe_wait(
    environment: str, system: str, key: OutboxKey, state: TaskState, question: QuestionView
) -> TaskWaiting:
    texts = {"text": question.text, "answer_so_far": question.answer_so_far}
    cut = {name: cut_text(text, LONGEST_TEXT) for name, text in texts.items()}
    return TaskWaiting(
        **describe_task(environment, system, key, state),
        question=question.model_copy(update=cut),
    )


def describe_task(
    environment: str, system: str, key: OutboxKey, state: TaskState
) -> dict[str, Any]:
    return {
        "id": f"{key.task_id}-{key.epoch}-{key.kind}",
        "environment": environment,
        "system_id": key.scope.system_id,
        "system": system,
        "crew": state.crew_name,
        "task_id": key.task_id,
        "status": state.status,
        "priority": state.priority,
        "version": state.version,
        "retry_of": state.retry_of,
        "created_at": state.created_at,
        "correlation_id": state.correlation_id,
        "link": f"/crews/{key.scope.system_id}/tasks/{key.task_id}",
    }
