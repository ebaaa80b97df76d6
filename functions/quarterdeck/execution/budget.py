"""A run's calls within its crew's budgets: what a call may take, and what it took."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol

from quarterdeck.execution.prices import Price, count_usage, find_price
from quarterdeck.observability import logger
from quarterdeck.tasks.budgets import Amount, BudgetSpent, Hold, TaskBudget, count_cost

BYTES_A_TOKEN = 3
"""Of a prompt: English has four or five, other languages and JSON fewer."""
ANSWER_TOKENS = 1000
"""Of a model that is given no `max_tokens`."""


class Call(Protocol):
    """What is asked of a model, and what its provider reports of it."""

    llm: Any
    arguments: dict[str, Any]
    usage: dict[str, Any] | None


class RunBudget:
    """`on_change` is told after each call that was settled or refused.

    For any of the run's threads.
    """

    def __init__(
        self,
        budget: TaskBudget,
        clock: Callable[[], datetime],
        on_change: Callable[[], None],
    ) -> None:
        self.budget = budget
        self.clock = clock
        self.on_change = on_change
        self._unsettled = False

    def open(self) -> None:
        """What earlier workers of the task have held is settled."""
        self.budget.settle_left()

    def close(self) -> None:
        """Once no call is in flight: so is what could not be settled."""
        if not self._unsettled:
            return
        try:
            self.budget.settle_left()
        except Exception:
            logger.exception("What calls have used stays committed")

    @contextmanager
    def hold(self, call: Call) -> Iterator[None]:
        """Around one call; BudgetSpent if it may not be made. One that failed has used nothing."""
        try:
            held = self.budget.hold(estimate_call(call), self.clock())
        except BudgetSpent:
            self._tell()
            raise
        except Exception:
            # It can be held though nobody heard so.
            self._unsettled = True
            raise
        try:
            yield
        finally:
            self._settle(held, measure_call(call))

    def _settle(self, held: Hold, used: Amount) -> None:
        """What fails here is left to `close`: the call was made, and is not made again."""
        try:
            self.budget.settle(held, used)
        except Exception:
            self._unsettled = True
            logger.exception("What a call has used was not settled")
        self._tell()

    def _tell(self) -> None:
        try:
            self.on_change()
        except Exception:
            logger.exception("The alert of a budget was not noted")


def estimate_call(call: Call) -> Amount:
    asked = [call.arguments["messages"], call.arguments["tools"]]
    size = len(json.dumps(asked, default=str, ensure_ascii=False).encode())
    prompt = size // BYTES_A_TOKEN + 1
    answer = read_most_tokens(call.llm) or ANSWER_TOKENS
    price = find_price(call.llm.provider, call.llm.model, call.llm.base_url)
    return Amount(prompt + answer, price_call(price, prompt, answer))


def read_most_tokens(llm: Any) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        value = getattr(llm, name, None)
        if isinstance(value, int | float) and value > 0:
            return int(value)
    return None


def price_call(price: Price | None, prompt: int, answer: int) -> int:
    """Millionths of a USD; 0 for a model without a price."""
    if price is None:
        return 0
    return count_cost((prompt * price.prompt + answer * price.completion) / 1_000_000)


def measure_call(call: Call) -> Amount:
    if call.usage is None:
        return Amount(0, 0)
    usage = count_usage(call.llm, call.usage)
    return Amount(usage.total_tokens, count_cost(usage.cost_usd))
