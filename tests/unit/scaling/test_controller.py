"""The controller: bounds, direction, patience, and what it says of itself."""

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from quarterdeck.metrics.window import Window
from quarterdeck.scaling.controller import Decision, decide
from quarterdeck.scaling.demand import NEVER_RAN, Observation, choose_minutes, observe
from quarterdeck.scaling.memory import Memory, Peak, dump_memory, read_memory
from quarterdeck.scaling.rules import LEAST_STEP
from quarterdeck.systems.records import ScalingPolicy

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
POLICY = ScalingPolicy(
    min_agents=1,
    max_agents=40,
    scale_up_threshold=0.8,
    scale_down_threshold=0.3,
    cooldown_period=300,
)
QUIET = Observation(
    at=NOON,
    capacity=10,
    running=0,
    queued=0,
    span_s=180,
    arrivals=0,
    ended=0,
    mean_running_s=None,
    throttled=0,
)
KNOWN = Memory(service_s=60)

COUNTS = st.integers(0, 500)
SECONDS = st.floats(0.1, 3600)


@st.composite
def policies(draw: st.DrawFn) -> ScalingPolicy:
    least = draw(st.integers(1, 50))
    down = draw(st.floats(0, 0.95))
    return ScalingPolicy(
        min_agents=least,
        max_agents=draw(st.integers(least, 100)),
        scale_up_threshold=draw(st.floats(down, 1, exclude_min=True)),
        scale_down_threshold=down,
        cooldown_period=draw(st.sampled_from([0, 60, 300, 3600])),
    )


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    ended = draw(COUNTS)
    return Observation(
        at=NOON,
        capacity=draw(st.integers(1, 120)),
        running=draw(COUNTS),
        queued=draw(COUNTS),
        span_s=draw(st.floats(180, 960)),
        arrivals=draw(st.none() | COUNTS),
        ended=ended,
        mean_running_s=draw(SECONDS) if ended else None,
        throttled=draw(st.integers(0, 3)),
    )


@st.composite
def memories(draw: st.DrawFn) -> Memory:
    def ago() -> st.SearchStrategy[datetime | None]:
        return st.none() | st.integers(0, 4000).map(lambda s: NOON - timedelta(seconds=s))

    starts = draw(st.lists(st.integers(0, 60), max_size=12, unique=True).map(sorted))
    begin = int(NOON.timestamp())
    return Memory(
        scaled_at=draw(ago()),
        by_hand=draw(st.booleans()),
        service_s=draw(st.none() | SECONDS),
        peaks=tuple(Peak(begin - 60 * each, draw(st.floats(0, 200))) for each in starts[::-1]),
        backed_off_at=draw(ago()),
    )


def is_known(seen: Observation, memory: Memory) -> bool:
    return seen.arrivals is not None and (memory.service_s or seen.mean_running_s) is not None


@given(policies(), observations(), memories())
def test_capacity_is_within_bounds(
    policy: ScalingPolicy, seen: Observation, memory: Memory
) -> None:
    decision = decide(policy, seen, memory)
    assert policy.min_agents <= decision.capacity <= policy.max_agents
    assert decision.reasons


@given(policies(), observations(), memories())
def test_a_minute_brings_a_doubling_or_four_more_at_most(
    policy: ScalingPolicy, seen: Observation, memory: Memory
) -> None:
    seen = seen._replace(capacity=policy.clamp(seen.capacity))
    decision = decide(policy, seen, memory)
    assert decision.capacity <= seen.capacity + max(LEAST_STEP, seen.capacity)


@given(policies(), observations(), memories(), COUNTS, COUNTS, COUNTS)
def test_more_load_never_means_less_capacity(
    policy: ScalingPolicy,
    seen: Observation,
    memory: Memory,
    running: int,
    queued: int,
    arrivals: int,
) -> None:
    assume(is_known(seen, memory))
    more = seen._replace(
        running=seen.running + running,
        queued=seen.queued + queued,
        arrivals=(seen.arrivals or 0) + arrivals,
    )
    assert decide(policy, more, memory).capacity >= decide(policy, seen, memory).capacity


@given(policies(), observations(), memories())
def test_without_metrics_nothing_changes(
    policy: ScalingPolicy, seen: Observation, memory: Memory
) -> None:
    seen = seen._replace(arrivals=None, throttled=0)
    decision = decide(policy, seen, memory)
    assert decision.capacity == policy.clamp(seen.capacity)
    assert decision.memory.peaks == memory.peaks


@given(policies(), observations(), memories())
def test_while_the_provider_throttles_there_is_never_more(
    policy: ScalingPolicy, seen: Observation, memory: Memory
) -> None:
    capacity = policy.clamp(seen.capacity)
    seen = seen._replace(capacity=capacity, throttled=max(1, seen.throttled))
    assert decide(policy, seen, memory).capacity <= seen.capacity


