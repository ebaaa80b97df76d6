"""What a tool's file says of it besides the tool itself: `POLICY = Policy(…)`."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from quarterdeck.names import Name

type InDoubt = Literal["repeat", "ask", "fail"]
"""What comes of a call that was begun and has no answer, such as one whose worker died."""

LONGEST_SECONDS = 300
LOADING_SECONDS = 60
"""For a new process to import crewai and the tool, before the tool's own time begins."""


class Policy(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    has_effect: bool
    """Whether a call changes something outside: to make it twice is then not the same as once."""
    in_doubt: InDoubt | None = None
    """Of tools with an effect: `repeat` with the same idempotency key, `ask` a person, `fail`."""
    timeout: int = Field(default=30, ge=1, le=LONGEST_SECONDS)
    """Seconds that a call may take."""
    secrets: tuple[Name, ...] = ()
    """Of `quarterdeck/<environment>/tools/NAME`: those that the tool reads."""

    @model_validator(mode="after")
    def check_doubt(self) -> Self:
        if self.has_effect and self.in_doubt is None:
            raise PydanticCustomError(
                "doubt_missing", "a tool with an effect needs in_doubt: 'repeat', 'ask' or 'fail'"
            )
        return self
