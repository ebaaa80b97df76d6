"""A crew system's configuration, as `POST /crews` takes it and a version keeps it.

Closed models: an unknown field is an error, and nothing here can name code to import.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    Strict,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from quarterdeck.names import Name
from quarterdeck.systems.health_checks import HealthChecks
from quarterdeck.systems.placeholders import list_placeholders
from quarterdeck.tooling.manifest import NAME_PATTERN

PROVIDERS = ("anthropic", "bedrock", "ollama", "openai")
REHEARSAL = "rehearsal"
MAX_TASK_SECONDS = 86_400
"""Of running, over as many invocations of the worker as it takes."""

MAX_INPUTS = 100
MAX_TOKENS = 10_000_000

Whole = Annotated[int, Strict()]
Share = Annotated[float, Strict()]
Switch = Annotated[bool, Strict()]

Line = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
ToolName = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Prose = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]


class Configuration(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Llm(Configuration):
    """A model by `provider/name`, or `rehearsal`: the built-in stand-in."""

    model: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    secret: Name | None = None
    base_url: HttpUrl | None = None
    temperature: Share | None = Field(default=None, ge=0, le=2)
    top_p: Share | None = Field(default=None, gt=0, le=1)
    max_tokens: Whole | None = Field(default=None, ge=1, le=MAX_TOKENS)

    @field_validator("model")
    @classmethod
    def check_provider(cls, model: str) -> str:
        provider, separator, name = model.partition("/")
        if model != REHEARSAL and not (separator and name and provider in PROVIDERS):
            raise PydanticCustomError(
                "model_name",
                "'{model}' is neither 'rehearsal' nor 'provider/name' of a provider of {providers}",
                {"model": model, "providers": ", ".join(PROVIDERS)},
            )
        return model

    @model_validator(mode="after")
    def check_credentials(self) -> Self:
        if self.secret and self.provider in {"bedrock", REHEARSAL}:
            raise PydanticCustomError(
                "secret_unused",
                "{provider} takes no 'secret'",
                {"provider": self.provider},
            )
        if self.provider in {"openai", "anthropic"} and not (self.secret or self.base_url):
            raise PydanticCustomError(
                "secret_missing",
                "{provider} models need 'secret', the name of the secret that holds the API key",
                {"provider": self.provider},
            )
        return self

    @property
    def provider(self) -> str:
        return self.model.partition("/")[0]


def expand_llm(value: Any) -> Any:
    return {"model": value} if isinstance(value, str) else value


class Agent(Configuration):
    role: Line
    goal: Prose
    backstory: Prose
    llm: Annotated[Llm, BeforeValidator(expand_llm)] = Llm(model="bedrock/amazon.nova-pro-v1:0")
    tools: tuple[ToolName, ...] = Field(default=(), max_length=50)
    """Of functions/tools/; `check_tools` knows which there are."""
    timeout: Whole = Field(default=300, ge=1, le=MAX_TASK_SECONDS)
    """Seconds that one turn of the agent may take."""
    memory_enabled: Switch = True

    @field_validator("tools")
    @classmethod
    def check_tools(cls, tools: tuple[str, ...]) -> tuple[str, ...]:
        refuse_duplicates("tool", tools)
        return tools


class Step(Configuration):
    """One CrewAI task: `{description}` and `{input names}` in its texts are filled in."""

    name: Name
    description: Prose
    expected_output: Prose = "A complete answer to the request."
    agent: Line | None = None
    """A role of the crew. A sequential crew needs it; the manager of a hierarchical one chooses."""


def refuse_budget(value: Any) -> Any:
    if value is not None:
        raise PydanticCustomError("budget", "budgets are not enforced yet: leave it null")
    return value


Unlimited = Annotated[None, BeforeValidator(refuse_budget)]


class Budget(Configuration):
    tokens_per_task: Unlimited = None
    usd_per_task: Unlimited = None
    tokens_per_day: Unlimited = None
    usd_per_day: Unlimited = None


class Crew(Configuration):
    name: Name
    process: Literal["sequential", "hierarchical"] = "sequential"
    agents: tuple[Agent, ...] = Field(min_length=1, max_length=20)
    tasks: tuple[Step, ...] = Field(default=(), max_length=50)
    manager_llm: Annotated[Llm, BeforeValidator(expand_llm)] | None = None
    """Of a hierarchical crew's manager; without it, that of the first agent."""
    min_agents: Whole = Field(default=1, ge=1, le=1000)
    max_agents: Whole = Field(default=10, ge=1, le=1000)
    scale_up_threshold: Share = Field(default=0.8, gt=0, le=1)
    scale_down_threshold: Share = Field(default=0.3, ge=0, lt=1)
    cooldown_period: Whole = Field(default=300, ge=0, le=86_400)
    budget: Budget = Budget()

    @field_validator("agents")
    @classmethod
    def check_roles(cls, agents: tuple[Agent, ...]) -> tuple[Agent, ...]:
        refuse_duplicates("role", (agent.role for agent in agents))
        return agents

    @field_validator("tasks")
    @classmethod
    def check_steps(cls, steps: tuple[Step, ...], known: ValidationInfo) -> tuple[Step, ...]:
        refuse_duplicates("step", (step.name for step in steps))
        if "agents" in known.data and "process" in known.data:
            roles = [agent.role for agent in known.data["agents"]]
            for step in steps:
                check_agent(step, roles, known.data["process"])
        return steps

    @field_validator("manager_llm")
    @classmethod
    def check_manager(cls, llm: Llm | None, known: ValidationInfo) -> Llm | None:
        if llm and known.data.get("process") == "sequential":
            raise PydanticCustomError(
                "manager_unused", "is for crews whose process is hierarchical"
            )
        return llm

    @field_validator("max_agents")
    @classmethod
    def check_bounds(cls, most: int, known: ValidationInfo) -> int:
        least = known.data.get("min_agents", most)
        if least > most:
            raise PydanticCustomError(
                "bounds",
                "min_agents ({least}) is over max_agents ({most})",
                {"least": least, "most": most},
            )
        return most

    @field_validator("scale_down_threshold")
    @classmethod
    def check_thresholds(cls, down: float, known: ValidationInfo) -> float:
        if down >= known.data.get("scale_up_threshold", 1):
            raise PydanticCustomError("bounds", "must be under scale_up_threshold")
        return down

    @model_validator(mode="after")
    def check_placeholders(self) -> Self:
        if len(list_placeholders(self.texts)) > MAX_INPUTS:
            raise PydanticCustomError(
                "placeholders",
                "its texts have over {most} different placeholders",
                {"most": MAX_INPUTS},
            )
        return self

    @property
    def texts(self) -> list[str]:
        """All that a request's inputs are filled into."""
        own = [(agent.role, agent.goal, agent.backstory) for agent in self.agents]
        steps = [(step.description, step.expected_output) for step in self.tasks]
        return [text for texts in (*own, *steps) for text in texts]

    @property
    def placeholders(self) -> list[str]:
        """The names of the inputs, sorted, that a task of this crew must bring."""
        return list_placeholders(self.texts)

    @property
    def initial_capacity(self) -> int:
        """The number of agents, within the bounds."""
        return min(max(len(self.agents), self.min_agents), self.max_agents)


