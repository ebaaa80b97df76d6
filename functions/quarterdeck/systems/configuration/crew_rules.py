"""What must hold between the parts of a crew, told of a sketch: any value may be UNREADABLE."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from quarterdeck.systems.configuration.base import Fault, find_duplicates


def find_crew_faults(crew: Any) -> Iterator[Fault]:
    roles = ((("agents", n, "role"), agent.role) for n, agent in enumerate(crew.agents))
    names = ((("tasks", n, "name"), step.name) for n, step in enumerate(crew.tasks))
    yield from find_duplicates("role", roles)
    texts = ((("knowledge", n, "name"), text.name) for n, text in enumerate(crew.knowledge))
    yield from find_duplicates("step", names)
    yield from find_duplicates("text", texts)
    yield from find_manager_faults(crew)
    for number, step in enumerate(crew.tasks):
        yield from find_agent_faults(crew, number, step)
        yield from find_context_faults(crew, number, step)
    yield from find_aside_faults(crew)
    yield from find_bound_faults(crew)


def find_manager_faults(crew: Any) -> Iterator[Fault]:
    for name in ("manager_llm", "manager_agent"):
        if getattr(crew, name) and crew.process == "sequential":
            yield Fault((name,), "is for crews whose process is hierarchical")
    if None not in (crew.manager_llm, crew.manager_agent):
        yield Fault(("manager_agent",), "has a model of its own: give it or manager_llm, not both")
    manager, roles = crew.manager_agent, list_roles(crew)
    if isinstance(manager, str):
        if roles and manager not in roles:
            rule = f"'{manager}' is no role of the crew; the roles are: {', '.join(roles)}"
            yield Fault(("manager_agent",), rule)
        elif len(roles) == 1:
            yield Fault(("manager_agent",), "is the only agent: a manager needs others")
        for number, agent in enumerate(crew.agents):
            if agent.role == manager and agent.tools:
                yield Fault(("agents", number, "tools"), "a manager has no tools")
    elif manager:
        if manager.role in roles:
            rule = "is the role of an agent of the crew: name it, or choose another"
            yield Fault(("manager_agent", "role"), rule)
        if manager.tools:
            yield Fault(("manager_agent", "tools"), "a manager has no tools")


def find_agent_faults(crew: Any, number: int, step: Any) -> Iterator[Fault]:
    place, roles = ("tasks", number, "agent"), list_roles(crew)
    if step.agent is None and crew.process == "sequential":
        rule = f"is missing: the agent of step '{step.name}'; a sequential crew needs one for each"
        yield Fault(place, rule)
    if step.agent and roles and step.agent not in roles:
        rule = f"step '{step.name}' names the agent '{step.agent}'; the roles are: "
        yield Fault(place, rule + ", ".join(roles))
    elif step.agent and step.agent == crew.manager_agent:
        yield Fault(place, "is the manager, who hands steps out to others")
    if step.guardrail and step.agent is None and crew.process == "hierarchical":
        yield Fault(("tasks", number, "guardrail"), "needs an agent, whose model judges by it")


def find_context_faults(crew: Any, number: int, step: Any) -> Iterator[Fault]:
    names = [other.name for other in crew.tasks]
    seen = set()
    for index, name in enumerate(step.context or ()):
        place = ("tasks", number, "context", index)
        if name and name in seen:
            yield Fault(place, f"the step '{name}' stands twice")
        elif name and all(names) and name not in names[:number]:
            kind = "is no earlier step" if name in names else "is no step of the crew"
            yield Fault(place, f"'{name}' {kind}: {', '.join(names[:number]) or 'none'} before it")
        seen.add(name)


def find_aside_faults(crew: Any) -> Iterator[Fault]:
    """Of steps that run side by side: each stretch of steps in a row with async_execution."""
    numbered = list(enumerate(crew.tasks))
    for aside, stretch in groupby(numbered, key=lambda pair: bool(pair[1].async_execution)):
        steps = list(stretch)
        if aside and len(steps) > 1:
            yield from find_stretch_faults(crew, steps, steps[-1] == numbered[-1])


def find_stretch_faults(crew: Any, steps: list[tuple[int, Any]], ends: bool) -> Iterator[Fault]:
    by_agent: dict[str, str] = {}
    names = {step.name for _, step in steps}
    for number, step in steps:
        place = ("tasks", number, "async_execution")
        if ends and number == steps[-1][0]:
            yield Fault(place, "at most one step may run aside at the end of a crew")
        if crew.process == "hierarchical" and number != steps[0][0]:
            yield Fault(place, f"the manager has '{steps[0][1].name}' to hand out at that time")
        elif step.agent and step.agent in by_agent:
            rule = f"'{step.agent}' works on '{by_agent[step.agent]}' at that time"
            yield Fault(place, f"{rule}: steps side by side need agents of their own")
        elif crew.process == "sequential" and may_delegate(crew, step.agent):
            rule = f"'{step.agent}' may delegate to agents who work at that time"
            yield Fault(place, f"{rule}: an agent with allow_delegation works alone")
        if step.agent:
            by_agent.setdefault(step.agent, step.name)
        for index, name in enumerate(step.context or ()):
            if name and name in names:
                rule = f"'{name}' runs at the same time: its answer is not there yet"
                yield Fault(("tasks", number, "context", index), rule)


def may_delegate(crew: Any, role: Any) -> bool:
    return any(bool(role) and a.role == role and a.allow_delegation is True for a in crew.agents)


def find_bound_faults(crew: Any) -> Iterator[Fault]:
    if crew.min_agents > crew.max_agents:
        rule = f"min_agents ({crew.min_agents}) is over max_agents ({crew.max_agents})"
        yield Fault(("max_agents",), rule)
    if crew.scale_down_threshold >= crew.scale_up_threshold:
        yield Fault(("scale_down_threshold",), "must be under scale_up_threshold")


def list_roles(crew: Any) -> list[str]:
    """None, if one of them cannot be read."""
    roles = [agent.role for agent in crew.agents]
    return roles if all(roles) else []
