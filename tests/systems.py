"""Configurations of crew systems, as small as they can be."""

from typing import Any


def agent(role: str = "Researcher", **rest: Any) -> dict[str, Any]:
    return {"role": role, "goal": "Find out", "backstory": "Reads a lot", "llm": "rehearsal"} | rest


def crew(name: str = "research", **rest: Any) -> dict[str, Any]:
    return {"name": name, "agents": [agent()]} | rest


def system(name: str = "desk", **rest: Any) -> dict[str, Any]:
    return {"name": name, "crews": [crew()]} | rest
