"""A system of one crew on moto, with a worker of its own."""

from collections.abc import Callable
from typing import Any

import boto3

from quarterdeck.execution.worker import Worker
from quarterdeck.execution.workspace import Workspace
from quarterdeck.http.services import Services
from quarterdeck.names import read_clock
from quarterdeck.systems.records import System
from quarterdeck.tasks.admission import admit_tasks
from quarterdeck.tasks.queue import TaskMessage
from quarterdeck.tasks.store import TaskView
from quarterdeck.tasks.submission import TaskRequest, accept_task
from tests import systems
from tests.openai_server import Body, Message

STEPS = ("gather", "weigh", "draft", "polish")


def answer(body: Body) -> Message:
    """Names the step that it was asked for."""
    asked = str(body["messages"][-1]["content"])
    step = next(step for step in STEPS if f"Do {step}" in asked)
    return {"role": "assistant", "content": f"Thought: I know.\nFinal Answer: Did {step}."}


def make_crew(url: str, memory: dict[str, Any] | None = None) -> dict[str, Any]:
    """Of one agent that has STEPS to do, and the memory."""
    llm = {"model": "openai/local", "base_url": url}
    tasks = [{"name": s, "description": f"Do {s}: {{description}}", "agent": "A"} for s in STEPS]
    agent = systems.agent("A", llm=llm, memory_enabled=memory is not None)
    return systems.crew(agents=[agent], tasks=tasks, memory=memory or {})


def deploy(
    services: Services, crew: dict[str, Any], name: str = "desk", trace: str = "none"
) -> System:
    return systems.deploy(services.systems, systems.system(name, crews=[crew], trace=trace))


class Site:
    """One system on moto, and a worker that takes its messages one after the other."""

    def __init__(
        self,
        services: Services,
        url: str,
        *,
        crew: dict[str, Any] | None = None,
        name: str = "desk",
        trace: str = "none",
        **change: Any,
    ) -> None:
        self.services = services
        self.system = deploy(services, crew or make_crew(url), name, trace)
        self.worker = Worker(
            table=services.table,
            blobs=services.blobs,
            queue=services.task_queue,
            announcer=services.announcer,
            read_secret=lambda name: name,
            make_tools=lambda _: {},
            verbose=False,
            clock=read_clock,
            workspace=Workspace(),
            **change,
        )

    def submit(self, **change: Any) -> str:
        request = TaskRequest.model_validate({"description": "x", "crew_name": "research"} | change)
        services = self.services
        state = accept_task(services.table, services.blobs, self.system, request, read_clock())
        self.admit()
        return state.task_id

    def admit(self) -> None:
        services, scope = self.services, self.system.scope
        admit_tasks(services.table, services.task_queue, scope, "research", read_clock)

    def take(self) -> TaskMessage | None:
        """The next message of the queue."""
        sqs, url = boto3.client("sqs"), self.services.task_queue.url
        messages = sqs.receive_message(QueueUrl=url).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return TaskMessage.model_validate_json(message["Body"])
        return None

    def work(self, left: Callable[[], float] = lambda: 900.0) -> None:
        """Handles messages until there are none."""
        while message := self.take():
            self.worker.handle(message, left)

    def view(self, task_id: str) -> TaskView:
        return self.services.tasks.get_view(self.system.scope, task_id)
