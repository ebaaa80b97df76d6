"""A burst makes a crew's capacity grow, and quiet lets it come back: readable over the API."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from infra.local.api import Api
from infra.local.service import Service
from quarterdeck.keys import Scope
from quarterdeck.names import format_time, read_clock
from tests import systems
from tests.emulated.main_job import Provider, deploy, poll, run_monitor, submit, wait

BURST = 30
SLOW_S = 10.0
THRESHOLD = 0.7
"""So low that the burst asks for four slots, wherever in its minute it is looked at."""
ENDS_S = 240.0
"""Longer than arrivals count."""


def age_crew(aws: Callable[[str], Any], service: Service, system_id: str) -> None:
    """The last evaluation, and what it saw, are minutes ago: nobody wants to wait for that."""
    aws("dynamodb").update_item(
        TableName=service.outputs["TableName"],
        Key={n: {"S": v} for n, v in Scope(system_id, 1).crew_key("research")._asdict().items()},
        UpdateExpression="SET evaluated_at = :earlier, scaling.peaks = :none",
        ConditionExpression="attribute_exists(evaluated_at)",
        ExpressionAttributeValues={
            ":earlier": {"S": format_time(read_clock() - timedelta(minutes=5))},
            ":none": {"L": []},
        },
    )


def explain(api: Api, system_id: str) -> Any:
    answer = api.get(f"/crews/{system_id}/scale?crew_name=research&decisions=50")
    assert answer.status == 200
    return answer.json["crews"][0]


def await_capacity(
    aws: Callable[[str], Any],
    service: Service,
    api: Api,
    system_id: str,
    until: Callable[[int], bool],
) -> None:
    deadline = time.monotonic() + ENDS_S
    while time.monotonic() < deadline:
        run_monitor(aws)
        crew = explain(api, system_id)
        if until(crew["capacity"]):
            return
        if any(decision["by"] == "controller" for decision in crew["decisions"]):
            age_crew(aws, service, system_id)
        time.sleep(1)
    pytest.fail(f"the capacity stays: {crew}")


def test_a_burst_makes_capacity_grow_and_quiet_brings_it_back(
    aws: Callable[[str], Any], service: Service, api: Api, provider: tuple[Provider, str]
) -> None:
    model, base_url = provider
    llm = {"model": "openai/gpt-4o-mini", "base_url": base_url}
    crew = systems.crew(
        agents=[systems.agent(llm=llm)],
        min_agents=1,
        max_agents=4,
        cooldown_period=0,
        scale_up_threshold=THRESHOLD,
    )
    system_id = deploy(api, systems.system("burst", crews=[crew]))
    first = submit(api, system_id, description="BLOCK")
    poll(lambda: str(model.at_once), {"1"})
    tasks = [submit(api, system_id, description="BLOCK") for _ in range(BURST)]
    time.sleep(SLOW_S)
    model.release_one()
    wait(api, system_id, first)

    await_capacity(aws, service, api, system_id, lambda capacity: capacity == 4)
    poll(lambda: str(model.at_once), {"4"})
    model.released.set()
    assert {wait(api, system_id, task)["status"] for task in tasks} == {"succeeded"}
    await_capacity(aws, service, api, system_id, lambda capacity: capacity == 1)

    assert model.most_at_once == 4
    decisions = [d for d in explain(api, system_id)["decisions"] if d["by"] == "controller"][::-1]
    grown = [d for d in decisions if d["action"] == "up"]
    shrunk = [d for d in decisions if d["action"] == "down"]
    assert grown[0]["previous_capacity"] == 1
    assert (grown[-1]["capacity"], shrunk[0]["previous_capacity"]) == (4, 4)
    assert shrunk[-1]["capacity"] == 1
    assert any(f"is over {THRESHOLD:g}" in reason for reason in grown[0]["reasons"])
    assert grown[0]["numbers"]["queued"] >= BURST - 1
