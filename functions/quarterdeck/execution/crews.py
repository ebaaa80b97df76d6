"""A crew of crewai's own classes, from its configuration and a request."""

from collections.abc import Callable, Mapping, Sequence

import crewai
from crewai import Process, Task
from crewai.tools import BaseTool

from quarterdeck.execution.errors import CrewRefused, InputMissing
from quarterdeck.execution.llms import build_llm
from quarterdeck.execution.patches import apply_patches
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


def build_crew(
    crew: Crew,
    description: str,
    inputs: Mapping[str, Input],
    read_secret: Callable[[str], str],
    *,
    verbose: bool,
    timeout: float,
    tools: Tools = NO_TOOLS,
) -> crewai.Crew:
    """Ready for `kickoff()` without inputs: texts are filled here, so that braces in them are text.

    `timeout` is the task's, in seconds: no request to a model may take longer. `tools` are those
    of each agent, by its role as configured.
    """
    apply_patches()
    values = {name: format_input(value) for name, value in inputs.items()}
    values["description"] = description
    agents = {
        agent.role: build_agent(agent, values, read_secret, tools, verbose=verbose, timeout=timeout)
        for agent in crew.agents
    }
    hierarchical = crew.process == "hierarchical"
    manager_llm = crew.manager_llm or crew.agents[0].llm
    return crewai.Crew(
        name=crew.name,
        agents=list(agents.values()),
        tasks=build_steps(crew, agents, values),
        process=Process.hierarchical if hierarchical else Process.sequential,
        manager_llm=build_llm(manager_llm, read_secret, timeout) if hierarchical else None,
        verbose=verbose,
        memory=False,
        cache=False,
        planning=False,
        share_crew=False,
        tracing=False,
    )


def check_crew(crew: Crew, read_secret: Callable[[str], str], tools: Tools = NO_TOOLS) -> None:
    """Builds the crew with a word for each input, asks no model; CrewRefused or SecretMissing."""
    secrets = SecretsInUse(read_secret)
    inputs = dict.fromkeys(crew.placeholders, "input")
    try:
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
        allow_delegation=False,
        verbose=verbose,
    )


def build_steps(crew: Crew, agents: Agents, values: Mapping[str, str]) -> list[Task]:
    if crew.tasks:
        return [build_step(step, agents, values) for step in crew.tasks]
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


def build_step(step: Step, agents: Agents, values: Mapping[str, str]) -> Task:
    return Task(
        name=step.name,
        description=fill_text(step.description, values),
        expected_output=fill_text(step.expected_output, values),
        agent=agents[step.agent] if step.agent else None,
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
