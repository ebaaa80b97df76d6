"""A crew: its agents, its steps, its capacity."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, TypeAdapter, WrapValidator, model_validator
from pydantic_core import PydanticCustomError

from quarterdeck.names import Name
from quarterdeck.systems.configuration.agent import Agent
from quarterdeck.systems.configuration.base import Configuration, Fault, Line, Share, Whole
from quarterdeck.systems.configuration.crew_rules import find_crew_faults
from quarterdeck.systems.configuration.knowledge import MAX_KNOWLEDGE, KnowledgeText
from quarterdeck.systems.configuration.llm import Llm, LlmOrName
from quarterdeck.systems.configuration.memory import Embedder, Memory, choose_embedder
from quarterdeck.systems.configuration.step import MAX_STEPS, Step
from quarterdeck.systems.placeholders import list_placeholders

MAX_INPUTS = 100
ROLE: TypeAdapter[str] = TypeAdapter(Line)


MOST_TOKENS = 10**15
MOST_USD = 10**9

Tokens = Annotated[Whole, Field(ge=1, le=MOST_TOKENS)]
Usd = Annotated[Share, Field(ge=0.000001, le=MOST_USD)]


class Budget(Configuration):
    """What the crew's models may use; null: not limited. A task that would exceed it is stopped."""

    tokens_per_task: Tokens | None = None
    """Of prompts and answers; a retry begins anew."""
    usd_per_task: Usd | None = None
    """By list prices; models without one cost nothing here, and are counted as `unpriced`."""
    tokens_per_day: Tokens | None = None
    """Of all tasks of the crew in a UTC day."""
    usd_per_day: Usd | None = None
    """As above. At 80 % of a day's budget an alert warns."""


def read_manager(value: Any, _: Any) -> Agent | str | None:
    """By itself, so that an error has the path of the field and no name of a type."""
    if value is None or isinstance(value, Agent):
        return value
    if isinstance(value, Mapping):
        return Agent.model_validate(value)
    if not isinstance(value, str):
        raise PydanticCustomError("manager", "must be a role of the crew, or an agent")
    return ROLE.validate_python(value)


def walk_texts(agents: Iterable[Agent], steps: Iterable[Step]) -> Iterator[tuple[str, ...]]:
    yield from (agent.texts for agent in agents)
    yield from (step.texts for step in steps)


class Crew(Configuration):
    """A named team of agents."""

    name: Name
    """Unique in the system; tasks name their crew by it."""
    process: Literal["sequential", "hierarchical"] = "sequential"
    """Whether the steps' agents work in turn, or a manager hands the steps out."""
    agents: tuple[Agent, ...] = Field(min_length=1, max_length=20)
    """Without steps, each of a sequential crew works on the request in turn."""
    tasks: tuple[Step, ...] = Field(default=(), max_length=MAX_STEPS)
    """The steps, in order."""
    knowledge: tuple[KnowledgeText, ...] = Field(default=(), max_length=MAX_KNOWLEDGE)
    """What its agents know beforehand: each turn is given the pieces that fit it best."""
    manager_llm: LlmOrName | None = None
    """Of a hierarchical crew's manager, whom crewai supplies; without it, the first agent's."""
    manager_agent: Annotated[Agent | Line | None, WrapValidator(read_manager)] = None
    """A hierarchical crew's manager: an agent of its own, or the role of one of `agents`."""
    max_rpm: Whole | None = Field(default=None, ge=1, le=10_000)
    """Requests a minute to all models of the crew, within one task; requests beyond it wait."""
    min_agents: Whole = Field(default=1, ge=1, le=1000)
    """The least capacity: how many tasks run at once."""
    max_agents: Whole = Field(default=10, ge=1, le=1000)
    """The most."""
    scale_up_threshold: Share = Field(default=0.8, gt=0, le=1)
    """Utilization above which the crew gets more capacity."""
    scale_down_threshold: Share = Field(default=0.3, ge=0, lt=1)
    """Utilization below which it gets less."""
    cooldown_period: Whole = Field(default=300, ge=0, le=86_400)
    """Seconds that were quiet before it gets less, and for which a capacity set by hand stands."""
    input_timeout: Whole | None = Field(default=None, ge=60, le=2_592_000)
    """Seconds that a question to a person stays open, before its task fails; null: 30 days."""
    budget: Budget = Budget()
    """See below."""
    memory: Memory = Memory()
    """See below."""

    @model_validator(mode="after")
    def check_placeholders(self) -> Self:
        if len(list_placeholders(self.texts)) > MAX_INPUTS:
            raise PydanticCustomError(
                "placeholders",
                "its texts have over {most} different placeholders",
                {"most": MAX_INPUTS},
            )
        return self

    @classmethod
    def find_faults(cls, sketch: Any) -> Iterator[Fault]:
        return find_crew_faults(sketch)

    @property
    def manager(self) -> Agent | None:
        """Who manages, if that is an agent of the configuration."""
        if isinstance(self.manager_agent, str):
            return next(agent for agent in self.agents if agent.role == self.manager_agent)
        return self.manager_agent

    @property
    def workers(self) -> tuple[Agent, ...]:
        """The agents who do not manage."""
        return tuple(agent for agent in self.agents if agent.role != self.manager_agent)

    @property
    def members(self) -> tuple[Agent, ...]:
        """The agents, and a manager who is none of them."""
        outside = self.manager_agent
        return (*self.agents, outside) if isinstance(outside, Agent) else self.agents

    @property
    def llms(self) -> tuple[Llm, ...]:
        """Of the agents, the manager and memory."""
        others = (self.manager_llm, self.memory.llm)
        return (*(agent.llm for agent in self.members), *(llm for llm in others if llm))

    @property
    def remembering(self) -> tuple[Agent, ...]:
        """The agents, and the manager, who have memory."""
        return tuple(agent for agent in self.members if agent.memory_enabled)

    @property
    def memory_llm(self) -> Llm:
        """The model of memory: the first agent's who has one, or the first's."""
        return self.memory.llm or (self.remembering or self.members)[0].llm

    @property
    def embedder(self) -> Embedder:
        """Of what the crew learns, and of what it is given to know."""
        return self.memory.embedder or choose_embedder(self.memory_llm)

    @property
    def texts(self) -> list[str]:
        """All that a request's inputs are filled into."""
        return [text for texts in walk_texts(self.members, self.tasks) for text in texts]

    @property
    def placeholders(self) -> list[str]:
        """The names of the inputs, sorted, that a task of this crew must bring."""
        return list_placeholders(self.texts)

    @property
    def initial_capacity(self) -> int:
        """The number of agents, within the bounds."""
        return min(max(len(self.agents), self.min_agents), self.max_agents)
