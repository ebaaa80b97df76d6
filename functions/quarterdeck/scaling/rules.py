"""The rules by which a crew's capacity is chosen, in their order, with their reasons."""

import math
from datetime import timedelta
from typing import NamedTuple

from quarterdeck.scaling.demand import Observation, find_capacity
from quarterdeck.scaling.memory import Memory, covers_window
from quarterdeck.systems.records import ScalingPolicy

LEAST_STEP = 4
"""How many slots more a minute a crew may get that is too small to gain by doubling."""
BACK_OFF = 0.7
"""What is left of the slots in use when the provider throttles."""
QUIET_S = 300
"""For so long after that a crew gets nothing more,"""
CAREFUL_S = 1800
"""and for so long one slot a minute."""


class Choice(NamedTuple):
    """`backed_off`: the provider's refusals were answered, if only by the least capacity."""

    capacity: int
    reasons: tuple[str, ...]
    backed_off: bool = False


def choose_capacity(
    policy: ScalingPolicy, seen: Observation, need: float | None, memory: Memory
) -> Choice:
    """By the first rule that applies; `memory` with what was just seen."""
    now = seen.capacity
    if policy.clamp(now) != now:
        bounds = f"{policy.min_agents} to {policy.max_agents}"
        return Choice(policy.clamp(now), (f"a capacity of {now} is out of bounds: {bounds}",))
    if memory.by_hand and (left := find_cooldown(policy, seen, memory)):
        return Choice(now, (f"it was set by hand: nothing changes for another {left:.0f} s",))
    if seen.throttled:
        return back_off(policy, seen, memory)
    if need is None:
        return Choice(now, (f"metrics are missing: {name_missing(seen)}",))
    return follow_demand(policy, seen, need, memory)


def follow_demand(policy: ScalingPolicy, seen: Observation, need: float, memory: Memory) -> Choice:
    low, high = policy.scale_down_threshold, policy.scale_up_threshold
    utilization = f"utilization {seen.utilization:.2f}"
    if seen.utilization > high:
        choice = grow(policy, seen, need, memory)
        return choice._replace(reasons=(f"{utilization} is over {high:g}", *choice.reasons))
    if seen.utilization < low:
        choice = shrink(policy, seen, memory)
        return choice._replace(reasons=(f"{utilization} is under {low:g}", *choice.reasons))
    return Choice(seen.capacity, (f"{utilization} is between {low:g} and {high:g}",))


def name_missing(seen: Observation) -> str:
    return "what arrived" if seen.arrivals is None else "how long a task runs, for none has ended"


def find_cooldown(policy: ScalingPolicy, seen: Observation, memory: Memory) -> float:
    """The seconds that are left of it; 0 when it is over."""
    if memory.scaled_at is None:
        return 0.0
    return max(0.0, policy.cooldown_period - (seen.at - memory.scaled_at).total_seconds())


def back_off(policy: ScalingPolicy, seen: Observation, memory: Memory) -> Choice:
    """Takes a part of what is in use; again only when what was refused before is out of sight."""
    now, times = seen.capacity, f"the provider throttled: {seen.throttled} times"
    began = seen.at - timedelta(seconds=seen.span_s)
    if memory.backed_off_at and memory.backed_off_at > began:
        return Choice(now, (times, "what was done about it has yet to show"))
    used = min(now, seen.workload)
    capacity = policy.clamp(math.floor(used * BACK_OFF))
    if capacity == now:
        return Choice(now, (times, f"{now} is min_agents"), backed_off=True)
    left = f"{BACK_OFF:g} of the {used} slots in use are left"
    return Choice(capacity, (times, left), backed_off=True)


def grow(policy: ScalingPolicy, seen: Observation, need: float, memory: Memory) -> Choice:
    now, most = seen.capacity, policy.max_agents
    wanted = find_capacity(need, policy.scale_up_threshold)
    asked = f"a need of {need:.2f} slots asks for {wanted}"
    step, limit = limit_step(seen, memory)
    capacity = max(now, min(wanted, now + step, most))
    if capacity >= wanted:
        return Choice(capacity, (asked,))
    return Choice(capacity, (asked, f"{most} is max_agents" if capacity == most else limit))


def limit_step(seen: Observation, memory: Memory) -> tuple[int, str]:
    """How many slots more a minute, and why no more than that."""
    if memory.backed_off_at:
        quiet_s = (seen.at - memory.backed_off_at).total_seconds()
        if quiet_s < QUIET_S:
            return 0, "none more in the five minutes after the provider throttled"
        if quiet_s < CAREFUL_S:
            return 1, "at most 1 more a minute in the half hour after the provider throttled"
    step = max(LEAST_STEP, seen.capacity)
    return step, f"at most {step} more a minute"


def shrink(policy: ScalingPolicy, seen: Observation, memory: Memory) -> Choice:
    """To what the whole cooldown window asked for, if all of it was under the threshold."""
    now, highest = seen.capacity, memory.highest
    if now == policy.min_agents:
        return Choice(now, (f"{now} is min_agents",))
    if left := find_cooldown(policy, seen, memory):
        return Choice(now, (f"the last change is to show for another {left:.0f} s",))
    if not covers_window(memory.peaks, seen.at, policy.cooldown_period):
        return Choice(now, (f"what {policy.cooldown_period} s asked for is not known yet",))
    window = f"the highest need of {policy.cooldown_period} s was {highest:.2f} slots"
    if highest >= policy.scale_down_threshold * now:
        return Choice(now, (f"{window}, which was not under it",))
    capacity = policy.clamp(find_capacity(highest, policy.scale_up_threshold))
    return Choice(min(now, capacity), (window,))
