"""What a worker does for the memory of the crews that it runs."""

from http import HTTPStatus
from typing import Any

from quarterdeck.http.services import Services
from quarterdeck.keys import budget_key
from quarterdeck.metrics.reading import MetricsReader
from quarterdeck.names import read_clock
from quarterdeck.tasks.event_log import read_batches
from tests.openai_server import (
    COMPLETION_TOKENS,
    EMBEDDING_TOKENS,
    PROMPT_TOKENS,
    Body,
    Message,
    OpenAIServer,
)
from tests.unit.execution.memory_answers import answer_memory
from tests.unit.execution.sites import STEPS, Site, answer, make_crew


def answer_all(body: Body) -> Message:
    return answer_memory(body) if "response_format" in body else answer(body)


def list_events(site: Site, task_id: str) -> list[dict[str, Any]]:
    batches = read_batches(site.services.table, site.system.scope, task_id, 0)
    return [event.model_dump() for batch in batches for event in batch.events]


def count(site: Site) -> dict[str, int]:
    reader = MetricsReader(site.services.table)
    return dict(reader.read_window(site.system.scope, "research", read_clock()).counters)


def test_a_memory_that_fails_is_an_event_and_a_metric_of_a_task_that_succeeds(
    services: Services,
) -> None:
    with OpenAIServer(answer_all) as server:
        server.refuse_embedding = HTTPStatus.BAD_REQUEST
        embedder = {"model": "openai/small", "base_url": server.url}
        crew = make_crew(server.url, {"embedder": embedder})
        site = Site(services, server.url, crew=crew)
        task_id = site.submit()
        site.work()
    assert site.view(task_id).status == "succeeded"
    events = list_events(site, task_id)
    degraded = [event for event in events if event["type"] == "memory_degraded"]
    first = [event["type"] for event in events if event["type"].startswith("step_")]
    assert first == ["step_started", "step_ended"] * len(STEPS)
    assert {event["use"] for event in degraded} == {"recall", "keep", "distil"}
    assert {event["error"]["type"] for event in degraded} == {"BadRequestError", "MemoryLeftAlone"}
    assert count(site)["memory_faults"] >= len(STEPS)


def test_a_worker_keeps_what_it_has_read_of_a_memory(services: Services) -> None:
    with OpenAIServer(answer_all) as server:
        crew = make_crew(server.url, {"embedder": "rehearsal"})
        site = Site(services, server.url, crew=crew)
        tasks = [site.submit(), site.submit()]
        site.work()
        prompts = [
            str(body["messages"][-1]["content"])
            for body in server.requests
            if "response_format" not in body
        ]
    assert [site.view(task_id).status for task_id in tasks] == ["succeeded"] * 2
    known = "Rivers carry salt to the sea"
    assert [known in prompt for prompt in (prompts[0], prompts[len(STEPS)])] == [False, True]
    store = site.worker.memories.open(site.system.scope, "research")
    assert store.held == store.count() > 0
    assert "memory_faults" not in count(site)


def test_what_memory_asks_is_in_the_crews_budget(services: Services) -> None:
    with OpenAIServer(answer_all) as server:
        embedder = {"model": "openai/small", "base_url": server.url}
        crew = make_crew(server.url, {"embedder": embedder})
        site = Site(services, server.url, crew={**crew, "budget": {"tokens_per_day": 10**6}})
        view = site.view(run_one(site))
        asked = len(server.requests), len(server.embedded)
        strict = {**crew, "budget": {"tokens_per_task": 5}}
        stopped = Site(services, server.url, crew=strict, name="poor")
        poor = stopped.view(run_one(stopped))
        assert (len(server.requests), len(server.embedded)) == asked
    assert asked[0] > len(STEPS)
    assert asked[1] > len(STEPS)
    assert view.usage
    assert view.usage.requests == asked[0]
    item = services.table.get(budget_key(site.system.system_id, "research", read_clock().date()))
    assert item
    used = asked[0] * (PROMPT_TOKENS + COMPLETION_TOKENS) + asked[1] * EMBEDDING_TOKENS
    assert item["tokens"] == item["spent_tokens"] == view.usage.total_tokens == used
    assert (poor.status, poor.error and poor.error.type) == ("failed", "budget_exceeded")


def run_one(site: Site) -> str:
    task_id = site.submit()
    site.work()
    return task_id
