"""Runs one tool of functions/tools/ on this machine: `make tool NAME=… ARGS='{…}'`."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from infra.local.command import run_command
from infra.local.failure import LocalRunFailed
from infra.local.team_tools import open_tools
from quarterdeck.tooling.manifest import describe_unknown, list_tools
from quarterdeck.tooling.messages import ToolAnswer

USAGE = """\
say which, and with what: make tool NAME=calculator ARGS='{"expression": "2*3"}'; known are: %s"""


def main(arguments: Sequence[str]) -> None:
    """Prints what the tool says; raises LocalRunFailed with what it, or its arguments, lack."""
    name, text = arguments
    if not name:
        raise LocalRunFailed(USAGE % ", ".join(list_tools()))
    answer = run_tool(name, read_arguments(text))
    if answer.error:
        raise LocalRunFailed(f"{name}: {answer.error}")
    print(answer.text)


def read_arguments(text: str) -> dict[str, Any]:
    try:
        arguments = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise LocalRunFailed(
            f"ARGS is not valid JSON: {error.msg} (character {error.pos})"
        ) from None
    if not isinstance(arguments, dict):
        raise LocalRunFailed('ARGS must be an object, such as {"expression": "2*3"}')
    return arguments


def run_tool(name: str, arguments: dict[str, Any]) -> ToolAnswer:
    if name not in list_tools():
        raise LocalRunFailed(describe_unknown(name, list_tools()))
    # Not before it is needed: it loads crewai.
    from quarterdeck.tooling.registry import ToolFileInvalid, describe_tool

    try:
        manifest = {name: describe_tool(name)}
    except ToolFileInvalid as error:
        raise LocalRunFailed(str(error)) from None
    with open_tools(manifest) as tools:
        return tools.handle({"tool": name, "arguments": arguments, "idempotency_key": "local"})


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
