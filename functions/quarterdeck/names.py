"""Names, ids, times and cut texts, as every key and every answer spells them."""

import re
import secrets
from datetime import UTC, datetime
from typing import Annotated

from pydantic import StringConstraints

NAME_PATTERN = r"^[a-z][a-z0-9-]{0,39}$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""Of systems, crews, steps and secrets. Holds no `#` and no `@`: they separate a key's parts."""

LONGEST_ID = 64
ID_PATTERN = re.compile(rf"[a-z0-9-]{{1,{LONGEST_ID}}}")

Id = Annotated[str, StringConstraints(pattern=f"^{ID_PATTERN.pattern}$")]


def cut_text(text: str, longest: int) -> str:
    """Of `longest` characters at most; an ellipsis stands for what is cut off."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def is_id(text: str) -> bool:
    """Whether it can be an id at all: what cannot is not looked up."""
    return ID_PATTERN.fullmatch(text) is not None


def generate_id() -> str:
    """96 random bits in hexadecimal. From `secrets`: snapshots of a function share other seeds."""
    return secrets.token_hex(12)


def generate_timed_id(now: datetime) -> str:
    """As long as `generate_id`'s; half of it is the time, so that text sorts as time."""
    return f"{int(now.timestamp() * 1000):012x}{secrets.token_hex(6)}"


def read_clock() -> datetime:
    """Now, in UTC, to the millisecond: what `format_time` keeps."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def format_time(moment: datetime) -> str:
    """`2026-11-23T01:40:00.123Z`: of fixed width, so that text sorts as time."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    return datetime.fromisoformat(text)
