"""The monitor's minute: every crew that has something to do has its turn, and nobody else."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from quarterdeck.alerts.budgets import note_budget
from quarterdeck.alerts.store import AlertStore
from quarterdeck.names import parse_time
from quarterdeck.systems.configuration import Budget
from quarterdeck.table import Update
from quarterdeck.tasks.budgets import Amount, TaskBudget, read_limits
from tests.monitor_site import Site

if TYPE_CHECKING:
    pass

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def site() -> Site:
    return Site(NOON)


def test_idle_systems_cost_nothing(site: Site) -> None:
    for number in range(20):
        site.deploy(f"desk-{number}")
    requests: list[str] = []
    site.table.calls.before_read = lambda operation, request: requests.append(operation)
    assert site.look()["systems"] == 0
    alone = len(requests)
    requests.clear()
    for number in range(20, 60):
        site.deploy(f"desk-{number}")
    requests.clear()
    site.look()
    assert len(requests) <= alone <= 4


def test_a_busy_system_costs_the_same_whatever_it_does(site: Site) -> None:
    requests: list[str] = []
    system = site.deploy()
    costs = []
    for tasks in (1, 10, 1000):
        site.work(system, arrivals=tasks, succeeded=tasks)
        site.table.calls.before_read = lambda operation, request: requests.append(operation)
        site.look()
        costs.append(len(requests))
        requests.clear()
    assert costs[1] == costs[2] <= 12


def test_a_load_makes_a_crew_larger_and_its_end_smaller(site: Site) -> None:
    system = site.deploy(cooldown_period=60)
    key = system.scope.crew_key("research")
    seen = []
    for _ in range(12):
        site.table.write(Update(key, {"running": site.capacity(system)}, {}))
        site.work(system, arrivals=30, succeeded=30, response_ms=1_800_000, running_ms=1_800_000)
        site.look()
        seen.append(site.capacity(system))
    assert seen[0] > 1
    assert seen == sorted(seen)
    assert seen[-1] == 20
    site.table.write(Update(key, {"running": 0}, {}))
    for _ in range(60):
        site.look()
    assert site.capacity(system) == 1


def test_failing_tasks_are_told_once_and_their_recovery_once(site: Site) -> None:
    system = site.deploy()
    for _ in range(8):
        site.work(system, arrivals=10, failed=10, response_ms=10_000, running_ms=10_000)
        site.look()
    for _ in range(40):
        site.work(system, arrivals=10, succeeded=10, response_ms=10_000, running_ms=10_000)
        site.look()
    told = [(a.metric, a.state) for a in site.wire.sent if a.metric == "error_rate"]
    assert told == [("error_rate", "critical"), ("error_rate", "ok")]


def test_an_alert_keeps_its_system_looked_at_until_it_is_over(site: Site) -> None:
    """Nobody gives it work any more, and so nobody marks it."""
    system = site.deploy()
    for _ in range(8):
        site.work(system, arrivals=10, failed=10, response_ms=10_000, running_ms=10_000)
        site.look()
    for _ in range(90):
        site.look()
    assert next(a.state for a in site.wire.sent if a.metric == "error_rate") == "critical"
    assert site.look()["systems"] == 0
    alert = AlertStore(site.table).list_all(system.scope)
    assert {a.state for name, a in alert.items() if name.metric == "error_rate"} == {
        "insufficient_data"
    }


def test_the_alert_of_a_budget_ends_with_its_day(site: Site) -> None:
    budget = {"tokens_per_day": 100}
    system = site.deploy(budget=budget)
    store = AlertStore(site.table)
    task = TaskBudget(site.table, system.scope, "research", "task", read_limits(Budget(**budget)))
    task.settle(task.hold(Amount(90, 0), site.now), Amount(90, 0))
    note_budget(store, system.scope, "research", Budget(**budget), site.now)
    site.work(system, arrivals=1)
    for _ in range(12 * 60 + 2):
        site.look()
    told = [(a.metric, a.state) for a in site.wire.sent]
    assert told == [("budget", "warning"), ("budget", "ok")]
    assert parse_time(site.wire.sent[-1].since).day == NOON.day + 1


def test_a_system_that_fails_keeps_no_other_from_its_turn(site: Site) -> None:
    broken, well = site.deploy("broken"), site.deploy("well")
    for _ in range(8):
        for system in (broken, well):
            site.work(system, arrivals=10, failed=10, response_ms=10_000, running_ms=10_000)
        site.table.write(
            Update(broken.scope.crew_key("research"), {"capacity": "not a number"}, {})
        )
        done = site.look()
        assert (done["systems"], done["failed"] > 0) == (2, True)
    assert {a.system for a in site.wire.sent} >= {"well"}


def test_without_time_the_rest_waits_for_the_next_minute(site: Site) -> None:
    for number in range(5):
        site.work(site.deploy(f"desk-{number}"), arrivals=1)
    left = iter([1.0, 1.0, 0.0])
    assert site.look(lambda: next(left))["systems"] == 2


def test_cloudwatch_is_told_of_closed_minutes_once(site: Site) -> None:
    system = site.deploy()
    site.work(system, arrivals=7)
    for _ in range(12):
        site.look()
    told = [
        (record.moment, value)
        for record in site.emitted
        for measure in record.measures
        for value in measure.values
        if measure.name == "arrivals"
    ]
    assert told == [(NOON, 7)]
