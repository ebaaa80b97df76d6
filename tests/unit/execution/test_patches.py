from typing import Any

import pytest
from crewai import LLM

from quarterdeck.execution.patches import apply_patches, fill_prompt


def test_prompts_are_filled_in_one_pass() -> None:
    inputs = {"input": "{tools} {tool_names} {input} {other}", "tools": "T", "tool_names": "N"}
    assert fill_prompt("{input}|{tools}|{tool_names}|{x}", inputs) == f"{inputs['input']}|T|N|{{x}}"


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_provider_counts_only_the_tokens_of_long_prompts(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply_patches()
    llm: Any = LLM("any", provider=provider, api_key="none")
    counted: list[Any] = []

    def count(_: Any, messages: Any, *__: Any) -> int:
        counted.append(messages)
        return 10**9

    monkeypatch.setattr(type(llm), "get_input_tokens_count", count)
    short = [{"role": "user", "content": "Why is the sea salt?"}]
    long = [{"role": "user", "content": "word " * llm.get_context_window_size()}]
    assert not llm.is_context_window_overflowing_threshold(short)
    assert llm.is_context_window_overflowing_threshold(long)
    assert llm.is_tool_result_overflowing_threshold("salt") == (False, 4)
    assert counted == [long]
