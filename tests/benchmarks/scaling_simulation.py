"""A crew in simulated time: arrivals, slots, minute buckets, and a decision each minute."""

import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import NamedTuple

from quarterdeck.metrics.window import MINUTE, Window, start_minute, start_window, sum_counters
from quarterdeck.scaling.controller import decide
from quarterdeck.scaling.demand import Observation, choose_minutes, observe
from quarterdeck.scaling.memory import Memory
from quarterdeck.systems.records import ScalingPolicy
from tests.benchmarks.scaling_loads import Arrival

BEGIN = datetime(2026, 11, 23, tzinfo=UTC)
POLICY = ScalingPolicy(
    min_agents=2,
    max_agents=60,
    scale_up_threshold=0.8,
    scale_down_threshold=0.3,
    cooldown_period=300,
)
"""The defaults, for a crew of two agents."""


class Change(NamedTuple):
    at: float
    capacity: int


class Course(NamedTuple):
    """What came of it: how long each task waited, and the capacities, the first one included."""

    waits: list[float]
    changes: list[Change]
    end: float

    @property
    def slot_seconds(self) -> float:
        ends = [change.at for change in self.changes[1:]] + [self.end]
        return sum((end - c.at) * c.capacity for c, end in zip(self.changes, ends, strict=True))


class Crew:
    """Its slots, its queue and its buckets. Times are seconds since the begin."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.queue: deque[Arrival] = deque()
        self.ends: list[tuple[float, float]] = []
        """(end, time of running), the next first."""
        self.waits: list[float] = []
        self.buckets: defaultdict[datetime, Counter[str]] = defaultdict(Counter)

    def arrive(self, task: Arrival) -> None:
        self._count(task.at, {"arrivals": 1})
        self.queue.append(task)
        self.admit(task.at)

    def end_next(self) -> None:
        at, service_s = heappop(self.ends)
        self._count(at, {"succeeded": 1, "running_ms": round(service_s * 1000)})
        self.admit(at)

    def admit(self, at: float) -> None:
        while self.queue and len(self.ends) < self.capacity:
            task = self.queue.popleft()
            self.waits.append(at - task.at)
            heappush(self.ends, (at + task.service_s, task.service_s))

    def _count(self, at: float, counters: dict[str, int]) -> None:
        self.buckets[start_minute(BEGIN + timedelta(seconds=at))].update(counters)

    def observe(self, at: float, minutes: int) -> Observation:
        """As the monitor sees it."""
        now = BEGIN + timedelta(seconds=at)
        first = start_window(now, minutes)
        read = [self.buckets[first + n * MINUTE] for n in range(minutes + 1)]
        window = Window(minutes, sum_counters(read))
        return observe(now, self.capacity, len(self.ends), len(self.queue), window)


type Rule = Callable[[Crew, float], int]
"""The capacity from this second on."""


class Ours:
    def __init__(self) -> None:
        self.memory = Memory()

    def __call__(self, crew: Crew, at: float) -> int:
        seen = crew.observe(at, choose_minutes(self.memory.service_s))
        decision = decide(POLICY, seen, self.memory)
        self.memory = decision.memory
        return decision.capacity


class Simple:
    """One more over the threshold, one less under it, and then nothing until the cooldown ends."""

    def __init__(self) -> None:
        self.changed_at = -math.inf

    def __call__(self, crew: Crew, at: float) -> int:
        if at - self.changed_at < POLICY.cooldown_period:
            return crew.capacity
        utilization = (len(crew.ends) + len(crew.queue)) / crew.capacity
        more = utilization > POLICY.scale_up_threshold
        less = utilization < POLICY.scale_down_threshold
        capacity = POLICY.clamp(crew.capacity + more - less)
        if capacity != crew.capacity:
            self.changed_at = at
        return capacity


def keep_constant(crew: Crew, _: float) -> int:
    return crew.capacity


def simulate(
    arrivals: Sequence[Arrival], end: float, rule: Rule, capacity: int, second: int = 0
) -> Course:
    """`second`: when in each minute the rule is asked. What waits at the end has waited so long."""
    crew, tasks = Crew(capacity), deque(arrivals)
    changes = [Change(0, capacity)]
    ask_at = 60.0 + second
    while True:
        arrives = tasks[0].at if tasks else math.inf
        ends = crew.ends[0][0] if crew.ends else math.inf
        if min(arrives, ends, ask_at) >= end:
            break
        if ask_at <= min(arrives, ends):
            crew.capacity = rule(crew, ask_at)
            if crew.capacity != changes[-1].capacity:
                changes.append(Change(ask_at, crew.capacity))
                crew.admit(ask_at)
            ask_at += 60
        elif ends <= arrives:
            crew.end_next()
        else:
            crew.arrive(tasks.popleft())
    return Course(crew.waits + [end - task.at for task in crew.queue], changes, end)
