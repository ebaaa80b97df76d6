"""What a configuration is made of: closed models that tell all their faults at once."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    Strict,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from quarterdeck.systems.configuration.sketch import draw_sketch

Whole = Annotated[int, Strict()]
Share = Annotated[float, Strict()]
Switch = Annotated[bool, Strict()]

Line = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Prose = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]


class Fault(NamedTuple):
    """`place`: the path from the model that finds it."""

    place: tuple[str | int, ...]
    rule: str


class Configuration(BaseModel):
    """Unknown fields are errors, and so is whatever `find_faults` finds between fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def find_faults(cls, sketch: Any) -> Iterator[Fault]:  # noqa: ARG003
        """Faults that no field has by itself; `sketch` as `draw_sketch` makes it."""
        return iter(())

    @model_validator(mode="wrap")
    @classmethod
    def tell_all_faults(cls, data: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        """Those of the fields, and those between them, which fields at fault must not hide."""
        if not isinstance(data, Mapping):
            return read(data)
        faults = list(cls.find_faults(draw_sketch(cls, data)))
        try:
            model = read(data)
        except ValidationError as error:
            raise_faults(cls.__name__, faults, error)
        if faults:
            raise_faults(cls.__name__, faults)
        return model


def raise_faults(title: str, faults: Iterable[Fault], error: ValidationError | None = None) -> None:
    """All of them as one error, whose paths pydantic completes."""
    details = [
        InitErrorDetails(
            type=PydanticCustomError(fault["type"], "{rule}", {"rule": fault["msg"]}),
            loc=fault["loc"],
            input=fault["input"],
        )
        for fault in (error.errors(include_url=False, include_context=False) if error else ())
    ]
    details += [
        InitErrorDetails(
            type=PydanticCustomError("rule", "{rule}", {"rule": fault.rule}),
            loc=fault.place,
            input=None,
        )
        for fault in faults
    ]
    raise ValidationError.from_exception_data(title, details)


def find_duplicates(
    kind: str, names: Iterable[tuple[tuple[str | int, ...], Any]]
) -> Iterator[Fault]:
    """A fault for each name, at its place, that stands before it as well."""
    seen = set()
    for place, name in names:
        if name and name in seen:
            yield Fault(place, f"the {kind} '{name}' stands twice")
        seen.add(name)
