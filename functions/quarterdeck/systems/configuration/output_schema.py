"""The JSON Schema of a structured result: which part of it is supported, and what is at fault.

An object whose properties are objects, arrays, texts, numbers, whole numbers or booleans, with
enums, bounds and null. A reference is one to `#/$defs/NAME`, and none leads back to itself.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator

from quarterdeck.systems.configuration.base import Fault, raise_faults

MAX_BYTES = 20_000
MAX_DEPTH = 8
MAX_PROPERTIES = 200
MAX_OPTIONS = 200
PROPERTY_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
DEFINITIONS = "$defs"
REFERENCE = "$ref"
REFERENCE_START = f"#/{DEFINITIONS}/"

type Schema = Mapping[str, Any]
type Place = tuple[str | int, ...]
type Check = Callable[[Any], str | None]


def is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def check_count(value: Any) -> str | None:
    ok = is_whole(value) and 0 <= value <= MAX_BYTES
    return None if ok else f"must be a whole number from 0 to {MAX_BYTES}"


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
"""Of each type, the keywords with one value; the others are spelled out in `Walk`."""
BESIDES = {
    "object": {"properties", "required"},
    "array": {"items"},
    "string": {"enum", "const"},
    "integer": {"enum", "const"},
}
BOUNDS = (("minItems", "maxItems"), ("minimum", "maximum"))


def check_output_schema(schema: dict[str, Any]) -> dict[str, Any]:
    if faults := list(find_schema_faults(schema)):
        raise_faults("OutputSchema", faults)
    return schema


OutputSchema = Annotated[dict[str, Any], AfterValidator(check_output_schema)]


def find_schema_faults(schema: Schema) -> Iterator[Fault]:
    """What of the schema is not supported, or contradicts itself."""
    if is_nested_deeper(schema, 3 * MAX_DEPTH):
        yield Fault((), f"is nested deeper than {MAX_DEPTH} objects or arrays")
    elif (size := len(json.dumps(schema, ensure_ascii=False).encode(errors="replace"))) > MAX_BYTES:
        yield Fault((), f"has {size} bytes; at most {MAX_BYTES}")
    else:
        yield from Walk(schema).check_root()


def is_nested_deeper(value: Any, depth: int) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    return isinstance(value, list) and (
        depth == 0 or any(is_nested_deeper(element, depth - 1) for element in value)
    )


class Walk:
    """Through a schema with the parts that it refers to."""

    def __init__(self, root: Schema) -> None:
        self.root = root
        definitions = root.get(DEFINITIONS, {})
        self.definitions: Schema = definitions if isinstance(definitions, dict) else {}
        self.properties = 0

    def check_root(self) -> Iterator[Fault]:
        root = {key: value for key, value in self.root.items() if key != DEFINITIONS}
        if not isinstance(self.root.get(DEFINITIONS, {}), dict):
            yield Fault((DEFINITIONS,), "must be an object")
        resolved, _ = resolve_reference(root, self.definitions)
        if not isinstance(resolved, dict) or resolved.get("type") != "object":
            yield Fault(("type",), "must be 'object': the result is one JSON object")
        else:
            yield from self.check(root, (), (), depth=1)
        if self.properties > MAX_PROPERTIES:
            rule = f"has {self.properties} properties, references filled in; at most"
            yield Fault((), f"{rule} {MAX_PROPERTIES}")

    def check(
        self, schema: Any, place: Place, through: tuple[str, ...], depth: int
    ) -> Iterator[Fault]:
        """`through`: the definitions that it stands in."""
        if not isinstance(schema, dict):
            yield Fault(place, "must be an object")
        elif depth > MAX_DEPTH:
            yield Fault(place, f"is nested deeper than {MAX_DEPTH} objects or arrays")
        elif self.properties > MAX_PROPERTIES:
            return
        elif REFERENCE in schema:
            yield from self.check_reference(schema, place, through, depth)
        elif "anyOf" in schema:
            yield from self.check_union(schema, place, through, depth)
        else:
            yield from self.check_type(schema, place, through, depth)

    def check_reference(
        self, schema: Schema, place: Place, through: tuple[str, ...], depth: int
    ) -> Iterator[Fault]:
        yield from check_keywords(schema, {REFERENCE, "default"}, place)
        found, name = resolve_reference(schema, self.definitions)
        if name is None:
            rule = f"is '{REFERENCE_START}NAME' alone; the definitions are: "
            yield Fault((*place, REFERENCE), rule + (", ".join(self.definitions) or "none"))
        elif name in through:
            yield Fault((*place, REFERENCE), f"'{name}' refers to itself")
        else:
            yield from self.check(found, (DEFINITIONS, name), (*through, name), depth)

    def check_union(
        self, schema: Schema, place: Place, through: tuple[str, ...], depth: int
    ) -> Iterator[Fault]:
        yield from check_keywords(schema, {"anyOf", "default"}, place)
        option = find_option(schema)
        if option is None:
            rule = 'must be of two: a schema, and {"type": "null"}'
            yield Fault((*place, "anyOf"), rule)
        else:
            yield from self.check(option[1], (*place, "anyOf", option[0]), through, depth)

    def check_type(
        self, schema: Schema, place: Place, through: tuple[str, ...], depth: int
    ) -> Iterator[Fault]:
        kind = find_kind(schema)
        if kind is None:
            rule = f"must be one of {', '.join(KEYWORDS)}, or a list of one and 'null'"
            yield Fault((*place, "type"), rule)
            return
        checks = KEYWORDS[kind]
        known = {"type", "default", *checks, *BESIDES.get(kind, ())}
        yield from check_keywords(schema, known, place)
        yield from check_values(schema, checks, place)
        for least, most in BOUNDS:
            if is_over(schema.get(least), schema.get(most)):
                yield Fault((*place, least), f"is over {most}")
        yield from check_options(schema, kind, place)
        if kind == "object":
            yield from self.check_properties(schema, place, through, depth)
        if kind == "array":
            yield from self.check(schema.get("items"), (*place, "items"), through, depth + 1)

    def check_properties(
        self, schema: Schema, place: Place, through: tuple[str, ...], depth: int
    ) -> Iterator[Fault]:
        properties = schema.get("properties")
        if not isinstance(properties, dict) or not properties:
            yield Fault((*place, "properties"), "must be an object with a property or more")
            return
        self.properties += len(properties)
        for name, part in properties.items():
            inside = (*place, "properties", name)
            if PROPERTY_NAME.fullmatch(name):
                yield from self.check(part, inside, through, depth + 1)
            else:
                yield Fault(inside, "is no name: letters, digits, _ and -, at most 64")
        required = schema.get("required", [])
        if not isinstance(required, list):
            yield Fault((*place, "required"), "must be a list")
            return
        for index, name in enumerate(required):
            if not isinstance(name, str) or name not in properties:
                yield Fault((*place, "required", index), "is not among the properties")


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
