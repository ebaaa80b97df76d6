"""What the `tools` function is asked, and what it answers."""

from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from quarterdeck.tooling.manifest import Tool

TIMED_OUT = "ToolTimedOut"


class Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ToolRequest(Message):
    """A call. `seconds`: less than the tool's own timeout if the caller has less.

    `task_id`, `correlation_id`: by which it is found in the logs.
    """

    tool: str
    arguments: dict[str, Any]
    idempotency_key: str
    seconds: float | None = None
    task_id: str | None = None
    correlation_id: str | None = None


class ToolCheck(Message):
    """Whether the tool can be loaded and its secrets be read."""

    tool: str
    check: Literal[True] = True


class ToolFault(Message):
    """The class of what was raised, and its words."""

    type: str
    message: str

    def __str__(self) -> str:
        return f"{self.type}: {self.message}"


class ToolAnswer(Message):
    """One of the two; without any secret that the tool was given."""

    text: str = ""
    error: ToolFault | None = None


type CallTool = Callable[[Tool, ToolRequest], ToolAnswer]


def answer_fault(error: BaseException) -> ToolAnswer:
    return ToolAnswer(error=ToolFault(type=type(error).__name__, message=str(error)))
