"""A crew system's configuration, as `POST /crews` takes it and a version keeps it."""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from quarterdeck.names import Name
from quarterdeck.systems.configuration.agent import Agent
from quarterdeck.systems.configuration.base import (
    Configuration,
    Fault,
    Share,
    Switch,
    Whole,
    find_duplicates,
)
from quarterdeck.systems.configuration.crew import Crew
from quarterdeck.systems.configuration.events import Events
from quarterdeck.systems.configuration.health_checks import HealthChecks
from quarterdeck.systems.configuration.llm import Llm
from quarterdeck.systems.configuration.memory import Embedder

Metric = Literal["completion_rate", "error_rate", "avg_response_time", "workload", "utilization"]
"""Of a crew: what can have thresholds."""


class Threshold(Configuration):
    """Of a metric."""

    warning: Share
    """Where a warning begins."""
    critical: Share
    """Where it becomes critical."""


class SystemConfiguration(Configuration):
    """Holds nothing that names code to import."""

    name: Name
    """Unique in the environment."""
    crews: tuple[Crew, ...] = Field(min_length=1, max_length=50)
    """See below."""
    thresholds: dict[Metric, Threshold] = Field(default_factory=dict)
    """Of metrics, in place of the defaults: where alerts begin."""
    backup_frequency: Literal["hourly", "daily", "none"] | None = None
    """Without it, the environment's."""
    retention_days: Whole = Field(default=30, ge=1, le=3650)
    """Of backups."""
    backup_storage: Literal["cloud", "cloud_cold"] = "cloud"
    """S3, or Glacier Instant Retrieval."""
    encryption_enabled: Switch = True
    """Of backups."""
    test_restores: Switch = True
    """Whether backups are proven each week."""
    health_checks: HealthChecks = HealthChecks()
    """See below."""
    events: Events = Events()
    """See below."""
    trace: Literal["none", "full"] = "none"
    """`full`: prompts, answers and what tools say are kept for the environment's
    `retention.traces_days`, for all who may read."""

    @classmethod
    def find_faults(cls, sketch: Any) -> Iterator[Fault]:
        names = ((("crews", n, "name"), crew.name) for n, crew in enumerate(sketch.crews))
        return find_duplicates("crew", names)

    def find_crew(self, name: str) -> Crew:
        return next(crew for crew in self.crews if crew.name == name)


def walk_members(configuration: SystemConfiguration) -> Iterator[tuple[str, Agent]]:
    """Each agent with its path, as `crews[0].agents[1]`, managers of their own included."""
    for i, crew in enumerate(configuration.crews):
        for j, agent in enumerate(crew.agents):
            yield f"crews[{i}].agents[{j}]", agent
        if isinstance(crew.manager_agent, Agent):
            yield f"crews[{i}].manager_agent", crew.manager_agent


def walk_tools(configuration: SystemConfiguration) -> Iterator[tuple[str, str]]:
    """Each name of a tool with its path, as `crews[0].agents[1].tools[0]`."""
    for path, agent in walk_members(configuration):
        for number, name in enumerate(agent.tools):
            yield f"{path}.tools[{number}]", name


def walk_llms(configuration: SystemConfiguration) -> Iterator[tuple[str, Llm]]:
    """Each model with its path, as `crews[0].agents[1].llm`."""
    for path, agent in walk_members(configuration):
        yield f"{path}.llm", agent.llm
    for number, crew in enumerate(configuration.crews):
        if crew.manager_llm:
            yield f"crews[{number}].manager_llm", crew.manager_llm
        if crew.memory.llm:
            yield f"crews[{number}].memory.llm", crew.memory.llm


def walk_embedders(configuration: SystemConfiguration) -> Iterator[tuple[str, Embedder]]:
    """Each embedder that is configured with its path, as `crews[0].memory.embedder`."""
    for number, crew in enumerate(configuration.crews):
        if crew.memory.embedder:
            yield f"crews[{number}].memory.embedder", crew.memory.embedder
