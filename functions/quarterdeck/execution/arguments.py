"""A tool call's arguments as its event may tell them."""

import json
import math
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from pydantic_core import to_jsonable_python

from quarterdeck.names import cut_text
from quarterdeck.systems.configuration import Events
from quarterdeck.tasks.events import Scalar

REDACTED = "[redacted]"
LONGEST_TEXT = 500
MOST_ARGUMENTS = 30
LARGEST = 2**53


def describe_arguments(
    arguments: Mapping[str, Any], events: Events, scrub: Callable[[str], str]
) -> dict[str, Scalar] | None:
    """Without what is to be left out, and without secrets; None if all of it is."""
    if events.arguments == "none":
        return None
    hidden = {name.casefold() for name in events.redact}
    told: dict[str, Scalar] = {}
    for name, value in islice(arguments.items(), MOST_ARGUMENTS):
        keep = events.arguments == "full" and name.casefold() not in hidden
        told[scrub(name)] = describe_value(value, hidden, scrub) if keep else REDACTED
    if len(arguments) > MOST_ARGUMENTS:
        told["…"] = f"{len(arguments) - MOST_ARGUMENTS} more"
    return told


def hide_arguments(arguments: Mapping[str, Any], events: Events) -> Any:
    """All of them, but for the values that events leave out; a trace tells no more than events."""
    if events.arguments != "full":
        return dict.fromkeys(arguments, REDACTED)
    plain = to_jsonable_python(dict(arguments), fallback=str)
    return redact_within(plain, {name.casefold() for name in events.redact})


def describe_value(value: Any, hidden: set[str], scrub: Callable[[str], str]) -> Scalar:
    match value:
        case None | bool():
            return value
        case int() if abs(value) < LARGEST:
            return value
        case float() if math.isfinite(value):
            return value
        case str():
            return cut_text(scrub(value), LONGEST_TEXT)
    plain = to_jsonable_python(value, fallback=str)
    text = json.dumps(redact_within(plain, hidden), ensure_ascii=False, separators=(",", ":"))
    return cut_text(scrub(text), LONGEST_TEXT)


def redact_within(value: Any, hidden: set[str]) -> Any:
    match value:
        case dict():
            return {
                name: REDACTED if name.casefold() in hidden else redact_within(part, hidden)
                for name, part in value.items()
            }
        case list():
            return [redact_within(part, hidden) for part in value]
    return value
