"""What a task and an idle minute cost: the figures of infra/cost.py are those of the code."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import monitor
from infra import cost
from quarterdeck.execution.lease import Limits
from quarterdeck.http.services import Services
from tests.api_calls import call, read_items
from tests.meter import Meter, Units, measure_item
from tests.openai_server import Body, Message, OpenAIServer
from tests.unit.execution.sites import STEPS, Site, answer, make_crew

CONTEXT: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: 50_000)
LONG = "A sentence of an answer as models give them. " * 45
"""2 KB."""
TOLERANCE = 0.25
ITEM_BYTES = 100
"""That DynamoDB bills for each item beside it."""


def answer_at_length(body: Body) -> Message:
    said = answer(body)
    return said | {"content": f"{said['content']} {LONG}"}


class Desk:
    """A site whose crew has so many calls of a model to make."""

    def __init__(self, services: Services, url: str, steps: int) -> None:
        crew = make_crew(url)
        crew["tasks"] = crew["tasks"][:steps]
        # Calls of a real model take seconds, so that each begins with a heartbeat.
        self.site = Site(services, url, crew=crew, name=f"desk-{steps}", limits=Limits(fresh=0.0))
        self.path = f"/crews/{self.site.system.system_id}/tasks"

    def run(self) -> str:
        """The path of a task from its submit to its end."""
        request = {"description": LONG, "crew_name": "research"}
        task_id = call("POST", self.path, request).json["task_id"]
        self.site.work()
        assert self.site.view(task_id).status == "succeeded"
        return f"{self.path}/{task_id}"


@pytest.fixture
def watch(services: Services) -> Iterator[monitor.Watch]:
    monitor.load_watch.cache_clear()
    yield monitor.load_watch()
    monitor.load_watch.cache_clear()


def test_a_task_and_a_call_take_what_is_charged_for_them(services: Services) -> None:
    meter = Meter(services.table.client)
    with OpenAIServer(answer_at_length) as server:
        short, long = (Desk(services, server.url, steps) for steps in (1, len(STEPS)))
        meter.take()
        path = short.run()
        one = meter.take()
        long.run()
        all_of_them = meter.take()
    call_units = Units(*((b - a) / (len(STEPS) - 1) for a, b in zip(one, all_of_them, strict=True)))
    check_units(call_units, cost.CALL)
    check_units(Units(*(a - b for a, b in zip(one, call_units, strict=True))), cost.TASK)
    call("GET", path)
    check_units(meter.take(), cost.POLL)
    check_stored(services, short, long)


def check_units(measured: Units, charged: Units | cost.Units) -> None:
    assert measured == pytest.approx(tuple(charged), rel=TOLERANCE, abs=0.5), (
        f"infra/cost.py charges {charged}, and {measured} were measured: bring it and the examples "
        "of docs/operations.md up to date"
    )


def check_stored(services: Services, short: "Desk", long: "Desk") -> None:
    """The bytes that a task leaves, its journal apart."""
    kept = [measure_partition(services, desk) for desk in (short, long)]
    more = len(STEPS) - 1
    step, record = ((kept[1][name] - kept[0][name]) / more for name in ("kept", "journal"))
    assert step == pytest.approx(cost.CALL_BYTES, rel=TOLERANCE)
    assert record == pytest.approx(cost.JOURNAL_BYTES, rel=TOLERANCE)
    assert kept[0]["kept"] - step == pytest.approx(cost.TASK_BYTES, rel=TOLERANCE)


def measure_partition(services: Services, desk: "Desk") -> dict[str, int]:
    sizes = {"kept": 0, "journal": 0}
    for item in read_items():
        if item["pk"]["S"].startswith(f"{desk.site.system.scope.prefix}#TASK"):
            kind = "journal" if item["sk"]["S"].startswith("CALL#") else "kept"
            sizes[kind] += measure_item(item) + ITEM_BYTES
    return sizes


def test_a_minute_of_the_monitor_takes_what_is_charged_for_it(
    services: Services, watch: monitor.Watch
) -> None:
    meter = Meter(watch.tasks.table.client)
    # After a gap of a day, and with the look of each quarter of an hour.
    monitor.lambda_handler({}, CONTEXT)
    meter.take()
    monitor.lambda_handler({}, CONTEXT)
    idle = meter.take()
    check_units(idle, cost.IDLE_MINUTE)
    with OpenAIServer(answer_at_length) as server:
        Desk(services, server.url, 1).run()
    monitor.lambda_handler({}, CONTEXT)
    more = Units(*(a - b for a, b in zip(meter.take(), idle, strict=True)))
    check_units(more, cost.ACTIVE_MINUTE)
