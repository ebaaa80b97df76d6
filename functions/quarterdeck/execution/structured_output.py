"""The class that crewai fills for a step with an output schema."""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, create_model
from pydantic import model_serializer as serialize_model

from quarterdeck.systems.configuration.schema_keywords import (
    DEFINITIONS,
    find_kind,
    find_option,
    is_nullable,
    resolve_reference,
)

type Schema = Mapping[str, Any]

ROOT_NAME = "Result"
BOUNDS = {
    "minimum": "ge",
    "maximum": "le",
    "exclusiveMinimum": "gt",
    "exclusiveMaximum": "lt",
    "minItems": "min_length",
    "maxItems": "max_length",
}


class StructuredOutput(BaseModel):
    """Fields go by their alias: a property may be called as a member of pydantic's models is.

    What a model leaves out, or says null for where the schema knows no null, is left out.
    """

    model_config = ConfigDict(allow_inf_nan=False, serialize_by_alias=True)
    left_out: ClassVar[frozenset[str]] = frozenset()
    """Properties that may be missing, and not null."""

    @serialize_model(mode="wrap")
    def leave_out_missing(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = serialize(self)
        return {
            name: value
            for name, value in fields.items()
            if value is not None or name not in self.left_out
        }


def make_output_model(schema: Schema) -> type[StructuredOutput]:
    """The same class for the same schema, and of the same description in every process."""
    return build_root(json.dumps(schema))


@lru_cache(maxsize=64)
def build_root(text: str) -> type[StructuredOutput]:
    schema = json.loads(text)
    definitions = schema.pop(DEFINITIONS, {})
    root, _ = resolve_reference(schema, definitions)
    return build_object(root, definitions, ROOT_NAME)


def build_object(schema: Schema, definitions: Schema, name: str) -> type[StructuredOutput]:
    """`name` is the path to it: the only thing that tells nested classes apart."""
    required = set(schema.get("required", ()))
    fields: dict[str, Any] = {}
    left_out = set()
    for number, (key, part) in enumerate(schema["properties"].items()):
        kind, nullable = read_kind(part, definitions, f"{name}_{key}")
        optional = key not in required
        if optional and not nullable:
            left_out.add(key)
        described = Field(
            default=None if optional else ...,
            alias=key,
            title=part.get("title", key),
            description=find_description(part, definitions),
        )
        fields[f"property_{number}"] = (kind | None if optional or nullable else kind, described)
    model = create_model(
        name, __base__=StructuredOutput, __doc__=schema.get("description"), **fields
    )
    model.left_out = frozenset(left_out)
    return model


def read_kind(part: Schema, definitions: Schema, name: str) -> tuple[Any, bool]:
    """The type of values that are not null, and whether null is allowed."""
    found, _ = resolve_reference(part, definitions)
    if "anyOf" in found:
        option = find_option(found)
        assert option  # noqa: S101 (the configuration was checked)
        return read_kind(option[1], definitions, name)[0], True
    if found is not part:
        return read_kind(found, definitions, name)
    kind: Any = {"boolean": bool, "integer": int, "number": float, "string": str}.get(
        find_kind(part) or ""
    )
    options = [part["const"]] if "const" in part else part.get("enum")
    if options is not None:
        kind = Literal[tuple(option for option in options if option is not None)]
    elif part.get("items") is not None:
        element, nullable = read_kind(part["items"], definitions, f"{name}_item")
        entry: Any = element | None if nullable else element
        kind = list[entry]
    elif kind is None:
        kind = build_object(part, definitions, name)
    return annotate(kind, part), is_nullable(part)


def annotate(kind: Any, part: Schema) -> Any:
    bounds = {ours: part[theirs] for theirs, ours in BOUNDS.items() if theirs in part}
    return Annotated[kind, Field(**bounds)] if bounds else kind


def find_description(part: Schema, definitions: Schema) -> str | None:
    """Its own, or that of what it stands for."""
    return next((text for text in list_descriptions(part, definitions)), None)


def list_descriptions(part: Schema, definitions: Schema) -> Iterator[str]:
    if "description" in part:
        yield part["description"]
    found, _ = resolve_reference(part, definitions)
    if found is not part:
        yield from list_descriptions(found, definitions)
    elif "anyOf" in part and (option := find_option(part)):
        yield from list_descriptions(option[1], definitions)
