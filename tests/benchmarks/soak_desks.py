"""The systems of a soak, and the model that their agents ask: it answers at once."""

import re

from quarterdeck.systems.records import System
from quarterdeck.systems.store import SystemStore
from tests import systems
from tests.benchmarks.soak_site import Site
from tests.openai_server import Body, Message

STEPS = 2
"""Of each task; a call each."""
CREWS_A_SYSTEM = 10
PROMPT = re.compile(r"Step (\d+) of soak task (\d+)\.")


def deploy_desks(site: Site, crews: int, url: str) -> list[System]:
    """Active systems with so many crews together; `url`: of the model."""
    store = SystemStore(site.open_table(), site.open_blobs())
    names = [f"crew-{number}" for number in range(crews)]
    return [
        deploy_desk(store, f"desk-{first}", names[first : first + CREWS_A_SYSTEM], url)
        for first in range(0, crews, CREWS_A_SYSTEM)
    ]


def deploy_desk(store: SystemStore, name: str, crews: list[str], url: str) -> System:
    llm = {"model": "openai/local", "base_url": url}
    numbers = range(1, STEPS + 1)
    agents = [systems.agent(f"Agent {number}", llm=llm) for number in numbers]
    steps = [
        {
            "name": f"step-{number}",
            "description": f"Step {number} of soak task {{description}}.",
            "agent": f"Agent {number}",
        }
        for number in numbers
    ]
    return systems.deploy(
        store,
        systems.system(name, crews=[systems.crew(n, agents=agents, tasks=steps) for n in crews]),
    )


def answer(body: Body) -> Message:
    """The same for the same step of a task, if it is told what the step before has answered."""
    task, step = read_prompt(body)
    is_told = step == 1 or spell_answer(task, step - 1) in str(body["messages"])
    content = spell_answer(task, step) if is_told else "What came before?"
    return {"role": "assistant", "content": f"Thought: I know.\nFinal Answer: {content}"}


def read_prompt(body: Body) -> tuple[str, int]:
    """The task's description and the step's number."""
    ((step, task),) = set(PROMPT.findall(str(body["messages"])))
    return task, int(step)


def spell_answer(task: str, step: int) -> str:
    return f"Answer {step} to task {task}, and no other."
