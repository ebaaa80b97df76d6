"""`make event-schemas`: docs/events/*.json, made from the models of what is told of tasks."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from infra.crews.reference import read_meanings
from quarterdeck.tasks.announcements import DETAIL_TYPES, Announced

DIRECTORY = Path(__file__).parents[1] / "docs" / "events"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def main() -> int:
    for path, text in list_files():
        path.write_text(text, encoding="utf-8")
    return 0


def list_files() -> Iterator[tuple[Path, str]]:
    """Each file, and what it is to hold."""
    for model, detail_type in DETAIL_TYPES.items():
        name = detail_type.lower().replace(" ", "-")
        text = json.dumps(describe_detail(model, detail_type), indent=2)
        yield DIRECTORY / f"{name}.json", f"{text}\n"


def describe_detail(model: type[Announced], detail_type: str) -> dict[str, Any]:
    """The schema of an event's `detail`; fields that are not required are left out if empty."""
    schema = model.model_json_schema()
    meanings = {
        field: meaning
        for base in reversed(model.__mro__)
        if issubclass(base, BaseModel) and base is not BaseModel
        for field, meaning in read_meanings(base).items()
    }
    for field, meaning in meanings.items():
        schema["properties"][field]["description"] = meaning
    plain: dict[str, Any] = simplify(schema)
    return {"$schema": DIALECT, "title": f"Quarterdeck: {detail_type}", **plain}


def simplify(schema: Any) -> Any:
    """Without titles, and without null: what has no value is left out."""
    match schema:
        case {"anyOf": [kind, {"type": "null"}], **rest}:
            return simplify({**kind, **{n: v for n, v in rest.items() if n != "default"}})
        case {"properties": fields, **rest}:
            named = {name: simplify(field) for name, field in fields.items()}
            return {**simplify(rest), "properties": named}
        case dict():
            return {name: simplify(part) for name, part in schema.items() if name != "title"}
        case list():
            return [simplify(part) for part in schema]
    return schema


if __name__ == "__main__":
    sys.exit(main())
