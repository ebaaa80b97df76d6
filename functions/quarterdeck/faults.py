"""pydantic's errors as a person reads them: the path of the field, and the rule that it breaks."""

from collections.abc import Mapping, Sequence
from typing import Any

from quarterdeck.errors import FieldError, InvalidInput


def read_faults(errors: Sequence[Mapping[str, Any]]) -> InvalidInput:
    """All of them at once; each location begins with where it is from: a body, a query, a file."""
    locations = [tuple(error["loc"]) for error in errors]
    return InvalidInput(
        [
            spell_fault(error)
            for error in errors
            if error["type"] != "too_short" or not has_faulty_entry(error["loc"], locations)
        ]
    )


def has_faulty_entry(location: Sequence[Any], locations: Sequence[Sequence[Any]]) -> bool:
    """Whether an entry of the list is at fault: pydantic then counts it as not there."""
    size = len(location)
    return any(len(other) > size and other[:size] == tuple(location) for other in locations)


def spell_fault(error: Mapping[str, Any]) -> FieldError:
    match error["type"]:
        case "json_invalid":
            place = f"{error['ctx']['error']} at character {error['loc'][-1]}"
            return FieldError("body", f"is not valid JSON: {place}")
        case "missing":
            return FieldError(spell_path(error["loc"]), "is missing")
        case "extra_forbidden":
            return FieldError(spell_path(error["loc"]), "is not a field of this object")
    return FieldError(spell_path(error["loc"]), str(error["msg"]))


def spell_path(location: Sequence[str | int]) -> str:
    """`("body", "crews", 1, "agents", 0, "llm")` -> `crews[1].agents[0].llm`."""
    source, *parts = location
    path = ""
    for part in parts:
        if part == "[key]":
            continue
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else part
    return path or str(source)
