"""What makes two calls the same, and what an entry can hold."""

import json
from typing import Any

import pytest
from anthropic.types import ToolUseBlock
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionMessageToolCall
from pydantic import BaseModel

from quarterdeck.execution.journal_entry import (
    Entry,
    decode_answer,
    encode_answer,
    read_entry,
    write_entry,
)
from quarterdeck.execution.journal_key import digest_request, renumber_tool_calls
from tests.unit.execution.journals import make_llm


class Report(BaseModel):
    title: str


class Other(BaseModel):
    name: str


ASKED: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Why?"}],
    "tools": [{"function": {"name": "look"}}],
    "response_model": Report,
    "asked_by": ["step", "Clerk"],
}


def identify(temperature: float | None = None, timeout: float = 9, **changed: Any) -> str:
    llm: Any = make_llm("http://127.0.0.1:1/v1")
    llm.temperature, llm.timeout, llm.api_key = temperature, timeout, f"key-{timeout}"
    return digest_request(llm, **(ASKED | changed))


@pytest.mark.parametrize(
    "changed",
    [
        {"temperature": 0.5},
        {"messages": [{"role": "user", "content": "Why not?"}]},
        {"messages": [{"role": "system", "content": "Why?"}]},
        {"tools": []},
        {"response_model": Other},
        {"response_model": None},
        {"asked_by": ["other", "Clerk"]},
    ],
)
def test_what_shapes_an_answer_makes_another_call(changed: dict[str, Any]) -> None:
    assert identify(**changed) != identify()


def test_limits_and_keys_do_not() -> None:
    assert identify(timeout=1) == identify(timeout=2)


def talk(*ids: str) -> list[dict[str, Any]]:
    calls = [{"id": call_id, "function": {"name": "look"}} for call_id in ids]
    answers = [{"role": "tool", "tool_call_id": call_id} for call_id in reversed(ids)]
    return [{"role": "assistant", "tool_calls": calls}, *answers]


def test_ids_that_a_provider_draws_are_numbers() -> None:
    assert renumber_tool_calls(talk("x", "y")) == renumber_tool_calls(talk("p", "q"))
    assert renumber_tool_calls(talk("x", "y")) != renumber_tool_calls(talk("x", "y")[:2])
    swapped = talk("x", "y")
    swapped[1], swapped[2] = swapped[2], swapped[1]
    assert renumber_tool_calls(talk("x", "y")) != renumber_tool_calls(swapped)


def test_a_call_is_the_same_whatever_ids_a_provider_drew() -> None:
    assert identify(messages=talk("x", "y")) == identify(messages=talk("p", "q"))


answers = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(answers)
def test_an_answer_comes_back_as_it_was(answer: Any) -> None:
    kept = read_entry(write_entry(Entry("llm", "gpt", encode_answer(answer, str)))).answer
    assert decode_answer(kept, None) == answer


def test_tool_calls_and_models_come_back_in_their_classes() -> None:
    call = ChatCompletionMessageToolCall.model_validate(
        {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    )
    (kept,) = decode_answer(json.loads(json.dumps(encode_answer([call], str))), None)
    assert type(kept) is type(call)
    assert kept == call
    block = ToolUseBlock(id="1", name="look", input={"a": [1]}, type="tool_use")
    assert decode_answer(encode_answer([block], str), None) == [block]
    assert decode_answer(encode_answer(Report(title="T"), str), Report) == Report(title="T")


def test_an_entry_names_no_code_to_import() -> None:
    with pytest.raises(TypeError, match="was not asked for"):
        decode_answer({"$class": "os:system", "data": {}}, None)


def test_what_is_no_answer_is_refused() -> None:
    with pytest.raises(TypeError, match="object cannot be recorded"):
        encode_answer(object(), str)


def test_secrets_are_taken_out_at_any_depth() -> None:
    answer = [{"a": ["key-1 and key-1"]}, Report(title="key-1")]
    kept = json.dumps(encode_answer(answer, lambda text: text.replace("key-1", "*")))
    assert "key-1" not in kept
    assert "* and *" in kept
