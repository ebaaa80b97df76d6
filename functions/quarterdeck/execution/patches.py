"""Whatever of crewai 1.15.30 is changed, or reached by a private name, with the reason for each."""

import json
import logging
import re
from collections.abc import Mapping
from typing import Any

from boto3.session import Session
from botocore.config import Config
from crewai.agents.agent_executor import AgentExecutor
from crewai.llms.base_llm import TOOL_RESULT_CONTEXT_WINDOW_THRESHOLD, BaseLLM
from crewai.llms.providers.bedrock.completion import BedrockCompletion

SLOT = re.compile(r"\{(input|tool_names|tools)\}")

overflows_by_count = BaseLLM.is_context_window_overflowing_threshold
result_overflows_by_count = BaseLLM.is_tool_result_overflowing_threshold


def apply_patches() -> None:
    """Idempotent; before the first crew is built."""
    # crewai fills {input}, then {tool_names} and {tools} in what came of it: a request that
    # speaks of "{tools}" would lose the word. Filled in one pass, a request's braces are text.
    AgentExecutor._format_prompt = staticmethod(fill_prompt)  # type: ignore[method-assign]
    # Before each call it asks OpenAI, Anthropic and Bedrock to count the tokens of the prompt:
    # a request more for each, a permission more for Bedrock, and none of it in the journal.
    BaseLLM.is_context_window_overflowing_threshold = overflows  # type: ignore[assignment,method-assign]
    BaseLLM.is_tool_result_overflowing_threshold = result_overflows  # type: ignore[assignment,method-assign]
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


class TimedBedrock(BedrockCompletion):
    """Bedrock with a time limit for each request and a base URL: crewai fixes the one to 300 s."""

    timeout: float

    def _build_sync_client(self) -> Any:
        session = Session(
            aws_access_key_id=self.aws_access_key_id,
            aws_secret_access_key=self.aws_secret_access_key,
            aws_session_token=self.aws_session_token,
            region_name=self.region_name,
        )
        config = Config(
            read_timeout=self.timeout,
            retries={"max_attempts": 3, "mode": "adaptive"},
            tcp_keepalive=True,
        )
        return session.client("bedrock-runtime", config=config, endpoint_url=self.base_url)
