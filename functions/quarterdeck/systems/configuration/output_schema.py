"""The JSON Schema of a structured result: which part of it is supported, and what is at fault.

An object whose properties are objects, arrays, texts, numbers, whole numbers or booleans, with
enums, bounds and null. A reference is one to `#/$defs/NAME`, and none leads back to itself.
"""

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator

from quarterdeck.systems.configuration.base import Fault, raise_faults
from quarterdeck.systems.configuration.schema_keywords import (
    BESIDES,
    BOUNDS,
    DEFINITIONS,
    KEYWORDS,
    REFERENCE,
    REFERENCE_START,
    Place,
    Schema,
    check_keywords,
    check_options,
    check_values,
    find_kind,
    find_option,
    is_over,
    resolve_reference,
)

MAX_BYTES = 20_000
MAX_DEPTH = 8
MAX_PROPERTIES = 200
PROPERTY_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


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
