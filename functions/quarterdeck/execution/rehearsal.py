"""The model that runs in-process and asks nobody: `llm: rehearsal`."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from crewai.events.types.llm_events import LLMCallType
from crewai.llms.base_llm import BaseLLM, llm_call_context
from pydantic import BaseModel

from quarterdeck.execution.rehearsal_arguments import fill_schema
from quarterdeck.execution.rehearsal_memory import (
    answer_memory,
    is_search_query,
    leave_out_memory,
)
from quarterdeck.execution.rehearsal_prompt import Message, Prompt, read_content, read_prompt
from quarterdeck.execution.rehearsal_text import list_terms, rank_sentences, write_answer
from quarterdeck.execution.rehearsal_values import Words

CHARACTERS_A_TOKEN = 4
NOTHING_GIVEN = "Nothing was given to work with."
COWORKERS = re.compile(r"coworkers: (.*)")

type ToolCall = dict[str, Any]


class RehearsalLLM(BaseLLM):
    """Answers with sentences of what it was given; the same prompt gets the same answer.

    Calls an offered tool once, delegates once when it manages, fills a requested JSON schema.
    Counts one token for each four characters, begun ones included.
    """

    llm_type: Literal["rehearsal"] = "rehearsal"

    def call(
        self,
        messages: str | list[Any],
        tools: list[dict[str, Any]] | None = None,
        callbacks: list[Any] | None = None,
        available_functions: dict[str, Any] | None = None,
        from_task: Any | None = None,
        from_agent: Any | None = None,
        response_model: type[BaseModel] | None = None,
    ) -> Any:
        """A text, an instance of `response_model`, or one tool call as OpenAI spells it."""
        with llm_call_context():
            self._emit_call_started_event(
                messages, tools, callbacks, available_functions, from_task, from_agent
            )
            said: Sequence[Any] = self._format_messages(messages)
            answer = answer_messages(said, tools or (), response_model, list_roles(from_agent))
            usage = count_tokens(said, answer)
            self._track_token_usage_internal(usage)
            kind = LLMCallType.TOOL_CALL if isinstance(answer, list) else LLMCallType.LLM_CALL
            self._emit_call_completed_event(
                answer, kind, from_task, from_agent, messages=messages, usage=usage
            )
        return answer

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        return self.call(*args, **kwargs)

    def supports_function_calling(self) -> bool:
        return True

    def get_context_window_size(self) -> int:
        """Larger than anything that a task can bring, so that crewai never shortens it."""
        return 100_000_000

    def get_input_tokens_count(
        self,
        messages: str | list[Any],
        tools: list[dict[str, Any]] | None = None,  # noqa: ARG002
        response_model: type[BaseModel] | None = None,  # noqa: ARG002
    ) -> int:
        return count_tokens(self._format_messages(messages), "")["prompt_tokens"]


def answer_messages(
    messages: Sequence[Message],
    tools: Iterable[Mapping[str, Any]],
    response_model: type[BaseModel] | None,
    roles: Sequence[str],
) -> str | BaseModel | list[ToolCall]:
    """`roles` are those of the crew: whom a manager may delegate to."""
    prompt = read_prompt(messages)
    if is_search_query(messages):
        return prompt.wish.request
    functions = leave_out_memory([tool["function"] for tool in tools], prompt.wish.request)
    if functions and not prompt.tool_results:
        return [call_tool(choose_tool(functions, prompt), prompt, roles)]
    if response_model and (said := answer_memory(response_model, messages)) is not None:
        return said
    if response_model:
        filled = fill_schema(
            response_model.model_json_schema(), find_words(prompt), take_defaults=False
        )
        return response_model.model_validate(filled)
    if prompt.schema is not None:
        filled = fill_schema(prompt.schema, find_words(prompt), take_defaults=False)
        return json.dumps(filled, ensure_ascii=False)
    return write_answer(prompt.wish, prompt.sources) or NOTHING_GIVEN


def choose_tool(functions: Sequence[Mapping[str, Any]], prompt: Prompt) -> Mapping[str, Any]:
    """Delegation before all else, then the tool whose words are nearest to the request."""
    asked = set(list_terms(prompt.wish.request))

    def nearness(function: Mapping[str, Any]) -> tuple[bool, int]:
        terms = list_terms(f"{function['name'].replace('_', ' ')} {function['description']}")
        return function["name"].startswith("delegate_work"), len(asked & set(terms))

    return max(functions, key=nearness)


def call_tool(function: Mapping[str, Any], prompt: Prompt, roles: Sequence[str]) -> ToolCall:
    arguments = fill_schema(
        function.get("parameters") or {"type": "object"}, find_words(prompt), take_defaults=True
    )
    if "coworker" in arguments:
        arguments["coworker"] = choose_coworker(function["description"], prompt, roles)
    return {
        "id": "call_1",
        "type": "function",
        "function": {"name": function["name"], "arguments": json.dumps(arguments)},
    }


def choose_coworker(description: str, prompt: Prompt, roles: Sequence[str]) -> str:
    """Of those whom the tool names: the one whose role the request speaks of, else the first."""
    offered = COWORKERS.search(description)
    named = offered[1] if offered else ""
    candidates = [role for role in roles if role in named] or named.split(", ")
    asked = set(list_terms(prompt.wish.request))
    return max(candidates, key=lambda role: len(asked & set(list_terms(role))))


def list_roles(agent: Any | None) -> list[str]:
    crew = getattr(agent, "crew", None)
    return [other.role for other in getattr(crew, "agents", ())]


def find_words(prompt: Prompt) -> Words:
    return Words(prompt.wish.request, prompt.given, rank_sentences(prompt.wish, prompt.sources))


def count_tokens(messages: Iterable[Message], answer: Any) -> dict[str, int]:
    read = sum(len(read_content(message)) for message in messages)
    if isinstance(answer, list):
        answer = json.dumps([call["function"] for call in answer])
    elif isinstance(answer, BaseModel):
        answer = answer.model_dump_json()
    prompt, completion = (-(-size // CHARACTERS_A_TOKEN) for size in (read, len(answer)))
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
