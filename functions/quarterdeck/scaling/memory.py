"""What one evaluation of a crew leaves for the next. Kept on its CREW, of bounded size."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from quarterdeck.names import format_time
from quarterdeck.systems.records import Record

TIMES = ("evaluated_at", "scaled_at")
"""Attributes of CREW itself: by them it is seen whether another has decided."""
PERIODS = 12
"""Into how many at least a minute long a cooldown window is divided: one peak is kept of each."""


class Peak(NamedTuple):
    """The highest demand, in slots, of a period that begins at `start`, in seconds since 1970."""

    start: int
    demand: float


class Memory(Record):
    evaluated_at: datetime | None = None
    scaled_at: datetime | None = None
    """When the capacity was changed last, and whether by hand."""
    by_hand: bool = False
    service_s: float | None = None
    """How long a task runs, as far as it is known."""
    peaks: tuple[Peak, ...] = ()
    """Of the cooldown window, the oldest first."""
    backed_off_at: datetime | None = None
    """When capacity was taken because the provider throttled."""
    idle: bool = False
    """There was nothing to decide: no load, and no less capacity to be had."""

    @property
    def highest(self) -> float:
        """The highest demand of the cooldown window."""
        return max((peak.demand for peak in self.peaks), default=0.0)


def find_length(cooldown_s: int) -> int:
    """Of a period, in seconds: whole minutes."""
    return 60 * max(1, math.ceil(cooldown_s / (60 * PERIODS)))


def covers_window(peaks: tuple[Peak, ...], at: datetime, cooldown_s: int) -> bool:
    """Whether they begin with the cooldown window, but for a period at most."""
    begin = at.timestamp() - cooldown_s + find_length(cooldown_s)
    return bool(peaks) and peaks[0].start <= begin


def add_peak(
    peaks: tuple[Peak, ...], demand: float, at: datetime, cooldown_s: int
) -> tuple[Peak, ...]:
    """With `demand`, and without what is older than the cooldown."""
    now, length = int(at.timestamp()), find_length(cooldown_s)
    kept = {peak.start: peak.demand for peak in peaks if peak.start + length > now - cooldown_s}
    start = now // length * length
    kept[start] = max(kept.get(start, 0.0), demand)
    return tuple(Peak(*entry) for entry in sorted(kept.items()))


def read_memory(item: Mapping[str, Any]) -> Memory:
    """Of a CREW."""
    times = {name: item[name] for name in TIMES if name in item}
    return Memory.model_validate(item.get("scaling", {}) | times)


def dump_memory(memory: Memory) -> dict[str, Any]:
    """As a CREW keeps it."""
    kept: dict[str, Any] = {"by_hand": memory.by_hand, "idle": memory.idle}
    if memory.service_s is not None:
        kept["service_s"] = round(memory.service_s, 3)
    if memory.backed_off_at:
        kept["backed_off_at"] = format_time(memory.backed_off_at)
    kept["peaks"] = [[peak.start, round(peak.demand, 3)] for peak in memory.peaks]
    times = {name: getattr(memory, name) for name in TIMES}
    return {"scaling": kept} | {name: format_time(at) for name, at in times.items() if at}
