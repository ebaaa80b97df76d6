"""The class that a model fills fits the schema that it was made from."""

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import ValidationError

from quarterdeck.execution.journal_entry import decode_answer, encode_answer
from quarterdeck.execution.journal_key import describe_model, digest
from quarterdeck.execution.rehearsal_arguments import fill_schema
from quarterdeck.execution.rehearsal_values import Words
from quarterdeck.execution.structured_output import make_output_model
from quarterdeck.systems.configuration.output_schema import find_schema_faults

type Schema = dict[str, Any]

WORDS = Words("Which lamps are green?", "Green lamps.", ["Green lamps mark the channel.", "See."])
NAMES = st.sampled_from(["title", "json", "schema", "model_config", "class", "x-y", "_id", "copy"])


def make_array(items: Schema, least: int, more: int) -> Schema:
    return {"type": "array", "items": items, "minItems": least, "maxItems": least + more}


def make_object(properties: Schema, required: int) -> Schema:
    return {"type": "object", "properties": properties, "required": [*properties][:required]}


scalars: st.SearchStrategy[Schema] = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "description": "Of {braces}", "title": "T"},
        {"type": "string", "enum": ["good", "bad"]},
        {"type": ["string", "null"], "enum": ["good", None]},
        {"type": "string", "const": "only"},
        {"type": "integer", "enum": [3, 1]},
        {"type": "integer", "minimum": 3, "maximum": 9},
        {"type": ["integer", "null"], "exclusiveMinimum": 0},
        {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        {"type": "boolean"},
        {"$ref": "#/$defs/Lamp"},
        {"anyOf": [{"$ref": "#/$defs/Lamp"}, {"type": "null"}], "default": None},
        {"anyOf": [{"type": "null"}, {"type": "number"}]},
    ]
)


def make_objects(parts: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    properties = st.dictionaries(NAMES, parts, min_size=1, max_size=4)
    return st.builds(make_object, properties, st.integers(0, 4))


nested = st.recursive(
    scalars,
    lambda parts: (
        st.builds(make_array, parts, st.integers(0, 2), st.integers(1, 2)) | make_objects(parts)
    ),
    max_leaves=6,
)
schemas = make_objects(nested).map(
    lambda schema: {**schema, "$defs": {"Lamp": make_object({"lit": {"type": "boolean"}}, 1)}}
)


@settings(deadline=None, max_examples=200)
@given(schemas, st.data())
def test_whatever_a_model_fills_in_fits_the_schema(schema: Schema, data: st.DataObject) -> None:
    assert list(find_schema_faults(schema)) == []
    model = make_output_model(schema)
    filled = fill_schema(model.model_json_schema(), WORDS, take_defaults=False)
    for name in filled.copy():
        if name not in schema["required"] and data.draw(st.booleans()):
            filled[name] = None  # OpenAI has every property filled: null is its word for missing
    answer = model.model_validate({**filled, "more": "than asked"})
    result = answer.model_dump(mode="json")
    Draft202012Validator(schema).validate(result)
    assert json.loads(answer.model_dump_json()) == result
    recorded = json.loads(json.dumps(encode_answer(answer, str)))
    assert decode_answer(recorded, model) == answer


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ({"type": "integer", "minimum": 3}, 2),
        ({"type": "integer"}, 1.5),
        ({"type": "number"}, float("nan")),
        ({"type": "string", "enum": ["a"]}, "b"),
        ({"type": "string"}, None),
        ({"type": "array", "items": {"type": "string"}, "maxItems": 1}, ["a", "b"]),
        (make_object({"q": {"type": "boolean"}}, 1), {}),
    ],
)
def test_what_does_not_fit_is_refused(part: Schema, value: Any) -> None:
    with pytest.raises(ValidationError):
        make_output_model(make_object({"p": part}, 1)).model_validate({"p": value})


SCHEMA = make_object({"b": {"type": "string"}, "a": make_object({"c": {"type": "integer"}}, 0)}, 2)
CODE = """
import json, sys
from quarterdeck.execution.journal_key import describe_model, digest
from quarterdeck.execution.structured_output import make_output_model
model = make_output_model(json.loads(sys.argv[1]))
print(model.__name__, digest(describe_model(model)))
"""


def test_a_schema_asks_the_same_in_every_process() -> None:
    model = make_output_model(SCHEMA)
    assert make_output_model(json.loads(json.dumps(SCHEMA))) is model
    code = f"import sys; sys.path[:0] = ['functions', 'layers/crewai/stubs']{CODE}"
    run = subprocess.run(
        [sys.executable, "-c", code, json.dumps(SCHEMA)], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["Result", digest(describe_model(model))]
