"""A budget on the emulator's table, asked by ten callers at once."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from quarterdeck.keys import Scope, budget_key
from quarterdeck.systems.configuration import Budget
from quarterdeck.table import Table
from quarterdeck.tasks.budgets import Amount, BudgetSpent, TaskBudget, list_holds, read_limits
from tests.table_conformance import create_table
from tests.table_indexes import INDEXES

NAME = "budgets"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SCOPE = Scope("desk", 1)
TASKS = ("one", "two", "three")


@pytest.fixture
def table(aws: Callable[[str], Any]) -> Iterator[Table]:
    client = aws("dynamodb")
    create_table(client, NAME, INDEXES)
    yield Table(client, NAME)
    client.delete_table(TableName=NAME)


def test_of_ten_calls_at_once_as_many_are_made_as_the_budget_allows(table: Table) -> None:
    limits = read_limits(Budget(tokens_per_day=450, usd_per_task=1.0))
    begin = threading.Barrier(10)

    def call(number: int) -> bool:
        budget = TaskBudget(table, SCOPE, "research", TASKS[number % 3], limits)
        begin.wait()
        try:
            budget.hold(Amount(100, 50), NOON)
        except BudgetSpent:
            return False
        return True

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(call, range(10))) == 4
    day = table.get(budget_key("desk", "research", NOON.date()))
    assert day is not None
    assert (day["tokens"], day["micros"]) == (400, 200)
    held = [hold for task in TASKS for hold in list_holds(table, SCOPE, task)]
    assert [hold.amount for hold in held] == [Amount(100, 50)] * 4
