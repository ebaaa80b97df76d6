"""What a minute bucket counts: top-level counters, changed by ADD alone.

A time goes into a logarithmic histogram: bin `n` holds what lies in (BASE**(n-1), BASE**n]
milliseconds, so that the bin's geometric middle is within 5 % of every time in it.
"""

import math
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from quarterdeck.keys import Scope
from quarterdeck.retention import Expiry
from quarterdeck.table import Update
from quarterdeck.tasks.outcome import Outcome

BASE = 1.1

Timed = Literal["response", "running", "llm"]
"""Of a task, submit to end, and claim to end over its attempts; of a model's call."""

NOTHING: Mapping[str, int] = MappingProxyType({})


def count_arrival(scope: Scope, crew: str, now: datetime) -> Update:
    return add_counters(scope, crew, now, {"arrivals": 1})


def count_outcome(
    scope: Scope,
    crew: str,
    outcome: Outcome,
    response_ms: int,
    now: datetime,
    counts: Mapping[str, int] = NOTHING,
) -> Update:
    """`response_ms` runs from submit to end, the outcome's own duration from claim to end.

    `counts`: what the attempt that ended has counted besides.
    """
    counters = {
        **counts,
        outcome.status: 1,
        "prompt_tokens": outcome.usage.prompt_tokens,
        "completion_tokens": outcome.usage.completion_tokens,
        "llm_calls": outcome.usage.requests,
        "unpriced_calls": outcome.usage.unpriced,
        "cost_nano_usd": round(outcome.usage.cost_usd * 1e9),
        **describe_time("response", response_ms),
        **describe_time("running", outcome.duration_ms),
    }
    if outcome.error:
        counters[f"error_{outcome.error.type}"] = 1
    return add_counters(scope, crew, now, counters)


def describe_time(kind: Timed, milliseconds: int) -> dict[str, int]:
    """The counters of one time: for the mean, and for the histogram."""
    return {f"{kind}_ms": milliseconds, f"{kind}_bin_{find_bin(milliseconds)}": 1}


def add_counters(scope: Scope, crew: str, now: datetime, counters: Mapping[str, int]) -> Update:
    return Update(scope.bucket_key(crew, now), {"expires_at": Expiry("metrics", now)}, counters)


def find_bin(milliseconds: int) -> int:
    """0 for at most one millisecond."""
    return math.ceil(math.log(milliseconds, BASE)) if milliseconds > 1 else 0


def estimate_time(bin_number: int) -> float:
    """Milliseconds in the middle of a bin."""
    return math.pow(BASE, bin_number - 0.5)
