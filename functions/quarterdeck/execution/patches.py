"""Whatever of crewai 1.15.30 is changed, or reached by a private name, with the reason for each."""

import datetime
import json
import logging
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from functools import wraps
from typing import Any

from crewai import Task
from crewai.agents.agent_executor import AgentExecutor
from crewai.llms.base_llm import TOOL_RESULT_CONTEXT_WINDOW_THRESHOLD, BaseLLM
from crewai.memory.unified_memory import Memory
from crewai.utilities.converter import Converter, ConverterError
from crewai.utilities.prompts import Prompts

from quarterdeck.execution.dates import spell_date
from quarterdeck.execution.journaled_calls import journal_acall, journal_call, note_completion
from quarterdeck.execution.journaled_memory import KINDS, journal_memory

TOUCHED = (
    "crewai.agents.agent_executor:AgentExecutor._ainvoke_loop",
    "crewai.agents.agent_executor:AgentExecutor._format_feedback_message",
    "crewai.agents.agent_executor:AgentExecutor._format_prompt",
    "crewai.agents.agent_executor:AgentExecutor._invoke_loop",
    "crewai.core.providers.human_input:SyncHumanInputProvider._get_output_string",
    "crewai.core.providers.human_input:set_provider",
    "crewai.llms.base_llm:BaseLLM._emit_call_completed_event",
    "crewai.llms.base_llm:BaseLLM._emit_call_started_event",
    "crewai.llms.base_llm:BaseLLM._track_token_usage_internal",
    "crewai.llms.base_llm:BaseLLM._wrap_call_method",
    "crewai.llms.base_llm:BaseLLM.is_context_window_overflowing_threshold",
    "crewai.llms.base_llm:BaseLLM.is_tool_result_overflowing_threshold",
    "crewai.llms.base_llm:TOOL_RESULT_CONTEXT_WINDOW_THRESHOLD",
    "crewai.llms.base_llm:llm_call_context",
    "crewai.llms.providers.bedrock.completion:BedrockCompletion._build_sync_client",
    "crewai.llms.providers.bedrock.completion:BedrockCompletion._get_sync_client",
    "crewai.llms.providers.openai.completion:OpenAICompletion._get_sync_client",
    "crewai.llms.providers.anthropic.completion:AnthropicCompletion._get_sync_client",
    "crewai.memory.unified_memory:Memory._encode_batch",
    "crewai.memory.unified_memory:Memory._llm",
    "crewai.memory.unified_memory:Memory.extract_memories",
    "crewai.memory.unified_memory:Memory.recall",
    "crewai.task:Task._execute_core",
    "crewai.task:Task._execute_task_async",
    "crewai.utilities.converter:Converter.ato_json",
    "crewai.utilities.converter:Converter.ato_pydantic",
    "crewai.utilities.converter:Converter.to_json",
    "crewai.utilities.converter:Converter.to_pydantic",
    "crewai.utilities.converter:ConverterError",
    "crewai.utilities.prompts:Prompts._build_date_block",
)
"""What an upgrade of crewai must still have; what is reached by inheritance included."""

SLOT = re.compile(r"\{(input|tool_names|tools)\}")

overflows_by_count = BaseLLM.is_context_window_overflowing_threshold
result_overflows_by_count = BaseLLM.is_tool_result_overflowing_threshold
emit_completion = BaseLLM._emit_call_completed_event


