"""What a call asks, as a digest: two processes that ask the same get the same one."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from crewai.llms.base_llm import BaseLLM
from pydantic import BaseModel

PARAMETERS = (
    "provider", "model", "base_url", "temperature", "top_p", "max_tokens", "max_completion_tokens",
    "seed", "frequency_penalty", "presence_penalty", "n", "stop_sequences", "additional_params",
    "api", "reasoning_effort", "response_format",
)  # fmt: skip
"""What shapes an answer. Timeouts and keys do not."""


def digest_request(
    llm: BaseLLM,
    messages: str | Sequence[Any],
    tools: Sequence[Any] | None,
    response_model: type[BaseModel] | None,
    asked_by: Sequence[str],
) -> str:
    """`asked_by`: step and agent, so that steps side by side with one prompt keep their answers."""
    return digest(
        [
            type(llm).__name__,
            {name: getattr(llm, name, None) for name in PARAMETERS},
            list(asked_by),
            messages if isinstance(messages, str) else renumber_tool_calls(messages),
            list(tools or ()),
            describe_model(response_model) if response_model else None,
        ]
    )


def digest_tool_call(name: str, arguments: Mapping[str, Any]) -> str:
    return digest(["tool", name, arguments])


def digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=describe, separators=(",", ":"))
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def renumber_tool_calls(messages: Sequence[Any]) -> list[Any]:
    """The messages with ids of tool calls by their order: a provider draws them at random."""
    numbers: dict[str, int] = {}

    def renumber(message: Any) -> Any:
        if not isinstance(message, Mapping):
            return message
        changed = dict(message)
        if calls := changed.get("tool_calls"):
            changed["tool_calls"] = [
                {**call, "id": numbers.setdefault(str(call.get("id")), len(numbers))}
                if isinstance(call, Mapping)
                else call
                for call in calls
            ]
        if (asked := changed.get("tool_call_id")) is not None:
            changed["tool_call_id"] = numbers.setdefault(str(asked), len(numbers))
        return changed

    return [renumber(message) for message in messages]


def describe(value: Any) -> Any:
    """What JSON does not know, without the addresses that a `repr` can hold."""
    if isinstance(value, type) and issubclass(value, BaseModel):
        return describe_model(value)
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return f"{type(value).__module__}.{type(value).__qualname__}"


@lru_cache(maxsize=64)
def describe_model(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()
