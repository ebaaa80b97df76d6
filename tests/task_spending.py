"""Calls within a task's and a day's budget, and what must hold of what they hold."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress

from quarterdeck.keys import HOLD_PREFIX, parse_task_key
from quarterdeck.systems.configuration import Budget
from quarterdeck.table import Item
from quarterdeck.tasks.attempt import Attempt
from quarterdeck.tasks.budgets import (
    Amount,
    BudgetSpent,
    Hold,
    TaskBudget,
    read_limits,
    settle_left,
)
from quarterdeck.tasks.states import TERMINAL
from tests.task_world import Actor, World

A_TASK, A_DAY = 250, 600
LIMITS = read_limits(Budget(tokens_per_task=A_TASK, tokens_per_day=A_DAY))

type Owner = tuple[str, int]
"""A claim: of which task, with which epoch."""


def find_owner(attempt: Attempt) -> Owner:
    return attempt.state.task_id, attempt.state.epoch


class Spending:
    """The workers' calls that are on their way. All crews have the same budgets."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.held: list[tuple[Attempt, Hold]] = []
        self.through: set[Owner] = set()
        """Workers that make no further call: they are about to leave their task."""
        self.unknown: set[Owner] = set()
        """Workers that do not know what a call of theirs holds, which failed to say."""
        self.own: dict[str, set[str]] = defaultdict(set)
        """Of each task what was held by whose task it was."""
        self.ended_by: dict[str, Actor] = {}

    def open(self, attempt: Attempt) -> None:
        """What earlier workers held is settled before the first call."""
        state, scope = attempt.state, self.world.scope
        settle_left(self.world.table, scope, state.crew_name, state.task_id)

    def hold(self, attempt: Attempt, tokens: int) -> None:
        if find_owner(attempt) in self.through:
            return
        try:
            held = self._budget_of(attempt).hold(Amount(tokens, tokens), attempt.clock())
            self.held.append((attempt, held))
        except BudgetSpent:
            return
        except BaseException:
            self.unknown.add(find_owner(attempt))
            raise

    def settle(self, attempt: Attempt, held: Hold, used: int) -> None:
        """By a call that is over."""
        spent = min(used, held.amount.tokens)
        self._budget_of(attempt).settle(held, Amount(spent, spent))
        with suppress(ValueError):
            self.held.remove((attempt, held))

    def close(self, attempt: Attempt) -> None:
        """All calls of a worker are over before it leaves its task."""
        self.through.add(find_owner(attempt))
        for owner, held in [each for each in self.held if each[0] is attempt]:
            self.settle(owner, held, held.amount.tokens)
        if find_owner(attempt) in self.unknown:
            self.open(attempt)

    def _budget_of(self, attempt: Attempt) -> TaskBudget:
        state = attempt.state
        return TaskBudget(
            self.world.table, self.world.scope, state.crew_name, state.task_id, LIMITS
        )

    def see_hold(self, item: Item, state: Item) -> None:
        actor = self.world.current
        if actor is None or actor.attempt is None:
            return
        owner = find_owner(actor.attempt)
        owns = state["status"] == "running" and owner == (state["task_id"], state["epoch"])
        if owns and owner not in self.through:
            self.own[state["task_id"]].add(item["sk"].removeprefix(HOLD_PREFIX))

    def see_end(self, state: Item) -> None:
        if self.world.current and state["status"] in TERMINAL:
            self.ended_by[state["task_id"]] = self.world.current

    def check(self, items: Iterable[Item]) -> Iterator[str]:
        """Whoever ended a task, and was spared, has settled what its workers held."""
        kept = list(items)
        yield from check_counters(kept)
        for item in kept:
            if not item["sk"].startswith(HOLD_PREFIX):
                continue
            task_id = parse_task_key(item["pk"])[1]
            ender = self.ended_by.get(task_id)
            own = item["sk"].removeprefix(HOLD_PREFIX) in self.own[task_id]
            if ender and ender.spared and own:
                yield f"held by a task that has ended: {item}"


def check_counters(items: Iterable[Item]) -> Iterator[str]:
    """No limit is exceeded; what is committed is what was spent and what is held, to the token."""
    committed: Counter[str] = Counter()
    counted: Counter[str] = Counter()
    for item in items:
        if item["sk"].startswith(HOLD_PREFIX):
            counted[parse_task_key(item["pk"])[1]] += item["tokens"]
            counted[item["day"]] += item["tokens"]
        elif item["sk"] == "SPENDING" or item["sk"].startswith("BUDGET#"):
            of_task = item["sk"] == "SPENDING"
            name = parse_task_key(item["pk"])[1] if of_task else item["sk"].removeprefix("BUDGET#")
            committed[name] += item["tokens"]
            counted[name] += item["spent_tokens"]
            if not 0 <= item["tokens"] <= (A_TASK if of_task else A_DAY):
                yield f"over its limit: {item}"
    if committed != counted:
        yield f"committed {committed}, but spent and held {counted}"
