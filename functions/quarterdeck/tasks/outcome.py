"""What a task leaves behind: the result of each step, tokens, duration, or the error."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from quarterdeck.names import cut_text

Terminal = Literal["succeeded", "failed", "timed_out", "cancelled", "interrupted"]


LONGEST_LABEL = 200
MOST_TOKENS = 10**15
ERROR_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


def clean_text(value: Any) -> Any:
    """Text that can be stored: a model can answer with half of a surrogate pair."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def clean_error_type(name: str) -> str:
    """A class name as metrics can count it; any other is counted as `Other`."""
    return name if ERROR_TYPE.fullmatch(name) else "Other"


def cut_label(text: str) -> str:
    return cut_text(text, LONGEST_LABEL)


def clamp_tokens(value: Any) -> Any:
    """A provider's count within what a counter can hold."""
    return min(max(value, 0), MOST_TOKENS) if isinstance(value, int) else value


Text = Annotated[str, BeforeValidator(clean_text)]
Label = Annotated[Text, AfterValidator(cut_label)]
"""A name for people to read: an agent's role can hold a whole input."""
ErrorType = Annotated[Text, AfterValidator(clean_error_type)]
Count = Annotated[int, BeforeValidator(clamp_tokens)]
Cost = Annotated[float, Field(ge=0), AfterValidator(lambda cost: round(cost, 9))]


class Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class Usage(Record):
    """Tokens as the provider counted them, each call once, and what they cost.

    `requests`: the LLM calls. `cost_usd`: of those whose model has a price; `unpriced`: the others.
    """

    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    requests: int = 0
    cost_usd: Cost = 0.0
    unpriced: int = 0

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            requests=self.requests + other.requests,
            cost_usd=self.cost_usd + other.cost_usd,
            unpriced=self.unpriced + other.unpriced,
        )


class StepResult(Record):
    name: Label
    agent: Label
    output: Text
    data: dict[str, Any] | None = None
    """The output as JSON, of a step with an output schema."""
    usage: Usage
    duration_ms: int


class TaskError(Record):
    """`type` is a class or reason in a word, `message` what a person needs to act."""

    type: ErrorType
    message: Text


class Outcome(Record):
    """How a task ended. `output`, `data`: the last step's. `rehearsal`: the stand-in took part."""

    status: Terminal
    output: Text | None = None
    data: dict[str, Any] | None = None
    error: TaskError | None = None
    steps: tuple[StepResult, ...] = ()
    usage: Usage = Usage()
    duration_ms: int = 0
    rehearsal: bool = False


def summarize_outcome(outcome: Outcome) -> dict[str, Any]:
    """The outcome without the texts that crews write: small enough for any item."""
    texts = {"output", "data"}
    return outcome.model_dump(exclude={**dict.fromkeys(texts, True), "steps": {"__all__": texts}})
