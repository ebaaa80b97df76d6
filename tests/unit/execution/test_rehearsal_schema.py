import json
from datetime import date, datetime
from enum import StrEnum
from types import GenericAlias
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from crewai.utilities.pydantic_schema_utils import generate_model_description
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, HttpUrl, create_model

from quarterdeck.execution.rehearsal_arguments import fill_schema
from quarterdeck.execution.rehearsal_values import Words

WORDS = Words(
    request="Which lamps are green?",
    given="Green lamps mark the channel. See https://lamps.example/green since 1999-12-24.",
    sentences=["Green lamps mark the channel.", "See the list."],
)


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Lamp(BaseModel):
    colour: Colour
    height: Annotated[float, Field(gt=0, lt=1)]
    next: "Lamp | None" = None
    beside: list["Lamp"] = []


class Report(BaseModel):
    title: Annotated[str, Field(max_length=20)]
    kind: Literal["report"]
    lamps: Annotated[list[Lamp], Field(min_length=2)]
    names: Annotated[set[str], Field(min_length=2)]
    note: str | None
    seen: date
    written: datetime
    id: UUID
    source: HttpUrl
    pair: tuple[int, str]
    sizes: dict[str, int]
    code: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


bounds = st.tuples(st.integers(-50, 50), st.integers(0, 50)).map(lambda b: (b[0], b[0] + b[1]))


def limit(kind: Any, **bounds: Any) -> Any:
    return Annotated[kind, Field(**bounds)]


def list_scalars() -> st.SearchStrategy[Any]:
    sizes = st.tuples(st.integers(0, 40), st.integers(1, 60)).map(lambda b: (b[0], b[0] + b[1]))
    return st.one_of(
        st.sampled_from([str, int, float, bool, Colour, Literal["a", "b"], Literal[1, 2]]),
        bounds.map(lambda b: limit(int, ge=b[0], le=b[1])),
        bounds.map(lambda b: limit(int, gt=b[0], lt=b[1] + 2)),
        bounds.map(lambda b: limit(float, gt=b[0], lt=b[1] + 1)),
        bounds.map(lambda b: limit(float, ge=b[0])),
        bounds.map(lambda b: limit(int, le=b[0])),
        st.integers(1, 9).map(lambda n: limit(int, multiple_of=n, ge=1)),
        sizes.map(lambda b: limit(str, min_length=b[0], max_length=b[1])),
    )


def nest(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    pairs = st.tuples(inner, inner)
    lists = inner.map(lambda kind: GenericAlias(list, (kind,)))
    return st.one_of(
        inner.map(lambda kind: kind | None),
        lists,
        st.tuples(lists, st.integers(0, 4)).map(
            lambda p: limit(p[0], min_length=p[1], max_length=p[1] + 1)
        ),
        pairs.map(lambda pair: GenericAlias(tuple, pair)),
        pairs.map(lambda pair: pair[0] | pair[1]),
        make_models(inner),
    )


def make_models(kinds: st.SearchStrategy[Any]) -> st.SearchStrategy[type[BaseModel]]:
    names = st.sampled_from(["query", "text", "limit", "tags", "colour", "url", "name"])
    fields = st.dictionaries(
        names, st.tuples(kinds, st.booleans()).map(make_field), min_size=1, max_size=5
    )
    return fields.map(lambda named: create_model("Arguments", **named))


def make_field(kind: tuple[Any, bool]) -> Any:
    """A field that is required, or optional with null for its default."""
    return (kind[0] | None, None) if kind[1] else (kind[0], ...)


models = make_models(st.recursive(list_scalars(), nest, max_leaves=4))


@settings(deadline=None, max_examples=150)
@given(models)
def test_arguments_fit_the_schema_that_crewai_makes_of_a_tool(model: type[BaseModel]) -> None:
    described: Any = generate_model_description(model, strip_null_types=False)
    schema = described["json_schema"]["schema"]
    model.model_validate(fill_schema(schema, WORDS, take_defaults=True))


@settings(deadline=None, max_examples=150)
@given(models)
def test_a_structured_answer_fits_its_model(model: type[BaseModel]) -> None:
    filled = fill_schema(model.model_json_schema(), WORDS, take_defaults=False)
    model.model_validate_json(json.dumps(filled))


def test_fields_are_filled_with_what_was_given() -> None:
    filled = fill_schema(Report.model_json_schema(), WORDS, take_defaults=False)
    report = Report.model_validate(filled)
    assert report.title == "Green lamps mark the"
    assert {lamp.colour for lamp in report.lamps} == {Colour.GREEN, Colour.RED}
    assert report.lamps[0].next is not None
    assert report.names == {"Green lamps mark the channel.", "See the list."}
    assert report.note == "Green lamps mark the channel."
    assert report.seen == date(1999, 12, 24)
    assert str(report.source) == "https://lamps.example/green"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("question", "Which lamps are green?"),
        ("context", WORDS.given),
        ("page_url", "https://lamps.example/green"),
        ("anything", "Green lamps mark the channel."),
    ],
)
def test_an_argument_is_chosen_by_its_name(name: str, value: str) -> None:
    schema = {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}
    assert fill_schema(schema, WORDS, take_defaults=True) == {name: value}


def test_defaults_of_a_tool_are_taken() -> None:
    class Arguments(BaseModel):
        query: str
        limit: int = 7
        since: str | None = None

    filled = fill_schema(Arguments.model_json_schema(), WORDS, take_defaults=True)
    assert filled == {"query": WORDS.request}
