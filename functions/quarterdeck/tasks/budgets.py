"""What a crew's models may use, of a task and of a UTC day: committed before a call, settled after.

A call's estimate is held in the counters of its task and of its crew's day, and in an item of its
own, all in one transaction that no counter's limit forbids. What the call then used takes its
place. A worker that dies in between leaves the item: who finds it settles it as the estimate, for
nobody knows what the call has used.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Literal, NamedTuple

from quarterdeck.errors import Contention
from quarterdeck.keys import HOLD_PREFIX, Key, Scope, budget_key
from quarterdeck.names import generate_id
from quarterdeck.systems.configuration import Budget
from quarterdeck.table import (
    Absent,
    AtMost,
    Condition,
    ConditionFailed,
    Delete,
    Item,
    Present,
    Put,
    Table,
    Update,
    Write,
)

MICRO = 1_000_000
WARNING_SHARE = 0.8
ATTEMPTS = 5
DAYS_KEPT = 35
HOLD_DAYS = 14

type Span = Literal["task", "day"]
type State = Literal["ok", "warning", "critical"]


class Amount(NamedTuple):
    """Tokens of prompts and answers, and millionths of a USD."""

    tokens: int
    micros: int

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(self.tokens - other.tokens, self.micros - other.micros)


class Limits(NamedTuple):
    """None: not limited."""

    tokens: int | None
    micros: int | None


class Counter(NamedTuple):
    """`committed`, with what is held, and `spent` of one task or of one day."""

    span: Span
    key: Key
    limits: Limits


class Hold(NamedTuple):
    """`spans`: which of its task's and its crew's day's counters hold it."""

    hold_id: str
    day: date
    amount: Amount
    spans: tuple[Span, ...]


class BudgetSpent(Exception):
    """The call may not be made. The text says what is left, for people."""

    def __init__(self, crew: str, counter: Counter, committed: Amount, asked: Amount) -> None:
        super().__init__(explain_refusal(crew, counter, committed, asked))
        self.span = counter.span


def read_limits(budget: Budget) -> dict[Span, Limits]:
    """Of those spans that are limited."""
    spans: dict[Span, Limits] = {
        "task": Limits(budget.tokens_per_task, to_micros(budget.usd_per_task)),
        "day": Limits(budget.tokens_per_day, to_micros(budget.usd_per_day)),
    }
    return {span: limits for span, limits in spans.items() if any(limits)}


def to_micros(usd: float | None) -> int | None:
    return None if usd is None else math.floor(usd * MICRO)


def count_cost(usd: float) -> int:
    """In millionths, rounded up: many small calls are not free."""
    return math.ceil(round(usd * MICRO, 3))


def exceeds(limits: Limits, committed: Amount, asked: Amount) -> bool:
    return any(
        limit is not None and there + more > limit
        for limit, there, more in zip(limits, committed, asked, strict=True)
    )


def judge_day(item: Item | None, limits: Limits) -> State:
    """Of the day's counter: critical once a call was refused in it, warning at 80 % of it."""
    if item is None:
        return "ok"
    if item.get("refused"):
        return "critical"
    spent = (item["spent_tokens"], item["spent_micros"])
    near = any(
        limit is not None and used >= WARNING_SHARE * limit
        for limit, used in zip(limits, spent, strict=True)
    )
    return "warning" if near else "ok"


class TaskBudget:
    """The budgets of one task. `limits` as `read_limits` gives them, of at least one span."""

    def __init__(
        self,
        table: Table,
        scope: Scope,
        crew: str,
        task_id: str,
        limits: dict[Span, Limits],
    ) -> None:
        self.table = table
        self.scope = scope
        self.crew = crew
        self.task_id = task_id
        self.limits = limits

    def hold(self, asked: Amount, now: datetime) -> Hold:
        """BudgetSpent if a limit forbids it."""
        held = Hold(generate_id(), now.astimezone(UTC).date(), asked, tuple(self.limits))
        keys = find_counters(self.scope, self.crew, self.task_id, held)
        counters = [Counter(span, keys[span], limits) for span, limits in self.limits.items()]
        for _ in range(ATTEMPTS):
            try:
                self.table.write(*write_hold(self.scope, self.task_id, counters, held, now))
            except ConditionFailed:
                for counter in counters:
                    self._refuse_or_create(counter, asked, now)
            else:
                return held
        raise Contention("others changed the budget at each attempt")

    def settle(self, held: Hold, used: Amount) -> bool:
        """Whether it was still held: if not, somebody has settled it as its estimate."""
        return settle(self.table, self.scope, self.crew, self.task_id, held, used)

    def settle_left(self) -> int:
        return settle_left(self.table, self.scope, self.crew, self.task_id)

    def _refuse_or_create(self, counter: Counter, asked: Amount, now: datetime) -> None:
        item = self.table.get(counter.key)
        if item is None:
            create_counter(self.table, counter.key, now)
            return
        committed = Amount(item["tokens"], item["micros"])
        if exceeds(counter.limits, committed, asked):
            if counter.span == "day":
                self.table.write(Update(counter.key, {"refused": True}, {}))
            raise BudgetSpent(self.crew, counter, committed, asked)


