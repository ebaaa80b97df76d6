"""`Prefer: wait=N` (RFC 7240): an answer that waits for the end, up to ten seconds."""

import re
import time
from collections.abc import Callable
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Header

Prefer = Annotated[str | None, Header(description="`wait=N`: up to so many seconds, at most 10.")]
MAX_WAIT_SECONDS = 10
POLL_SECONDS = 0.2


def parse_wait(prefer: str | None) -> int:
    """Seconds to wait; 0 without the preference, or with one that cannot be read."""
    match = re.search(r"(?:^|[,;\s])wait\s*=\s*(\d{1,6})", prefer or "", re.IGNORECASE)
    return min(int(match[1]), MAX_WAIT_SECONDS) if match else 0


def wait_until(is_done: Callable[[], bool], seconds: float, each: float = POLL_SECONDS) -> bool:
    """Whether it was done in time; asks at once, and then after so many seconds each."""
    deadline = time.monotonic() + seconds
    while seconds > 0:
        if is_done():
            return True
        if time.monotonic() + each > deadline:
            break
        time.sleep(each)
    return False
