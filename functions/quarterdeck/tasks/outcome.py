"""What a task leaves behind: the result of each step, tokens, duration, or the error."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Terminal = Literal["succeeded", "failed", "timed_out", "cancelled", "interrupted"]


class Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class Usage(Record):
    """Tokens as the provider counted them, each call once. `requests`: the LLM calls."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    requests: int = 0

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            requests=self.requests + other.requests,
        )


class StepResult(Record):
    name: str
    agent: str
    output: str
    usage: Usage
    duration_ms: int


class StepStarted(Record):
    type: Literal["step_started"] = "step_started"
    step: str
    agent: str


class StepEnded(Record):
    type: Literal["step_ended"] = "step_ended"
    step: str
    agent: str
    usage: Usage
    duration_ms: int


StepEvent = Annotated[StepStarted | StepEnded, Field(discriminator="type")]


class TaskError(Record):
    """`type` is a class or reason in a word, `message` what a person needs to act."""

    type: str
    message: str


class Outcome(Record):
    """How a task ended. `output`: the last step's. `rehearsal`: the stand-in took part."""

    status: Terminal
    output: str | None = None
    error: TaskError | None = None
    steps: tuple[StepResult, ...] = ()
    usage: Usage = Usage()
    duration_ms: int = 0
    rehearsal: bool = False
