"""`make settings-table`: the table of docs/environments.md, made from the model and the files."""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from infra.crews.reference import read_meanings, spell_kind
from infra.environment import DIRECTORY, Environment, load_target
from infra.marks import fill_marks

DOCUMENT = Path(__file__).parents[1] / "docs" / "environments.md"
# From the one that may break to the one that may not.
ORDER = {name: place for place, name in enumerate(("development", "staging", "production"))}


def main() -> int:
    DOCUMENT.write_text(fill_table(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def fill_table(document: str) -> str:
    """The document with the table between its marks made anew."""
    return fill_marks(document, lambda _: list_settings())


def list_settings() -> Iterator[str]:
    """A row for each setting: what it takes, what each environment says, what it means."""
    names = sorted((path.stem for path in DIRECTORY.glob("*.yaml")), key=lambda n: ORDER.get(n, 9))
    written = [load_target(name).environment.model_dump(mode="json") for name in names]
    yield f"| setting | value | {' | '.join(names)} | |"
    yield "|---" * (len(names) + 3) + "|"
    yield from list_rows(Environment, written)


def list_rows(
    model: type[BaseModel], written: Sequence[dict[str, Any]], within: str = ""
) -> Iterator[str]:
    """Settings that belong together have a row each, as `retention.tasks_days`."""
    schema = model.model_json_schema()
    meanings = read_meanings(model)
    for field, described in schema["properties"].items():
        values = [environment[field] for environment in written]
        kind = model.model_fields[field].annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from list_rows(kind, values, f"{within}{field}.")
            continue
        spelled = spell_kind(described, schema.get("$defs", {}))
        if {"type": "null"} in described.get("anyOf", ()):
            spelled = f"{spelled}, or `null`"
        cells = " | ".join(spell_value(value) for value in values)
        yield f"| `{within}{field}` | {spelled} | {cells} | {meanings[field]} |"


def spell_value(value: object) -> str:
    if value in ([], {}):
        return "none"
    if isinstance(value, dict):
        value = [f"{key}: {text}" for key, text in value.items()]
    if isinstance(value, list):
        return ", ".join(f"`{each}`" for each in value)
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


if __name__ == "__main__":
    sys.exit(main())
