"""The keywords of a result's schema: which there are of each type, and what they may say."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from quarterdeck.systems.configuration.base import Fault

MAX_COUNT = 20_000
MAX_OPTIONS = 200
DEFINITIONS = "$defs"
REFERENCE = "$ref"
REFERENCE_START = f"#/{DEFINITIONS}/"

type Schema = Mapping[str, Any]
type Place = tuple[str | int, ...]
type Check = Callable[[Any], str | None]


def is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def check_count(value: Any) -> str | None:
    ok = is_whole(value) and 0 <= value <= MAX_COUNT
    return None if ok else f"must be a whole number from 0 to {MAX_COUNT}"


def check_number(value: Any) -> str | None:
    return None if is_whole(value) or isinstance(value, float) else "must be a number"


def check_text(value: Any) -> str | None:
    return None if isinstance(value, str) else "must be a text"


def check_closed(value: Any) -> str | None:
    return None if value is False else "must be false: objects have their properties alone"


def check_no_default(value: Any) -> str | None:
    return None if value is None else "must be null: a model fills every field"


NOTES: dict[str, Check] = {"title": check_text, "description": check_text}
KEYWORDS: dict[str, dict[str, Check]] = {
    "object": {"additionalProperties": check_closed},
    "array": {"minItems": check_count, "maxItems": check_count},
    "string": {},
    "integer": dict.fromkeys(
        ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), check_number
    ),
    "number": dict.fromkeys(
        ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), check_number
    ),
    "boolean": {},
}
"""Of each type, the keywords with one value; for the others, see BESIDES."""
BESIDES = {
    "object": {"properties", "required"},
    "array": {"items"},
    "string": {"enum", "const"},
    "integer": {"enum", "const"},
}
BOUNDS = (("minItems", "maxItems"), ("minimum", "maximum"))


def check_keywords(schema: Schema, known: set[str], place: Place) -> Iterator[Fault]:
    """Faults of keywords that stand where they are not supported, and of notes and default."""
    for keyword in schema:
        if keyword not in known | NOTES.keys():
            yield Fault((*place, keyword), "is not supported here")
    yield from check_values(schema, {**NOTES, "default": check_no_default}, place)


def check_values(schema: Schema, checks: Mapping[str, Check], place: Place) -> Iterator[Fault]:
    for keyword, check in checks.items():
        if keyword in schema and (rule := check(schema[keyword])):
            yield Fault((*place, keyword), rule)


def check_options(schema: Schema, kind: str, place: Place) -> Iterator[Fault]:
    """Of `enum` and `const`: texts, or whole numbers, as the type says."""
    fits = is_whole if kind == "integer" else lambda value: isinstance(value, str)
    if kind not in {"string", "integer"}:
        return
    if "const" in schema and not fits(schema["const"]):
        yield Fault((*place, "const"), f"must be of the type {kind}")
    if "enum" not in schema:
        return
    options = schema["enum"]
    if not isinstance(options, list) or not 1 <= len(options) <= MAX_OPTIONS:
        yield Fault((*place, "enum"), f"must be a list of 1 to {MAX_OPTIONS} values")
        return
    for index, option in enumerate(options):
        if not fits(option) and not (option is None and is_nullable(schema)):
            yield Fault((*place, "enum", index), f"must be of the type {kind}")


def find_kind(schema: Schema) -> str | None:
    """The type besides null."""
    kind = schema.get("type")
    if isinstance(kind, list) and len(kind) == 2 and "null" in kind:
        kind = next((one for one in kind if one != "null"), None)
    return kind if isinstance(kind, str) and kind in KEYWORDS else None


def is_nullable(schema: Schema) -> bool:
    """Of a schema of one type, whether null is allowed as well."""
    return isinstance(schema.get("type"), list)


def find_option(schema: Schema) -> tuple[int, Schema] | None:
    """Of a union with null, the other schema and its index."""
    options = schema["anyOf"]
    if not isinstance(options, list) or len(options) != 2:
        return None
    rest = [(n, option) for n, option in enumerate(options) if option != {"type": "null"}]
    return rest[0] if len(rest) == 1 and isinstance(rest[0][1], dict) else None


def resolve_reference(schema: Any, definitions: Schema) -> tuple[Any, str | None]:
    """What the schema refers to, and by which name; itself, if it refers to nothing known."""
    reference = schema.get(REFERENCE) if isinstance(schema, dict) else None
    if isinstance(reference, str) and reference.startswith(REFERENCE_START):
        name = reference.removeprefix(REFERENCE_START)
        if name in definitions:
            return definitions[name], name
    return schema, None


def is_over(least: Any, most: Any) -> bool:
    return check_number(least) is None and check_number(most) is None and least > most
