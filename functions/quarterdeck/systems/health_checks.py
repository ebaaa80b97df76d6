"""How a system's deployments are to be checked: `health_checks` of its configuration."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, Strict, StringConstraints

from quarterdeck.names import Name

type SmokeInput = str | int | float | bool


class SmokeTask(BaseModel):
    """A task that each version has to do before it becomes current. It runs its tools for real."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    crew_name: Name
    description: Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
    inputs: dict[str, SmokeInput] = Field(default_factory=dict, max_length=100)
    expect: tuple[Annotated[str, StringConstraints(min_length=1, max_length=1000)], ...] = Field(
        default=(), max_length=20
    )
    """Texts that the answer contains, in upper or lower case."""
    rehearsal: Annotated[bool, Strict()] = True
    """With the stand-in for every model; false: with the crew's own models, which costs."""
    timeout: Annotated[int, Strict()] = Field(default=60, ge=1, le=120)


class HealthChecks(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    models: Annotated[bool, Strict()] = True
    """Whether each distinct model is asked for one token when a version is deployed."""
    smoke_task: SmokeTask | None = None