@given(policies(), st.integers(1, 100), st.floats(0, 60), SECONDS, st.integers(0, 300))
def test_constant_load_turns_the_capacity_once_at_most(
    policy: ScalingPolicy, capacity: int, load: float, service_s: float, queued: int
) -> None:
    """As a fluid: `load` slots' worth of work comes without end, above what is queued."""
    capacity, waiting, memory = policy.clamp(capacity), float(queued), Memory()
    span_s, capacities = 180.0, [capacity]
    per_minute = 60 * load / service_s
    for minute in range(1, 150):
        done = min(waiting + per_minute, 60 * capacity / service_s)
        waiting += per_minute - done
        seen = Observation(
            at=NOON + minute * MINUTE,
            capacity=capacity,
            running=math.ceil(min(capacity, load if waiting < 1 else capacity)),
            queued=math.floor(waiting),
            span_s=span_s,
            arrivals=math.ceil(per_minute * span_s / 60),
            ended=math.ceil(per_minute),
            mean_running_s=service_s if load else None,
            throttled=0,
        )
        decision = decide(policy, seen, memory)
        capacity, memory = decision.capacity, decision.memory
        capacities.append(capacity)
    grew = [after > before for before, after in pairwise(capacities) if after != before]
    assert sum(before != after for before, after in pairwise(grew)) <= 1


@given(policies(), observations(), memories())
def test_memory_comes_back_from_its_item_and_stays_small(
    policy: ScalingPolicy, seen: Observation, memory: Memory
) -> None:
    after = decide(policy, seen, memory).memory
    item = dump_memory(after)
    assert dump_memory(read_memory(item)) == item
    assert len(str(item)) < 4000


def follow(
    seen: Observation, memory: Memory, minutes: int, policy: ScalingPolicy = POLICY
) -> list[Decision]:
    """The same observation each minute, but for the capacity."""
    decisions = []
    for minute in range(minutes):
        at = seen.at + minute * MINUTE
        decision = decide(policy, seen._replace(at=at), memory)
        decisions.append(decision)
        seen, memory = seen._replace(capacity=decision.capacity), decision.memory
    return decisions


def read_capacities(*arguments: Any) -> list[int]:
    return [decision.capacity for decision in follow(*arguments)]


def test_need_is_what_arrives_and_what_is_queued() -> None:
    """30 in 180 s, of 60 s each: 10 slots; 50 queued, to be done in 300 s: 10 slots."""
    seen = QUIET._replace(arrivals=30, queued=50, running=10)
    decision = decide(POLICY, seen, KNOWN)
    assert decision.numbers == {
        "running": 10,
        "queued": 50,
        "throttled": 0,
        "utilization": 6.0,
        "arrivals_per_minute": 10.0,
        "service_s": 60,
        "need": 20.0,
        "highest_need": 20.0,
    }
    assert (decision.action, decision.previous, decision.capacity) == ("up", 10, 20)
    assert decision.reasons == (
        "utilization 6.00 is over 0.8",
        "a need of 20.00 slots asks for 25",
        "at most 10 more a minute",
    )


def test_a_need_is_met_at_once_within_the_growth_of_a_minute() -> None:
    seen = QUIET._replace(capacity=1, arrivals=60, running=1, queued=200)
    assert read_capacities(seen, KNOWN, 6) == [5, 10, 20, 40, 40, 40]
    last = follow(seen, KNOWN, 6)[-1]
    assert last.reasons[-1] == "40 is max_agents"


def test_less_waits_for_the_highest_need_of_the_cooldown() -> None:
    noon = int(NOON.timestamp())
    peaks = (*(Peak(noon - 60 * n, 1) for n in (5, 4, 3, 2, 1)), Peak(noon, 2.5))
    memory = Memory(service_s=60, peaks=peaks, scaled_at=NOON - 2 * MINUTE)
    seen = QUIET._replace(running=1, arrivals=3)
    decisions = follow(seen, memory, 12)
    # The last change is three minutes from its cooldown; the need of 2.5 leaves the window at 6.
    assert [d.capacity for d in decisions] == [10, 10, 10, 4, 4, 4, 4, 4, 2, 2, 2, 2]
    assert decisions[0].reasons == (
        "utilization 0.10 is under 0.3",
        "the last change is to show for another 180 s",
    )
    assert decisions[3].reasons[1] == "the highest need of 300 s was 2.50 slots"


def test_a_window_that_was_not_quiet_throughout_keeps_the_capacity() -> None:
    memory = Memory(service_s=60, peaks=(Peak(int(NOON.timestamp()) - 300, 3),))
    decision = decide(POLICY, QUIET, memory)
    assert decision.action == "hold"
    assert decision.reasons[1] == (
        "the highest need of 300 s was 3.00 slots, which was not under it"
    )


def test_a_threshold_near_nothing_asks_for_the_most() -> None:
    policy = POLICY.model_copy(update={"scale_up_threshold": 5e-324, "scale_down_threshold": 0})
    assert decide(policy, QUIET._replace(capacity=30, queued=1), KNOWN).capacity == 40


