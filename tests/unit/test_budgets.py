"""Budgets in the table: committed before, settled after, never exceeded, whoever dies between."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.keys import Scope, budget_key
from quarterdeck.systems.configuration import Budget
from quarterdeck.table import Item
from quarterdeck.tasks.budgets import (
    Amount,
    BudgetSpent,
    Limits,
    TaskBudget,
    count_cost,
    judge_day,
    list_holds,
    read_limits,
    settle_left,
)
from tests.fakes import FakeTable
from tests.faults import Crash
from tests.monitor_site import take_turns

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SCOPE = Scope("desk", 1)
CALL = Amount(100, 50)


def make_budget(table: FakeTable, task_id: str = "task", **limits: Any) -> TaskBudget:
    return TaskBudget(table, SCOPE, "research", task_id, read_limits(Budget(**limits)))


def read_day(table: FakeTable) -> Item:
    item = table.get(budget_key("desk", "research", NOON.date()))
    assert item
    return item


def test_of_ten_calls_at_once_as_many_are_made_as_the_budget_allows() -> None:
    table = FakeTable()
    take_turns(table.client)
    begin = threading.Barrier(10)

    def call(number: int) -> bool:
        budget = make_budget(table, f"task-{number % 3}", tokens_per_day=450, usd_per_task=1.0)
        begin.wait()
        try:
            budget.hold(CALL, NOON)
        except BudgetSpent:
            return False
        return True

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(call, range(10))) == 4
    assert read_day(table)["tokens"] == 400


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (
            {"tokens_per_task": 150},
            "crew 'research' may use 150 tokens a task: 100 are committed, "
            "and the next call may take 100",
        ),
        (
            {"usd_per_day": 0.00009},
            "crew 'research' may use 0.00009 USD a UTC day: 0.00005 are committed, "
            "and the next call may take 0.00005",
        ),
    ],
)
def test_a_refusal_says_what_is_left(limits: dict[str, Any], text: str) -> None:
    budget = make_budget(FakeTable(), **limits)
    budget.hold(CALL, NOON)
    with pytest.raises(BudgetSpent) as refusal:
        budget.hold(CALL, NOON)
    assert str(refusal.value) == text


def test_what_a_call_used_takes_the_place_of_its_estimate() -> None:
    table = FakeTable()
    budget = make_budget(table, tokens_per_task=100, tokens_per_day=1000)
    for _ in range(3):
        budget.settle(budget.hold(CALL, NOON), Amount(0, 0))
    budget.settle(budget.hold(CALL, NOON), Amount(7, 3))
    day = read_day(table)
    assert (day["tokens"], day["spent_tokens"], day["micros"], day["spent_micros"]) == (7, 7, 3, 3)
    with pytest.raises(BudgetSpent):
        budget.hold(CALL, NOON)


def test_what_a_dead_worker_held_is_settled_once() -> None:
    table = FakeTable()
    lost = make_budget(table, tokens_per_day=1000, tokens_per_task=1000)
    held = lost.hold(CALL, NOON)
    assert settle_left(table, SCOPE, "research", "task") == 1
    assert settle_left(table, SCOPE, "research", "task") == 0
    assert not lost.settle(held, Amount(1, 1))
    assert (read_day(table)["tokens"], read_day(table)["spent_tokens"]) == (100, 100)


def test_a_day_has_a_budget_of_its_own_and_a_task_has_not() -> None:
    table = FakeTable()
    budget = make_budget(table, tokens_per_day=100, tokens_per_task=250)
    late = budget.hold(CALL, NOON)
    budget.hold(CALL, NOON + timedelta(days=1))
    budget.settle(late, Amount(60, 0))
    assert read_day(table)["spent_tokens"] == 60
    with pytest.raises(BudgetSpent, match="a task"):
        budget.hold(CALL, NOON + timedelta(days=2))


def test_a_crew_without_budgets_has_no_limits() -> None:
    assert read_limits(Budget()) == {}
    assert read_limits(Budget(usd_per_task=0.5)) == {"task": Limits(None, 500_000)}


@pytest.mark.parametrize(
    ("item", "state"),
    [
        (None, "ok"),
        ({"spent_tokens": 79, "spent_micros": 0}, "ok"),
        ({"spent_tokens": 80, "spent_micros": 0}, "warning"),
        ({"spent_tokens": 0, "spent_micros": 900}, "warning"),
        ({"spent_tokens": 1, "spent_micros": 0, "refused": True}, "critical"),
    ],
)
def test_a_day_is_judged(item: Item | None, state: str) -> None:
    assert judge_day(item, Limits(100, 1000)) == state


def test_small_costs_are_rounded_up() -> None:
    assert [count_cost(usd) for usd in (0, 0.000001, 0.0000001, 1.2)] == [0, 1, 1, 1_200_000]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["hold", "settle", "recover"]),
        st.integers(0, 2),
        st.integers(1, 120),
        st.none() | st.integers(1, 4),
    ),
    max_size=40,
)


@given(STEPS)
def test_whoever_dies_whenever_nothing_is_lost_and_nothing_exceeded(
    steps: list[tuple[str, int, int, int | None]],
) -> None:
    """A worker can die after a call and before it is settled, or before or after each write."""
    table = FakeTable()
    limits = {"tokens_per_day": 500, "tokens_per_task": 200}
    held: dict[int, list[Any]] = {0: [], 1: [], 2: []}
    for act, task, tokens, crash_at in steps:
        budget = make_budget(table, f"task-{task}", **limits)
        with crash(table, crash_at):
            match act:
                case "hold":
                    held[task].append(budget.hold(Amount(tokens, tokens), NOON))
                case "settle" if held[task]:
                    one = held[task].pop()
                    budget.settle(one, Amount(min(tokens, one.amount.tokens), 0))
                case "recover":
                    held[task].clear()
                    budget.settle_left()
        day = table.get(budget_key("desk", "research", NOON.date()))
        if day is None:
            continue
        open_holds = [h for n in range(3) for h in list_holds(table, SCOPE, f"task-{n}")]
        assert day["tokens"] <= 500
        assert day["tokens"] == day["spent_tokens"] + sum(h.amount.tokens for h in open_holds)
        spending = [table.get(SCOPE.spending_key(f"task-{n}")) for n in range(3)]
        assert all(item["tokens"] <= 200 for item in spending if item)
        assert sum(item["tokens"] for item in spending if item) == day["tokens"]


class crash:  # noqa: N801 - reads as a statement
    """Within it, the process dies before the n-th write, or after it when it is even."""

    def __init__(self, table: FakeTable, at: int | None) -> None:
        self.table, self.at = table, at
        self.calls = count(1)

    def __enter__(self) -> None:
        if self.at is not None:
            hook = "after_write" if self.at % 2 == 0 else "before_write"
            setattr(self.table.calls, hook, self._make(self.at))

    def _make(self, at: int) -> Callable[[], None]:
        def act() -> None:
            if next(self.calls) == (at + 1) // 2:
                raise Crash

        return act

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        self.table.calls.before_write = self.table.calls.after_write = lambda: None
        return kind is not None and issubclass(kind, Crash | BudgetSpent)
