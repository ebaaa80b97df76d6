"""How long, and in what steps, metrics are asked for."""

import re
from datetime import UTC, datetime

from quarterdeck.errors import FieldError, InvalidInput
from quarterdeck.metrics.window import MINUTE, start_minute, start_window

UNITS = {"m": 1, "h": 60, "d": 1440}
PERIOD = re.compile(r"([0-9]{1,5})([mhd])")
LONGEST_DAYS = 15
LONGEST = LONGEST_DAYS * UNITS["d"]

STEPS = (1, 5, 15, 60, 360, 1440)
FEW_POINTS = 150
MAX_POINTS = 500

MAX_MINUTES = LONGEST
"""Of all crews together, in one answer: what there is time to read."""


def parse_period(field: str, text: str) -> int:
    """Minutes of `15m`, `1h` or `7d`; InvalidInput naming the rule."""
    found = PERIOD.fullmatch(text)
    minutes = int(found[1]) * UNITS[found[2]] if found else 0
    if not 1 <= minutes <= LONGEST:
        rule = f"must be minutes, hours or days, as 15m, 1h or 7d, from 1m to {LONGEST_DAYS}d"
        raise InvalidInput([FieldError(field, rule)])
    return minutes


def check_breadth(minutes: int, crews: int) -> None:
    """InvalidInput for a window that is too long to be read for so many crews."""
    if minutes * crews > MAX_MINUTES:
        longest = MAX_MINUTES // crews
        rule = f"is over {longest}m, the most for {crews} crews in one answer: name a crew"
        raise InvalidInput([FieldError("window", rule)])


def choose_step(minutes: int, asked: str | None) -> int:
    """Minutes a point; InvalidInput for a step that makes too many points, or none."""
    if asked is None:
        return next(step for step in STEPS if minutes <= step * FEW_POINTS)
    step = parse_period("step", asked)
    if step > minutes:
        raise InvalidInput([FieldError("step", "must not be longer than the window")])
    if minutes > step * MAX_POINTS:
        least = -(-minutes // MAX_POINTS)
        rule = f"makes over {MAX_POINTS} points: {least}m is the least for this window"
        raise InvalidInput([FieldError("step", rule)])
    return step


def list_steps(now: datetime, minutes: int, step: int) -> list[datetime]:
    """When each point begins: whole steps since 1970, so that a plot stands still."""
    first = floor_step(start_window(now, minutes), step)
    count = (start_minute(now) - first) // (step * MINUTE) + 1
    return [first + number * step * MINUTE for number in range(count)]


def floor_step(moment: datetime, step: int) -> datetime:
    seconds = int(moment.timestamp())
    return datetime.fromtimestamp(seconds - seconds % (60 * step), UTC)
