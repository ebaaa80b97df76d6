"""Times in queries: a date or a time, UTC unless it says otherwise."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

TEXT = re.compile(r"2\d{3}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
RULE = "must be a date or a time of this millennium, as 2026-11-23 or 2026-11-23T01:40:00Z"


def read_moment(text: Any) -> datetime:
    """In UTC. A `+` that was sent as it is comes as a space."""
    written = str(text).replace(" ", "+")
    try:
        if TEXT.fullmatch(written):
            moment = datetime.fromisoformat(written)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        pass
    raise PydanticCustomError("moment", RULE)


Moment = Annotated[
    datetime,
    BeforeValidator(read_moment),
    WithJsonSchema({"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]}),
]
