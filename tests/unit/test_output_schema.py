"""Which JSON Schemas a step's result may have."""

from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from quarterdeck.systems.configuration.output_schema import MAX_BYTES, find_schema_faults

type Schema = dict[str, Any]


def tell(schema: Schema) -> dict[str, str]:
    return {".".join(map(str, fault.place)): fault.rule for fault in find_schema_faults(schema)}


def wrap(part: Any, **rest: Any) -> Schema:
    return {"type": "object", "properties": {"p": part}, **rest}


def nest(levels: int) -> Schema:
    schema: Schema = {"type": "string"}
    for _ in range(levels):
        schema = wrap(schema)
    return schema


FAULTY: list[tuple[Schema, str, str]] = [
    ({}, "type", "must be 'object': the result is one JSON object"),
    ({"type": "array", "items": {"type": "string"}}, "type", "must be 'object'"),
    ({"type": "object"}, "properties", "must be an object with a property or more"),
    (wrap("string"), "properties.p", "must be an object"),
    (wrap({}), "properties.p.type", "must be one of object, array, string"),
    (wrap({"type": "null"}), "properties.p.type", "must be one of"),
    (wrap({"type": ["string", "integer"]}), "properties.p.type", "must be one of"),
    (wrap({"type": "array"}), "properties.p.items", "must be an object"),
    (wrap({"type": "string", "pattern": "a"}), "properties.p.pattern", "is not supported here"),
    (wrap({"type": "string", "minItems": 1}), "properties.p.minItems", "is not supported here"),
    (wrap({"type": "string", "default": "x"}), "properties.p.default", "must be null"),
    (wrap({"type": "string", "title": 7}), "properties.p.title", "must be a text"),
    (wrap({"type": "string", "enum": []}), "properties.p.enum", "must be a list of 1 to 200"),
    (wrap({"type": "string", "enum": ["a", 1]}), "properties.p.enum.1", "must be of the type str"),
    (wrap({"type": "string", "enum": [None]}), "properties.p.enum.0", "must be of the type string"),
    (wrap({"type": "integer", "const": True}), "properties.p.const", "must be of the type integer"),
    (wrap({"type": "number", "enum": [1.5]}), "properties.p.enum", "is not supported here"),
    (wrap({"type": "integer", "minimum": "1"}), "properties.p.minimum", "must be a number"),
    (wrap({"type": "number", "minimum": 2, "maximum": 1}), "properties.p.minimum", "is over max"),
    (
        wrap({"type": "array", "items": {"type": "string"}, "minItems": -1}),
        "properties.p.minItems",
        "must be a whole number from 0",
    ),
    (wrap({"type": "string"}, required=["q"]), "required.0", "is not among the properties"),
    (wrap({"type": "string"}, required="p"), "required", "must be a list"),
    (wrap({"type": "string"}, additionalProperties=True), "additionalProperties", "must be false"),
    ({**wrap({"type": "string"}), "oneOf": []}, "oneOf", "is not supported here"),
    (
        {"type": "object", "properties": {"a b": {"type": "string"}}},
        "properties.a b",
        "is no name: letters",
    ),
    (wrap({"anyOf": [{"type": "string"}]}), "properties.p.anyOf", "must be of two: a schema, and"),
    (
        wrap({"anyOf": [{"type": "strin"}, {"type": "null"}]}),
        "properties.p.anyOf.0.type",
        "must be one of",
    ),
    (wrap({"$ref": "#/$defs/X"}), "properties.p.$ref", "is '#/$defs/NAME' alone; the definitions"),
    (wrap({"$ref": "https://evil.example/x"}), "properties.p.$ref", "is '#/$defs/NAME' alone"),
    (
        wrap({"$ref": "#/$defs/X"}, **{"$defs": {"X": wrap({"$ref": "#/$defs/X"})}}),
        "$defs.X.properties.p.$ref",
        "'X' refers to itself",
    ),
    (wrap({"$ref": "#/$defs/X"}, **{"$defs": [1]}), "$defs", "must be an object"),
    (nest(9), ".".join(["properties.p"] * 8), "is nested deeper than 8"),
    (nest(5000), "", "is nested deeper than 8"),
    (wrap({"type": "string", "description": "é" * MAX_BYTES}), "", "has 40"),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "place", "rule"), FAULTY)
def test_what_is_not_supported_is_told_at_its_place(schema: Schema, place: str, rule: str) -> None:
    if place == "":
        assert next(iter(find_schema_faults(schema))).rule.startswith(rule)
    else:
        assert tell(schema)[place].startswith(rule)


def test_definitions_that_multiply_are_too_many() -> None:
    """Each definition holds the next one several times: a few bytes, and a billion properties."""
    definitions: Schema = {"D8": wrap({"type": "string"})}
    for n in range(7, 0, -1):
        part = {"$ref": f"#/$defs/D{n + 1}"}
        definitions[f"D{n}"] = {
            "type": "object",
            "properties": {f"p{k}": part for k in range(30)},
        }
    faults = tell(wrap({"$ref": "#/$defs/D1"}, **{"$defs": definitions}))
    assert [rule for rule in faults.values() if "references filled in; at most 200" in rule]


def test_all_faults_are_told() -> None:
    parts = {"a": {"type": "strin"}, "b": {"type": "array"}, "c": {"type": "string", "x": 1}}
    assert set(tell({"type": "object", "properties": parts, "required": ["d"]})) == {
        "properties.a.type",
        "properties.b.items",
        "properties.c.x",
        "required.0",
    }


class Source(BaseModel):
    title: str = Field(description="As it is printed")
    year: int | None = None


class Report(BaseModel):
    """What was found."""

    mood: Literal["good", "bad"]
    version: Literal[1]
    sources: list[Source] = Field(min_length=1, max_length=5)
    best: Source
    share: float = Field(ge=0, le=1)
    sure: bool


def test_what_pydantic_writes_of_plain_models_is_taken() -> None:
    assert tell(Report.model_json_schema()) == {}
