"""An agent, and the manager of a hierarchical crew."""

import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from quarterdeck.systems.configuration.base import (
    Configuration,
    Fault,
    Line,
    Prose,
    Switch,
    Whole,
    find_duplicates,
)
from quarterdeck.systems.configuration.llm import Llm, LlmOrName
from quarterdeck.tooling.manifest import NAME_PATTERN

ToolName = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]

MAX_TASK_SECONDS = 86_400
"""Of running, over as many invocations of the worker as it takes."""

DATE_CODES = "YmdHMSBbAa"
DATE_FORMAT = re.compile(rf"(?:[^%]|%[{DATE_CODES}%])*")

SLOTS = {
    "system_template": "{{ .System }}",
    "prompt_template": "{{ .Prompt }}",
    "response_template": "{{ .Response }}",
}
"""What crewai puts its own text in place of."""


class Agent(Configuration):
    """One who works on steps. `{description}` and `{input names}` in its texts are filled in."""

    role: Line
    """Steps name their agent by it."""
    goal: Prose
    """What the agent is after."""
    backstory: Prose
    """Who the agent is."""
    llm: LlmOrName = Llm(model="bedrock/amazon.nova-pro-v1:0")
    """`provider/name`, or an object of the table below."""
    tools: tuple[ToolName, ...] = Field(default=(), max_length=50)
    """Names of files in functions/tools/."""
    timeout: Whole = Field(default=300, ge=1, le=MAX_TASK_SECONDS)
    """Seconds that one turn of the agent may take."""
    memory_enabled: Switch = True
    """Whether it recalls what the crew has kept, and keeps what it works out: see Memory."""
    max_iter: Whole = Field(default=25, ge=1, le=100)
    """How often the model is asked in a turn before it must give its best answer."""
    max_rpm: Whole | None = Field(default=None, ge=1, le=10_000)
    """Requests a minute to its model, within one task; requests beyond it wait."""
    max_retry_limit: Whole = Field(default=2, ge=0, le=10)
    """How often a turn that failed is begun again; faults of a provider that pass do not count."""
    allow_delegation: Switch = False
    """Whether it may give work to the other agents of a sequential crew, and ask them."""
    use_system_prompt: Switch = True
    """False for models that know no system message."""
    respect_context_window: Switch = True
    """Whether a conversation that gets too long is summed up; otherwise the turn fails."""
    inject_date: Switch = False
    """Whether the prompt tells the date, in UTC, at which the task was submitted."""
    date_format: Annotated[str, StringConstraints(min_length=2, max_length=100)] = "%Y-%m-%d"
    """Of `%Y %m %d %H %M %S %B %b %A %a`, one or more."""
    system_template: Prose | None = None
    """With `{{ .System }}`; goes with `prompt_template`."""
    prompt_template: Prose | None = None
    """With `{{ .Prompt }}`; goes with `system_template`."""
    response_template: Prose | None = None
    """With `{{ .Response }}`; what follows it ends the answer. Goes with the other two."""

    @field_validator("date_format")
    @classmethod
    def check_date_format(cls, text: str) -> str:
        codes = re.sub("%%", "", text)
        if not DATE_FORMAT.fullmatch(text) or "%" not in codes:
            rule = "holds one or more of %{codes}, and a % of its own as %%"
            raise PydanticCustomError("date_format", rule, {"codes": " %".join(DATE_CODES)})
        return text

    @classmethod
    def find_faults(cls, sketch: Any) -> Iterator[Fault]:
        places = ((("tools", n), name) for n, name in enumerate(sketch.tools))
        yield from find_duplicates("tool", places)
        given = {name: getattr(sketch, name) for name in SLOTS}
        for name, text in given.items():
            if text and SLOTS[name] not in text:
                yield Fault((name,), f"lacks its {SLOTS[name]}")
        if None in (given["system_template"], given["prompt_template"]):
            for name in (name for name, text in given.items() if text):
                yield Fault((name,), "goes with system_template and prompt_template: give both")

    @property
    def texts(self) -> tuple[str, ...]:
        """All that a request's inputs are filled into."""
        return self.role, self.goal, self.backstory