def find_counters(scope: Scope, crew: str, task_id: str, held: Hold) -> dict[Span, Key]:
    keys: dict[Span, Key] = {
        "task": scope.spending_key(task_id),
        "day": budget_key(scope.system_id, crew, held.day),
    }
    return {span: keys[span] for span in held.spans}


def settle(table: Table, scope: Scope, crew: str, task_id: str, held: Hold, used: Amount) -> bool:
    keys = find_counters(scope, crew, task_id, held).values()
    try:
        table.write(*settle_hold(scope, task_id, list(keys), held, used))
    except ConditionFailed:
        return False
    return True


def settle_left(table: Table, scope: Scope, crew: str, task_id: str) -> int:
    """What workers that died have held, as used; how many calls. Nobody works at the task."""
    left = list(list_holds(table, scope, task_id))
    return sum(settle(table, scope, crew, task_id, held, held.amount) for held in left)


def create_counter(table: Table, key: Key, now: datetime) -> None:
    nothing = dict.fromkeys(("tokens", "micros", "spent_tokens", "spent_micros"), 0)
    expires = int((now + timedelta(days=DAYS_KEPT)).timestamp())
    try:
        table.write(Put(key, nothing | {"expires_at": expires}, [Absent()]))
    except ConditionFailed:
        return


def write_hold(
    scope: Scope, task_id: str, counters: Sequence[Counter], held: Hold, now: datetime
) -> list[Write]:
    """Refused if a counter is not there yet, or would be over its limit."""
    asked = held.amount
    expires = int((now + timedelta(days=HOLD_DAYS)).timestamp())
    item = {
        "day": held.day.isoformat(),
        "spans": list(held.spans),
        **asked._asdict(),
        "expires_at": expires,
    }
    return [
        *(
            Update(counter.key, {}, asked._asdict(), conditions=list_conditions(counter, asked))
            for counter in counters
        ),
        Put(scope.hold_key(task_id, held.hold_id), item, [Absent()]),
    ]


def list_conditions(counter: Counter, asked: Amount) -> list[Condition]:
    limits = counter.limits._asdict()
    rooms: list[Condition] = [
        AtMost(name, limits[name] - more)
        for name, more in asked._asdict().items()
        if limits[name] is not None
    ]
    return [Present(), *rooms]


def settle_hold(
    scope: Scope, task_id: str, counters: Sequence[Key], held: Hold, used: Amount
) -> list[Write]:
    changes = {
        **(used - held.amount)._asdict(),
        "spent_tokens": used.tokens,
        "spent_micros": used.micros,
    }
    return [
        *(Update(key, {}, changes, conditions=[Present()]) for key in counters),
        Delete(scope.hold_key(task_id, held.hold_id), [Present()]),
    ]


def list_holds(table: Table, scope: Scope, task_id: str) -> Iterator[Hold]:
    partition = scope.hold_key(task_id, "").pk
    for item in table.query(partition, HOLD_PREFIX):
        yield Hold(
            item["sk"].removeprefix(HOLD_PREFIX),
            date.fromisoformat(item["day"]),
            Amount(item["tokens"], item["micros"]),
            tuple(item["spans"]),
        )


def explain_refusal(crew: str, counter: Counter, committed: Amount, asked: Amount) -> str:
    per = "a task" if counter.span == "task" else "a UTC day"
    limits = counter.limits
    if limits.tokens is not None and committed.tokens + asked.tokens > limits.tokens:
        said = f"{limits.tokens} tokens", f"{committed.tokens}", f"{asked.tokens}"
    else:
        limit, there, more = (
            f"{value / MICRO:.6f}".rstrip("0").rstrip(".")
            for value in (limits.micros or 0, committed.micros, asked.micros)
        )
        said = f"{limit} USD", there, more
    return (
        f"crew '{crew}' may use {said[0]} {per}: {said[1]} are committed, and the next call "
        f"may take {said[2]}"
    )
