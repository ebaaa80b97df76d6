"""Times in queries: RFC 3339, with their zone."""

import re
from datetime import UTC, datetime
from typing import Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

RFC_3339 = re.compile(r"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
RULE = "must be a time of this millennium with its zone, as 2026-11-23T01:40:00Z"


def read_moment(text: Any) -> datetime:
    """In UTC; a `+` that was sent as it is comes as a space."""
    written = str(text).replace(" ", "+")
    try:
        if RFC_3339.fullmatch(written):
            return datetime.fromisoformat(written).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise PydanticCustomError("moment", RULE)


Moment = BeforeValidator(read_moment)