def apply_patches() -> None:
    """Idempotent; before the first crew is built."""
    # crewai fills {input}, then {tool_names} and {tools} in what came of it: a request that
    # speaks of "{tools}" would lose the word. Filled in one pass, a request's braces are text.
    AgentExecutor._format_prompt = staticmethod(fill_prompt)  # type: ignore[method-assign]
    # Before each call it asks OpenAI, Anthropic and Bedrock to count the tokens of the prompt:
    # a request more for each, a permission more for Bedrock, and none of it in the journal.
    BaseLLM.is_context_window_overflowing_threshold = overflows  # type: ignore[assignment,method-assign]
    BaseLLM.is_tool_result_overflowing_threshold = result_overflows  # type: ignore[assignment,method-assign]
    # Every model's calls go through the journal of the run, those that crewai makes by itself
    # included. In place, as agents know their model by its identity; classes that are imported
    # later come by `_wrap_call_method`. It takes the place of crewai's own retries, which would
    # multiply with ours, and know no cancel and no time limit.
    BaseLLM._wrap_call_method = classmethod(wrap_calls)  # type: ignore[assignment,method-assign]
    for model in walk_subclasses(BaseLLM):  # type: ignore[type-abstract]
        wrap_calls(model, "call")
        wrap_calls(model, "acall")
    # Where a provider reports what a call has cost.
    BaseLLM._emit_call_completed_event = report_completion  # type: ignore[assignment,method-assign]
    # It asks the provider's client by itself for `output_json`, past the model and its journal.
    Converter.to_json = convert_to_json  # type: ignore[assignment,method-assign]
    Converter.ato_json = aconvert_to_json  # type: ignore[assignment,method-assign]
    # It hands over an Exception alone: with a Stop in a step that runs aside, kickoff() hangs.
    Task._execute_task_async = execute_aside  # type: ignore[assignment,method-assign]
    # A crew that runs again would search its memory anew, and keep everything twice.
    for name in KINDS:
        if not hasattr(getattr(Memory, name), "__wrapped__"):
            setattr(Memory, name, journal_memory(getattr(Memory, name)))
    # `inject_date` reads the clock: a task that goes on after midnight would ask other things.
    Prompts._build_date_block = build_date_block  # type: ignore[assignment,method-assign]
    # It warns before each call of a model without a token counter that it estimates.
    logging.getLogger("crewai.llms.base_llm").setLevel(logging.ERROR)


def fill_prompt(prompt: str, inputs: Mapping[str, str]) -> str:
    return SLOT.sub(lambda slot: inputs[slot[1]], prompt)


def overflows(llm: BaseLLM, messages: Any, tools: Any = None, response_model: Any = None) -> bool:
    """As crewai's own, but tokens are not counted where even the bytes are few enough."""
    size = len(json.dumps([messages, tools], default=str))
    if size <= llm.get_context_window_size():
        return False
    return overflows_by_count(llm, messages, tools, response_model)


def result_overflows(llm: BaseLLM, tool_result: str) -> tuple[bool, int]:
    """The same for what a tool answers; with the number of tokens, or of bytes."""
    size = len(tool_result.encode())
    if size <= llm.get_context_window_size() * TOOL_RESULT_CONTEXT_WINDOW_THRESHOLD:
        return False, size
    return result_overflows_by_count(llm, tool_result)


def walk_subclasses(model: type[BaseLLM]) -> Iterator[type[BaseLLM]]:
    for subclass in model.__subclasses__():
        yield subclass
        yield from walk_subclasses(subclass)


def wrap_calls(model: type[BaseLLM], name: str) -> None:
    """Journals the method if this class defines it; once."""
    method = model.__dict__.get(name)
    if method is None or hasattr(method, "quarterdeck_journaled"):
        return
    own = method.__wrapped__ if hasattr(method, "_crewai_rate_limit_wrapped") else method
    wrapped: Any = journal_call(own) if name == "call" else journal_acall(own)
    wrapped.quarterdeck_journaled = True
    setattr(model, name, wrapped)


@wraps(emit_completion)
def report_completion(llm: BaseLLM, *args: Any, **kwargs: Any) -> None:
    """As crewai's own; once for each call."""
    call_type = kwargs["call_type"] if "call_type" in kwargs else args[1]
    if note_completion(call_type, kwargs.get("usage")):
        emit_completion(llm, *args, **kwargs)


def convert_to_json(converter: Converter, current_attempt: int = 1) -> str | ConverterError:
    try:
        return converter.to_pydantic(current_attempt).model_dump_json()
    except ConverterError as error:
        return error


async def aconvert_to_json(converter: Converter, current_attempt: int = 1) -> str | ConverterError:
    try:
        return (await converter.ato_pydantic(current_attempt)).model_dump_json()
    except ConverterError as error:
        return error


def execute_aside(
    task: Task, agent: Any, context: str | None, tools: list[Any] | None, future: "Future[Any]"
) -> None:
    """As crewai's own, and hands over whatever ends the step."""
    try:
        task.start_time = datetime.datetime.now()
        future.set_result(task._execute_core(agent, context, tools))
    except BaseException as error:
        future.set_exception(error)


def build_date_block(prompts: Prompts) -> str:
    """As crewai's own, with the date of the task."""
    agent = prompts.agent
    return f"\n\nCurrent Date: {spell_date(agent.date_format)}" if agent.inject_date else ""
