"""What the journal keeps of a call: the answer and what it cost, never the request."""

import importlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import BaseModel

Kind = Literal["llm", "tool", "memory", "embedding", "human"]
SDK_TYPES = ("openai.types.", "anthropic.types.")
"""The only modules that an entry may name a class of."""


@dataclass(frozen=True)
class Entry:
    """One call. `name`: the model, the tool, what memory did, or the kind of a question.

    `usage`, `call_type`: as the provider reported.
    `effect`: whether the call did something outside. `code`: the fingerprint of what asked.
    """

    kind: Kind
    name: str
    answer: Any
    usage: dict[str, Any] | None = None
    call_type: str | None = None
    effect: bool = False
    code: str = ""


@dataclass(frozen=True)
class Mark:
    """A call with an effect was begun, with this key. Without an Entry it is in doubt."""

    name: str
    idempotency_key: str
    code: str = ""


def write_entry(entry: Entry) -> str:
    return json.dumps(asdict(entry), ensure_ascii=False, separators=(",", ":"), default=str)


def read_entry(text: str) -> Entry:
    return Entry(**json.loads(text))


def encode_answer(answer: Any, scrub: Callable[[str], str]) -> Any:
    """A model's answer as JSON without any secret: text, tool calls, or a filled model."""
    match answer:
        case BaseModel():
            kind = type(answer)
            data = encode_answer(answer.model_dump(mode="json"), scrub)
            return {"$class": f"{kind.__module__}:{kind.__qualname__}", "data": data}
        case str():
            return scrub(answer)
        case dict():
            return {name: encode_answer(value, scrub) for name, value in answer.items()}
        case list() | tuple():
            return [encode_answer(element, scrub) for element in answer]
        case None | bool() | int() | float():
            return answer
    raise TypeError(f"an answer of the type {type(answer).__name__} cannot be recorded")


def decode_answer(answer: Any, response_model: type[BaseModel] | None) -> Any:
    """What `encode_answer` was given; a model that was asked for as `response_model`."""
    match answer:
        case {"$class": name, "data": data}:
            return find_class(name, response_model).model_validate(data)
        case dict():
            return {name: decode_answer(value, response_model) for name, value in answer.items()}
        case list():
            return [decode_answer(element, response_model) for element in answer]
    return answer


def find_class(name: str, response_model: type[BaseModel] | None) -> type[BaseModel]:
    module, _, qualname = name.partition(":")
    if module.startswith(SDK_TYPES):
        found: type[BaseModel] = getattr(importlib.import_module(module), qualname)
        return found
    if response_model is None:
        raise TypeError(f"an answer of the type {name} was not asked for")
    return response_model
