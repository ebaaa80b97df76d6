"""The team's tools in a process of this machine, in place of the `tools` function."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from quarterdeck.systems.configuration import Crew
from quarterdeck.tooling.manifest import Manifest, load_manifest
from quarterdeck.tooling.process import ToolProcess
from quarterdeck.tooling.runner import ToolRunner
from quarterdeck.vault import SecretMissing


def load_manifest_for(crew: Crew) -> Manifest:
    """Empty for a crew without tools: it needs none of their files, nor that they are faultless."""
    return load_manifest() if any(agent.tools for agent in crew.agents) else {}


@contextmanager
def open_tools(manifest: Manifest) -> Iterator[ToolRunner]:
    """While open, tools run; what they print goes to stderr."""
    process = ToolProcess()
    try:
        yield ToolRunner(manifest, process, read_secret, show_output)
    finally:
        process.close()


def read_secret(name: str) -> str:
    """Of the environment variable NAME_API_KEY."""
    variable = f"{name.upper().replace('-', '_')}_API_KEY"
    try:
        return os.environ[variable]
    except KeyError:
        raise SecretMissing(f"secret '{name}': the variable {variable} is not set") from None


def show_output(tool: str, output: str) -> None:
    print(f"{tool} printed:\n{output}", file=sys.stderr)
