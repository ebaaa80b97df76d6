"""Configurations of crews, for tests to run."""

from collections.abc import Sequence
from typing import Any

from quarterdeck.systems.configuration import Crew

NO_SECRETS: dict[str, str] = {}


def make_crew(roles: Sequence[str], llm: Any = "rehearsal", **fields: Any) -> Crew:
    """A crew with an agent for each role."""
    agents = [
        {"role": role, "goal": f"Be a good {role}", "backstory": "Long at it.", "llm": llm}
        for role in roles
    ]
    return Crew.model_validate({"name": "crew", "agents": agents, **fields})


def make_step(name: str, agent: str | None, description: str = "{description}") -> dict[str, Any]:
    return {"name": name, "agent": agent, "description": description}
