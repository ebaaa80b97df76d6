"""The cost of a month: its formula, and what `make cost` says."""

import os
import subprocess
import sys

import pytest

from infra.cost import IDLE, PRICES, Usage, add_up, estimate_cost, load_prices
from infra.cost_examples import DOCUMENT, fill_examples
from infra.environment import Environment, load_target

MONTH = Usage(tasks=100_000)


@pytest.fixture
def production() -> Environment:
    return load_target("production").environment


def price(environment: Environment, usage: Usage) -> dict[str, float]:
    return {line.what: line.usd for line in estimate_cost(environment, usage)}


def test_an_idle_month_costs_what_stands(production: Environment) -> None:
    lines = estimate_cost(production, IDLE)
    assert 5 < add_up(lines) < 20
    for line in lines:
        if line.what in {"worker, running", "reads", "writes", "table", "backups, reads"}:
            assert line.usd == 0


def test_what_tasks_cost_grows_with_them(production: Environment) -> None:
    idle, one, two = (
        add_up(estimate_cost(production, MONTH._replace(tasks=tasks)))
        for tasks in (0, 100_000, 200_000)
    )
    # What is told of a crew, and the monitor's look at it, is paid once.
    assert two - one == pytest.approx(one - idle, rel=0.1)


def test_a_worker_is_paid_for_its_time_and_memory(production: Environment) -> None:
    paid = price(production, MONTH)["worker, running"]
    assert paid == pytest.approx(100_000 * 30.5 * 2 * 0.0000133334, rel=1e-4)
    longer = price(production, MONTH._replace(duration=61))["worker, running"]
    assert longer == pytest.approx(paid * 61.5 / 30.5)


def test_settings_change_what_they_cost(production: Environment) -> None:
    cheap = production.model_copy(update={"backup_frequency": "none"})
    assert (
        price(cheap, MONTH)["backups, reads"] == price(cheap, MONTH)["restore tests, writes"] == 0
    )
    ready = production.model_copy(update={"provisioned_concurrency": 2})
    added = add_up(estimate_cost(ready, IDLE)) - add_up(estimate_cost(production, IDLE))
    assert added == pytest.approx(2 * 0.5 * 730 * 3600 * 0.0000033334, rel=1e-4)
    days = production.retention.model_copy(update={"tasks_days": 180})
    longer = production.model_copy(update={"retention": days})
    assert price(longer, MONTH)["backups, reads"] == pytest.approx(
        2 * price(production, MONTH)["backups, reads"]
    )


def test_every_price_is_used_and_there(production: Environment) -> None:
    used = {line.price for line in estimate_cost(production, MONTH)}
    assert used == set(load_prices())
    assert "check them" in PRICES.read_text()


def test_the_examples_are_what_the_formula_says() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    assert fill_examples(document) == document, "make cost-table"
    assert "| **all** |" in document


def run_cost(environment: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra.cost", environment],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_prints_a_table_that_adds_up() -> None:
    ended = run_cost("staging", TASKS="1000", CALLS="", DURATION="12.5")
    assert ended.returncode == 0, ended.stderr
    first, said, _, head, *rows, last = ended.stdout.splitlines()
    assert "us-east-1" in first
    assert "12.5 s a task" in said
    assert head.split() == ["USD", "a", "month", "idle", "1,000", "tasks"]
    # Lines under a cent are left out.
    assert sum(float(row.split()[-1]) for row in rows) == pytest.approx(
        float(last.split()[-1]), abs=0.1
    )


@pytest.mark.parametrize(
    ("environment", "tasks", "line"),
    [
        ("prod", "1", "environment: 'prod' is unknown; known are development, production, staging"),
        ("staging", "many", "TASKS: invalid literal for int() with base 10: 'many'"),
        ("staging", "-1", "TASKS: must not be under 0"),
    ],
)
def test_what_cannot_be_reckoned_is_one_line(environment: str, tasks: str, line: str) -> None:
    ended = run_cost(environment, TASKS=tasks)
    assert ended.returncode == 1
    assert line in ended.stderr
    assert ended.stderr.count("\n") == 1
