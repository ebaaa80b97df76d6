"""A crew of crewai's own classes, from its configuration and a request."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import crewai
from crewai import Process, Task
from crewai.knowledge.knowledge import Knowledge
from crewai.tools import BaseTool

from quarterdeck.execution.crew_memory import CrewMemory, build_models
from quarterdeck.execution.errors import CrewRefused, InputMissing
from quarterdeck.execution.llms import build_llm
from quarterdeck.execution.pace import Pace, Paces
from quarterdeck.execution.patches import apply_patches
from quarterdeck.execution.structured_output import make_output_model
from quarterdeck.redaction import SecretsInUse
from quarterdeck.systems.configuration import Agent, Crew, Step
from quarterdeck.systems.placeholders import fill_placeholders
from quarterdeck.vault import SecretMissing

type Input = str | int | float | bool
type Agents = Mapping[str, crewai.Agent]
"""By the role as configured: a role can hold placeholders."""

type Tools = Mapping[str, Sequence[Callable[[], BaseTool]]]
"""What makes the tools of an agent, by the role as configured."""

NO_TOOLS: Tools = {}
EXPECTED_OUTPUT = Step.model_fields["expected_output"].default
CHECK_TIMEOUT = 60.0
SAME_IN_CREWAI = {
    "allow_delegation", "date_format", "inject_date", "max_iter", "max_retry_limit",
    "prompt_template", "respect_context_window", "response_template", "system_template",
    "use_system_prompt",
}  # fmt: skip
"""Fields of an agent that crewai takes as they are."""


def build_crew(
    crew: Crew,
    description: str,
    inputs: Mapping[str, Input],
    read_secret: Callable[[str], str],
    *,
    verbose: bool,
    timeout: float,
    tools: Tools = NO_TOOLS,
    memory: CrewMemory | None = None,
    knowledge: Knowledge | None = None,
) -> crewai.Crew:
    """Ready for `kickoff()` without inputs: texts are filled here, so that braces in them are text.

    `timeout` is the task's, in seconds: no request to a model may take longer. `tools` are those
    of each agent, by its role as configured. `memory` is what those with `memory_enabled` get:
    the crew's own would be every agent's. `knowledge` is every agent's.
    """
    apply_patches()
    values = {name: format_input(value) for name, value in inputs.items()}
    values["description"] = description
    agents = {
        agent.role: build_agent(
            agent,
            values,
            read_secret,
            tools,
            memory if agent.memory_enabled else None,
            verbose=verbose,
            timeout=timeout,
        )
        for agent in order_agents(crew)
    }
    manager = agents.pop(crew.manager.role) if crew.manager else None
    hierarchical = crew.process == "hierarchical"
    manager_llm = crew.manager_llm or crew.agents[0].llm
    return crewai.Crew(
        name=crew.name,
        agents=list(agents.values()),
        tasks=build_steps(crew, agents, values),
        process=Process.hierarchical if hierarchical else Process.sequential,
        manager_agent=manager,
        manager_llm=(
            build_llm(manager_llm, read_secret, timeout) if hierarchical and not manager else None
        ),
        verbose=verbose,
        memory=False,
        knowledge=knowledge,
        cache=False,
        planning=False,
        share_crew=False,
        tracing=False,
    )


def make_paces(crew: Crew, built: crewai.Crew) -> Paces:
    """Of the models that were built for the crew's agents."""
    own: dict[int, Pace] = {}
    for agent, made in zip(order_agents(crew), [*built.agents, built.manager_agent], strict=False):
        if agent.max_rpm and made is not None:
            own[id(made.llm)] = Pace(agent.max_rpm)
    return Paces(own, Pace(crew.max_rpm) if crew.max_rpm else None)


def order_agents(crew: Crew) -> list[Agent]:
    """As they are built: those who work, then who manages."""
    return [*crew.workers, crew.manager] if crew.manager else list(crew.workers)


def check_crew(crew: Crew, read_secret: Callable[[str], str], tools: Tools = NO_TOOLS) -> None:
    """Builds the crew with a word for each input, asks no model; CrewRefused or SecretMissing."""
    secrets = SecretsInUse(read_secret)
    inputs = dict.fromkeys(crew.placeholders, "input")
    try:
        if crew.remembering or crew.knowledge:
            build_models(crew, secrets.read, CHECK_TIMEOUT)
        build_crew(
            crew,
            "A request.",
            inputs,
            secrets.read,
            verbose=False,
            timeout=CHECK_TIMEOUT,
            tools=tools,
        )
    except SecretMissing:
        raise
    except Exception as error:
        raise CrewRefused(crew.name, secrets.scrub(str(error))) from None


def build_agent(
    agent: Agent,
    values: Mapping[str, str],
    read_secret: Callable[[str], str],
    tools: Tools,
    memory: CrewMemory | None,
    *,
    verbose: bool,
    timeout: float,
) -> crewai.Agent:
    return crewai.Agent(
        role=fill_text(agent.role, values),
        goal=fill_text(agent.goal, values),
        backstory=fill_text(agent.backstory, values),
        llm=build_llm(agent.llm, read_secret, min(timeout, agent.timeout)),
        tools=[make() for make in tools.get(agent.role, ())],
        max_execution_time=agent.timeout,
        memory=memory,
        verbose=verbose,
        **agent.model_dump(include=SAME_IN_CREWAI),
    )


def build_steps(crew: Crew, agents: Agents, values: Mapping[str, str]) -> list[Task]:
    if crew.tasks:
        steps: dict[str, Task] = {}
        for step in crew.tasks:
            steps[step.name] = build_step(step, agents, steps, values)
        return list(steps.values())
    request = append_inputs(crew, values)
    if crew.process == "hierarchical":
        return [Task(name="request", description=request, expected_output=EXPECTED_OUTPUT)]
    return [
        Task(
            name=f"step-{number}",
            description=request,
            expected_output=EXPECTED_OUTPUT,
            agent=agent,
        )
        for number, agent in enumerate(agents.values(), start=1)
    ]


def build_step(
    step: Step, agents: Agents, before: Mapping[str, Task], values: Mapping[str, str]
) -> Task:
    """`before`: the steps before it by name."""
    agent = agents[step.agent] if step.agent else None
    named: dict[str, Any] = {}
    if step.context is not None:
        named["context"] = [before[name] for name in step.context]
    if step.guardrail is not None:
        named["guardrail"] = fill_text(step.guardrail, values)
    if step.output_schema is not None:
        named["output_pydantic"] = make_output_model(step.output_schema)
    return Task(
        name=step.name,
        description=fill_text(step.description, values),
        expected_output=fill_text(step.expected_output, values),
        agent=agent,
        async_execution=step.async_execution,
        markdown=step.markdown,
        human_input=step.human_input,
        guardrail_max_retries=step.guardrail_max_retries,
        **named,
    )


def fill_text(text: str, values: Mapping[str, str]) -> str:
    try:
        return fill_placeholders(text, values)
    except KeyError as error:
        raise InputMissing(error.args[0]) from None


def append_inputs(crew: Crew, values: Mapping[str, str]) -> str:
    """The description, with the inputs that no text of the crew asks for."""
    used = {"description", *crew.placeholders}
    lines = [f"- {name}: {value}" for name, value in values.items() if name not in used]
    parts = [values["description"], "\n".join(["Inputs:", *lines])]
    return "\n\n".join(parts if lines else parts[:1])


def format_input(value: Input) -> str:
    """As JSON spells it, texts bare."""
    return str(value).lower() if isinstance(value, bool) else str(value)
