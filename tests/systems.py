"""Configurations of crew systems, as small as they can be."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from quarterdeck.names import generate_id, read_clock
from quarterdeck.systems.configuration import SystemConfiguration
from quarterdeck.systems.deployments import claim
from quarterdeck.systems.records import System
from quarterdeck.systems.store import SystemStore


def agent(role: str = "Researcher", **rest: Any) -> dict[str, Any]:
    """Without memory, unless `rest` says so: what a test counts is the agent's own."""
    fields = {"role": role, "goal": "Find out", "backstory": "Reads a lot", "llm": "rehearsal"}
    return {**fields, "memory_enabled": False} | rest


def crew(name: str = "research", **rest: Any) -> dict[str, Any]:
    return {"name": name, "agents": [agent()]} | rest


def system(name: str = "desk", **rest: Any) -> dict[str, Any]:
    return {"name": name, "crews": [crew()]} | rest


def deploy(
    store: SystemStore, configuration: dict[str, Any], clock: Callable[[], datetime] = read_clock
) -> System:
    """A new system, active: deployed as a deployer does, but for what asks crewai."""
    checked = SystemConfiguration.model_validate(configuration)
    return activate(store, store.create(generate_id(), checked, clock()).system_id, clock)


def activate(
    store: SystemStore, system_id: str, clock: Callable[[], datetime] = read_clock
) -> System:
    """The system, with its latest version made current."""
    rollout = claim(store, system_id, store.get(system_id).latest_deployment, clock, 60)
    assert rollout
    rollout.begin_stage("create_crews")
    rollout.prepare_crews()
    rollout.prepare_alerts()
    rollout.prepare_capacities()
    rollout.prepare_plan("daily")
    rollout.activate()
    return store.get(system_id)
