"""Values that fit a JSON schema: arguments of a tool call, fields of a structured answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

from quarterdeck.execution.rehearsal_values import (
    Schema,
    Words,
    choose_integer,
    choose_number,
    write_text,
)

DEEPEST = 6
"""Beyond it only what a schema insists on: schemas can hold themselves."""
USUAL_ITEMS = 3


def fill_schema(schema: Schema, words: Words, *, take_defaults: bool) -> Any:
    """A value that `schema` allows. With `take_defaults` a default wins, null included.

    Follows type, const, enum, anyOf, oneOf, allOf, $ref, properties, required, items, prefixItems,
    uniqueItems, format, multipleOf, the bounds of numbers, texts and arrays, and simple patterns.
    """
    return Filling(schema, words, take_defaults).fill(schema, "", depth=0, turn=0)


@dataclass(frozen=True)
class Filling:
    root: Schema
    words: Words
    take_defaults: bool

    def fill(self, schema: Schema, name: str, *, depth: int, turn: int) -> Any:
        """`name` is the property's, `turn` the place in an array."""
        schema = self.resolve(schema)
        if "const" in schema:
            return schema["const"]
        if "default" in schema and (self.take_defaults or schema["default"] not in (None, "")):
            return schema["default"]
        if "enum" in schema:
            return self.choose(schema["enum"], turn)
        if options := schema.get("anyOf") or schema.get("oneOf"):
            return self.fill(self.prefer(options, depth), name, depth=depth, turn=turn)
        return self.fill_type(schema, name, depth=depth, turn=turn)

    def fill_type(self, schema: Schema, name: str, *, depth: int, turn: int) -> Any:
        value: Any = None
        match read_type(schema):
            case "object":
                value = self.fill_object(schema, depth, turn)
            case "array":
                value = self.fill_array(schema, name, depth)
            case "integer":
                value = choose_integer(schema, turn)
            case "number":
                value = choose_number(schema, turn)
            case "boolean":
                value = turn % 2 == 0
            case "string":
                value = write_text(schema, name, turn, self.words)
        return value

    def fill_object(self, schema: Schema, depth: int, turn: int) -> dict[str, Any]:
        required = schema.get("required", ())
        wanted = {
            name: part
            for name, part in schema.get("properties", {}).items()
            if name in required or (depth < DEEPEST and not self.take_defaults)
        }
        return {
            name: self.fill(part, name, depth=depth + 1, turn=turn) for name, part in wanted.items()
        }

    def fill_array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        filled = [
            self.fill(part, name, depth=depth + 1, turn=0) for part in schema.get("prefixItems", ())
        ]
        items = schema.get("items")
        if not isinstance(items, Mapping):
            return filled
        wanted = max(schema.get("minItems", 0), 0 if depth >= DEEPEST else USUAL_ITEMS)
        wanted = min(wanted, schema.get("maxItems", wanted))
        values = (self.fill(items, name, depth=depth + 1, turn=turn) for turn in count())
        for value in islice(values, 4 * wanted):
            if len(filled) >= wanted:
                break
            if value not in filled or not schema.get("uniqueItems"):
                filled.append(value)
        return filled

    def resolve(self, schema: Schema) -> Schema:
        """The schema that a reference points to, with the parts of allOf laid over each other."""
        if reference := schema.get("$ref"):
            found: Any = self.root
            for part in reference.removeprefix("#/").split("/"):
                found = found[part]
            beside = {key: value for key, value in schema.items() if key != "$ref"}
            return self.resolve({**found, **beside})
        merged = dict(schema)
        for part in merged.pop("allOf", ()):
            piece = dict(self.resolve(part))
            properties = {**merged.get("properties", {}), **piece.pop("properties", {})}
            merged |= piece | ({"properties": properties} if properties else {})
        return merged

    def prefer(self, options: Sequence[Schema], depth: int) -> Schema:
        """The first that is not null; where it gets too deep, one that ends there."""
        resolved = [self.resolve(option) for option in options]
        kinds = [read_type(option) for option in resolved]
        values = [o for o, kind in zip(resolved, kinds, strict=True) if kind != "null"]
        if depth < DEEPEST and values:
            return values[0]
        order = ("null", "boolean", "integer", "number", "string", "array", None, "object")
        return min(zip(resolved, kinds, strict=True), key=lambda pair: order.index(pair[1]))[0]

    def choose(self, values: Sequence[Any], turn: int) -> Any:
        """The one that the request speaks of, else the first; the ones after it in later turns."""
        request = self.words.request.lower()
        named = (n for n, value in enumerate(values) if str(value).lower() in request)
        return values[(next(named, 0) + turn) % len(values)]


def read_type(schema: Schema) -> str | None:
    """Of several types the first that is not null; without one, what its keywords speak of."""
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if kind is None and not {"anyOf", "oneOf", "enum", "const"} & schema.keys():
        kind = "object" if "properties" in schema else "string"
    return kind
