"""Capacity over the API: setting it by hand, and how it came about."""

from typing import Any

import boto3
import pytest

from quarterdeck.http.services import Services
from quarterdeck.identity.principal import Principal
from quarterdeck.metrics.reading import MetricsReader
from quarterdeck.names import read_clock
from quarterdeck.scaling.actuation import Scaler
from quarterdeck.systems.lifecycle import pause_system, request_deletion
from quarterdeck.systems.records import System
from tests import systems
from tests.api_calls import Answer, call, read_items

OPERATOR = Principal(key_id="k-1", name="operator", scopes=("operate", "read"))


@pytest.fixture
def system(services: Services) -> System:
    """Two crews: `research` with capacity 2 of 1 to 4, `review` with 1 of 1 to 10."""
    agents = [systems.agent("A"), systems.agent("B")]
    crews = [systems.crew(agents=agents, max_agents=4), systems.crew("review")]
    return systems.deploy(services.systems, systems.system(crews=crews))


def scale(system: System, crew: str = "research", **request: Any) -> Answer:
    body = {"crew_name": crew} | request
    return call("POST", f"/crews/{system.system_id}/scale", body, principal=OPERATOR)


def explain(system: System, **query: str) -> Answer:
    return call("GET", f"/crews/{system.system_id}/scale", query=query, principal=OPERATOR)


@pytest.mark.parametrize(
    ("request_", "capacity"),
    [
        ({"action": "scale_up", "factor": 1}, 3),
        ({"action": "scale_up"}, 3),
        ({"action": "scale_up", "factor": 2}, 4),
        ({"action": "scale_down", "factor": 1}, 1),
        ({"capacity": 4}, 4),
        ({"capacity": 2}, 2),
    ],
)
def test_a_capacity_is_set(system: System, request_: dict[str, Any], capacity: int) -> None:
    answer = scale(system, **request_)
    assert (answer.status, answer.json) == (
        200,
        {
            "status": "scaled",
            "crew_name": "research",
            "previous_capacity": 2,
            "capacity": capacity,
        },
    )
    crews = call("GET", f"/crews/{system.system_id}").json["crews"]
    assert [crew["capacity"] for crew in crews] == [capacity, 1]


@pytest.mark.parametrize(
    ("request_", "field", "capacity"),
    [
        ({"action": "scale_up", "factor": 3}, "factor", 5),
        ({"action": "scale_down", "factor": 2}, "factor", 0),
        ({"capacity": 5}, "capacity", 5),
    ],
)
def test_out_of_bounds_is_refused_with_them(
    system: System, request_: dict[str, Any], field: str, capacity: int
) -> None:
    before = read_items()
    answer = scale(system, **request_)
    bounds = f"a capacity of {capacity} is out of bounds: min_agents is 1, max_agents is 4"
    assert (answer.status, answer.faults) == (409, {field: bounds})
    assert answer.json["detail"] == f"crew 'research': {bounds}"
    assert read_items() == before


@pytest.mark.parametrize(
    ("request_", "faults"),
    [
        (
            {"crew_name": "nobody", "capacity": 1},
            {"crew_name": "unknown crew 'nobody'; the crews are: research, review"},
        ),
        (
            {"action": "scale_up", "capacity": 1},
            {
                "capacity": "cannot be given with action: "
                "one says how many more or less, one how many at all"
            },
        ),
        ({}, {"action": "is missing: scale_up or scale_down, or capacity in place of it"}),
        (
            {"factor": 2},
            {"action": "is missing: scale_up or scale_down, or capacity in place of it"},
        ),
        ({"capacity": 2, "factor": 2}, {"factor": "goes with action, not with capacity"}),
        ({"action": "double"}, {"action": "Input should be 'scale_up' or 'scale_down'"}),
        (
            {"action": "scale_up", "factor": 0},
            {"factor": "Input should be greater than or equal to 1"},
        ),
        ({"capacity": 0}, {"capacity": "Input should be greater than or equal to 1"}),
        ({"capacity": 1.5}, {"capacity": "Input should be a valid integer"}),
        ({"capacity": 2, "slots": 2}, {"slots": "is not a field of this object"}),
    ],
)
def test_what_is_not_said_well_is_refused(
    system: System, request_: dict[str, Any], faults: dict[str, str]
) -> None:
    before = read_items()
    answer = scale(system, **{"crew_name": "research"} | request_)
    assert (answer.status, answer.faults) == (422, faults)
    assert read_items() == before


def test_a_larger_capacity_admits_at_once(services: Services, system: System) -> None:
    for _ in range(5):
        task = {"description": "x", "crew_name": "research"}
        call("POST", f"/crews/{system.system_id}/tasks", task)
    assert explain(system).json["crews"][0]["running"] == 2
    scale(system, capacity=4)
    [crew] = explain(system, crew_name="research").json["crews"]
    assert (crew["running"], crew["queued"], crew["utilization"]) == (4, 1, 1.25)
    sent = boto3.client("sqs").receive_message(
        QueueUrl=services.task_queue.url, MaxNumberOfMessages=10
    )
    assert len(sent["Messages"]) == 4


def test_how_a_capacity_came_about(services: Services, system: System) -> None:
    reader = MetricsReader(services.table)
    scaler = Scaler(services.systems, reader, services.task_queue, read_clock)
    reading = scaler.read_crew(system, "research")
    assert reading
    scaler.scale_crew(system, "research", reading)
    scale(system, action="scale_up", factor=2)
    answer = explain(system)
    assert answer.status == 200
    research, review = answer.json["crews"]
    by_hand, by_controller = research.pop("decisions")
    assert research == {
        "crew_name": "research",
        "capacity": 4,
        "min_agents": 1,
        "max_agents": 4,
        "running": 0,
        "queued": 0,
        "utilization": 0,
        "scaled_at": by_hand["at"],
    }
    assert (by_hand["action"], by_hand["by"]) == ("up", "k-1")
    assert by_hand["reasons"] == ["set by hand: nothing changes for 300 s"]
    assert by_controller["by"] == "controller"
    assert (by_controller["previous_capacity"], by_controller["capacity"]) == (2, 2)
    assert by_controller["reasons"][1] == "what 300 s asked for is not known yet"
    assert by_controller["numbers"]["need"] == 0
    assert review["decisions"] == []
    assert len(explain(system, decisions="1").json["crews"][0]["decisions"]) == 1


def test_a_crew_that_is_not_there_is_not_explained(system: System) -> None:
    answer = explain(system, crew_name="nobody")
    assert (answer.status, answer.faults) == (
        422,
        {"crew_name": "unknown crew 'nobody'; the crews are: research, review"},
    )


def test_before_its_first_version_a_system_has_no_capacities(services: Services) -> None:
    system_id = call("POST", "/crews", systems.system()).json["system_id"]
    system = services.systems.get(system_id)
    assert explain(system).json == {"crews": []}
    answer = scale(system, capacity=1)
    assert answer.status == 409
    assert answer.json["detail"] == "system 'desk' is deploying: its crews cannot be scaled"


def test_a_paused_system_can_be_scaled_and_a_deleted_one_not(
    services: Services, system: System
) -> None:
    paused = pause_system(services.systems, system, read_clock())
    assert scale(paused, capacity=3).status == 200
    deleting = request_deletion(services.systems, paused, force=True, now=read_clock())
    assert scale(deleting, capacity=2).status == 409
