"""`make crew-fields`: the tables of docs/configuration.md, made from the models themselves."""

import ast
import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from infra.crews.left_out import LEFT_OUT, RENAMED
from infra.marks import fill_marks
from quarterdeck.systems.configuration import (
    Agent,
    Budget,
    Configuration,
    Crew,
    Embedder,
    Events,
    HealthChecks,
    KnowledgeText,
    Llm,
    Memory,
    SmokeTask,
    Step,
    SystemConfiguration,
    Threshold,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"
MODELS: tuple[type[Configuration], ...] = (
    SystemConfiguration, Crew, Agent, Llm, Step, Memory, Embedder, KnowledgeText, Threshold,
    Budget, HealthChecks, SmokeTask, Events,
)  # fmt: skip
NAMES = {"integer": "whole number", "boolean": "true or false", "string": "text", "null": "null"}
FORMATS = {"uri": "URL", "origin": "origin", "email": "mail address", "tag": "text"}
BOUNDS = {
    "minimum": "from {}", "exclusiveMinimum": "over {}", "maximum": "to {}",
    "exclusiveMaximum": "under {}", "maxItems": "at most {}", "maxLength": "to {} characters",
}  # fmt: skip


def main() -> int:
    DOCUMENT.write_text(fill_tables(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def fill_tables(document: str) -> str:
    """The document with each table between its marks made anew."""
    return fill_marks(document, list_lines)


def list_lines(mark: str) -> Iterator[str]:
    """Of a mark as `fields: Crew`."""
    kind, name = mark.split(": ")
    return {"fields": list_fields, "left out": list_left_out}[kind](name)


def list_fields(name: str) -> Iterator[str]:
    model = next(model for model in MODELS if model.__name__ == name)
    schema = model.model_json_schema()
    meanings = read_meanings(model)
    yield from ("| field | value | default | |", "|---|---|---|---|")
    for field, info in model.model_fields.items():
        default = "required" if info.is_required() else spell_default(info.get_default(
            call_default_factory=True))  # fmt: skip
        kind = spell_kind(schema["properties"][field], schema.get("$defs", {}))
        yield f"| `{field}` | {kind} | {default} | {meanings[field]} |"


def list_left_out(name: str) -> Iterator[str]:
    """Fields of one reason in one row, the reasons in the order of their first fields."""
    by_reason: dict[str, list[str]] = {}
    for field, reason in sorted(LEFT_OUT[name].items()):
        by_reason.setdefault(reason, []).append(f"`{field}`")
    yield from ("| of crewai | why it is left out |", "|---|---|")
    for reason, fields in by_reason.items():
        yield f"| {', '.join(fields)} | {reason} |"
    for theirs, ours in RENAMED[name].items():
        yield f"| `{theirs}` | is `{ours}` here |"


def read_meanings(model: type[BaseModel]) -> dict[str, str]:
    """What stands under each field in the model's source."""
    body = ast.parse(inspect.getsource(model)).body[0]
    assert isinstance(body, ast.ClassDef)  # noqa: S101
    found: dict[str, str] = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            value = text.value if isinstance(text, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[field.target.id] = " ".join(value.value.split())
    return found


def spell_default(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Configuration):
        value = value.model_dump(exclude_defaults=True)
        value = value.get("model", value)
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def spell_kind(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        found = definitions[name]
        link = f"[{name}](#{name.lower()})"
        return link if "properties" in found else spell_kind(found, definitions)
    if "anyOf" in schema:
        kinds = [spell_kind(part, definitions) for part in schema["anyOf"]]
        return " or ".join(dict.fromkeys(kind for kind in kinds if kind != "null"))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("format") in FORMATS:
        return FORMATS[schema["format"]]
    kind = NAMES.get(schema.get("type", ""), schema.get("type", ""))
    if schema.get("pattern"):
        kind = "name"
    if "items" in schema:
        kind = f"list of {spell_kind(schema['items'], definitions)}"
    if isinstance(schema.get("additionalProperties"), dict):
        kind = f"object of {spell_kind(schema['additionalProperties'], definitions)}"
    bounds = [
        text.format(spell_number(schema[key])) for key, text in BOUNDS.items() if key in schema
    ]
    return ", ".join([kind, *([" ".join(bounds)] if bounds else [])])


def spell_number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) or not value.is_integer() else f"{int(value):,}"


if __name__ == "__main__":
    sys.exit(main())
