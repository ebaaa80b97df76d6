"""How many slots a crew should have: decided from what was measured, and from nothing else.

Thresholds on utilization say whether there is to be more or less, demand says how much.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from quarterdeck.scaling.demand import Observation, blend_service, compute_need
from quarterdeck.scaling.memory import Memory, add_peak
from quarterdeck.scaling.rules import Choice, choose_capacity
from quarterdeck.systems.records import ScalingPolicy

Action = Literal["up", "down", "hold"]


class Decision(NamedTuple):
    """`numbers`: what it was made from, by name. `memory` is for the next."""

    at: datetime
    previous: int
    capacity: int
    reasons: tuple[str, ...]
    numbers: Mapping[str, float]
    memory: Memory

    @property
    def action(self) -> Action:
        if self.capacity == self.previous:
            return "hold"
        return "up" if self.capacity > self.previous else "down"


def decide(policy: ScalingPolicy, seen: Observation, memory: Memory) -> Decision:
    known, need = learn(policy, seen, memory)
    choice = choose_capacity(policy, seen, need, known)
    return Decision(
        at=seen.at,
        previous=seen.capacity,
        capacity=choice.capacity,
        reasons=choice.reasons,
        numbers=dict(list_numbers(seen, need, known)),
        memory=remember(policy, seen, known, choice),
    )


def learn(policy: ScalingPolicy, seen: Observation, memory: Memory) -> tuple[Memory, float | None]:
    """The memory with what was seen, and the need if it is known."""
    service_s = blend_service(memory.service_s, seen.mean_running_s, seen.ended)
    need = compute_need(seen, service_s)
    peaks = memory.peaks
    if need is not None:
        demand = max(need, seen.running)
        peaks = add_peak(peaks, demand, seen.at, policy.cooldown_period)
    changes = {"evaluated_at": seen.at, "service_s": service_s, "peaks": peaks}
    return memory.model_copy(update=changes), need


def remember(policy: ScalingPolicy, seen: Observation, known: Memory, choice: Choice) -> Memory:
    """What was learned, with what was chosen."""
    quiet = seen.arrivals == seen.workload == seen.throttled == known.highest == 0
    least = seen.capacity == policy.min_agents or not policy.scale_down_threshold
    changes: dict[str, object] = {"idle": quiet and least and choice.capacity == seen.capacity}
    if choice.capacity != seen.capacity:
        changes |= {"scaled_at": seen.at, "by_hand": False}
    if choice.backed_off:
        changes["backed_off_at"] = seen.at
    return known.model_copy(update=changes)


def list_numbers(
    seen: Observation, need: float | None, memory: Memory
) -> Iterator[tuple[str, float]]:
    """What is known, in slots, seconds, and tasks a minute."""
    yield "running", seen.running
    yield "queued", seen.queued
    yield "throttled", seen.throttled
    if seen.capacity:
        yield "utilization", round(seen.utilization, 3)
    if seen.arrivals is not None:
        yield "arrivals_per_minute", round(60 * seen.arrivals / seen.span_s, 3)
    if memory.service_s is not None:
        yield "service_s", round(memory.service_s, 3)
    if need is not None:
        yield "need", round(need, 3)
        yield "highest_need", round(memory.highest, 3)
