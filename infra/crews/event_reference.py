"""`make event-fields`: the tables of docs/events.md, made from the models themselves."""

import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import get_args

from pydantic import BaseModel

from infra.crews.reference import read_meanings, spell_kind
from infra.marks import fill_marks
from quarterdeck.tasks.events import Event, TaskEvent
from quarterdeck.tasks.outcome import TaskError, Usage

DOCUMENT = Path(__file__).parents[2] / "docs" / "events.md"
TYPES: tuple[type[Event], ...] = get_args(get_args(TaskEvent)[0])


def main() -> int:
    DOCUMENT.write_text(fill_tables(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def fill_tables(document: str) -> str:
    """The document with the tables of all types between its marks made anew."""
    models: tuple[type[BaseModel], ...] = (*TYPES, Usage, TaskError)
    return fill_marks(document, lambda _: chain.from_iterable(map(list_fields, models)))


def list_fields(model: type[BaseModel]) -> Iterator[str]:
    """Of an event those that it has besides every other's."""
    schema = model.model_json_schema()
    meanings = read_meanings(model)
    event = issubclass(model, Event)
    name = f"`{model.model_fields['type'].default}`" if event else model.__name__
    yield from ("", f"### {name}", "", " ".join((model.__doc__ or "").split()), "")
    others = {*Event.model_fields, "type"} if event else set()
    fields = [field for field in model.model_fields if field not in others]
    if not fields:
        return
    yield from ("| field | value | |", "|---|---|---|")
    for field in fields:
        value = spell_kind(schema["properties"][field], schema.get("$defs", {}))
        yield f"| `{field}` | {value} | {meanings.get(field, '')} |"


if __name__ == "__main__":
    sys.exit(main())