class Threshold(Configuration):
    warning: Share
    critical: Share


class SystemConfiguration(Configuration):
    name: Name
    crews: tuple[Crew, ...] = Field(min_length=1, max_length=50)
    thresholds: dict[
        Literal["completion_rate", "error_rate", "avg_response_time", "workload", "utilization"],
        Threshold,
    ] = Field(default_factory=dict)
    backup_frequency: Literal["hourly", "daily", "none"] | None = None
    """Without it, the environment's."""
    retention_days: Whole = Field(default=30, ge=1, le=3650)
    backup_storage: Literal["cloud", "cloud_cold"] = "cloud"
    encryption_enabled: Switch = True
    test_restores: Switch = True
    health_checks: HealthChecks = HealthChecks()

    @field_validator("crews")
    @classmethod
    def check_crews(cls, crews: tuple[Crew, ...]) -> tuple[Crew, ...]:
        refuse_duplicates("crew", (crew.name for crew in crews))
        return crews

    def find_crew(self, name: str) -> Crew:
        return next(crew for crew in self.crews if crew.name == name)


def walk_tools(configuration: SystemConfiguration) -> Iterator[tuple[str, str]]:
    """Each name of a tool with its path, as `crews[0].agents[1].tools[0]`."""
    for i, crew in enumerate(configuration.crews):
        for j, agent in enumerate(crew.agents):
            for k, name in enumerate(agent.tools):
                yield f"crews[{i}].agents[{j}].tools[{k}]", name


def walk_llms(configuration: SystemConfiguration) -> Iterator[tuple[str, Llm]]:
    """Each model with its path, as `crews[0].agents[1].llm`."""
    for i, crew in enumerate(configuration.crews):
        for j, agent in enumerate(crew.agents):
            yield f"crews[{i}].agents[{j}].llm", agent.llm
        if crew.manager_llm:
            yield f"crews[{i}].manager_llm", crew.manager_llm


def check_agent(step: Step, roles: Sequence[str], process: str) -> None:
    if step.agent is None and process == "sequential":
        raise PydanticCustomError(
            "agent_missing",
            "step '{step}' names no agent; a sequential crew needs one for each step",
            {"step": step.name},
        )
    if step.agent is not None and step.agent not in roles:
        raise PydanticCustomError(
            "unknown_agent",
            "step '{step}' names the agent '{agent}'; the roles are: {roles}",
            {"step": step.name, "agent": step.agent, "roles": ", ".join(roles)},
        )


def refuse_duplicates(kind: str, names: Iterable[Hashable]) -> None:
    seen: set[Hashable] = set()
    for name in names:
        if name in seen:
            raise PydanticCustomError(
                "duplicate", "the {kind} '{name}' stands twice", {"kind": kind, "name": name}
            )
        seen.add(name)