def test_tasks_that_never_ran_tell_no_time_of_running() -> None:
    counters = {"cancelled": 3, NEVER_RAN: 2, "succeeded": 1, "running_ms": 60_000}
    seen = observe(NOON, 1, 0, 0, Window(3, counters))
    assert (seen.ended, seen.mean_running_s) == (2, 30)


def test_an_observation_covers_the_minute_that_runs() -> None:
    window = Window(3, {"arrivals": 5, "throttled": 2, "failed": 1, "running_ms": 5000})
    assert observe(NOON + timedelta(seconds=20), 4, 3, 2, window) == Observation(
        at=NOON + timedelta(seconds=20),
        capacity=4,
        running=3,
        queued=2,
        span_s=200,
        arrivals=5,
        ended=1,
        mean_running_s=5,
        throttled=2,
    )
    assert observe(NOON, 4, 3, 2, None).arrivals is None


@pytest.mark.parametrize(
    ("service_s", "minutes"), [(None, 3), (60, 3), (200, 4), (900, 15), (4000, 15)]
)
def test_long_tasks_are_looked_at_for_longer(service_s: float | None, minutes: int) -> None:
    assert choose_minutes(service_s) == minutes


def test_what_is_between_the_thresholds_is_well() -> None:
    decision = decide(POLICY, QUIET._replace(running=5, arrivals=15), KNOWN)
    assert decision.reasons == ("utilization 0.50 is between 0.3 and 0.8",)


def test_no_task_has_ended_yet() -> None:
    seen = QUIET._replace(queued=100, arrivals=100)
    decision = decide(POLICY, seen, Memory())
    assert (decision.action, decision.reasons) == (
        "hold",
        ("metrics are missing: how long a task runs, for none has ended",),
    )
    assert "need" not in decision.numbers


def test_a_crew_that_is_new_keeps_its_slots_for_a_cooldown() -> None:
    decisions = follow(QUIET, Memory(), 5)
    assert [decision.capacity for decision in decisions] == [10, 10, 10, 10, 1]
    assert decisions[0].reasons[1] == "what 300 s asked for is not known yet"
    assert decisions[4].reasons[1] == "the highest need of 300 s was 0.00 slots"


def test_throttling_takes_slots_and_waits_until_that_shows() -> None:
    seen = QUIET._replace(running=10, queued=90, arrivals=90, throttled=7)
    decisions = follow(seen, KNOWN, 5)
    assert [d.capacity for d in decisions] == [7, 7, 7, 4, 4]
    assert decisions[0].reasons == (
        "the provider throttled: 7 times",
        "0.7 of the 10 slots in use are left",
    )
    assert decisions[1].reasons[1] == "what was done about it has yet to show"


def test_after_throttling_slots_come_back_one_by_one() -> None:
    memory = KNOWN.model_copy(update={"backed_off_at": NOON - 4 * MINUTE})
    seen = QUIET._replace(running=10, queued=200, arrivals=90)
    capacities = read_capacities(seen, memory, 29)
    assert capacities[:4] == [10, 11, 12, 13]
    assert capacities[25:] == [35, 40, 40, 40]


def test_what_was_set_by_hand_stands_for_a_cooldown() -> None:
    memory = Memory(service_s=60, by_hand=True, scaled_at=NOON)
    busy = QUIET._replace(running=10, queued=200, arrivals=90)
    assert read_capacities(busy, memory, 6) == [10, 10, 10, 10, 10, 20]
    assert read_capacities(QUIET, memory, 6) == [10, 10, 10, 10, 10, 1]
    assert decide(POLICY, busy, memory).reasons == (
        "it was set by hand: nothing changes for another 300 s",
    )


@pytest.mark.parametrize(("capacity", "bounded"), [(50, 40), (0, 1)])
def test_a_capacity_out_of_bounds_is_brought_back(capacity: int, bounded: int) -> None:
    decision = decide(POLICY, QUIET._replace(capacity=capacity, arrivals=None), Memory())
    assert decision.capacity == bounded
    assert decision.reasons == (f"a capacity of {capacity} is out of bounds: 1 to 40",)


def test_a_crew_is_idle_without_load_at_its_least_capacity() -> None:
    idle = QUIET._replace(capacity=1)
    assert decide(POLICY, idle, Memory()).memory.idle
    changes: list[Any] = [{"queued": 1}, {"arrivals": 1}, {"capacity": 2}, {"throttled": 1}]
    for change in changes:
        assert not decide(POLICY, idle._replace(**change), KNOWN).memory.idle
    lately = Memory(service_s=60, peaks=(Peak(int(NOON.timestamp()), 0.5),))
    assert not decide(POLICY, idle, lately).memory.idle
    never_less = POLICY.model_copy(update={"scale_down_threshold": 0})
    assert decide(never_less, QUIET, Memory()).memory.idle
