"""What an application gets of a step with a schema, and which date the step is told."""

from datetime import UTC, datetime
from typing import Any

from quarterdeck.http.services import Services
from quarterdeck.names import read_clock
from quarterdeck.tasks.admission import admit_tasks
from quarterdeck.tasks.ending import stop_task
from quarterdeck.tasks.submission import TaskRequest, accept_task, retry_task
from tests import systems
from tests.api_calls import call
from tests.openai_server import OpenAIServer
from tests.unit.execution.journals import say
from tests.unit.execution.sites import Site

SUBMITTED = datetime(2025, 3, 9, 23, 59, tzinfo=UTC)
SCHEMA = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "note": {"type": ["string", "null"]},
        "page": {"type": "integer"},
    },
    "required": ["title", "note"],
}


def make_system(url: str) -> dict[str, Any]:
    llm = {"model": "openai/local", "base_url": url}
    agent = systems.agent("A", llm=llm, inject_date=True, date_format="%d.%m.%Y %H:%M")
    step = {"name": "s", "agent": "A", "description": "{description}", "output_schema": SCHEMA}
    return systems.system("dated", crews=[systems.crew(agents=[agent], tasks=[step])])


def test_a_structured_result_is_an_object_and_its_date_that_of_the_first_submit(
    services: Services,
) -> None:
    """Also of a retry, on another day: its prompts are those that the journal knows."""
    with OpenAIServer(lambda _: say('{"title": "Salt", "note": null, "page": null}')) as server:
        site = Site(services, server.url)
        site.system = system = systems.deploy(services.systems, make_system(server.url))
        table, blobs, scope = services.table, services.blobs, system.scope
        request = TaskRequest(description="Why?", crew_name="research")
        first = accept_task(table, blobs, system, request, SUBMITTED)
        stop_task(table, blobs, scope, first.task_id, read_clock)
        again = retry_task(table, blobs, system, first.task_id, read_clock())
        admit_tasks(table, services.task_queue, scope, "research", read_clock)
        site.work()
    assert "Current Date: 09.03.2025 23:59" in str(server.requests[0]["messages"])
    task = call("GET", f"/crews/{system.system_id}/tasks/{again.task_id}").json
    data = {"title": "Salt", "note": None}
    assert task["result"] == {"output": '{"title":"Salt","note":null}', "data": data}
    assert task["steps"][0]["data"] == data
    configuration = call("GET", f"/crews/{system.system_id}").json["configuration"]
    assert configuration["crews"][0]["tasks"][0]["output_schema"] == SCHEMA
