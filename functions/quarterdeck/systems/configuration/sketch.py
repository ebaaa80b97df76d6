"""A configuration as far as it can be read, so that its rules are checked beside faulty fields."""

from collections.abc import Callable, Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, WrapValidator, create_model


class Unreadable:
    """In place of a value at fault: false, empty, neither under nor over anything."""

    def __bool__(self) -> bool:
        return False

    def __iter__(self) -> Any:
        return iter(())

    def __getattr__(self, name: str) -> "Unreadable":
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __lt__(self, _: object) -> bool:
        return False

    __gt__ = __le__ = __ge__ = __lt__


UNREADABLE = Unreadable()


def forgive(value: Any, read: Callable[[Any], Any]) -> Any:
    try:
        return read(value)
    except ValidationError:
        return UNREADABLE


FORGIVING = WrapValidator(forgive)


def draw_sketch(model: type[BaseModel], data: Mapping[str, Any]) -> Any:
    """An object with the fields of `model`, down to each element of a list, where `data` has them.

    A field that is missing has its default; what is at fault, or missing without one, is
    UNREADABLE.
    """
    return make_sketch(model).model_validate(data)


@cache
def make_sketch(model: type[BaseModel]) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        default = (
            UNREADABLE if field.is_required() else field.get_default(call_default_factory=True)
        )
        fields[name] = (Annotated[loosen(field.annotation), *field.metadata, FORGIVING], default)
    config = ConfigDict(extra="ignore", frozen=True, arbitrary_types_allowed=True)
    return create_model(f"{model.__name__}Sketch", __config__=config, **fields)


def loosen(kind: Any) -> Any:
    """The type with sketches in place of its models."""
    arguments = get_args(kind)
    if isinstance(kind, type) and not arguments and issubclass(kind, BaseModel):
        return make_sketch(kind)
    match get_origin(kind):
        case origin if origin is Annotated:
            return Annotated[loosen(arguments[0]), *arguments[1:]]
        case origin if origin in (Union, UnionType):
            return Union[tuple(loosen(argument) for argument in arguments)]  # noqa: UP007
        case origin if origin is tuple:
            element: Any = Annotated[loosen(arguments[0]), FORGIVING]
            return tuple[element, ...]
    return kind
