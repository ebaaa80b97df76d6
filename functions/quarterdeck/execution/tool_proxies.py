"""The tools of a crew's agents: to crewai they are its own, and run in the `tools` function."""

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from crewai.tools import BaseTool
from pydantic import BaseModel, ConfigDict
from pydantic_core import to_jsonable_python

from quarterdeck.execution.crews import Tools
from quarterdeck.execution.errors import ToolMissing
from quarterdeck.execution.journal import current_journal
from quarterdeck.execution.journaled_tool import ToolFailed, make_tool
from quarterdeck.observability import current_trace
from quarterdeck.systems.configuration import Crew
from quarterdeck.tooling.manifest import Manifest, Tool, ToolUnknown, find_tool
from quarterdeck.tooling.messages import TIMED_OUT, CallTool, ToolRequest

STARTING_SECONDS = 5.0
"""Kept of the worker's time for the function to start."""

type MakeTools = Callable[[Crew], Tools]


def make_proxies(crew: Crew, manifest: Manifest, call: CallTool) -> Tools:
    """What makes the tools of each agent; ToolMissing for one that this release does not have."""
    try:
        return {
            agent.role: [
                partial(make_proxy, find_tool(name, manifest), call) for name in agent.tools
            ]
            for agent in crew.members
        }
    except ToolUnknown as error:
        raise ToolMissing(str(error)) from None


def make_proxy(tool: Tool, call: CallTool) -> BaseTool:
    return make_tool(
        tool.name,
        tool.description,
        make_arguments(tool.arguments),
        partial(run_proxy, tool, call),
        has_effect=tool.has_effect,
        in_doubt=tool.in_doubt,
        result_as_answer=tool.result_as_answer,
        max_usage_count=tool.max_usage_count,
    )


def run_proxy(tool: Tool, call: CallTool, arguments: Mapping[str, Any], key: str) -> str:
    """What the tool says; ToolFailed in its words. Stop if the worker had too little time."""
    gate = current_journal.get().gate
    seconds = max(1.0, min(tool.timeout, gate.time_left() - STARTING_SECONDS))
    answer = call(
        tool,
        ToolRequest(
            tool=tool.name,
            arguments=to_jsonable_python(dict(arguments)),
            idempotency_key=key,
            seconds=seconds,
            **current_trace.get()._asdict(),
        ),
    )
    if answer.error is None:
        return answer.text
    if answer.error.type == TIMED_OUT and seconds < tool.timeout:
        gate.check()
    raise ToolFailed(str(answer.error))


def make_arguments(schema: dict[str, Any]) -> type[BaseModel]:
    """Takes any arguments, and tells models the schema as it is.

    A model made from the schema would say something else here and there (crewai's own makes what
    is optional nullable); the tool checks its arguments where it runs.
    """

    class Arguments(BaseModel):
        model_config = ConfigDict(extra="allow")

        @classmethod
        def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:
            return copy.deepcopy(schema)

    return Arguments
