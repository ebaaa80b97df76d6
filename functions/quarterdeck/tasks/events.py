"""What happens to a task while it lives: the events of its log, and what each says."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from quarterdeck.tasks.outcome import (
    Cost,
    Count,
    ErrorType,
    Label,
    Record,
    TaskError,
    Terminal,
    Text,
    Usage,
)

MOST_NAMES = 50

type Identity = tuple[str, ...]
Choice = Literal["approve", "feedback"]
Scalar = Text | int | float | bool | None


class Event(Record):
    """`seq` and `at` are given when it is told: its number in the task's log, and when it was."""

    seq: int = 0
    at: str = ""

    @property
    def identity(self) -> Identity | None:
        """What a task tells once, whoever runs it again; None for what happens each time."""
        return None


class StepStarted(Event):
    """An agent's turn began."""

    type: Literal["step_started"] = "step_started"
    step: Label
    agent: Label

    @property
    def identity(self) -> Identity:
        return self.type, self.step


class StepEnded(Event):
    """An agent's turn is over. `usage`: of the calls that were made in it."""

    type: Literal["step_ended"] = "step_ended"
    step: Label
    agent: Label
    usage: Usage
    duration_ms: int

    @property
    def identity(self) -> Identity:
        return self.type, self.step


class LlmCall(Event):
    """A model was called. With `error`, the type of it, it failed, and may be called again."""

    type: Literal["llm_call"] = "llm_call"
    model: Label
    step: Label | None = None
    """Without it, the call is the task's, such as of its memory, and no step's."""
    agent: Label | None = None
    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    cost_usd: Cost | None = None
    """Without it, the model has no price."""
    duration_ms: int | None = None
    """Without it, a later run told of the call, which only knows that it was made."""
    error: ErrorType | None = None
    call: str | None = None
    """The call's place in the journal; one that failed has none."""

    @property
    def identity(self) -> Identity | None:
        return None if self.call is None else (self.type, self.call)


class ToolCall(Event):
    """A tool was called. With `error` as its `outcome` it failed, which the agent was told."""

    type: Literal["tool_call"] = "tool_call"
    tool: Label
    step: Label | None = None
    agent: Label | None = None
    arguments: dict[Label, Scalar] | None = None
    """As the system's configuration allows: long texts are cut, lists and objects are JSON."""
    duration_ms: int | None = None
    """Without it, a later run told of the call, which only knows that it was made."""
    outcome: Literal["ok", "error"]
    call: str | None = None
    """The call's place in the journal."""

    @property
    def identity(self) -> Identity | None:
        return None if self.call is None else (self.type, self.call)


MemoryUse = Literal["open", "recall", "keep", "distil", "know"]
"""What a crew does with its memory; `distil`: draws from an answer what is to be kept; `know`:
searches what it was given to know."""


class MemoryDegraded(Event):
    """Something of the crew's memory failed, and the task went on without it."""

    type: Literal["memory_degraded"] = "memory_degraded"
    use: MemoryUse
    error: TaskError

    @property
    def identity(self) -> Identity:
        return self.type, self.use, self.error.type


class Diverged(Event):
    """Calls were recorded that the run, which came to its end, did not ask for again."""

    type: Literal["diverged"] = "diverged"
    calls: Annotated[tuple[Label, ...], AfterValidator(lambda calls: calls[:MOST_NAMES])]

    @property
    def identity(self) -> Identity:
        return self.type, *self.calls


QuestionKind = Literal["review", "tool_in_doubt"]
"""Is this answer good; did this call of a tool act."""


class Waiting(Event):
    """The task waits for a person's answer until `expires_at`."""

    type: Literal["waiting"] = "waiting"
    question: int
    kind: QuestionKind
    step: Label | None = None
    agent: Label | None = None
    expires_at: str

    @property
    def identity(self) -> Identity:
        return self.type, str(self.question)


class Resumed(Event):
    """A person answered. What the feedback says is with the question."""

    type: Literal["resumed"] = "resumed"
    question: int
    answer: Choice

    @property
    def identity(self) -> Identity:
        return self.type, str(self.question)


class InputExpired(Event):
    """Nobody answered in time."""

    type: Literal["input_expired"] = "input_expired"
    question: int

    @property
    def identity(self) -> Identity:
        return self.type, str(self.question)


class Retry(Event):
    """A fault of the provider: the task is run again from `not_before` on."""

    type: Literal["retry"] = "retry"
    attempts: int
    """Faults in a row."""
    not_before: str
    cause: ErrorType | None = None


class Continuation(Event):
    """The worker's own time ran out: another goes on from the journal."""

    type: Literal["continuation"] = "continuation"
    number: int


class WorkerLost(Event):
    """A worker was lost: another goes on from the journal, unless that is of no use."""

    type: Literal["worker_lost"] = "worker_lost"
    crashes: int
    """Workers lost in a row, without a new journal entry between them."""


class CancelRequested(Event):
    """A caller cancelled the task while it ran: it ends at its next call."""

    type: Literal["cancel_requested"] = "cancel_requested"

    @property
    def identity(self) -> Identity:
        return (self.type,)


class Ended(Event):
    """The last event of a task."""

    type: Literal["ended"] = "ended"
    status: Terminal
    error: ErrorType | None = None
    events_dropped: int = 0
    """How many events the log had no room for."""

    @property
    def identity(self) -> Identity:
        return (self.type,)


StepEvent = StepStarted | StepEnded
CallEvent = LlmCall | ToolCall
RunEvent = StepEvent | MemoryDegraded
TaskEvent = Annotated[
    RunEvent
    | CallEvent
    | Diverged
    | Waiting
    | Resumed
    | InputExpired
    | Retry
    | Continuation
    | WorkerLost
    | CancelRequested
    | Ended,
    Field(discriminator="type"),
]


def dump_event(event: TaskEvent) -> dict[str, Any]:
    """Without what it does not say."""
    return event.model_dump(mode="json", exclude_none=True)
