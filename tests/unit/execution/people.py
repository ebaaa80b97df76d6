"""Crews that ask people, under the real worker on moto; and people who answer by the API."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from quarterdeck.http.services import Services
from quarterdeck.leases import list_due
from quarterdeck.names import read_clock
from quarterdeck.tasks.upkeep import Upkeep
from tests import systems
from tests.api_calls import Answer, call
from tests.openai_server import Body, Message
from tests.unit.execution.journals import say
from tests.unit.execution.sites import Site

FEEDBACK = "Feedback: "


def answer(body: Body) -> Message:
    """Says which step it was asked for, and all that people have said about its answer."""
    said = " ".join(str(message["content"]) for message in body["messages"])
    steps = [word for word in ("write", "check") if f"Do {word}" in said]
    heard = [part.split()[0] for part in said.split("be more ")[1:]]
    return say(f"Thought: I know.\nFinal Answer: {'+'.join(steps)} {'+'.join(heard)}".strip())


def make_steps(**first: Any) -> list[dict[str, Any]]:
    return [
        {"name": "write", "agent": "A", "description": "Do write.", "human_input": True} | first,
        {"name": "check", "agent": "B", "description": "Do check.", "context": []},
    ]


def make_crew(url: str, **rest: Any) -> dict[str, Any]:
    """Two agents, two steps, the first of which a person reviews."""
    llm = {"model": "openai/local", "base_url": url}
    agents = [systems.agent(role, llm=llm) for role in "AB"]
    return systems.crew(**({"agents": agents, "tasks": make_steps()} | rest))


class People:
    """Whoever is asked by one task."""

    def __init__(self, site: Site, task_id: str) -> None:
        self.site = site
        self.task_id = task_id
        self.path = f"/crews/{site.system.system_id}/tasks/{task_id}"

    def answer(self, said: Any, **rest: Any) -> Answer:
        return call("POST", f"{self.path}/resume", said, **rest)

    def look(self) -> Any:
        return call("GET", self.path).json

    def work(self, said: Any) -> Any:
        """Answers, and lets the worker go on; the task after that."""
        answered = self.answer(said)
        assert answered.status == 202, answered.json
        self.site.work()
        return self.look()


def make_upkeep(services: Services, later: timedelta) -> Upkeep:
    return Upkeep(
        services.table,
        services.blobs,
        services.task_queue,
        services.announcer,
        lambda: read_clock() + later,
    )


def run_monitor(services: Services, later: timedelta) -> dict[str, int]:
    upkeep = make_upkeep(services, later)
    deeds = upkeep.settle_due(list_due(upkeep.table, upkeep.clock()))
    upkeep.admit_everywhere()
    return deeds


def read_crew(site: Site) -> dict[str, int]:
    """How many tasks hold a slot, and how many wait for people."""
    item = site.services.table.get(site.system.scope.crew_key("research")) or {}
    return {name: item.get(name, 0) for name in ("running", "waiting")}


type Respond = Callable[[Body], Message]
