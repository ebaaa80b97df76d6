import asyncio
import importlib
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.stub import Stubber
from crewai import LLM
from crewai.events.event_bus import crewai_event_bus
from crewai.events.types.llm_events import LLMCallCompletedEvent, LLMCallType
from crewai.llms.base_llm import BaseLLM
from crewai.utilities.converter import Converter
from pydantic import BaseModel

from quarterdeck.execution.bedrock import TimedBedrock
from quarterdeck.execution.claims import Claims
from quarterdeck.execution.journal import Journal
from quarterdeck.execution.journal_store import MemoryStore
from quarterdeck.execution.patches import TOUCHED, apply_patches, fill_prompt, walk_subclasses
from quarterdeck.execution.rehearsal import RehearsalLLM
from tests.openai_server import OpenAIServer
from tests.unit.execution.journals import make_llm, say


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


def find_missing(names: tuple[str, ...]) -> list[str]:
    """Those of `module:Class.member` that the installed crewai does not have."""
    missing = []
    for name in names:
        module, _, path = name.partition(":")
        try:
            found: Any = importlib.import_module(module)
            for part in path.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError):
            missing.append(name)
    return missing


def test_what_is_patched_or_reached_in_crewai_is_there() -> None:
    gone = "crewai.task:Task._gone"
    assert find_missing((gone, "crewai.gone:X", TOUCHED[0])) == [gone, "crewai.gone:X"]
    assert not find_missing(TOUCHED), "moved by an upgrade of crewai"


def test_models_of_any_class_go_through_the_journal() -> None:
    apply_patches()

    class Early(BaseLLM):
        def call(self, *_: Any, **__: Any) -> str:
            return "early"

    class Late(Early):
        async def acall(self, *_: Any, **__: Any) -> str:
            return "late"

    apply_patches()
    models = walk_subclasses(BaseLLM)  # type: ignore[type-abstract]
    for model in (*models, Early, Late):
        for name in ("call", "acall"):
            method = model.__dict__.get(name)
            assert method is None or method.quarterdeck_journaled
            assert method is None or not hasattr(method.__wrapped__, "__wrapped__")


@pytest.mark.parametrize("method", ["call", "acall"])
def test_a_call_within_a_call_is_journaled_once(method: str) -> None:
    """The rehearsal model's `acall` asks its `call`."""
    journal = Journal(MemoryStore())
    apply_patches()
    with journal.open(str):
        llm = RehearsalLLM(model="rehearsal", provider="rehearsal")
        answer = getattr(llm, method)("Why is the sea salt?")
        text = asyncio.run(answer) if method == "acall" else answer
    assert text == "Why is the sea salt?"
    assert journal.recorded == 1


def test_a_call_that_its_provider_reports_twice_is_counted_once() -> None:
    class Twice(BaseLLM):
        def call(self, *_: Any, **__: Any) -> str:
            for _twice in range(2):
                self._emit_call_completed_event("salt", LLMCallType.LLM_CALL)
            return "salt"

    apply_patches()
    reported: list[Any] = []
    listen = reported.append
    with crewai_event_bus.scoped_handlers(), Journal(MemoryStore()).open(str):
        crewai_event_bus.on(LLMCallCompletedEvent)(lambda _, event: listen(event))
        assert Twice(model="twice").call("Why?") == "salt"
        crewai_event_bus.flush()
    assert len(reported) == 1


class Report(BaseModel):
    title: str


def test_output_as_json_is_asked_by_way_of_the_journal() -> None:
    """`Converter` asks for what an agent's answer lacks."""
    store = MemoryStore()

    def convert() -> list[Any]:
        converter = Converter(
            llm=make_llm(server.url), text="Salt.", model=Report, instructions="As JSON."
        )
        with Journal(store).open(str):
            return [converter.to_json(), asyncio.run(converter.ato_json())]

    with OpenAIServer(lambda _: say('{"title": "T"}')) as server:
        assert convert() == convert() == ['{"title":"T"}'] * 2
        assert len(server.requests) == 2


class SlowSet(set[int]):
    """Lets another thread go ahead whenever it is looked at."""

    def __contains__(self, number: object) -> bool:
        time.sleep(0.001)
        return super().__contains__(number)


def test_calls_aside_that_ask_the_same_have_numbers_of_their_own() -> None:
    claims, barrier = Claims(), threading.Barrier(8)
    claims._claimed = defaultdict(SlowSet)

    def claim(_: int) -> int:
        barrier.wait()
        with claims.claim("digest") as place:
            return place.occurrence

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(claim, range(8))) == list(range(8))


def test_the_tokens_of_bedrock_are_counted() -> None:
    apply_patches()
    llm: Any = TimedBedrock(
        model="amazon.nova-pro-v1:0", region_name="eu-central-1", timeout=9,
        aws_access_key_id="id", aws_secret_access_key="key",
    )  # fmt: skip
    reported: list[Any] = []

    def listen(_: Any, event: LLMCallCompletedEvent) -> None:
        reported.append(event.usage)

    answer = {"output": {"message": {"role": "assistant", "content": [{"text": "Salt."}]}},
              "stopReason": "end_turn", "metrics": {"latencyMs": 1},
              "usage": {"inputTokens": 7, "outputTokens": 2, "totalTokens": 9}}  # fmt: skip
    crewai_event_bus.on(LLMCallCompletedEvent)(listen)
    try:
        with Stubber(llm._client) as stubber:
            stubber.add_response("converse", answer)
            llm.call([{"role": "user", "content": "Why?"}])
        crewai_event_bus.flush()
    finally:
        crewai_event_bus.off(LLMCallCompletedEvent, listen)
    assert [(usage["prompt_tokens"], usage["completion_tokens"]) for usage in reported] == [(7, 2)]
