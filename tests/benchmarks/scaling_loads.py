"""Loads in slots (tasks that run at once if none has to wait), and the tasks that make them up."""

import json
import math
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

MINUTE = 60
HOUR = 3600
SERVICE_S = 60
"""The mean time of running."""
SPREAD = math.sqrt(math.log(1.25))
"""Of its logarithm: a standard deviation of half the mean."""
LOW, HIGH = 2, 20


class Load(NamedTuple):
    """Seconds since its begin -> slots, for `end` seconds."""

    name: str
    slots: Callable[[float], float]
    end: int


class Arrival(NamedTuple):
    at: float
    service_s: float


def swing(half: int) -> Callable[[float], float]:
    return lambda at: HIGH if at // (half * MINUTE) % 2 else LOW


def read_day() -> Callable[[float], float]:
    """Straight between the hours of the file."""
    hours = json.loads((Path(__file__).parent / "scaling_day.json").read_text())["slots"]
    lines = list(pairwise([*hours, hours[0]]))

    def read(at: float) -> float:
        hour, part = divmod(at / HOUR, 1)
        first, last = lines[int(hour) % 24]
        return float(first + part * (last - first))

    return read


LOADS = (
    Load("step", lambda at: 1 if at < 10 * MINUTE else HIGH, HOUR),
    Load("burst", lambda at: HIGH if 10 <= at / MINUTE < 20 else 1, HOUR),
    Load("sawtooth", lambda at: LOW + (HIGH - LOW) * (at / MINUTE % 20) / 20, 2 * HOUR),
    Load("square_5", swing(5), 2 * HOUR),
    Load("square_10", swing(10), 2 * HOUR),
    Load("ramp", lambda at: 1 + (HIGH - 1) * min(at / HOUR, 1), 90 * MINUTE),
    Load("day", read_day(), 24 * HOUR),
)


def draw_arrivals(load: Load, seed: int) -> list[Arrival]:
    """Poisson, thinned to the load; the times of running are lognormal."""
    chance = random.Random(f"{load.name} {seed}")
    arrivals: list[Arrival] = []
    at = 0.0
    while (at := at + chance.expovariate(HIGH / SERVICE_S)) < load.end:
        if chance.random() < load.slots(at) / HIGH:
            middle = math.log(SERVICE_S) - SPREAD**2 / 2
            arrivals.append(Arrival(at, chance.lognormvariate(middle, SPREAD)))
    return arrivals
