"""The team's tools: CrewAI's own, one in each file of functions/tools/.

`python -m quarterdeck.tooling.registry DIRECTORY` writes their manifest there.
"""

import importlib
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from quarterdeck.process import prepare_process

prepare_process()

from crewai.tools import BaseTool  # noqa: E402 - crewai reads its settings when imported
from pydantic import ValidationError  # noqa: E402

from quarterdeck.faults import read_error  # noqa: E402
from quarterdeck.tooling.manifest import ADAPTER, NAME_PATTERN, Tool, list_tools  # noqa: E402
from quarterdeck.tooling.policy import Policy  # noqa: E402


class ToolFileInvalid(Exception):
    """Its text names the file and what it lacks."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"functions/tools/{name}.py: {reason}")


class LoadedTool(NamedTuple):
    tool: BaseTool
    policy: Policy


def load_tool(name: str) -> LoadedTool:
    """The tool as its file defines it, unused; ToolFileInvalid."""
    module = import_file(name)
    policy = getattr(module, "POLICY", None)
    if not isinstance(policy, Policy):
        raise ToolFileInvalid(
            name, "POLICY is missing: a quarterdeck.tooling.policy.Policy, with has_effect at least"
        )
    return LoadedTool(make_tool(name, module), policy)


@cache
def import_file(name: str) -> ModuleType:
    try:
        return importlib.import_module(f"tools.{name}")
    except Exception as error:
        reason = f"it cannot be imported: {type(error).__name__}: {error}"
        if isinstance(error, ModuleNotFoundError):
            reason += " (is it in the group 'tools' of pyproject.toml?)"
        raise ToolFileInvalid(name, reason) from error


def make_tool(name: str, module: ModuleType) -> BaseTool:
    """The one instance of a BaseTool in the module, or of the one subclass that it defines."""
    values = vars(module).values()
    made = [value for value in values if isinstance(value, BaseTool)]
    classes: list[Callable[[], BaseTool]] = [
        value
        for value in values
        if isinstance(value, type)
        and issubclass(value, BaseTool)
        and value.__module__ == module.__name__
    ]
    found = len(made or classes)
    if not found:
        raise ToolFileInvalid(
            name, "there is no tool: define a subclass of crewai's BaseTool, or use its @tool"
        )
    if found > 1:
        raise ToolFileInvalid(name, "there are several tools: a file has one")
    try:
        [tool] = made or [kind() for kind in classes]
    except ValidationError as error:
        raise ToolFileInvalid(
            name, f"the tool cannot be made: {read_error(error, 'tool')}"
        ) from error
    except Exception as error:
        raise ToolFileInvalid(
            name, f"the tool cannot be made: {type(error).__name__}: {error}"
        ) from error
    tool.reset_usage_count()
    return tool


def describe_tools() -> dict[str, Tool]:
    return {name: describe_tool(name) for name in list_tools()}


def describe_tool(name: str) -> Tool:
    if not re.search(NAME_PATTERN, name):
        raise ToolFileInvalid(name, f"the file's name, without .py, must match {NAME_PATTERN}")
    tool, policy = load_tool(name)
    if not tool.description.strip():
        raise ToolFileInvalid(name, "the tool's description is empty: agents choose by it")
    return Tool(
        name=name,
        description=tool.description.strip(),
        arguments=tool.args_schema.model_json_schema(),
        has_effect=policy.has_effect,
        in_doubt=policy.in_doubt or "repeat",
        timeout=policy.timeout,
        secrets=policy.secrets,
        result_as_answer=tool.result_as_answer,
        max_usage_count=tool.max_usage_count,
    )


def main(directory: str) -> None:
    try:
        manifest = ADAPTER.dump_json(describe_tools(), indent=1)
    except ToolFileInvalid as error:
        raise SystemExit(str(error)) from None
    Path(directory, "tools.json").write_bytes(manifest)


if __name__ == "__main__":
    main(sys.argv[1])
