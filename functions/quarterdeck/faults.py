"""pydantic's errors as a person reads them: the path of the field, and the rule that it breaks."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from quarterdeck.errors import FieldError, InvalidInput
from quarterdeck.names import cut_text

MOST_FAULTS = 50
LONGEST_TEXT = 500


def read_faults(errors: Sequence[Mapping[str, Any]]) -> InvalidInput:
    """All of them at once; each location begins with where it is from: a body, a query, a file."""
    first = errors[:MOST_FAULTS]
    locations = [tuple(error["loc"]) for error in first]
    faults = [
        spell_fault(error)
        for error in first
        if error["type"] != "too_short" or not has_faulty_entry(error["loc"], locations)
    ]
    if more := len(errors) - len(first):
        faults.append(FieldError("body", f"has {more} more errors"))
    return InvalidInput([FieldError(cut(fault.field), cut(fault.rule)) for fault in faults])


def read_error(error: ValidationError, source: str) -> InvalidInput:
    """The faults of a value that was validated by itself; `source` stands for the whole of it."""
    return read_faults([{**fault, "loc": (source, *fault["loc"])} for fault in error.errors()])


def cut(text: str) -> str:
    return cut_text(text, LONGEST_TEXT)


def has_faulty_entry(location: Sequence[Any], locations: Sequence[Sequence[Any]]) -> bool:
    """Whether an entry of the list is at fault: pydantic then counts it as not there."""
    size = len(location)
    return any(len(other) > size and other[:size] == tuple(location) for other in locations)


def spell_fault(error: Mapping[str, Any]) -> FieldError:
    match error["type"]:
        case "missing":
            return FieldError(spell_path(error["loc"]), "is missing")
        case "extra_forbidden":
            return FieldError(spell_path(error["loc"]), "is not a field of this object")
        case "tuple_type" | "list_type":
            return FieldError(spell_path(error["loc"]), "must be a list")
        case "model_type" | "model_attributes_type" | "dict_type":
            return FieldError(spell_path(error["loc"]), "must be an object")
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
