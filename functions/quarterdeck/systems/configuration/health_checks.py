"""How a system's deployments are to be checked."""

from typing import Annotated

from pydantic import Field, StringConstraints

from quarterdeck.names import Name
from quarterdeck.systems.configuration.base import Configuration, Prose, Switch, Whole

type SmokeInput = str | int | float | bool

Expected = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class SmokeTask(Configuration):
    """A task that a version has to do before it becomes current. Its tools are called for real."""

    crew_name: Name
    """Which crew does it."""
    description: Prose
    """The request."""
    inputs: dict[str, SmokeInput] = Field(default_factory=dict, max_length=100)
    """Of the crew's placeholders."""
    expect: tuple[Expected, ...] = Field(default=(), max_length=20)
    """Texts that the answer contains, in upper or lower case."""
    rehearsal: Switch = True
    """With the stand-in for every model; false: with the crew's own models, which costs."""
    timeout: Whole = Field(default=60, ge=1, le=120)
    """Seconds that it may take."""


class HealthChecks(Configuration):
    """What a version has to show before it becomes current."""

    models: Switch = True
    """Whether each distinct model is asked for one token."""
    smoke_task: SmokeTask | None = None
    """See below."""
